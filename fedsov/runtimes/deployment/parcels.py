"""A parcel: a head and the objects that it names, in one body. Every object travels once, whoever names it.

    4 bytes     length of the head          head     a protobuf message
    then, for each object: 32 bytes of its SHA-256, 8 bytes of its length, its bytes

An object's name is the SHA-256 of its bytes: whoever reads a parcel checks each, so that nobody between can change one.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping

from fedsov.errors import FedsovError

_HEAD, _OBJECT = struct.Struct("!I"), struct.Struct("!32sQ")


class ParcelDamaged(FedsovError):
    """Bytes that are no parcel, or one whose objects are not those that it names."""


def pack_parcel(head: bytes, objects: Mapping[str, bytes]) -> bytes:
    """A parcel of a head and objects by their names (SHA-256, hexadecimal)."""
    pieces = [_HEAD.pack(len(head)), head]
    for name, content in objects.items():
        pieces += [_OBJECT.pack(bytes.fromhex(name), len(content)), content]
    return b"".join(pieces)


def head_of(parcel: bytes) -> bytes:
    """The head of a parcel. Raises ParcelDamaged."""
    try:
        (size,) = _HEAD.unpack_from(parcel)
    except struct.error:
        raise ParcelDamaged("a parcel was cut") from None
    return parcel[_HEAD.size : _HEAD.size + size]


def unpack_parcel(parcel: bytes) -> tuple[bytes, dict[str, bytes]]:
    """The head and the objects by their names, each checked. Raises ParcelDamaged."""
    view = memoryview(parcel)
    try:
        (size,) = _HEAD.unpack_from(view)
        at, objects = _HEAD.size + size, dict[str, bytes]()
        while at < len(view):
            digest, length = _OBJECT.unpack_from(view, at)
            at += _OBJECT.size
            content = bytes(view[at : at + length])
            at += length
            if hashlib.sha256(content).digest() != digest:
                raise ParcelDamaged("an object of a parcel is not the one that it is named")
            objects[digest.hex()] = content
    except struct.error:
        raise ParcelDamaged("a parcel was cut") from None
    if size > len(view) - _HEAD.size or at != len(view):
        raise ParcelDamaged("a parcel was cut")
    return bytes(view[_HEAD.size : _HEAD.size + size]), objects
