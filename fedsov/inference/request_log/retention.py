"""Segments whose period is over leave whole, and the ledger keeps the chain and its count provable.

    past = past_period(folder, days=180, now=time())
    remove(folder, past, note)

A segment's period is over when the newest of its lines is older. The newest segment of a chain stays, since the next
one follows it; where nobody writes it, `end_idle` begins the next one first. Before a file leaves, the ledger has its
last head and how many lines stood up to there: what follows is verified from that head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsov.inference.request_log.head_notes import REMOVED, note_of
from fedsov.inference.request_log.lines import count_lines
from fedsov.inference.request_log.log_secrets import LogSecrets
from fedsov.inference.request_log.open_segment import Tip, begin, free_worker, resume
from fedsov.inference.request_log.segments import SegmentDamaged, SegmentName, batches_of, read_header, segments_in
from fedsov.storage.atomic_files import sync_folder

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class PastSegment:
    """A segment whose period is over.

    Attributes:
        lines: its own.
        tip: how far its chain came with it.
    """

    name: SegmentName
    path: Path
    lines: int
    tip: Tip


def past_period(folder: Path, *, days: int, now: float, newest_too: bool = False) -> list[PastSegment]:
    """The segments that may leave, oldest first, chain by chain; a damaged one and all behind it stay.

    Args:
        now: seconds since 1970.
        newest_too: also the newest of a chain, which leaves once another follows it.
    """
    segments = segments_in(folder)
    past, stops = list[PastSegment](), set[int]()
    newest = {name.worker: name.number for name in segments}
    for name, path in segments.items():
        if name.worker in stops or (name.number == newest[name.worker] and not newest_too):
            continue
        tip = _tip_of(name, path)
        if tip is None or (tip[1] and tip[0].moment >= now * 1000 - days * DAY_MS):
            stops.add(name.worker)
        else:
            past.append(PastSegment(name, path, tip[1], tip[0]))
    return past


def _tip_of(name: SegmentName, path: Path) -> tuple[Tip, int] | None:
    """How far a chain came with a segment, and the lines of it; None where it is damaged."""
    try:
        header, head, start = read_header(content := path.read_bytes())
        lines = batches = moment = 0
        for batch in batches_of(content, head, start):
            lines, batches, moment, head = lines + batch.lines, batch.number, max(moment, batch.moment), batch.head
    except SegmentDamaged:
        return None
    return Tip(name.worker, name.number, head.hex(), batches, header.lines + lines, moment), lines


def remove(folder: Path, past: Sequence[PastSegment], note: Callable[[Mapping[str, Any]], object], **why: Any) -> None:
    """Removes segments, once the ledger notes their heads and counts. Killed and run again it ends the same.

    Raises LedgerBroken, OSError.
    """
    last = {each.name.worker: each for each in past}
    for each in last.values():
        note(note_of(REMOVED, each.tip, **why))
    for each in past:
        for beside in folder.glob(f"{each.path.stem}.*.torn"):
            beside.unlink()
        each.path.unlink(missing_ok=True)
    sync_folder(folder)


def removed_again(folder: Path, removed: Mapping[int, int]) -> None:
    """Removes what a killed removal left: segments up to the one that the ledger notes as removed.

    Args:
        removed: by worker, that segment's number.
    """
    for name, path in segments_in(folder).items():
        if name.number <= removed.get(name.worker, 0):
            path.unlink(missing_ok=True)


def end_idle(folder: Path, secrets: LogSecrets, *, days: int, now: float) -> None:
    """Begins the next segment of each chain that nobody writes and whose newest is past its period."""
    newest = {name.worker: (name, path) for name, path in segments_in(folder).items()}
    for worker, (name, path) in newest.items():
        tip = _tip_of(name, path)
        if tip is None or not tip[0].batches or tip[0].moment >= now * 1000 - days * DAY_MS:
            continue
        with free_worker(folder, worker) as is_free:
            reached, torn = resume(folder, worker) if is_free else (None, [])
            if reached is not None and not torn:
                begin(folder, reached, secrets, secrets.region).close()


def used_keys(folder: Path, secrets: LogSecrets) -> set[int] | None:
    """The numbers of the people's keys that lines need; None where a batch cannot be read, and nobody knows them all.

    Raises KeyUnavailable.
    """
    used = set[int]()
    try:
        for path in segments_in(folder).values():
            header, head, start = read_header(content := path.read_bytes())
            cipher = secrets.cipher_of(header)
            for batch in batches_of(content, head, start):
                used |= count_lines(batch.opened(cipher))[1]
    except (ValueError, FileNotFoundError):
        return None
    return used


def lines_of(past: Iterable[PastSegment]) -> int:
    """How many lines these segments have."""
    return sum(each.lines for each in past)


def count_of(folder: Path) -> int:
    """How many lines a log has, by its batches' own counts; none of what is damaged."""
    return sum(tip[1] for name, path in segments_in(folder).items() if (tip := _tip_of(name, path)) is not None)
