"""An object in S3 or a service that speaks its protocol: ``dataset=s3 dataset.path=s3://bucket/people.csv.gz``.

It is read as a file of any kind is (`table_files`). Credentials come from AWS's own variables (``AWS_ACCESS_KEY_ID``,
``AWS_PROFILE`` by way of ``aws configure export-credentials``, the machine's role); a path that holds one is refused.
``dataset.source_options`` has ``region`` and ``endpoint``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import obstore

from fedsov.errors import ConfigurationError, InputError
from fedsov.partition.backends.object_store import faults, opened
from fedsov.partition.backends.place import check_endpoint
from fedsov.partition.sources.table_files import read, scan

if TYPE_CHECKING:
    from fedsov.partition.dataset import DatasetSpec

__all__ = ["fetch", "find", "read", "scan"]
_PLACE = re.compile(r"s3:/+([^/@:]+)/(.+)")
_CHUNK = 2**23
_DENIED = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of one who may read it"
_MEND = "look at dataset.path, and at the bucket's region (dataset.source_options.region) and endpoint"


def find(spec: DatasetSpec) -> tuple[Path, ...]:
    """The object's address. Raises InputError for what is none."""
    _place(spec)
    return (Path(str(spec.path)),)


def fetch(file: BinaryIO, spec: DatasetSpec) -> None:
    """Writes the object's content. Raises InputError where it is not there, or the service refuses."""
    bucket, key = _place(spec)
    url, options = f"s3://{bucket}/{key}", {name: str(value) for name, value in spec.source_options.items()}
    try:
        check_endpoint("dataset.source_options.endpoint", options.get("endpoint", ""))
        with faults("give", url, InputError, denied=_DENIED, mend=_MEND):
            for chunk in obstore.get(opened(f"s3://{bucket}", options), key).stream(min_chunk_size=_CHUNK):
                file.write(chunk)
    except FileNotFoundError:
        raise InputError(f"{url} does not exist; look at dataset.path") from None
    except ConfigurationError as fault:
        raise InputError(str(fault)) from None


def _place(spec: DatasetSpec) -> tuple[str, str]:
    """Bucket and key."""
    parts = _PLACE.fullmatch(str(spec.path))
    if parts is None:
        raise InputError("dataset=s3 needs dataset.path=s3://BUCKET/KEY, without a credential in it")
    return parts[1], parts[2]
