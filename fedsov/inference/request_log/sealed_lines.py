"""Lines become batches: which key seals the content of which line.

    sealer = LineSealer(SubjectKeys.open(folder, secrets), homes={"AT": HomeRegion("AT", public)})
    for batch in sealer.batches(lines): ...

A person whom the request names has a key of their own. A person whose region is another has no key here: the content is
sealed with a key that is forgotten once it is sealed to that region's public key, so that it opens at home alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fedsov.inference.request_log.lines import (
    BY_SUBJECT,
    DISK_FULL,
    ERASED,
    FOR_HOME,
    PLAIN,
    Line,
    content_of,
    head_of,
    packed,
)
from fedsov.inference.request_log.segments import NONCE, TAG
from fedsov.inference.request_log.settings import HomeRegion
from fedsov.inference.request_log.subject_keys import SubjectKey, SubjectKeys
from fedsov.keys.sealing import seal

LARGEST = 2**22
"""Bytes of contents after which a batch is followed by another."""
MOST_CACHED = 100_000
HOME_CONTEXT = "key of requests for"
_SEALED = NONCE + TAG


@dataclass(frozen=True, slots=True)
class PlainBatch:
    """A batch before it is encrypted, and how many lines it has."""

    content: bytes
    lines: int


@dataclass(frozen=True, slots=True)
class HomeKey:
    """A key that is used for the lines of one region's people, and as that region alone can open it."""

    cipher: AESGCM
    sealed: bytes


class LineSealer:
    """Packs lines for one log; used by one thread. It remembers people's keys until somebody is erased."""

    def __init__(self, subjects: SubjectKeys, homes: Mapping[str, HomeRegion]) -> None:
        self._subjects, self._homes = subjects, homes
        self._cached: dict[str, SubjectKey] = {}
        self._epoch = -1
        self._home_keys: dict[str, HomeKey] = {}

    def renew(self, subjects: SubjectKeys) -> None:
        """Goes on with other keys."""
        self._subjects, self._epoch = subjects, -1
        self.forget_homes()

    def forget_homes(self) -> None:
        """Forgets the keys of home regions; the next line makes new ones."""
        self._home_keys.clear()

    def forget_erased(self) -> None:
        """Forgets the keys in memory where somebody was erased since."""
        if (epoch := self._subjects.epoch()) != self._epoch:
            self._cached.clear()
            self._epoch = epoch

    def batches(self, lines: Sequence[Line]) -> Iterator[PlainBatch]:
        """The lines in their order. Raises as `SubjectKeys.of`, before the first batch is given."""
        named = {line.subject for line in lines if line.subject and line.jurisdiction not in self._homes}
        keys = self._keys(named) if named else {}
        start, size = 0, 0
        for place, line in enumerate(lines):
            size += len(line.body) + len(line.answer)
            if size >= LARGEST:
                yield self._batch(lines[start : place + 1], keys)
                start, size = place + 1, 0
        if start < len(lines):
            yield self._batch(lines[start:], keys)

    def _keys(self, named: set[str]) -> Mapping[str, SubjectKey]:
        self.forget_erased()
        cached = self._cached
        if new := [subject for subject in named if subject not in cached]:
            if len(cached) + len(new) > MOST_CACHED:
                cached.clear()
                new = [*named]
            cached.update(self._subjects.of(new))
        return cached

    def _batch(self, lines: Sequence[Line], keys: Mapping[str, SubjectKey]) -> PlainBatch:
        """Heads and contents of these lines; `keys` has every person whom they name and who is at home here."""
        words: dict[tuple[Any, ...], int] = {}
        homes: dict[str, int] = {}
        nonces, parts = os.urandom(NONCE * len(lines)), list[bytes]()
        for number, line in enumerate(lines):
            place = words.setdefault(line.words, len(words))
            content = content_of(line)
            nonce = nonces[number * NONCE : (number + 1) * NONCE]
            home = self._homes.get(line.jurisdiction) if self._homes else None
            if home is not None:
                own = self._home_key(home)
                head = head_of(line, place, FOR_HOME, homes.setdefault(home.name, len(homes)), len(content) + _SEALED)
                parts += (head, nonce, own.cipher.encrypt(nonce, content, head))
            elif line.subject:
                key = keys[line.subject]
                if key.cipher is None:
                    parts.append(head_of(line, place, ERASED, 0, 0))
                    continue
                head = head_of(line, place, BY_SUBJECT, key.number, len(content) + _SEALED)
                parts += (head, nonce, key.cipher.encrypt(nonce, content, head))
            else:
                parts += (head_of(line, place, PLAIN, 0, len(content)), content)
        table = {"words": [*words], "homes": [[name, self._home_keys[name].sealed.hex()] for name in homes]}
        return PlainBatch(packed(table, parts), len(lines))

    def _home_key(self, home: HomeRegion) -> HomeKey:
        if home.name not in self._home_keys:
            secret = os.urandom(32)
            sealed = seal(home.sealing, secret, f"{HOME_CONTEXT} {home.name}")
            self._home_keys[home.name] = HomeKey(AESGCM(secret), sealed)
        return self._home_keys[home.name]


def without_content(lines: Sequence[Line]) -> PlainBatch:
    """The lines without person, request and answer: for the space that was set aside for a full disk."""
    words: dict[tuple[Any, ...], int] = {}
    parts = [head_of(line, words.setdefault(line.words, len(words)), DISK_FULL, 0, 0) for line in lines]
    return PlainBatch(packed({"words": [*words], "homes": []}, parts), len(lines))


def no_lines(size: int) -> PlainBatch:
    """A batch without lines that takes so many bytes."""
    return PlainBatch(packed({"words": [], "homes": [], "padding": "0" * size}, []), 0)
