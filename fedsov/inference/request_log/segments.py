"""A segment: one file of the log, batches of encrypted lines, each bound to all that stands before it.

    header   "fedsov requests 1\\n", length of its JSON (4), JSON, digest (32)
    batch    mark (4), length (4), number (4), lines (4), time in ms (8), flags (4), nonce (12), ciphertext, digest (32)

A digest is the SHA-256 of the digest before it and of all bytes since: the *head* of the log at that point. A header's
is of the header alone, which names the head of the segment before. A batch is AES-256-GCM (NIST SP 800-38D), the head
before it and its own clear part being its associated data. So whoever has no key can tell that no byte was changed and
no batch is missing up to a head that they know, and with the key nobody else can have written one.

A segment that was set aside for a full disk ends in zeros until it is closed.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT = b"fedsov requests 1\n"
CLOCK_BACK, SPACE_SET_ASIDE = 1, 2
"""Flags of a batch: the clock showed an earlier time than in the batch before; it was written on a full disk."""
DIGEST, NONCE, TAG = 32, 12, 16
LARGEST_HEADER, LARGEST_BATCH = 2**16, 2**28
MOST_MARKS = 1000
_MARK = b"FSrq"
_LENGTH, _FRAME = struct.Struct("<I"), struct.Struct("<4sIIIQI")
_NAME = re.compile(r"(\d{3,})-(\d{8,})\.segment")


@dataclass(frozen=True, slots=True, order=True)
class SegmentName:
    """Which segment: of which of the endpoint's workers, and its number in this worker's chain, from 1."""

    worker: int
    number: int

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.worker:03d}-{self.number:08d}.segment"

    def __str__(self) -> str:
        return f"segment {self.number} of worker {self.worker}"


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself, in the clear.

    Attributes:
        previous: the head (hex) at the end of the segment before; "" of the first.
        lines: how many lines stand in the segments before it.
        generation: which of the log's secrets its key comes from,
        salt: and what it is derived with, hex.
        begun: when, ISO 8601.
    """

    region: str
    worker: int
    number: int
    previous: str
    lines: int
    generation: int
    salt: str
    begun: str

    @property
    def name(self) -> SegmentName:
        """Which segment it is of."""
        return SegmentName(self.worker, self.number)

    def content(self) -> bytes:
        """Its bytes, the digest at their end."""
        text = json.dumps(asdict(self), sort_keys=True).encode()
        body = FORMAT + _LENGTH.pack(len(text)) + text
        return body + hashlib.sha256(body).digest()


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it lies in its file.

    Attributes:
        start, end: where.
        number: its own, from 1.
        lines: how many it says it holds.
        moment: when it was written, milliseconds since 1970.
        before, head: the head before it, and after it.
        sealed: nonce and ciphertext.
        clear: its part in the clear.
    """

    start: int
    end: int
    number: int
    lines: int
    moment: int
    flags: int
    before: bytes
    head: bytes
    sealed: bytes
    clear: bytes

    def opened(self, cipher: AESGCM) -> bytes:
        """Its lines' bytes. Raises ValueError where this key does not open it."""
        try:
            return cipher.decrypt(self.sealed[:NONCE], self.sealed[NONCE:], self.before + self.clear)
        except InvalidTag:
            raise ValueError("it does not open: it was not written with the log's key") from None


class SegmentDamaged(ValueError):
    """A segment that does not go on from a place in it: what is wrong there.

    Attributes:
        start: where.
        head: the head behind the damage if the bytes before it are as they were written; None of no batch.
    """

    def __init__(self, fault: str, start: int, head: bytes | None = None) -> None:
        super().__init__(fault)
        self.start, self.head = start, head


def segments_in(folder: Path) -> dict[SegmentName, Path]:
    """The segments of a log, by worker and number."""
    segments = {
        SegmentName(int(name[1]), int(name[2])): path for path in folder.glob("*.segment") if (name := _matched(path))
    }
    return dict(sorted(segments.items()))


def _matched(path: Path) -> re.Match[str] | None:
    name = _NAME.fullmatch(path.name)
    return name if name and path.name == SegmentName(int(name[1]), int(name[2])).file else None


