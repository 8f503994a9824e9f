"""The key service of one machine: a keyring file of mode 0600 in the region's own folder, which never leaves it.

``keyring.json`` holds three keys of 32 random bytes. What the first one wraps is bound, as associated data of
AES-256-GCM (NIST SP 800-38D), to the region, the key's id and the context: a wrapping of one region or one purpose does
not open in another. Pseudonyms are HMAC-SHA256 under the second, so equal subjects of two regions have unequal
pseudonyms. The third opens what was sealed for the region (`fedsov.keys.sealing`).

Signatures are made with ``signing.key`` beside it, the Ed25519 key that is written with the region's ledger and signs
the ledger's heads; it is read at each signature and never kept.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fedsov.errors import KeyUnavailable, WorkspaceUnusable
from fedsov.keys import sealing
from fedsov.keys.protocol import KeySettings, PublicKeys, RegionKeys
from fedsov.storage.atomic_files import sync_folder, written_beside
from fedsov.storage.bounded_files import parsed_json, read_bounded
from fedsov.storage.private_files import make_private_folder

KEYRING, SIGNING_KEY = "keyring.json", "signing.key"
"""Names of the files in the region's folder."""
KEY_BYTES = 32
_SECRETS = ("key_encryption_key", "pseudonym_key", "sealing_key")


def open_keys(settings: KeySettings) -> RegionKeys:
    """The keyring in the region's folder; see `LocalKeyring.open`."""
    return LocalKeyring.open(settings.folder / KEYRING, settings.region)


def create_keys(settings: KeySettings) -> RegionKeys:
    """A new keyring in the region's folder; see `LocalKeyring.create`."""
    return LocalKeyring.create(settings.folder / KEYRING, settings.region)


def has_keys(settings: KeySettings) -> bool:
    """Whether the region's folder has a keyring, be it whole or not."""
    return (settings.folder / KEYRING).exists()


