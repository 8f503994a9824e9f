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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fedsov.errors import ConfigurationError, KeyUnavailable
from fedsov.keys import sealing
from fedsov.keys.credentials import check_private
from fedsov.keys.principals import OWNER, PRINCIPALS
from fedsov.keys.protocol import RootKey
from fedsov.keys.services import KeyService, root_key
from fedsov.storage.bounded_files import parsed_json, read_bounded

KEY_BYTES = 32
_WRAPPING, _PSEUDONYMS, _SEALING = "key_encryption_key", "pseudonym_key", "sealing_key"
_PART = "key of "


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
        principal: whose it is; the owner's has `wrapping` and no `parts`.
        parts: of another principal, the keys of its parts, by part and version; it has no `wrapping`, and "" for what
            is not its.
    """

    region: str
    key_id: str
    wrapping: Mapping[int, bytes] = field(repr=False)
    pseudonyms: bytes = field(repr=False)
    sealing: bytes = field(repr=False)
    service: KeyService = field(default_factory=KeyService)
    version: str = ""
    older: tuple[Former, ...] = ()
    principal: str = OWNER
    parts: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def content(self, root: RootKey | None) -> bytes:
        """The file's bytes; `root` is the key of `service`, which has `version`. Raises KeyUnavailable."""
        older = [former.to_json() for former in self.older]
        body: dict[str, Any] = {"region": self.region, "key_id": self.key_id, "older": older}
        if self.principal != OWNER:
            body["principal"] = self.principal
        if root is None:
            return json.dumps({**body, **self._secrets()}, indent=1).encode()
        body |= {"service": self.service.to_json(), "version": self.version}
        key = secrets.token_bytes(KEY_BYTES)
        sealed = sealing.encrypted(key, json.dumps(self._secrets()).encode(), _bound(body))
        body |= {"root": _text(root.wrap(key, self.version)), "sealed": _text(sealed)}
        return json.dumps(body, indent=1).encode()

    def _secrets(self) -> dict[str, str]:
        wrapping = {_WRAPPING if number == 1 else f"{_WRAPPING}_{number}": key for number, key in self.wrapping.items()}
        parts = {f"{_PART}{name}": key for name, key in self.parts.items()}
        named = {**wrapping, **parts, _PSEUDONYMS: self.pseudonyms, _SEALING: self.sealing}
        return {name: _text(key) for name, key in named.items() if key}


def new_keyring(region: str, service: KeyService, version: str) -> Keyring:
    """A keyring of new secrets."""
    wrapping, pseudonyms, sealed = (secrets.token_bytes(KEY_BYTES) for _ in range(3))
    return Keyring(region, secrets.token_hex(8), {1: wrapping}, pseudonyms, sealed, service, version)


def read_keyring(path: Path, region: str, service: KeyService | None = None, principal: str = OWNER) -> Keyring:
    """The keyring of `region` that is this principal's.

    Args:
        service: what must protect it; None for whatever the file says.

    Raises:
        KeyUnavailable: missing, unreadable, open to other users, damaged, another region's, protected otherwise, or
            the service does not open it.
    """
    body = _read_private(path, region)
    shown = _shown(path, body)
    own = shown.service
    if shown.region != region:
        raise KeyUnavailable(f"{path} is the keyring of {shown.region}, not of {region}; put {region}'s own there")
    if shown.principal != principal:
        raise KeyUnavailable(
            f"{path} is the keyring of the {shown.principal} of {region}, not of the {principal}; put its own there"
        )
    if service is not None and service != own:
        raise KeyUnavailable(
            f"{path} is protected by {own.words()}, and {region}'s settings say {service.words()}; "
            f"`fedsov keys status {region}` shows both, `fedsov region set {region} key_service.backend=...` moves it"
        )
    root = root_key(region, own)
    return _with_secrets(path, shown, body if root is None else _opened(path, body, own, root))


def read_shown(path: Path, region: str) -> Keyring:
    """What a keyring's file says of itself in the clear, without a secret. Raises KeyUnavailable."""
    return _shown(path, _read_private(path, region))


def _shown(path: Path, body: Mapping[str, Any]) -> Keyring:
    try:
        own = KeyService.from_settings(body.get("service", {}))
        older = tuple(Former.from_json(plain, own) for plain in body.get("older", []))
        region, key_id, principal = str(body["region"]), str(body["key_id"]), str(body.get("principal", OWNER))
    except (KeyError, TypeError, ValueError, ConfigurationError):
        raise _damaged(path) from None
    return Keyring(region, key_id, {}, b"", b"", own, str(body.get("version", "")), older, principal)


def _opened(path: Path, body: Mapping[str, Any], service: KeyService, root: RootKey) -> Any:
    """The secrets of a sealed file."""
    try:
        wrapped, sealed = (base64.b64decode(body[name], validate=True) for name in ("root", "sealed"))
        bound = {name: body[name] for name in ("region", "key_id", "principal") if name in body}
        bound |= {"service": service.to_json(), "version": body["version"], "older": body.get("older", [])}
        version = str(body["version"])
    except (KeyError, TypeError, ValueError):
        raise _damaged(path) from None
    key = root.unwrap(wrapped, version)
    try:
        return parsed_json(sealing.decrypted(key, sealed, _bound(bound)))
    except ValueError:
        raise KeyUnavailable(f"{path} does not open: changed, or another region's; restore its backup") from None


def _with_secrets(path: Path, shown: Keyring, plain: Mapping[str, Any]) -> Keyring:
    names = {name: 1 if name == _WRAPPING else name.removeprefix(f"{_WRAPPING}_") for name in plain}
    try:
        numbers = {name: int(word) for name, word in names.items() if name.startswith(_WRAPPING)}
        parts = {name: name.removeprefix(_PART) for name in plain if name.startswith(_PART)}
        others = _others(shown.principal)
        keys = {name: base64.b64decode(plain[name], validate=True) for name in (*numbers, *parts, *others)}
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise _damaged(path) from None
    if any(len(key) != KEY_BYTES for key in keys.values()):
        raise KeyUnavailable(f"{path} holds a key of the wrong length; restore it from its backup")
    of_owner = shown.principal == OWNER
    if bool(numbers) != of_owner or bool(parts) == of_owner or min(numbers.values(), default=1) < 1:
        raise _damaged(path)
    return replace(
        shown,
        wrapping={number: keys[name] for name, number in numbers.items()},
        parts={part: keys[name] for name, part in parts.items()},
        pseudonyms=keys.get(_PSEUDONYMS, b""),
        sealing=keys.get(_SEALING, b""),
    )


def _others(principal: str) -> tuple[str, ...]:
    """The names of the keys beside those that wrap. Raises KeyError for an unknown principal."""
    if principal == OWNER:
        return _PSEUDONYMS, _SEALING
    its = PRINCIPALS[principal]
    return tuple(name for name, has in ((_PSEUDONYMS, its.pseudonyms), (_SEALING, its.opens_sealed)) if has)


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


def protecting(path: Path) -> KeyService:
    """What protects a keyring's file, by what the file says in the clear; the service is not asked.

    Raises KeyUnavailable for a file that is no keyring, ConfigurationError for an unknown service.
    """
    try:
        return KeyService.from_settings(dict(parsed_json(read_bounded(path))).get("service", {}))
    except (OSError, ValueError, TypeError) as problem:
        raise KeyUnavailable(f"{path} cannot be read ({problem}); restore it from your copy") from problem
