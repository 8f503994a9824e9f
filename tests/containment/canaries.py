"""Made-up people whose values occur nowhere else, and the search for them in bytes, in every encoding that is tried.

A needle is a canary in one encoding. A haystack is searched as it is, and within what is packed in it: streams of zlib
and gzip, entries of a zip, runs of base64 and of hexadecimal, one inside the other three deep.

A number of 4 bytes occurs by chance once in 4 GiB of random bytes, and as often as models look like it. So canaries'
numbers are far from any weight, and needles of fewer than 8 bytes are not looked for in ciphertext.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import quote

import numpy as np

LEAST_IN_CIPHERTEXT = 8
DEEPEST = 3
LARGEST_PACKED = 1 << 24
_ZLIB, _GZIP = re.compile(rb"\x78[\x01\x5e\x9c\xda]"), re.compile(rb"\x1f\x8b\x08")
_ZIP = re.compile(rb"PK\x03\x04")
_USUAL = bytes.maketrans(b"-_", b"+/")
_BASE64, _HEX = re.compile(rb"[A-Za-z0-9+/_-]{12,}"), re.compile(rb"[0-9A-Fa-f]{16,}")


@dataclass(frozen=True, slots=True)
class Canary:
    """A value of one person of a region. `number` is what it is, where it is one."""

    region: str
    what: str
    text: str
    number: float | None = None


@dataclass(frozen=True, slots=True)
class Needle:
    """A canary as bytes."""

    canary: Canary
    encoding: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Find:
    """A canary that was found: where, in which encoding, and inside what it was packed."""

    place: str
    what: str
    region: str
    encoding: str
    packed: str


def canaries_of(region: str, count: int = 3) -> list[Canary]:
    """So many people's names, passport numbers and incomes: all made up, and each the only one of its kind."""
    rng = np.random.default_rng(list(region.encode()))
    found = []
    for _ in range(count):
        word = "".join(rng.choice(list("bcdfghjklmnpqrstvwxz"), 9))
        passport = f"{region}{rng.integers(10**8, 10**9)}X"
        income = round(float(rng.uniform(6e7, 9e7)), 4)
        found += [
            Canary(region, "name", f"Q{word} Canary{region}"),
            Canary(region, "passport number", passport),
            Canary(region, "rare float", repr(income), income),
        ]
    return found


def _texts(text: str) -> Iterator[tuple[str, bytes]]:
    for name in ("utf-8", "utf-16-le", "utf-16-be"):
        yield name, text.encode(name)
    yield "reversed", text[::-1].encode()
    if (quoted := quote(text)) != text:
        yield "percent-encoded", quoted.encode()
    if text.swapcase() != text:
        yield "lower case", text.lower().encode()
        yield "upper case", text.upper().encode()


def _binary(number: float) -> Iterator[tuple[str, bytes]]:
    for size, code in (("float32", "f"), ("float64", "d")):
        for order, mark in (("little-endian", "<"), ("big-endian", ">")):
            yield f"{size} {order}", struct.pack(f"{mark}{code}", number)
    yield "float text, 2 digits", f"{number:.2f}".encode()
    yield "float text, scientific", f"{number:.8e}".encode()


