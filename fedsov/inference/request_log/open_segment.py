"""The segment that is being written, and the chain of one worker that it ends.

    worker, lock = take_worker(folder)                 # one chain has one writer at a time
    tip, torn = resume(folder, worker)                 # what a killed writer left unfinished is noted, then cut
    segment = begin(folder, tip, secrets, region)
    segment.append(batch, lines=3)
    segment.sync()

What does not end in a whole batch is cut off, and lies beside the segment (``.torn``): nobody was answered on it with
`before_answer`, and whether somebody else cut the log the ledger's notes tell (`fedsov.inference.request_log.reader`).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fedsov.errors import RequestLogBroken
from fedsov.inference.request_log.log_secrets import LogSecrets
from fedsov.inference.request_log.segments import (
    CLOCK_BACK,
    DIGEST,
    NONCE,
    SPACE_SET_ASIDE,
    SegmentDamaged,
    SegmentHeader,
    SegmentName,
    batches_of,
    framed,
    read_header,
    segments_in,
)
from fedsov.storage.atomic_files import sync_folder, write_file
from fedsov.storage.private_files import FILE, open_private

MOST_WORKERS = 1000
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a full disk says, or a full quota."""
_SALT = 16


@dataclass(frozen=True, slots=True)
class Tip:
    """How far a worker's chain has come.

    Attributes:
        number: of its newest segment; 0 of none.
        head: the head at its end, hex; "" of none.
        batches: of the newest segment.
        lines: of all segments.
        moment: of the last batch, milliseconds since 1970.
    """

    worker: int
    number: int = 0
    head: str = ""
    batches: int = 0
    lines: int = 0
    moment: int = 0


def take_worker(folder: Path) -> tuple[int, int]:
    """The lowest number that no other writer has, and the descriptor of its lock, which ends with the process."""
    for worker in range(MOST_WORKERS):
        lock = open_private(_lock_of(folder, worker), os.O_RDWR)
        if _locks(lock, fcntl.LOCK_EX):
            return worker, lock
        os.close(lock)
    raise RequestLogBroken(f"{folder} has {MOST_WORKERS} writers; end those that are not needed")