def read_header(content: bytes) -> tuple[SegmentHeader, bytes, int]:
    """A segment's header, the head after it, and where its first batch begins. Raises SegmentDamaged."""
    start = len(FORMAT) + _LENGTH.size
    if not content.startswith(FORMAT) or len(content) < start:
        raise SegmentDamaged("its header is cut or changed", 0)
    (length,) = _LENGTH.unpack_from(content, len(FORMAT))
    end = start + length
    head = content[end : end + DIGEST]
    if length > LARGEST_HEADER or hashlib.sha256(content[:end]).digest() != head:
        raise SegmentDamaged("its header is cut or changed", 0)
    try:
        plain = json.loads(content[start:end])
        header = SegmentHeader(**{name: kind(plain[name]) for name, kind in _KINDS.items()})
    except (ValueError, KeyError, TypeError):
        raise SegmentDamaged("its header is of another form", 0) from None
    return header, head, end + DIGEST


_KINDS: dict[str, Any] = {
    **dict.fromkeys(("region", "previous", "salt", "begun"), str),
    **dict.fromkeys(("worker", "number", "lines", "generation"), int),
}


def batches_of(content: bytes, head: bytes, start: int) -> Iterator[Batch]:
    """The batches of a segment from its first on, one after the other, each checked against the head before it.

    Raises SegmentDamaged where the next is cut, was changed, or does not follow.
    """
    for batch in walk(content, head, start):
        if isinstance(batch, SegmentDamaged):
            raise batch
        yield batch


def walk(content: bytes, head: bytes, start: int) -> Iterator[Batch | SegmentDamaged]:
    """The batches of a segment from its first on; where one is damaged, what is wrong, and then the next whole one."""
    end, number = len(content), 1
    while start < end:
        if content[start : start + len(_MARK)] == bytes(len(_MARK)) and not any(memoryview(content)[start:]):
            return  # space that was set aside
        try:
            batch = _batch_at(content, head, start, number)
        except SegmentDamaged as damaged:
            yield damaged
            after = _after(content, damaged)
            if after is None:
                return
            batch = after
        yield batch
        head, start, number = batch.head, batch.end, batch.number + 1


def _after(content: bytes, damaged: SegmentDamaged) -> Batch | None:
    """The next whole batch behind a damaged place: one that follows the digest that stands before it.

    It is looked for at so many marks at most: a file full of marks would be hashed without end.
    """
    at, tried = content.find(_MARK, damaged.start + 1), 0
    while at >= 0 and tried < MOST_MARKS:
        tried += 1
        for before in filter(None, (content[at - DIGEST : at], damaged.head)):
            try:
                return _batch_at(content, before, at, None)
            except SegmentDamaged:
                continue
        at = content.find(_MARK, at + 1)
    return None


def _batch_at(content: bytes, before: bytes, start: int, number: int | None) -> Batch:
    """The batch that begins here and follows this head; `number` is its own, None for whatever it says."""
    try:
        mark, length, own, lines, moment, flags = _FRAME.unpack_from(content, start)
    except struct.error:
        raise SegmentDamaged(f"batch {number} is cut", start) from None
    number, body = own if number is None else number, start + _FRAME.size
    end = body + length + DIGEST
    if mark != _MARK or not NONCE + TAG <= length <= LARGEST_BATCH:
        raise SegmentDamaged(f"batch {number} is cut or was changed", start)
    if end > len(content):
        raise SegmentDamaged(f"batch {number} is cut, or its length was changed", start)
    head = hashlib.sha256(before + content[start : end - DIGEST]).digest()
    if head != content[end - DIGEST : end]:
        what = f"batch {number} was changed, or does not follow what stands before it"
        missing = f"batch {number} is missing, or was changed: batch {own} stands in its place"
        raise SegmentDamaged(what if own == number else missing, start, head)
    clear = content[start:body]
    return Batch(start, end, own, lines, moment, flags, before, head, content[body : end - DIGEST], clear)


def framed(
    cipher: AESGCM, plain: bytes, *, before: bytes, number: int, lines: int, moment: int, flags: int, nonce: bytes
) -> tuple[bytes, bytes]:
    """A batch's bytes as they lie in its file, and the head after it."""
    clear = _FRAME.pack(_MARK, NONCE + len(plain) + TAG, number, lines, moment, flags)
    body = clear + nonce + cipher.encrypt(nonce, plain, before + clear)
    head = hashlib.sha256(before + body).digest()
    return body + head, head
