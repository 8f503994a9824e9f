"""How a region's log of requests is kept, and where."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedsov.errors import ConfigurationError, unknown
from fedsov.keys.protocol import RegionKeys

BATCH, BEFORE_ANSWER = "batch", "before_answer"
REFUSE, WITHOUT_SUBJECTS = "refuse", "without_subjects"
DURABLE = (BATCH, BEFORE_ANSWER)
ON_FULL_DISK = (REFUSE, WITHOUT_SUBJECTS)
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How the log is kept.

    Attributes:
        durable: `BATCH` writes what came in `gather` seconds together, after the answers left; a killed machine loses
            those lines. `BEFORE_ANSWER` lets no answer leave before its line is on the disk.
        gather: seconds of one batch, above 0 and at most 1.
        on_full_disk: `REFUSE` answers no request that cannot be written. `WITHOUT_SUBJECTS` goes on for a while with
            lines that have neither person, request nor answer, in space that was set aside for them.
        retention_days: for how many days lines are kept, None without end. The writer removes none: the region does
            (`fedsov retention apply`), by its own settings, ledger and holds.
        segment_bytes: a file of the log is followed by the next from this size on,
        segment_seconds: or from this age on.
        note_seconds: how often the ledger is told how far the log has come, where it went on.
        reserve_bytes: what is set aside for a full disk.
        most_waiting: bytes of lines that wait for the disk before a request is refused.
    """

    durable: str = BATCH
    gather: float = 0.02
    on_full_disk: str = REFUSE
    retention_days: int | None = None
    segment_bytes: int = 2**26
    segment_seconds: float = DAY
    note_seconds: float = 60.0
    reserve_bytes: int = 2**22
    most_waiting: int = 2**26

    def __post_init__(self) -> None:
        if self.durable not in DURABLE:
            raise ConfigurationError(f"serving.durable: {unknown('word', self.durable, DURABLE)}")
        if self.on_full_disk not in ON_FULL_DISK:
            raise ConfigurationError(f"serving.on_full_disk: {unknown('word', self.on_full_disk, ON_FULL_DISK)}")
        if not 0 < self.gather <= 1:
            raise ConfigurationError(
                f"serving.gather={self.gather} is no time of a batch; give 0.02 seconds, at most 1"
            )
        if self.retention_days is not None and self.retention_days < 1:
            raise ConfigurationError(
                f"serving.retention_days={self.retention_days} keeps no line; give 1 or more, or null for ever"
            )
        for name in ("segment_bytes", "segment_seconds", "note_seconds", "reserve_bytes", "most_waiting"):
            value: Any = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigurationError(f"{name}={value} of the log of requests is not above 0")


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Where a log is, and what it asks of its region.

    Attributes:
        region: whose it is.
        folder: `ServingFolder.requests`.
        keys: opens the region's keys as the principal that writes; called again after a rotation of them.
        note: writes a note into the region's ledger; raises LedgerBroken.
        homes: by jurisdiction, the other region whose people these are, and the public key it is sealed for.
    """

    region: str
    folder: Path
    keys: Callable[[], RegionKeys] = field(repr=False)
    note: Callable[[Mapping[str, Any]], object] = field(repr=False)
    homes: Mapping[str, HomeRegion] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HomeRegion:
    """Another region, which holds a jurisdiction's people: its name and its sealing key of 32 bytes."""

    name: str
    sealing: bytes
