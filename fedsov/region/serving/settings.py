"""What a region's owner says of its endpoint: the group ``serving`` of region.yaml.

    serving:
      jurisdictions: []        whose people it serves as its own; [] for the place where its machines are
      hosts: [FR]              others that it also serves: each by a crossing that the region's own gate permits
      issuers: /etc/fedsov/issuers.yaml   whose tokens are believed, and issuers_sha256 what it held when it was taken
      workers: 1               processes that answer
      durable: batch           or before_answer: no answer leaves before its line in the log of requests is on the disk
      on_full_disk: refuse     or without_subjects: answers whose line names nobody
      retention_days: null     of lines of the log; null for as long as the region uses records
      limits: {rows: 10000}    of one request and one second; what is not said is as the endpoint has it
      guard: {psi: 0.25}       when a version that was rolled out does badly (`fedsov.inference.use.guard`)

Which of these jurisdictions are served now is not said here: the border decides it at each change, at each start and
every day (`fedsov.region.serving.hosting`).

>>> ServingSettings.from_settings({"hosts": ["France"]}).hosts
('FR',)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fedsov.border.law.bundle_loader import load_atlas
from fedsov.checks import as_number, choice, mapping, refused, section, text, texts, whole
from fedsov.errors import ConfigurationError
from fedsov.jurisdiction import code_of_place
from fedsov.storage.bounded_files import TooLarge, read_bounded
from fedsov.storage.workspace import named_path_or_none

DURABLE = ("batch", "before_answer")
ON_FULL_DISK = ("refuse", "without_subjects")
MOST_WORKERS = 64
LARGEST_TABLE = 2**20
"""Bytes of a table of issuers."""


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """The group ``serving``; the attributes are described above."""

    jurisdictions: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    issuers: Path | None = None
    workers: int = 1
    durable: str = "batch"
    on_full_disk: str = "refuse"
    retention_days: int | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    guard: Mapping[str, float] = field(default_factory=dict)
    issuers_sha256: str = ""

    @staticmethod
    def from_settings(plain: Any) -> ServingSettings:
        """The settings of plain values. Raises ConfigurationError, naming the key."""
        given = section("serving", plain, ServingSettings)
        days = given.get("retention_days")
        own, hosts = (_codes(f"serving.{name}", given.get(name, [])) for name in ("jurisdictions", "hosts"))
        if both := sorted({*own} & {*hosts}):
            raise ConfigurationError(f"serving.hosts has {both[0]}, which serving.jurisdictions has too; leave it out")
        return ServingSettings(
            jurisdictions=own,
            hosts=hosts,
            issuers=_whole_path(given.get("issuers")),
            workers=whole("serving.workers", given.get("workers", 1), at_least=1, at_most=MOST_WORKERS),
            durable=choice("serving.durable", given.get("durable", "batch"), DURABLE),
            on_full_disk=choice("serving.on_full_disk", given.get("on_full_disk", "refuse"), ON_FULL_DISK),
            retention_days=None if days is None else whole("serving.retention_days", days, at_least=1),
            limits=_numbers("serving.limits", given.get("limits", {}), "a mapping as {rows: 10000}"),
            guard=_numbers("serving.guard", given.get("guard", {}), "a mapping as {psi: 0.25}"),
            issuers_sha256=text("serving.issuers_sha256", given.get("issuers_sha256", "")),
        )

    def taking_issuers(self) -> ServingSettings:
        """These settings with the table of issuers as its file is now. Raises ConfigurationError."""
        if self.issuers is None:
            return replace(self, issuers_sha256="")
        return replace(self, issuers_sha256=hashlib.sha256(issuers_content(self.issuers)).hexdigest())


def issuers_content(path: Path) -> bytes:
    """The table of issuers in a file. Raises ConfigurationError."""
    try:
        return read_bounded(path, largest=LARGEST_TABLE)
    except (OSError, TooLarge) as problem:
        raise ConfigurationError(f"serving.issuers: cannot read {path}: {problem}") from None


def _codes(name: str, value: Any) -> tuple[str, ...]:
    atlas = load_atlas()
    return tuple(dict.fromkeys(code_of_place(name, word, atlas) for word in texts(name, value)))


def _whole_path(value: Any) -> Path | None:
    path = named_path_or_none("serving.issuers", value)
    if path is not None and not path.is_absolute():
        raise ConfigurationError(f"serving.issuers is {path}; a region's file is named by its whole path")
    return path


def _numbers(group: str, value: Any, called: str) -> dict[str, float]:
    """Numbers by name; which there are the endpoint knows."""
    numbers = {}
    for name, number in mapping(group, value, called).items():
        if not as_number(number) >= 0.0:
            raise refused(f"{group}.{name}", "a number of 0 or more", number)
        numbers[text(f"a name in {group}", name)] = number
    return numbers
