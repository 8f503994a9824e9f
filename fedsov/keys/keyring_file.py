"""``keyring.json``: a region's secrets, in the clear or sealed under a key that a service protects.

In the clear, each secret is a line. Else the file has the settings of the service, a key of 32 random bytes that the
service wrapped (``root``), and the secrets sealed under that (``sealed``), bound to all the rest of the file. So a
service is asked once to open a keyring, and a file that was changed or exchanged does not open. Either file names what
protected it before (``older``), since a backup of it opens by that until `fedsov.keys.rotation.retire`.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedsov.errors import ConfigurationError, KeyUnavailable
from fedsov.keys import sealing
from fedsov.keys.credentials import check_private
from fedsov.keys.protocol import RootKey
from fedsov.keys.services import KeyService, root_key
from fedsov.storage.bounded_files import parsed_json, read_bounded

KEY_BYTES = 32
_WRAPPING, _PSEUDONYMS, _SEALING = "key_encryption_key", "pseudonym_key", "sealing_key"


@dataclass(frozen=True, slots=True)
class Former:
    """What protected a keyring's file before: a service, by its settings without a credential, and a version of its
    key; "" where it has no versions. A backup of the file opens by it."""

    service: KeyService
    version: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"service": self.service.to_json(), "version": self.version}

    @staticmethod
    def from_json(plain: Any, own: KeyService) -> Former:
        """The inverse of `to_json`; a mere version is of the service that protects the file now.

        Raises TypeError, KeyError or ConfigurationError.
        """
        if isinstance(plain, str):
            return Former(own, plain)
        return Former(KeyService.from_settings(plain["service"]), str(plain["version"]))

    def words(self) -> str:
        """In one line."""
        return " ".join(part for part in (self.service.words(), self.version and f"version {self.version}") if part)


@dataclass(frozen=True, slots=True)
class Keyring:
    """What the file holds; its ``repr`` shows no secret.

    Attributes:
        wrapping: the key-encryption keys by version, from 1; the newest wraps.
        service: what protects the file.
        version: the version of the service's key that does.
        older: what protected it before, and is not destroyed yet.
    """

    region: str
    key_id: str
    wrapping: Mapping[int, bytes] = field(repr=False)
    pseudonyms: bytes = field(repr=False)
    sealing: bytes = field(repr=False)
    service: KeyService = field(default_factory=KeyService)
    version: str = ""
    older: tuple[Former, ...] = ()

    def content(self, root: RootKey | None) -> bytes:
        """The file's bytes; `root` is the key of `service`, which has `version`. Raises KeyUnavailable."""
        older = [former.to_json() for former in self.older]
        body: dict[str, Any] = {"region": self.region, "key_id": self.key_id, "older": older}
        if root is None:
            return json.dumps({**body, **self._secrets()}, indent=1).encode()
        body |= {"service": self.service.to_json(), "version": self.version}
        key = secrets.token_bytes(KEY_BYTES)
        sealed = sealing.encrypted(key, json.dumps(self._secrets()).encode(), _bound(body))
        body |= {"root": _text(root.wrap(key, self.version)), "sealed": _text(sealed)}
        return json.dumps(body, indent=1).encode()

    def _secrets(self) -> dict[str, str]:
        wrapping = {_WRAPPING if number == 1 else f"{_WRAPPING}_{number}": key for number, key in self.wrapping.items()}
        named = {**wrapping, _PSEUDONYMS: self.pseudonyms, _SEALING: self.sealing}
        return {name: _text(key) for name, key in named.items()}


def new_keyring(region: str, service: KeyService, version: str) -> Keyring:
    """A keyring of new secrets."""
    wrapping, pseudonyms, sealed = (secrets.token_bytes(KEY_BYTES) for _ in range(3))
    return Keyring(region, secrets.token_hex(8), {1: wrapping}, pseudonyms, sealed, service, version)


def read_keyring(path: Path, region: str, service: KeyService | None = None) -> Keyring:
    """The keyring of `region`.

    Args:
        service: what must protect it; None for whatever the file says.

    Raises:
        KeyUnavailable: missing, unreadable, open to other users, damaged, another region's, protected otherwise, or
            the service does not open it.
    """
    body = _read_private(path, region)
    try:
        owner, key_id = str(body["region"]), str(body["key_id"])
        own = KeyService.from_settings(body.pop("service", {}))
        version, before = str(body.get("version", "")), body.pop("older", [])
        older = tuple(Former.from_json(plain, own) for plain in before)
    except (KeyError, TypeError, ValueError, ConfigurationError):
        raise _damaged(path) from None
    if owner != region:
        raise KeyUnavailable(f"{path} is the keyring of {owner}, not of {region}; put {region}'s own there")
    if service is not None and service != own:
        raise KeyUnavailable(
            f"{path} is protected by {own.words()}, and {region}'s settings say {service.words()}; "
            f"`fedsov keys status {region}` shows both, `fedsov region set {region} key_service.backend=...` moves it"
        )
    root = root_key(region, own)
    plain = body if root is None else _opened(path, body, own, root, before)
    wrapping, pseudonyms, sealed = _secrets_of(path, plain)
    return Keyring(owner, key_id, wrapping, pseudonyms, sealed, own, version, older)


def _opened(path: Path, body: Mapping[str, Any], service: KeyService, root: RootKey, older: Any) -> Any:
    """The secrets of a sealed file."""
    try:
        wrapped, sealed = (base64.b64decode(body[name], validate=True) for name in ("root", "sealed"))
        bound = {name: body[name] for name in ("region", "key_id")}
        bound |= {"service": service.to_json(), "version": body["version"], "older": older}
        version = str(body["version"])
    except (KeyError, TypeError, ValueError):
        raise _damaged(path) from None
    key = root.unwrap(wrapped, version)
    try:
        return parsed_json(sealing.decrypted(key, sealed, _bound(bound)))
    except ValueError:
        raise KeyUnavailable(f"{path} does not open: changed, or another region's; restore its backup") from None


def _secrets_of(path: Path, plain: Mapping[str, Any]) -> tuple[dict[int, bytes], bytes, bytes]:
    names = {name: 1 if name == _WRAPPING else name.removeprefix(f"{_WRAPPING}_") for name in plain}
    try:
        numbers = {name: int(word) for name, word in names.items() if name.startswith(_WRAPPING)}
        found = {name: base64.b64decode(plain[name], validate=True) for name in (*numbers, _PSEUDONYMS, _SEALING)}
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise _damaged(path) from None
    if any(len(key) != KEY_BYTES for key in found.values()):
        raise KeyUnavailable(f"{path} holds a key of the wrong length; restore it from its backup")
    if not numbers or min(numbers.values()) < 1:
        raise _damaged(path)
    return {number: found[name] for name, number in numbers.items()}, found[_PSEUDONYMS], found[_SEALING]


def _read_private(path: Path, region: str) -> dict[str, Any]:
    try:
        check_private(path)
        body = parsed_json(read_bounded(path))
    except FileNotFoundError:
        raise KeyUnavailable(
            f"{region} has no keyring at {path}; restore it from its backup, no other opens its stores"
        ) from None
    except OSError as error:
        raise KeyUnavailable(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise _damaged(path) from None
    if not isinstance(body, dict):
        raise _damaged(path)
    return body


def _damaged(path: Path) -> KeyUnavailable:
    return KeyUnavailable(f"{path} is not a whole keyring; restore it from its backup")


def _bound(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True).encode()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
