"""What one worker writes: batches into its segments, how far it came into the ledger, through rotations and full disks.

Used by the thread of `fedsov.inference.request_log.writer` alone. A segment ends when it is large or old enough, and
when the region's keys were rotated: then the log has a new secret, and the next segment is written by it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from fedsov.errors import FedsovError, LogFull
from fedsov.inference.request_log import head_notes
from fedsov.inference.request_log.head_notes import note_of
from fedsov.inference.request_log.lines import Line
from fedsov.inference.request_log.log_secrets import FILE as SECRETS
from fedsov.inference.request_log.log_secrets import LogSecrets
from fedsov.inference.request_log.open_segment import (
    FULL,
    OpenSegment,
    SpaceSetAside,
    begin,
    resume,
    take_worker,
)
from fedsov.inference.request_log.sealed_lines import LineSealer, PlainBatch, no_lines, without_content
from fedsov.inference.request_log.settings import WITHOUT_SUBJECTS, LogPlace, LogSettings
from fedsov.inference.request_log.subject_keys import SubjectKeys
from fedsov.storage.private_files import make_private_folder

PROBE = 2**16
"""Bytes that a disk must take before it counts as one with room."""
LOOK = 1.0
"""Seconds between two looks at whether space is there again, the keys were rotated or somebody was erased."""
_LOG = logging.getLogger(__name__)


class WorkerChain:
    """The chain of one worker of a log, and what it knows beside it.

    Attributes:
        worker: its number.
        lines, batches: written since it was opened.
        unnoted: lines that the ledger does not know of.
    """

    def __init__(self, place: LogPlace, settings: LogSettings) -> None:
        """Takes a free chain and goes on with it.

        Raises KeyUnavailable, RequestLogBroken, LedgerBroken where its start cannot be noted, LogFull, OSError.
        """
        self._place, self._settings = place, settings
        make_private_folder(place.folder)
        self._secrets, self._secrets_state = LogSecrets.open(place.folder, place.keys()), self._state_of_secrets()
        self._refused_secrets: tuple[int, int] | None = None
        self.lines = self.batches = self.unnoted = 0
        self._unsaid: list[Mapping[str, Any]] = []
        self._noted = self._looked = self._tried = time.monotonic()
        self.worker, self._lock = take_worker(place.folder)
        try:
            self._begin()
        except BaseException:  # boundary: whatever ends the start, an interrupt too, leaves the chain to another worker
            os.close(self._lock)
            raise

    def _begin(self) -> None:
        """Goes on with the chain that was taken, once the ledger notes it."""
        place, settings = self._place, self._settings
        self._aside = SpaceSetAside.of(place.folder, self.worker, settings.reserve_bytes)
        if settings.on_full_disk == WITHOUT_SUBJECTS:
            self._aside.prepare()
        self._subjects = SubjectKeys.open(place.folder, self._secrets)
        self._sealer = LineSealer(self._subjects, place.homes)
        tip, torn = resume(place.folder, self.worker)
        for end in torn:
            place.note(note_of(head_notes.TORN, tip, torn=end.to_json()))
            end.cut()
        place.note(note_of(head_notes.STARTED, tip))
        self._segment = begin(place.folder, tip, self._secrets, place.region)

    @property
    def is_without_content(self) -> bool:
        """Whether the disk is full, and lines go without person, request and answer into what was set aside."""
        return self._segment.most is not None

    def write(self, lines: Sequence[Line]) -> None:
        """Writes lines; they are on the disk when this returns. Raises LogFull where none of them is."""
        try:
            if self.is_without_content and not self._goes_on():
                self._append([without_content(lines)], len(lines))
                return
            try:
                self._append([*self._sealer.batches(lines)], len(lines))
            except (OSError, sqlite3.OperationalError) as error:
                if self._settings.on_full_disk != WITHOUT_SUBJECTS or not _is_full(error):
                    raise
                self._set_aside(error)
                self._append([without_content(lines)], len(lines))
        except (OSError, sqlite3.Error, FedsovError) as error:
            raise LogFull(self.refusal(error)) from error

    def probe(self) -> None:
        """Writes a batch without lines, as large as one of many, to see whether the disk takes it. Raises LogFull."""
        try:
            self._append([no_lines(PROBE)], 0)
        except OSError as error:
            raise LogFull(self.refusal(error)) from error

    def refusal(self, error: Exception) -> str:
        """Why no line can be written, and the way out."""
        why = getattr(error, "strerror", None) or str(error)
        return (
            f"the log of requests of {self._place.region} cannot be written ({why}), and no answer leaves without its "
            f"line: make room in {self._place.folder}, or set serving.on_full_disk={WITHOUT_SUBJECTS}"
        )

    def look(self) -> None:
        """What is due: a new segment, a note in the ledger, new keys, keys in memory of people who were erased."""
        now = time.monotonic()
        if now - self._looked >= LOOK:
            self._looked = now
            with suppress(sqlite3.Error):
                self._sealer.forget_erased()
            self._renew()
            segment = self._segment
            is_old = now - segment.begun >= self._settings.segment_seconds and segment.batches
            if segment.most is None and (is_old or segment.header.generation != self._secrets.newest):
                self._rotate()
        if self._segment.most is None and self._segment.at >= self._settings.segment_bytes:
            self._rotate()
        if now - self._noted >= self._settings.note_seconds and (self.unnoted or self._unsaid):
            self._note(head_notes.REACHED)

    def close(self) -> None:
        """Notes how far it came and gives the chain up."""
        self._note(head_notes.CLOSED)
        self._segment.close()
        self._subjects.close()
        os.close(self._lock)

    def leave(self) -> None:
        """Lets go of the chain in a process that was forked: its parent writes."""
        os.close(self._lock)
        os.close(self._segment.descriptor)

    def _append(self, batches: Sequence[PlainBatch], lines: int) -> None:
        with self._segment.whole():
            for batch in batches:
                self._segment.append(batch.content, batch.lines)
        self.batches += len(batches)
        self.lines, self.unnoted = self.lines + lines, self.unnoted + lines

    def _rotate(self) -> None:
        """Ends the segment and begins the next; where there is no room for that, it goes on."""
        try:
            self._follow(begin(self._place.folder, self._segment.tip(), self._secrets, self._place.region))
        except OSError as error:
            _LOG.warning("no new segment of the log of requests: %s; the old one goes on", error.strerror)

    def _follow(self, segment: OpenSegment) -> None:
        old, self._segment = self._segment, segment
        old.close()
        self._sealer.forget_homes()
        if old.batches:
            self._note(head_notes.ENDED, old)

    def _set_aside(self, error: Exception) -> None:
        """Goes on in the space that was set aside. Raises OSError where there is none."""
        self._tried = time.monotonic()
        tip, place = self._segment.tip(), self._place
        self._follow(begin(place.folder, tip, self._secrets, place.region, aside=self._aside))
        _LOG.error("%s; lines go on without person, request and answer", self.refusal(error))
        self._unsaid.append(note_of(head_notes.DISK_FULL, tip))

    def _goes_on(self) -> bool:
        """Whether there is room again; then the next segment has whole lines."""
        if time.monotonic() - self._tried < LOOK:
            return False
        self._tried = time.monotonic()
        try:
            self._aside.prepare()
            self._follow(begin(self._place.folder, self._segment.tip(), self._secrets, self._place.region))
        except OSError:
            return False
        self._unsaid.append(note_of(head_notes.SPACE_AGAIN, self._segment.tip()))
        _LOG.warning("there is room for the log of requests again; lines are whole")
        return True

    def _note(self, event: str, segment: OpenSegment | None = None) -> None:
        """Notes how far the chain has come, and what could not be noted before; what fails is tried again."""
        self._noted = time.monotonic()
        tip = (segment or self._segment).tip()
        waiting = [*self._unsaid, *([note_of(event, tip)] if tip.batches and self.unnoted else [])]
        unnoted, self.unnoted = self.unnoted, 0
        try:
            while waiting:
                self._place.note(waiting[0])
                waiting.pop(0)
        except FedsovError as fault:
            self.unnoted = unnoted
            _LOG.error("the ledger does not know how far the log of requests came: %s", fault)
        self._unsaid = waiting[:-1] if self.unnoted and waiting else waiting

    def _renew(self) -> None:
        """Takes the log's secrets anew where the region's keys were rotated."""
        state = self._state_of_secrets()
        if state in (self._secrets_state, self._refused_secrets):
            return
        try:
            self._secrets = LogSecrets.open(self._place.folder, self._place.keys(), makes=False)
            old, self._subjects = self._subjects, SubjectKeys.open(self._place.folder, self._secrets)
            old.close()
            self._sealer.renew(self._subjects)
            self._secrets_state = state
        except (FedsovError, OSError) as fault:
            self._refused_secrets = state
            _LOG.error(
                "the log of requests goes on with its former keys: %s; it takes new ones at its next start", fault
            )

    def _state_of_secrets(self) -> tuple[int, int]:
        try:
            state = (self._place.folder / SECRETS).stat()
        except OSError:
            return (0, 0)
        return state.st_ino, state.st_mtime_ns


def _is_full(error: Exception) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    return isinstance(error, OSError) and error.errno in FULL
