"""Lines read again, from a log in a folder.

    for read in read_lines(folder, secrets, with_content=True):
        print(read.line.model, read.withheld)

Only what is whole is given: a batch that was changed is left out, and the process's log names it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fedsov.inference.request_log.lines import BY_SUBJECT, FOR_HOME, WITHHELD, Line, StoredLine, unpacked
from fedsov.inference.request_log.log_secrets import LogSecrets
from fedsov.inference.request_log.segments import (
    NONCE,
    Batch,
    SegmentDamaged,
    SegmentName,
    read_header,
    segments_in,
    walk,
)
from fedsov.inference.request_log.subject_keys import SubjectKeys

ERASED, HOME, DAMAGED = "erased", "home", "damaged"
"""Why a content does not open: its key was deleted, it opens in another region alone, it was changed."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LinePlace:
    """Where a line stands: the worker whose chain it is in, and its number in that chain, from 1."""

    worker: int
    number: int


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A line as it lies in its batch, with the batch's table."""

    place: LinePlace
    stored: StoredLine
    table: Mapping[str, Any]

    @property
    def home(self) -> tuple[str, bytes] | None:
        """The region that alone opens its content, and its content's key as that region opens it; else None."""
        return home_of(self.table, self.stored) if self.stored.how == FOR_HOME else None


def home_of(table: Mapping[str, Any], stored: StoredLine) -> tuple[str, bytes]:
    """The region that a line is sealed for, and its content's key as that region opens it. Raises KeyError, IndexError,
    ValueError for a table without it."""
    name, sealed = table["homes"][stored.key]
    return str(name), bytes.fromhex(sealed)


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line as it was read.

    Attributes:
        line: without subject, body and answer where these were not asked for or do not open.
        withheld: why they do not: `ERASED`, "disk_full", `HOME` or `DAMAGED`; "" where they do.
        home: the other region, where `withheld` is `HOME`.
    """

    place: LinePlace
    line: Line
    withheld: str
    home: str = ""


def stored_lines(folder: Path, secrets: LogSecrets) -> Iterator[PlacedLine]:
    """Every line as it lies, chain by chain. Raises KeyUnavailable."""
    for name, path in segments_in(folder).items():
        try:
            content = path.read_bytes()
            header, head, start = read_header(content)
        except FileNotFoundError:  # its period was over meanwhile
            continue
        except SegmentDamaged as damaged:
            _LOG.error("%s: %s; none of its lines is read", name, damaged)
            continue
        cipher, number = secrets.cipher_of(header), header.lines
        for batch in walk(content, head, start):
            if isinstance(batch, SegmentDamaged):
                _LOG.error("%s, at byte %s: %s; its lines are not read", name, batch.start, batch)
                continue
            for place, (table, stored) in enumerate(_lines(name, batch, cipher), number + 1):
                yield PlacedLine(LinePlace(name.worker, place), stored, table)
            number += batch.lines


def _lines(name: SegmentName, batch: Batch, cipher: AESGCM) -> Iterator[tuple[Mapping[str, Any], StoredLine]]:
    try:
        table, lines = unpacked(batch.opened(cipher))
        yield from ((table, line) for line in lines)
    except ValueError as fault:
        _LOG.error("%s, batch %s: %s; its lines are not read", name, batch.number, fault)


def read_lines(folder: Path, secrets: LogSecrets, *, with_content: bool) -> Iterator[ReadLine]:
    """Every line, chain by chain.

    Args:
        with_content: opens subject, body and answer too.

    Raises KeyUnavailable, RequestLogBroken.
    """
    with closing(SubjectKeys.open(folder, secrets)) as subjects:
        ciphers: dict[int, AESGCM | None] = {}
        for placed in stored_lines(folder, secrets):
            stored = placed.stored
            if stored.how == BY_SUBJECT and stored.key not in ciphers:
                ciphers[stored.key] = subjects.opening(stored.key)
            content, withheld = _content(stored, ciphers, opens=with_content)
            line = stored.opened(content) if with_content and not withheld else stored.without_content
            yield ReadLine(placed.place, line, withheld, "" if placed.home is None else placed.home[0])


def _content(stored: StoredLine, ciphers: Mapping[int, AESGCM | None], *, opens: bool) -> tuple[bytes, str]:
    """A line's content, and why it does not open."""
    if stored.how == FOR_HOME:
        return b"", HOME
    if stored.how != BY_SUBJECT:
        return stored.content, WITHHELD.get(stored.how, "")
    cipher = ciphers[stored.key]
    if cipher is None:
        return b"", ERASED
    try:
        return cipher.decrypt(stored.content[:NONCE], stored.content[NONCE:], stored.head) if opens else b"", ""
    except InvalidTag:
        return b"", DAMAGED