def _armoured(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Hexadecimal, and base64 in its three alignments and two alphabets: what does not depend on neighbours."""
    yield f"hex of {name}", content.hex().encode()
    yield f"upper hex of {name}", content.hex().upper().encode()
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + content)
        first, last = -(-8 * shift // 6), (8 * (shift + len(content))) // 6
        middle = whole[first:last]
        yield f"base64 of {name}, alignment {shift}", middle
        if (other := middle.translate(bytes.maketrans(b"+/", b"-_"))) != middle:
            yield f"url-safe base64 of {name}, alignment {shift}", other


def needles(canaries: Sequence[Canary]) -> list[Needle]:
    """Every canary in every encoding; of what hexadecimal and base64 leave shorter than 6 bytes, none."""
    found = []
    for canary in canaries:
        plain = [*_texts(canary.text), *(_binary(canary.number) if canary.number is not None else ())]
        for name, content in plain:
            found.append(Needle(canary, name, content))
            armoured = _armoured(name, content)
            found += [Needle(canary, as_what, each) for as_what, each in armoured if len(each) >= 6]
    return found


@dataclass(frozen=True, slots=True)
class Search:
    """Looks for needles."""

    needles: Sequence[Needle]

    @property
    def encodings(self) -> list[str]:
        """What was tried, each once."""
        return sorted({needle.encoding for needle in self.needles})

    def clear(self, place: str, content: bytes) -> list[Find]:
        """What is found in bytes and in whatever is packed in them."""
        found = set[Find]()
        for packed, layer in layers(content):
            found |= {_find(place, needle, packed) for needle in self.needles if needle.content in layer}
        return sorted(found, key=lambda find: (find.region, find.what, find.encoding, find.packed))

    def ciphertext(self, place: str, content: bytes) -> list[Find]:
        """What is found in bytes that look random: needles of 8 bytes and more."""
        long = [needle for needle in self.needles if len(needle.content) >= LEAST_IN_CIPHERTEXT]
        return [_find(place, needle, "") for needle in long if needle.content in content]


def _find(place: str, needle: Needle, packed: str) -> Find:
    return Find(place, needle.canary.what, needle.canary.region, needle.encoding, packed)


def layers(content: bytes, packed: str = "", depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """Bytes, and what is packed in them."""
    if content:
        yield packed, content
    if depth == DEEPEST or not content:
        return
    for name, inner in _unpacked(content):
        yield from layers(inner, f"{packed} > {name}".removeprefix(" > "), depth + 1)


def _unpacked(content: bytes) -> Iterator[tuple[str, bytes]]:
    view = memoryview(content)
    for name, pattern, bits in (("zlib", _ZLIB, 15), ("gzip", _GZIP, 31)):
        for match in pattern.finditer(content):
            if inner := _inflated(view[match.start() :], bits):
                yield name, inner
    for match in _ZIP.finditer(content):
        names, extra = struct.unpack_from("<HH", content, match.start() + 26) if _has(content, match) else (0, 0)
        if inner := _inflated(view[match.start() + 30 + names + extra :], -15):
            yield "zip", inner
    texts = [match.group().translate(_USUAL) for match in _BASE64.finditer(content)]
    for shift in range(4):  # whatever stands before a run may look like a part of it
        yield "base64", b"\n\n".join(base64.b64decode(_whole(text[shift:], 4)) for text in texts)
    texts = [match.group() for match in _HEX.finditer(content)]
    for shift in range(2):
        yield "hex", b"\n\n".join(binascii.unhexlify(_whole(text[shift:], 2)) for text in texts)


def _whole(text: bytes, size: int) -> bytes:
    """As much of a text as comes in groups of so many letters."""
    return text[: len(text) - len(text) % size]


def _has(content: bytes, match: re.Match[bytes]) -> bool:
    return match.start() + 30 <= len(content)


def _inflated(content: memoryview, bits: int) -> bytes:
    """What a stream gives, as far as it can be read; nothing where it is none."""
    stream = zlib.decompressobj(bits)
    try:
        return stream.decompress(content[:LARGEST_PACKED], LARGEST_PACKED)
    except zlib.error:
        return _as_far_as_it_goes(content[:LARGEST_PACKED], bits)


def _as_far_as_it_goes(content: memoryview, bits: int) -> bytes:
    stream, found = zlib.decompressobj(bits), b""
    for start in range(0, len(content), 64):
        try:
            found += stream.decompress(content[start : start + 64])
        except zlib.error:
            break
    return found if len(found) > 8 else b""


@cache
def people(region: str, count: int) -> tuple[str, ...]:
    """Lines of a table: canaries' people first, others after them, none of whom is real."""
    rng = np.random.default_rng([7, *region.encode()])
    canaries = canaries_of(region)
    lines = []
    for place in range(0, len(canaries), 3):
        name, passport, income = canaries[place : place + 3]
        lines.append((name.text, passport.text, income.text))
    for number in range(count - len(lines)):
        income = round(float(rng.uniform(1e3, 9e3)), 2)
        lines.append((f"Person {region}{number}", f"{region}{number:08d}", str(income)))
    return tuple(
        f"{region},{name},{passport},{income},{'AB'[rng.integers(2)]},{rng.integers(2)}"
        for name, passport, income in lines
    )
