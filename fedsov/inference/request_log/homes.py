"""Lines of another region's people go home: a parcel that their region alone opens, signed by the one that answered.

    parcel = pack(folder, secrets, home, sent=sent)          # lines since the last parcel
    content = parcel.sealed(public, sign)                    # what is carried
    lines = opened(content, keys, host_key)                  # at home

The host has no key of these lines' content; it packs them as they lie. Whether a parcel may leave, and whether it may
come, each region's own gate decides; nothing here asks a border.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fedsov.errors import RequestLogBroken
from fedsov.inference.request_log.lines import Line, StoredLine, packed, unpacked
from fedsov.inference.request_log.log_secrets import LogSecrets
from fedsov.inference.request_log.reader import home_of, stored_lines
from fedsov.inference.request_log.sealed_lines import HOME_CONTEXT
from fedsov.inference.request_log.segments import NONCE
from fedsov.keys.protocol import RegionKeys
from fedsov.keys.sealing import seal
from fedsov.keys.signed_text import message
from fedsov.label import Label, join
from fedsov.storage.atomic_files import plain_json
from fedsov.storage.bounded_files import parsed_json

FORMAT = "fedsov requests home 1"
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Parcel:
    """Lines of one region's people, as they lie in another's log.

    Attributes:
        host: the region that answered; `home`: the one whose people these are.
        lines: how many.
        label: of all of them.
        reached: by worker of the host's log, the number of the last line that was looked at.
        content: the lines, in batches with their tables.
    """

    host: str
    home: str
    lines: int
    label: Label
    reached: Mapping[int, int]
    content: bytes

    def sealed(self, public: bytes, sign: Callable[[bytes], bytes], key: str) -> bytes:
        """What is carried.

        Args:
            public: the home region's sealing key.
            sign, key: the host's signature, and the public key (hex) that checks it.
        """
        inner = seal(public, self.content, _context(self.host, self.home))
        plain = {"format": FORMAT, "from": self.host, "to": self.home, "lines": self.lines}
        plain |= {"label": self.label.to_json(), "sha256": sha256(inner).hexdigest(), "key": key}
        return plain_json({**plain, "signature": sign(message(FORMAT, plain)).hex()}) + b"\n" + inner


@dataclass(frozen=True, slots=True)
class ParcelHead:
    """What a parcel says of itself, in the clear; believed once `key` is the one that is pinned for its host.

    Attributes:
        sha256: of the whole parcel.
        key: that signed it, hex.
    """

    host: str
    home: str
    lines: int
    label: Label
    key: str
    signed: bytes
    signature: str
    sha256: str
    inner: bytes


def pack(folder: Path, secrets: LogSecrets, home: str, *, sent: Mapping[int, int]) -> Parcel | None:
    """The lines of a region's people behind those that were sent already; None where there are none.

    Args:
        sent: by worker, the number of the last line that was looked at before.
    """
    groups: list[tuple[Mapping[str, Any], list[StoredLine]]] = []
    reached = dict(sent)
    for placed in stored_lines(folder, secrets):
        place = placed.place
        if place.number <= sent.get(place.worker, 0):
            continue
        reached[place.worker] = max(reached.get(place.worker, 0), place.number)
        if placed.home is None or placed.home[0] != home:
            continue
        if not groups or groups[-1][0] is not placed.table:
            groups.append((placed.table, []))
        groups[-1][1].append(placed.stored)
    if not groups:
        return None
    lines = [line for _, group in groups for line in group]
    label = join(line.without_content.label for line in lines)
    content = b"".join(_group(table, group) for table, group in groups)
    return Parcel(secrets.region, home, len(lines), label, reached, content)


def _group(table: Mapping[str, Any], lines: list[StoredLine]) -> bytes:
    batch = packed(table, [part for line in lines for part in (line.head, line.content)])
    return _LENGTH.pack(len(batch)) + batch


def waiting(folder: Path, secrets: LogSecrets, sent: Mapping[str, Mapping[int, int]]) -> Iterator[str]:
    """The home region of each line that was not sent yet.

    Args:
        sent: by region, as of `pack`.
    """
    for placed in stored_lines(folder, secrets):
        home = placed.home
        if home is not None and placed.place.number > sent.get(home[0], {}).get(placed.place.worker, 0):
            yield home[0]


def read_head(parcel: bytes) -> ParcelHead:
    """What a parcel says of itself. Raises RequestLogBroken for what is none."""
    text, _, inner = parcel.partition(b"\n")
    try:
        plain = parsed_json(text)
        signature = str(plain.pop("signature"))
        form, digest = plain["format"], plain["sha256"]
        label = Label.from_json(plain["label"])
        names = str(plain["from"]), str(plain["to"]), int(plain["lines"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RequestLogBroken("this is no parcel of `fedsov requests send-home`, or it was changed") from None
    if form != FORMAT or digest != sha256(inner).hexdigest():
        raise RequestLogBroken("the parcel was changed or cut since it was packed; ask its host for it again")
    whole = sha256(parcel).hexdigest()
    return ParcelHead(*names, label, str(plain["key"]), message(FORMAT, plain), signature, whole, inner)


def opened(head: ParcelHead, keys: RegionKeys) -> Iterator[Line]:
    """The lines of a parcel, each with its host. Raises KeyUnavailable, RequestLogBroken."""
    content = keys.open_sealed(head.inner, _context(head.host, head.home))
    ciphers: dict[bytes, AESGCM] = {}
    at = 0
    try:
        while at < len(content):
            (length,) = _LENGTH.unpack_from(content, at)
            table, lines = unpacked(content[at + _LENGTH.size :][:length])
            at += _LENGTH.size + length
            for stored in lines:
                _, sealed = home_of(table, stored)
                if sealed not in ciphers:
                    ciphers[sealed] = AESGCM(keys.open_sealed(sealed, f"{HOME_CONTEXT} {head.home}"))
                plain = ciphers[sealed].decrypt(stored.content[:NONCE], stored.content[NONCE:], stored.head)
                yield stored.opened(plain)._replace(host=head.host)
    except (ValueError, struct.error, InvalidTag, KeyError, IndexError) as fault:
        raise RequestLogBroken(f"a line of the parcel of {head.host} does not open: {type(fault).__name__}") from None


def _context(host: str, home: str) -> str:
    return f"requests from {host} for {home}"
