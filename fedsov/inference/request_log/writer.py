"""The thread that writes what requests put: batch after batch, one wait for the disk for each.

    log = RequestLog.open(place, LogSettings(durable="before_answer"), schedule=loop.call_soon_threadsafe)
    log.put(line, done)            # done(None) once the line is on the disk, done(LogFull) where it will not be
    log.close()

`put` appends to a list; all else happens in the thread. Where the disk is full and the settings say `refuse`, lines
whose answers wait are refused (`done` gets LogFull); lines whose answers have left stay in memory until there is room,
and `put` refuses further ones meanwhile. With `without_subjects` lines go on without person, request and answer, in
space that was set aside; when that is used up too, `put` refuses. Nothing is answered and not logged.

A process that was forked from a writer writes nothing: `put` refuses there.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from fedsov.errors import LogFull
from fedsov.inference.request_log.lines import Line, fault_of
from fedsov.inference.request_log.settings import BATCH, LogPlace, LogSettings
from fedsov.inference.request_log.worker_chain import LOOK, WorkerChain

Done = Callable[[LogFull | None], None]
Schedule = Callable[..., object]
Waiting = tuple[Line, Done | None]
RETRY = 0.2
"""Seconds between two trials on a full disk."""
LINE_BYTES = 200
"""Bytes of memory that a line takes beside its body and answer, about."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogState:
    """How a log does, for metrics and health.

    Attributes:
        fault: why nothing can be written; "" where it can.
        is_without_content: the disk is full, and lines have neither person, request nor answer.
        waiting: lines in memory.
        lines, batches: written since it was opened.
        unnoted: lines that the ledger does not know of yet.
    """

    fault: str
    is_without_content: bool
    waiting: int
    lines: int
    batches: int
    unnoted: int


class RequestLog:
    """A log that this process writes; `put` may be called by any thread."""

    def __init__(self, settings: LogSettings, chain: WorkerChain, schedule: Schedule | None) -> None:
        self._settings, self._chain, self._schedule = settings, chain, schedule
        self._lock, self._wake = threading.Lock(), threading.Event()
        self._waiting: list[Waiting] = []
        self._kept: list[Waiting] = []
        self._bytes, self._is_idle, self._closed = 0, True, ""
        self._fault, self._until = "", 0.0
        self._thread = threading.Thread(target=self._run, name="request log", daemon=True)
        _OPEN.add(self)
        self._thread.start()

    @staticmethod
    def open(place: LogPlace, settings: LogSettings, *, schedule: Schedule | None = None) -> RequestLog:
        """Begins to write, on the disk and in the ledger.

        Args:
            schedule: runs the callbacks of a batch, as ``loop.call_soon_threadsafe`` does; None runs them in the
                log's own thread.

        Raises KeyUnavailable, RequestLogBroken, LogFull; LedgerBroken where the start cannot be noted.
        """
        try:
            return RequestLog(settings, WorkerChain(place, settings), schedule)
        except OSError as error:
            raise LogFull(
                f"the log of requests of {place.region} cannot be written ({error.strerror}); make room in "
                f"{place.folder}, or allow writing"
            ) from error

    def put(self, line: Line, done: Done | None = None) -> None:
        """Takes a line.

        Args:
            done: told once the line is on the disk (None), or that it will not be (LogFull).

        Raises LogFull where no line can be written now, this one cannot be, the disk is too slow, or the log is closed.
        """
        if fault := fault_of(line):
            raise LogFull(f"the request cannot be logged: {fault}")
        if self._fault and (self._kept or time.monotonic() < self._until):
            raise LogFull(self._fault)
        with self._lock:
            if self._closed or self._bytes > self._settings.most_waiting:
                raise LogFull(self._closed or _TOO_SLOW)
            self._bytes += len(line.body) + len(line.answer) + LINE_BYTES
            self._waiting.append((line, done))
        if self._is_idle:
            self._wake.set()

    @property
    def state(self) -> LogState:
        """How it does."""
        chain, waiting = self._chain, len(self._waiting) + len(self._kept)
        fault = self._closed or self._fault
        return LogState(fault, chain.is_without_content, waiting, chain.lines, chain.batches, chain.unnoted)

    def close(self) -> None:
        """Writes what waits, notes how far the log has come, and ends. Raises LogFull where answered requests could not
        be logged."""
        with self._lock:
            self._closed = self._closed or "the log of requests is closed"
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        _OPEN.discard(self)
        if left := len(self._kept):
            self._kept.clear()
            raise LogFull(f"{left} answered requests could not be logged: {self._fault}")

    def _run(self) -> None:
        while True:
            self._await()
            if waiting := self._taken():
                self._write(waiting)
            self._look()
            if self._closed and not self._waiting:
                break
        self._chain.close()

    def _await(self) -> None:
        """Until lines have come, and for as long as they gather."""
        if self._kept:
            time.sleep(0 if self._closed else RETRY)
            return
        self._is_idle = True
        if not self._waiting and not self._closed:
            self._wake.wait(LOOK)
        self._is_idle = False
        self._wake.clear()
        if self._waiting and self._settings.durable == BATCH and not self._closed:
            time.sleep(self._settings.gather)

    def _taken(self) -> list[Waiting]:
        with self._lock:
            waiting, self._waiting, self._bytes = self._waiting, [], 0
        waiting[:0], self._kept = self._kept, []
        return waiting

    def _write(self, waiting: Sequence[Waiting]) -> None:
        fault: LogFull | None = None
        try:
            self._chain.write([line for line, _ in waiting])
        except LogFull as full:
            fault = full
        except Exception as error:  # boundary: the thread outlives what it cannot write, and says so to every request
            _LOG.exception("a batch of the log of requests")
            fault = LogFull(self._chain.refusal(error))
        if fault is not None:
            self._until = time.monotonic() + RETRY
            self._kept = [each for each in waiting if each[1] is None]
        self._fault = "" if fault is None else str(fault)
        if dones := [done for _, done in waiting if done is not None]:
            self._tell(dones, fault)

    def _tell(self, dones: Sequence[Done], fault: LogFull | None) -> None:
        if self._schedule is None:
            _call(dones, fault)
            return
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            self._schedule(_call, dones, fault)

    def _look(self) -> None:
        try:
            if self._fault and not self._kept and time.monotonic() > self._until:
                self._try_again()
            self._chain.look()
        except Exception:  # boundary: what is due now and fails is due again; lines are written all the same
            _LOG.exception("the log of requests")

    def _try_again(self) -> None:
        """Whether the fault is over: whoever asks whether the endpoint is ready sends no request until it is."""
        try:
            self._chain.probe()
            self._fault = ""
        except LogFull as full:
            self._fault, self._until = str(full), time.monotonic() + LOOK

    def _leave(self) -> None:
        """In a process that was forked: nothing is written here."""
        self._lock, self._closed = threading.Lock(), "this process was forked from the one that writes the log"
        self._waiting, self._kept = [], []
        self._chain.leave()


_TOO_SLOW = (
    "more requests wait for the disk than the log of requests holds in memory; the disk is too slow for them: ask for "
    "less at a time, or put the log on a faster disk"
)
_OPEN: weakref.WeakSet[RequestLog] = weakref.WeakSet()


def _call(dones: Sequence[Done], fault: LogFull | None) -> None:
    for done in dones:
        done(fault)


def _after_fork() -> None:
    for log in list(_OPEN):
        log._leave()
    _OPEN.clear()


def _at_exit() -> None:
    for log in list(_OPEN):
        try:
            log.close()
        except LogFull as fault:
            _LOG.error("%s", fault)


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