@dataclass(frozen=True, slots=True)
class LocalKeyring:
    """The keys of one region, read from a file; its ``repr`` shows none of them."""

    region: str
    key_id: str
    _key_encryption_key: bytes = field(repr=False)
    _pseudonym_key: bytes = field(repr=False)
    _sealing_key: bytes = field(repr=False)
    _signing_key: Path = field(repr=False, compare=False, default=Path(SIGNING_KEY))

    @staticmethod
    def create(path: Path, region: str) -> LocalKeyring:
        """New keys in a new file. Raises WorkspaceUnusable where it exists or cannot be written."""
        parts = tuple(secrets.token_bytes(KEY_BYTES) for _ in _SECRETS)
        fresh = _keyring(region, secrets.token_hex(8), parts, path)
        body = {"region": region, "key_id": fresh.key_id}
        body |= {name: base64.b64encode(part).decode() for name, part in zip(_SECRETS, parts, strict=True)}
        try:
            make_private_folder(path.parent)
            write_key_file(path, json.dumps(body, indent=1).encode())
        except OSError as error:
            if path.exists():
                raise WorkspaceUnusable(f"{path} exists; a keyring is never written over") from None
            raise WorkspaceUnusable(
                f"cannot write {path}: {error.strerror}; free space or choose workspace=DIR"
            ) from None
        return fresh

    @staticmethod
    def open(path: Path, region: str) -> LocalKeyring:
        """The keyring of `region`.

        Raises:
            KeyUnavailable: missing, unreadable, open to other users, damaged, or another region's.
        """
        body = _read_private(path, region)
        try:
            parts = [base64.b64decode(body[name], validate=True) for name in _SECRETS]
            owner, key_id = str(body["region"]), str(body["key_id"])
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise KeyUnavailable(f"{path} is not a whole keyring; restore it from its backup") from None
        if any(len(part) != KEY_BYTES for part in parts):
            raise KeyUnavailable(f"{path} holds a key of the wrong length; restore it from its backup")
        if owner != region:
            raise KeyUnavailable(f"{path} is the keyring of {owner}, not of {region}; put {region}'s own there")
        return _keyring(owner, key_id, parts, path)

    @property
    def public(self) -> PublicKeys:
        """The public halves. Raises KeyUnavailable where the signing key is there and cannot be read."""
        signs = self._signing_key.exists()
        verify = self._signer().public_key().public_bytes_raw() if signs else None
        return PublicKeys(sealing.public_half(self._sealing_key), verify)

    def wrap(self, secret: bytes, context: str) -> bytes:
        """`secret` encrypted for this region, key and context."""
        return sealing.encrypted(self._key_encryption_key, secret, self._bound(context))

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """The inverse of `wrap`. Raises KeyUnavailable for a wrapping of another region, key or context."""
        try:
            return sealing.decrypted(self._key_encryption_key, wrapped, self._bound(context))
        except ValueError:
            raise KeyUnavailable(
                f"key {self.key_id} of {self.region} does not open this ({context}); not its, or changed"
            ) from None

    def pseudonyms(self, subjects: Iterable[str]) -> list[str]:
        """For each subject 32 hexadecimal digits: the first half of its HMAC-SHA256 under the region's own key."""
        return [hmac.digest(self._pseudonym_key, subject.encode(), "sha256").hex()[:32] for subject in subjects]

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature of 64 bytes. Raises KeyUnavailable where the signing key cannot be read."""
        return self._signer().sign(message)

    def open_sealed(self, sealed: bytes, context: str) -> bytes:
        """The content of `fedsov.keys.sealing.seal`. Raises KeyUnavailable for another's, another context's, a changed
        one."""
        try:
            return sealing.opened(self._sealing_key, sealed, context)
        except ValueError:
            raise KeyUnavailable(
                f"the sealing key of {self.region} does not open this ({context}); another's, or changed"
            ) from None

    def _bound(self, context: str) -> bytes:
        return json.dumps([self.region, self.key_id, context]).encode()

    def _signer(self) -> Ed25519PrivateKey:
        path = self._signing_key
        return read_signing_key(path, missing=f"{self.region} has no {path}; it is made with the region's ledger")


def read_signing_key(path: Path, *, missing: str) -> Ed25519PrivateKey:
    """The Ed25519 key of a PEM file. Raises KeyUnavailable; where there is no file, in the words `missing`."""
    try:
        text = path.read_bytes()
        if path.stat().st_mode & 0o077:
            raise KeyUnavailable(f"{path} is open to other users; run: chmod 600 {path}")
        private = load_pem_private_key(text, password=None)
    except FileNotFoundError:
        raise KeyUnavailable(missing) from None
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnavailable(f"{path} cannot be read ({error}); restore it from your copy") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyUnavailable(f"{path} is no Ed25519 key; restore it from your copy")
    return private


def _keyring(region: str, key_id: str, parts: Sequence[bytes], path: Path) -> LocalKeyring:
    wrapping, pseudonyms, sealed = parts
    return LocalKeyring(region, key_id, wrapping, pseudonyms, sealed, path.with_name(SIGNING_KEY))


def write_key_file(path: Path, content: bytes) -> None:
    """A key's new file, on the disk when this returns. Raises FileExistsError where there is one, OSError."""
    with written_beside(path, content) as aside:
        os.link(aside, path)  # unlike a rename, this fails where a keyring exists
    sync_folder(path.parent)


def _read_private(path: Path, region: str) -> dict[str, Any]:
    try:
        if path.stat().st_mode & 0o077:
            raise KeyUnavailable(f"{path} is open to other users; run: chmod 600 {path}")
        body = parsed_json(read_bounded(path))
    except FileNotFoundError:
        raise KeyUnavailable(
            f"{region} has no keyring at {path}; restore it from its backup, no other opens its stores"
        ) from None
    except OSError as error:
        raise KeyUnavailable(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise KeyUnavailable(f"{path} is not a whole keyring; restore it from its backup") from None
    if not isinstance(body, dict):
        raise KeyUnavailable(f"{path} is not a whole keyring; restore it from its backup")
    return body