def is_written(folder: Path, worker: int) -> bool:
    """Whether a process writes this worker's chain now."""
    try:
        lock = os.open(_lock_of(folder, worker), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _locks(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


@contextmanager
def free_worker(folder: Path, worker: int) -> Iterator[bool]:
    """Takes a worker's chain for the length of the block; False where somebody writes it."""
    lock = open_private(_lock_of(folder, worker), os.O_RDWR)
    try:
        yield _locks(lock, fcntl.LOCK_EX)
    finally:
        os.close(lock)


def _lock_of(folder: Path, worker: int) -> Path:
    return folder / f"{worker:03d}.lock"


def _locks(lock: int, how: int) -> bool:
    """Locks a file that is open, `how` flock says; False where another's lock does not let it."""
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class TornEnd:
    """What does not end in a whole batch: of a segment from a place on; of the first byte on, its header too."""

    path: Path
    at: int
    content: bytes = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """For the ledger."""
        digest = hashlib.sha256(self.content).hexdigest()
        return {"file": self.path.name, "at": self.at, "bytes": len(self.content), "sha256": digest}

    def cut(self) -> None:
        """Moves it beside its segment. Raises OSError, WorkspaceUnusable."""
        write_file(self.path.with_suffix(f".{self.at}.torn"), self.content)
        if self.at:
            _truncate(self.path, self.at)
        else:
            self.path.unlink()


def resume(folder: Path, worker: int) -> tuple[Tip, list[TornEnd]]:
    """How far a worker's chain has come, and what at its end is to be noted and then cut. Raises OSError."""
    own = [(name.number, path) for name, path in segments_in(folder).items() if name.worker == worker]
    torn = list[TornEnd]()
    for number, path in reversed(own):
        content = path.read_bytes()
        try:
            header, head, at = read_header(content)
        except SegmentDamaged:  # killed before it was begun; the one before goes on
            torn.append(TornEnd(path, 0, content))
            continue
        tip = Tip(worker, number, head.hex(), 0, header.lines)
        try:
            for batch in batches_of(content, head, at):
                lines, moment, at = tip.lines + batch.lines, max(tip.moment, batch.moment), batch.end
                tip = Tip(worker, number, batch.head.hex(), batch.number, lines, moment)
        except SegmentDamaged as damaged:
            return tip, [*torn, TornEnd(path, damaged.start, content[damaged.start :])]
        if at < len(content):  # zeros that were set aside
            _truncate(path, at)
        return tip, torn
    return Tip(worker), torn


def _truncate(path: Path, size: int) -> None:
    os.truncate(path, size)
    with path.open("rb") as file:
        os.fsync(file.fileno())


@dataclass(slots=True)
class OpenSegment:
    """The segment that is being written; used by one thread.

    Attributes:
        at: where the next batch begins.
        batches, head: what it holds, up to there.
        lines: of the chain, those of the segments before among them.
        most: its size, where it lies in space that was set aside; None where it may grow.
        begun: by the clock that never steps back, seconds.
    """

    header: SegmentHeader
    path: Path
    descriptor: int
    cipher: AESGCM
    head: bytes
    at: int
    lines: int
    moment: int
    batches: int = 0
    most: int | None = None
    begun: float = field(default_factory=time.monotonic)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """All batches of the block, on the disk at its end, or none. Raises OSError."""
        before = (self.at, self.head, self.batches, self.lines, self.moment)
        try:
            yield
            os.fdatasync(self.descriptor)
        except OSError:
            self._undo(before[0])
            self.at, self.head, self.batches, self.lines, self.moment = before
            raise

    def append(self, plain: bytes, lines: int) -> None:
        """Writes a batch at the end. Raises OSError, within `whole`, which undoes it."""
        now = time.time_ns() // 1_000_000
        flags = (CLOCK_BACK if now < self.moment else 0) | (SPACE_SET_ASIDE if self.most is not None else 0)
        content, head = framed(
            self.cipher,
            plain,
            before=self.head,
            number=self.batches + 1,
            lines=lines,
            moment=now,
            flags=flags,
            nonce=os.urandom(NONCE),
        )
        if self.most is not None and self.at + len(content) > self.most:
            raise OSError(errno.ENOSPC, "what was set aside for a full disk is used up")
        write_at(self.descriptor, content, self.at)
        self.at, self.head, self.moment = self.at + len(content), head, now
        self.batches, self.lines = self.batches + 1, self.lines + lines

    def tip(self) -> Tip:
        """How far the chain has come with it."""
        header = self.header
        return Tip(header.worker, header.number, self.head.hex(), self.batches, self.lines, self.moment)

    def close(self) -> None:
        """Closes the file, without the space that was not used."""
        if self.most is not None:
            with suppress(OSError):
                os.ftruncate(self.descriptor, self.at)
                os.fsync(self.descriptor)
        os.close(self.descriptor)

    def _undo(self, at: int) -> None:
        with suppress(OSError):  # else the next start cuts it
            if self.most is None:
                os.ftruncate(self.descriptor, at)
            else:
                write_at(self.descriptor, bytes(self.most - at), at)


def begin(
    folder: Path, tip: Tip, secrets: LogSecrets, region: str, *, aside: SpaceSetAside | None = None
) -> OpenSegment:
    """The next segment of a worker's chain, on the disk; the newest again where that has no batch.

    Args:
        aside: takes the space that was set aside, for a disk that is full.

    Raises OSError; nothing of it is left then.
    """
    if aside is None and (again := _reopened(folder, tip, secrets)) is not None:
        return again
    header = SegmentHeader(
        region=region,
        worker=tip.worker,
        number=tip.number + 1,
        previous=tip.head,
        lines=tip.lines,
        generation=secrets.newest,
        salt=os.urandom(_SALT).hex(),
        begun=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    content, path = header.content(), folder / SegmentName(tip.worker, tip.number + 1).file
    try:
        if aside is not None:
            descriptor = aside.take(path)
        else:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE)
        try:
            write_at(descriptor, content, 0)
            os.fsync(descriptor)
            sync_folder(folder)
        except OSError:
            os.close(descriptor)
            raise
    except FileExistsError:
        raise RequestLogBroken(f"{path} exists, and no segment is written over; another writer has its lock") from None
    except OSError:
        path.unlink(missing_ok=True)
        raise
    head = content[-DIGEST:]
    most = None if aside is None else aside.size
    return OpenSegment(
        header, path, descriptor, secrets.cipher_of(header), head, len(content), tip.lines, tip.moment, most=most
    )


def _reopened(folder: Path, tip: Tip, secrets: LogSecrets) -> OpenSegment | None:
    """The newest segment, where it has no batch yet and its key comes of the newest secret; else None."""
    if not tip.number or tip.batches:
        return None
    path = folder / SegmentName(tip.worker, tip.number).file
    header, head, at = read_header(path.read_bytes())
    if header.generation != secrets.newest:
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    return OpenSegment(header, path, descriptor, secrets.cipher_of(header), head, at, tip.lines, tip.moment)


def write_at(descriptor: int, content: bytes, at: int) -> None:
    """Writes all of it at a place. Raises OSError."""
    view = memoryview(content)
    while view:
        count = os.pwrite(descriptor, view, at)
        view, at = view[count:], at + count


@dataclass(frozen=True, slots=True)
class SpaceSetAside:
    """A file of zeros whose blocks the disk has given already; it becomes a segment when the disk is full."""

    path: Path
    size: int

    @staticmethod
    def of(folder: Path, worker: int, size: int) -> SpaceSetAside:
        """That of a worker."""
        return SpaceSetAside(folder / f"{worker:03d}.reserve", size)

    def prepare(self) -> None:
        """Sets it aside, where it is not. Raises OSError where there is no room."""
        if self.path.exists() and self.path.stat().st_size == self.size:
            return
        descriptor = open_private(self.path, os.O_RDWR)
        try:
            os.posix_fallocate(descriptor, 0, self.size)
            os.fsync(descriptor)
        except OSError:
            self.path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    def take(self, path: Path) -> int:
        """Makes it the file at this path; its descriptor. Raises OSError where there is none."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
            os.rename(self.path, path)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor
