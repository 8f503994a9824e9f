"""A region's keys: wrap a file's key, name a subject by a pseudonym, open what was sealed for the region.

`RegionKeys` is all that a store asks of a key service: wrap and unwrap a short secret for a context.
`LocalKeyring` answers from a JSON file of mode 0600 that never leaves the region's folder. What it wraps is
bound, as associated data of AES-256-GCM (NIST SP 800-38D), to the region, the key's id and the context; a
wrapping of one region or one purpose does not open in another.

Pseudonyms are HMAC-SHA256 under a key of the region alone, so equal subjects of two regions have unequal
pseudonyms. `seal` encrypts to a region's public key so that whoever carries the bytes cannot read them
(ephemeral X25519, RFC 7748; HKDF-SHA256, RFC 5869; AES-256-GCM). It does not say who sealed.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedsov.errors import KeyUnavailable, WorkspaceUnusable

_NONCE = 12
_PUBLIC = 32
_SECRETS = ("key_encryption_key", "pseudonym_key", "sealing_key")


class RegionKeys(Protocol):
    """A key service that acts for one region."""

    @property
    def region(self) -> str: ...

    @property
    def key_id(self) -> str: ...

    def wrap(self, secret: bytes, context: str) -> bytes: ...

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Raises KeyUnavailable where the wrapping is not this region's, or not of this context."""
        ...


@dataclass(frozen=True, slots=True)
class LocalKeyring:
    """The keys of one region, read from a file; its ``repr`` shows none of them."""

    region: str
    key_id: str
    _key_encryption_key: bytes = field(repr=False)
    _pseudonym_key: bytes = field(repr=False)
    _sealing_key: bytes = field(repr=False)

    @staticmethod
    def create(path: Path, region: str) -> LocalKeyring:
        """New keys in a new file. Raises WorkspaceUnusable where it exists or cannot be written."""
        fresh = LocalKeyring(region, secrets.token_hex(8), *(secrets.token_bytes(32) for _ in _SECRETS))
        parts = (fresh._key_encryption_key, fresh._pseudonym_key, fresh._sealing_key)
        body = {"region": region, "key_id": fresh.key_id}
        body |= {name: base64.b64encode(part).decode() for name, part in zip(_SECRETS, parts, strict=True)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_new(path, json.dumps(body, indent=1).encode())
        except FileExistsError:
            raise WorkspaceUnusable(f"{path} exists; a keyring is never written over") from None
        except OSError as error:
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
        if any(len(part) != 32 for part in parts):
            raise KeyUnavailable(f"{path} holds a key of the wrong length; restore it from its backup")
        if owner != region:
            raise KeyUnavailable(f"{path} is the keyring of {owner}, not of {region}; put {region}'s own there")
        return LocalKeyring(owner, key_id, *parts)

    def wrap(self, secret: bytes, context: str) -> bytes:
        """`secret` encrypted for this region, key and context."""
        return _encrypt(self._key_encryption_key, secret, self._bound(context))

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """The inverse of `wrap`. Raises KeyUnavailable for a wrapping of another region, key or context."""
        try:
            return _decrypt(self._key_encryption_key, wrapped, self._bound(context))
        except (InvalidTag, ValueError):
            raise KeyUnavailable(
                f"key {self.key_id} of {self.region} does not open this ({context}); not its, or changed"
            ) from None

    def pseudonym(self, subject: str) -> str:
        """32 hexadecimal digits that stand for a subject within this region (HMAC-SHA256, first half)."""
        return hmac.digest(self._pseudonym_key, subject.encode(), "sha256").hex()[:32]

    def pseudonyms(self, subjects: Iterable[str]) -> list[str]:
        """`pseudonym` of each."""
        return [self.pseudonym(subject) for subject in subjects]

    @property
    def public_key(self) -> bytes:
        """32 bytes to which anyone can `seal` content for this region."""
        return _raw(X25519PrivateKey.from_private_bytes(self._sealing_key).public_key())

    def open_sealed(self, sealed: bytes, context: str) -> bytes:
        """The content of `seal`. Raises KeyUnavailable for another's, another context's or a changed one."""
        try:
            ephemeral = X25519PublicKey.from_public_bytes(sealed[:_PUBLIC])
            shared = X25519PrivateKey.from_private_bytes(self._sealing_key).exchange(ephemeral)
            key = _derived(shared, sealed[:_PUBLIC], self.public_key)
            return _decrypt(key, sealed[_PUBLIC:], context.encode())
        except (InvalidTag, ValueError):
            raise KeyUnavailable(
                f"the sealing key of {self.region} does not open this ({context}); another's, or changed"
            ) from None

    def _bound(self, context: str) -> bytes:
        return json.dumps([self.region, self.key_id, context]).encode()


def seal(recipient_public: bytes, content: bytes, context: str) -> bytes:
    """`content` encrypted so that only the owner of `recipient_public` (32 bytes) opens it, for this context.

    Layout: ephemeral public key (32), nonce (12), ciphertext and tag. Raises KeyUnavailable for an impossible
    key.
    """
    ephemeral = X25519PrivateKey.generate()
    public = _raw(ephemeral.public_key())
    try:
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient_public))
    except ValueError:
        raise KeyUnavailable(f"cannot seal ({context}): not an X25519 public key of 32 bytes") from None
    return public + _encrypt(_derived(shared, public, recipient_public), content, context.encode())


def _derived(shared: bytes, ephemeral: bytes, recipient: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"fedsov seal 1" + ephemeral + recipient).derive(shared)


def _encrypt(key: bytes, content: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, content, bound)


def _decrypt(key: bytes, content: bytes, bound: bytes) -> bytes:
    return AESGCM(key).decrypt(content[:_NONCE], content[_NONCE:], bound)


def _raw(key: X25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _write_new(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # unlike a rename, this fails where a keyring exists
    finally:
        temporary.unlink(missing_ok=True)


def _read_private(path: Path, region: str) -> dict[str, str]:
    try:
        if path.stat().st_mode & 0o077:
            raise KeyUnavailable(f"{path} is open to other users; run: chmod 600 {path}")
        body = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise KeyUnavailable(f"{region} has no keyring at {path}; restore it from its backup") from None
    except OSError as error:
        raise KeyUnavailable(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise KeyUnavailable(f"{path} is not a whole keyring; restore it from its backup") from None
    if not isinstance(body, dict):
        raise KeyUnavailable(f"{path} is not a whole keyring; restore it from its backup")
    return body
