"""Where a region keeps its stores' encrypted files: in its own folder, or in a bucket that is the region's own.

The group ``store`` of region.yaml says it for new stores, and the sealed manifest of each store for its own files:

    fedsov region set DE store.bucket=s3://fedsov-de/people store.aws_region=eu-central-1 \\
      store.credentials_file=/etc/fedsov/de-bucket.yaml

No credential is among the settings: it is in a file that they name, or obstore finds it in the environment or asks the
machine for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fedsov.checks import section_of_texts
from fedsov.errors import ConfigurationError

LOOPBACK = ("http://127.0.0.1:", "http://localhost:")
_URL = re.compile(r"(?P<kind>s3|gs|az)://(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:/[A-Za-z0-9._/-]+)?")


@dataclass(frozen=True, slots=True)
class StorePlace:
    """The group ``store`` of a region's settings; "" where nothing is said. Without a bucket it is the region's folder.

    Attributes:
        bucket: its URL, and where in it: ``s3://BUCKET/PREFIX``, ``gs://BUCKET/PREFIX`` or ``az://CONTAINER/PREFIX``.
        endpoint: the address of the service, where it is not the cloud's own.
        aws_region: AWS's region, such as ``eu-central-1``.
        credentials_file: a file with the credentials, for its owner's eyes only.
    """

    bucket: str = ""
    endpoint: str = ""
    aws_region: str = ""
    credentials_file: str = ""

    @staticmethod
    def from_settings(plain: Any) -> StorePlace:
        """The place of plain values. Raises ConfigurationError, also for a setting that would be ignored."""
        given = section_of_texts("store", plain, StorePlace)
        place = StorePlace(**{name: value.rstrip("/") for name, value in given.items()})
        if not place.bucket:
            if ignored := [*place.to_json()]:
                raise ConfigurationError(f"store.{ignored[0]} would be ignored without store.bucket; leave it out")
            return place
        if _URL.fullmatch(place.bucket) is None or ".." in place.bucket or "//" in place.bucket.partition("://")[2]:
            raise ConfigurationError(
                "store.bucket must be s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX, without a "
                "credential in it"
            )
        if place.aws_region and place.kind != "s3":
            raise ConfigurationError(f"store.aws_region would be ignored by {place.kind}://; it is for s3://")
        check_endpoint("store.endpoint", place.endpoint)
        if place.credentials_file and not Path(place.credentials_file).is_absolute():
            raise ConfigurationError("store.credentials_file must be a whole path, since jobs run in other folders")
        return place

    def to_json(self) -> dict[str, str]:
        """What is said, as plain values; {} for the region's folder."""
        return {part.name: value for part in fields(self) if (value := getattr(self, part.name))}

    @property
    def kind(self) -> str:
        """The service's kind: "s3", "gs" or "az"; "" for a folder."""
        return self.bucket.partition("://")[0]

    @property
    def name(self) -> str:
        """The bucket's own name."""
        return _URL.fullmatch(self.bucket)["name"] if self.bucket else ""  # type: ignore[index]  # checked when made

    @property
    def root(self) -> str:
        """The URL of the whole bucket."""
        return f"{self.kind}://{self.name}" if self.bucket else ""

    def under(self, *names: str) -> str:
        """The URL of what is under the place."""
        return "/".join((self.bucket, *names))

    def is_same(self, other: StorePlace) -> bool:
        """Whether files of one are at hand in the other, be it by other credentials."""
        return (self.bucket, self.endpoint) == (other.bucket, other.endpoint)

    def words(self) -> str:
        """In words."""
        return self.bucket or "the region's folder"


FOLDER = StorePlace()
"""The region's own folder."""


def check_apart(proposed: Mapping[str, StorePlace], others: Mapping[str, StorePlace]) -> None:
    """Raises ConfigurationError where a region's bucket is one of another region, by its settings or by its name.

    Args:
        proposed: the places of regions that change theirs.
        others: those of the other regions.
    """
    every = {**others, **proposed}
    for region, place in proposed.items():
        for other, its in every.items():
            is_its = place.name.casefold() == f"fedsov-{other}".casefold() or (
                (place.root, place.endpoint) == (its.root, its.endpoint)
            )
            if place.bucket and other != region and is_its:
                raise ConfigurationError(
                    f"{place.root} is the bucket of region {other}, and each region has one of its own; choose another "
                    f"store.bucket for {region}"
                )


def place_of(plain: Mapping[str, str]) -> StorePlace:
    """The place that a manifest says."""
    return StorePlace.from_settings(plain)


def check_endpoint(name: str, endpoint: str) -> None:
    """Raises ConfigurationError for an address on another machine that is spoken to in the clear."""
    if endpoint and not endpoint.startswith(("https://", *LOOPBACK)):
        raise ConfigurationError(f"{name}={endpoint} is spoken to in the clear; use https")
