"""The whole log verified: every byte, every batch, every segment, against the ledger's notes.

    verified = verify(folder, NotedHeads.of(notes), secrets)
    verified.faults            # each names its segment and batch; none: nothing was changed, cut or left out

Without secrets the outer structure alone is verified: heads, numbers and counts, which need no key. With them each
batch is opened too, so that nobody without the region's key can have written one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fedsov.errors import KeyUnavailable, counted
from fedsov.inference.request_log.head_notes import NotedHeads
from fedsov.inference.request_log.lines import count_lines
from fedsov.inference.request_log.log_secrets import LogSecrets
from fedsov.inference.request_log.open_segment import is_written
from fedsov.inference.request_log.segments import (
    CLOCK_BACK,
    SPACE_SET_ASIDE,
    Batch,
    SegmentDamaged,
    SegmentHeader,
    SegmentName,
    batches_of,
    read_header,
    segments_in,
    walk,
)
from fedsov.inference.request_log.subject_keys import SubjectKeys

MEND = "restore its file from a backup, and see what the ledger notes of it"
LOOKS, PAUSE = 20, 0.05
"""How often a segment that is being written is read until it ends in a whole batch, and the seconds between."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification found.

    Attributes:
        has_key: whether batches were opened.
        faults: what was changed, cut or left out, each with its segment and batch.
        remarks: what is no fault: batches that the ledger does not note yet, a clock that stepped back.
        lines, batches, segments: that were read.
        removed_lines: of segments that were removed when their period was over, by the ledger.
    """

    has_key: bool
    faults: tuple[str, ...]
    remarks: tuple[str, ...]
    lines: int
    batches: int
    segments: int
    removed_lines: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def in_words(self) -> list[str]:
        """In sentences, faults last."""
        how = "opened with the region's key" if self.has_key else "their heads alone: no key was given"
        read = f"{counted(self.lines, 'line')} in {counted(self.batches, 'batch', 'batches')}"
        gone = [f"{counted(self.removed_lines, 'line')} removed when their period was over"] * bool(self.removed_lines)
        return [f"{read} of {counted(self.segments, 'segment')}, {how}", *gone, *self.remarks, *self.faults]


def verify(folder: Path, noted: NotedHeads, secrets: LogSecrets | None) -> Verified:
    """Verifies a log in a folder, be it the region's own or a copy.

    Args:
        noted: what the ledger notes, read before; an empty one where no ledger is at hand.
        secrets: None verifies the outer structure alone.
    """
    segments = segments_in(folder)
    workers = sorted({name.worker for name in (*segments, *noted.heads)} | {*noted.removed})
    chains = [_ChainCheck(folder, worker, noted, secrets) for worker in workers]
    for chain in chains:
        chain.check({name.number: path for name, path in segments.items() if name.worker == chain.worker})
    counts = [chain.counts for chain in chains]
    faults = [fault for chain in chains for fault in chain.faults]
    if secrets is not None:
        faults += _missing_keys(folder, secrets, noted, {key for chain in chains for key in chain.keys})
    return Verified(
        secrets is not None,
        tuple(faults),
        tuple(remark for chain in chains for remark in chain.remarks),
        *(sum(of_chains) for of_chains in zip((0, 0, 0, 0), *counts, strict=True)),
    )


def _missing_keys(folder: Path, secrets: LogSecrets, noted: NotedHeads, used: set[int]) -> list[str]:
    """That more people's keys are gone than people were erased, by the ledger."""
    if noted.erasures is None or not used:
        return []
    with closing(SubjectKeys.open(folder, secrets)) as subjects:
        gone = len(used - subjects.numbers())
    if gone <= noted.erasures:
        return []
    return [
        f"the keys of {counted(gone, 'person', 'people')} are gone and the ledger notes "
        f"{counted(noted.erasures, 'erasure')}: somebody deleted keys by another way; restore subjects.sqlite from a "
        "backup, and erase anew who was erased since"
    ]


