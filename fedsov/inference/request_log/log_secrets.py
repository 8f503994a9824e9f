"""The secrets behind every key of a log of requests: 32 random bytes each, wrapped by the region's keys.

    secrets = LogSecrets.open(folder, keys)           # made where the log is new
    cipher = secrets.cipher_of(header)                # the key of one segment

Each key is derived (HKDF-SHA256) of the secret of its generation: a segment's with its own salt, the one that wraps
people's keys, and of the first generation the one by which people are named. So a rotation of the region's keys
(`renew`) wraps one line for each generation anew, and adds a generation for all that is written from then on.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fedsov.errors import KeyUnavailable, RequestLogBroken
from fedsov.inference.request_log.segments import SegmentHeader
from fedsov.keys import sealing
from fedsov.keys.local import version_of
from fedsov.keys.protocol import RegionKeys
from fedsov.storage.atomic_files import replace_file, sync_folder, written_beside
from fedsov.storage.bounded_files import parsed_json, read_bounded
from fedsov.storage.private_files import make_private_folder

FILE = "secrets.json"
FORMAT = "fedsov request secrets 1"
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class LogSecrets:
    """The secrets of a log by generation, from 1; its ``repr`` shows none."""

    region: str
    _secrets: Mapping[int, bytes] = field(repr=False)
    _naming: bytes = field(repr=False)

    @staticmethod
    def open(folder: Path, keys: RegionKeys, *, makes: bool = True) -> LogSecrets:
        """The secrets of the log in this folder.

        Args:
            makes: makes the first where the log is new.

        Raises KeyUnavailable where these keys do not open them, RequestLogBroken for a file that is none, OSError
        where it cannot be written, FileNotFoundError where it is not there and none is made.
        """
        path = folder / FILE
        if makes and not path.exists():
            _make(path, keys)
        wrapped = _read(path, keys.region)
        try:
            plain = {number: keys.unwrap(each, _context(number)) for number, each in wrapped.items()}
        except KeyUnavailable as fault:
            raise KeyUnavailable(
                f"the log of requests of {keys.region} does not open for its {keys.principal}: {fault}; where this "
                f"principal may, `fedsov keys rotate {keys.region}` gives its keyring what it lacks"
            ) from None
        return LogSecrets(keys.region, plain, sealing.derived_key(plain[1], "names of subjects"))

    @property
    def newest(self) -> int:
        """The generation by which is written."""
        return max(self._secrets)

    def cipher_of(self, header: SegmentHeader) -> AESGCM:
        """The cipher of a segment. Raises KeyUnavailable where its generation is not there."""
        purpose = f"segment {header.worker} {header.number} {header.salt}"
        return AESGCM(sealing.derived_key(self._of(header.generation), purpose))

    def wrapping(self, generation: int) -> AESGCM:
        """The cipher that wraps people's keys."""
        return AESGCM(sealing.derived_key(self._of(generation), "subjects"))

    def name_of(self, subject: str) -> bytes:
        """The 16 bytes that stand for a person within this log alone: HMAC-SHA256 under a key of the log."""
        return hmac.digest(self._naming, subject.strip().encode(), "sha256")[:16]

    def _of(self, generation: int) -> bytes:
        if generation not in self._secrets:
            raise KeyUnavailable(
                f"the log of requests of {self.region} has no secret of generation {generation}; restore its "
                f"{FILE} from a backup of the same day or later"
            )
        return self._secrets[generation]


def renew(folder: Path, keys: RegionKeys) -> int:
    """After a rotation of the region's keys: wraps every secret by the newest version, and makes the next generation.

    Returns how many are wrapped anew; 0 where there is no log, or the newest version wrapped all. Raises as
    `LogSecrets.open`.
    """
    path = folder / FILE
    if not path.exists():
        return 0
    wrapped = _read(path, keys.region)
    newest = version_of(keys.wrap(b"", _context(1)))
    if all(version_of(each) == newest for each in wrapped.values()):
        return 0
    plain = {number: keys.unwrap(each, _context(number)) for number, each in wrapped.items()}
    plain[max(plain) + 1] = os.urandom(SECRET_BYTES)
    replace_file(path, _content(keys, plain))
    return len(wrapped)


def wrapped_secrets(folder: Path, region: str) -> list[bytes]:
    """The secrets as they lie, wrapped; none where there is no log. Raises RequestLogBroken."""
    path = folder / FILE
    return list(_read(path, region).values()) if path.exists() else []


def _make(path: Path, keys: RegionKeys) -> None:
    make_private_folder(path.parent)
    with written_beside(path, _content(keys, {1: os.urandom(SECRET_BYTES)})) as aside:
        try:
            os.link(aside, path)  # another worker may have been first, and then its secret counts
        except FileExistsError:
            return
    sync_folder(path.parent)


def _content(keys: RegionKeys, plain: Mapping[int, bytes]) -> bytes:
    wrapped = {
        str(number): base64.b64encode(keys.wrap(each, _context(number))).decode() for number, each in plain.items()
    }
    return json.dumps({"format": FORMAT, "region": keys.region, "secrets": wrapped}, indent=1).encode()


def _read(path: Path, region: str) -> dict[int, bytes]:
    try:
        body = parsed_json(read_bounded(path))
        wrapped = {int(number): base64.b64decode(text, validate=True) for number, text in body["secrets"].items()}
        own, form = str(body["region"]), body["format"]
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RequestLogBroken(f"{path} is not whole; restore it from a backup, no line opens without it") from None
    if form != FORMAT or own != region or 1 not in wrapped:
        raise RequestLogBroken(f"{path} is of {own}'s log of requests ({form}), not of {region}'s; put its own there")
    return wrapped


def _context(generation: int) -> str:
    return f"request log {generation}"