class _ChainCheck:
    """The verification of one worker's chain, while it goes on."""

    def __init__(self, folder: Path, worker: int, noted: NotedHeads, secrets: LogSecrets | None) -> None:
        self.worker, self.faults, self.remarks, self.keys = worker, list[str](), list[str](), set[int]()
        self._folder, self._noted, self._secrets = folder, noted, secrets
        self._read = self._batches = self._segments = self._unnoted = self._moment = self._without_content = 0
        removed = noted.removed.get(worker)
        self._removed = 0 if removed is None else removed.lines
        self._first = 1 if removed is None else removed.segment + 1
        self._head: str | None = "" if removed is None else removed.head
        self._lines: int | None = self._removed

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Lines, batches, segments, and lines that were removed."""
        return self._read, self._batches, self._segments, self._removed

    def check(self, own: Mapping[int, Path]) -> None:
        """Verifies the segments of the chain, by their numbers."""
        newest = max((name.number for name in self._noted.heads if name.worker == self.worker), default=0)
        for number in range(min(self._first, *own, newest or self._first), max(self._first - 1, *own, newest) + 1):
            name = SegmentName(self.worker, number)
            if number < self._first:
                if number in own:
                    self._fault(f"{name} was removed when its period was over, by the ledger, and is there again")
                continue
            if number in own:
                self._segment(name, own[number], is_newest=number == max(own))
            else:
                noted = ", and the ledger notes it" if name in self._noted.heads else ""
                self._fault(f"{name} ({name.file}) is missing{noted}; {MEND}")
                self._head = self._lines = None
        if self._without_content:
            self.remarks.append(
                f"worker {self.worker}: {counted(self._without_content, 'line')} written while the disk was full, "
                "without person, request and answer"
            )
        if self._unnoted:
            batches = counted(self._unnoted, "batch", "batches")
            self.remarks.append(
                f"worker {self.worker}: not noted in the ledger yet: the last {batches}; whether later ones were "
                "removed cannot be told"
            )

    def _segment(self, name: SegmentName, path: Path, *, is_newest: bool) -> None:
        self._segments += 1
        heads = dict(self._noted.heads.get(name, {}))
        content = self._settled(path) if is_newest else path.read_bytes()
        try:
            header, head, start = read_header(content)
        except SegmentDamaged as damaged:
            self._fault(f"{name}: {damaged}; {MEND}")
            self._head = self._lines = None
            return
        self._header(name, header)
        cipher = self._cipher(name, header)
        self._head, self._lines, last = head.hex(), header.lines, 0
        for batch in walk(content, head, start):
            if isinstance(batch, SegmentDamaged):
                self._fault(f"{name}, at byte {batch.start:,}: {batch}; {MEND}")
                self._lines = None
                continue
            last = batch.number
            self._batch(name, batch, cipher)
            if heads.pop(last, self._head) != self._head:
                self._fault(f"{name}, batch {last}: it differs from what the ledger notes; {MEND}")
        if lost := [number for number in heads if number > last]:
            self._fault(
                f"{name}: it ends after batch {last}, and the ledger notes {max(lost)} batches; the rest was cut off "
                f"or changed; {MEND}"
            )
        if name in self._noted.heads:
            self._unnoted = max(0, last - max(self._noted.heads[name]))

    def _settled(self, path: Path) -> bytes:
        """A segment that may be being written: read again until it ends in a whole batch, or nobody writes."""
        content = path.read_bytes()
        for _ in range(LOOKS):
            if not is_written(self._folder, self.worker) or _is_whole(content):
                break
            time.sleep(PAUSE)
            content = path.read_bytes()
        return content

    def _header(self, name: SegmentName, header: SegmentHeader) -> None:
        if header.name != name:
            self._fault(f"{name}: its file is that of {header.name}; {MEND}")
        elif self._head is not None and header.previous != self._head:
            self._fault(f"{name}: it does not follow the segment before it; {MEND}")
        elif self._lines is not None and header.lines != self._lines:
            self._fault(f"{name}: it begins after {header.lines:,} lines, and {self._lines:,} stand before it; {MEND}")
        if self._secrets is not None and header.region != self._secrets.region:
            self._fault(f"{name}: it is of the log of {header.region}")

    def _cipher(self, name: SegmentName, header: SegmentHeader) -> AESGCM | None:
        """What opens a segment; None without the secrets, and where they do not open it, which is a fault."""
        if self._secrets is None:
            return None
        try:
            return self._secrets.cipher_of(header)
        except KeyUnavailable as fault:
            self._fault(f"{name}: {fault}")
            return None

    def _batch(self, name: SegmentName, batch: Batch, cipher: AESGCM | None) -> None:
        self._batches, self._read, self._unnoted = self._batches + 1, self._read + batch.lines, self._unnoted + 1
        self._head = batch.head.hex()
        self._lines = None if self._lines is None else self._lines + batch.lines
        if batch.flags & CLOCK_BACK or batch.moment < self._moment:
            self.remarks.append(f"{name}, batch {batch.number}: the clock had stepped back when it was written")
        if batch.flags & SPACE_SET_ASIDE:
            self._without_content += batch.lines
        self._moment = batch.moment
        if cipher is None:
            return
        try:
            lines, keys = count_lines(batch.opened(cipher))
            self.keys |= keys
        except ValueError as fault:
            self._fault(f"{name}, batch {batch.number}: {fault}; {MEND}")
        else:
            if lines != batch.lines:
                self._fault(f"{name}, batch {batch.number}: it says {batch.lines} lines and holds {lines}; {MEND}")

    def _fault(self, text: str) -> None:
        self.faults.append(text)


def _is_whole(content: bytes) -> bool:
    try:
        _, head, start = read_header(content)
        for _ in batches_of(content, head, start):
            pass
    except SegmentDamaged:
        return False
    return True
