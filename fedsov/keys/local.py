"""A region's keys at work: read from the keyring in its own folder, used in its own process, never given away.

``keyring.json`` (mode 0600) holds secrets of 32 random bytes, which a service may protect (`fedsov.keys.keyring_file`).
Of the key-encryption key one is derived for each part of what is wrapped (`fedsov.keys.principals`); a principal's
keyring has those of its parts instead. A wrapping is bound, as associated data of AES-256-GCM (NIST SP 800-38D), to the
region, the keyring's id, the context and the part: one of one region or purpose does not open in another. There may be
several versions: the newest wraps, and each opens what it wrapped. Pseudonyms are HMAC-SHA256 under a second secret, so
equal subjects of two regions have unequal pseudonyms. A third opens what was sealed for the region
(`fedsov.keys.sealing`).

Signatures are made with ``signing.key`` beside it, the Ed25519 key that is written with the region's ledger and signs
the ledger's heads; it is read at each signature and never kept. No service protects that file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fedsov.errors import KeyUnavailable, WorkspaceUnusable
from fedsov.keys import sealing
from fedsov.keys.credentials import check_private
from fedsov.keys.keyring_file import Keyring, new_keyring, read_keyring
from fedsov.keys.principals import OWNER, part_of
from fedsov.keys.protocol import KeyRetired, PublicKeys
from fedsov.keys.services import KeyService, root_key
from fedsov.storage.atomic_files import sync_folder, written_beside
from fedsov.storage.private_files import make_private_folder

T = TypeVar("T")
SIGNING_KEY = "signing.key"
"""The name of its file in the region's folder."""
_MARK, _VERSION = b"fedsov p", 4
"""What a wrapping by a part's key begins with, and the bytes of its version's number."""
_HEAD = len(_MARK) + _VERSION
"""The bytes of both."""
_WHOLE = b"fedsov k"
"""What a wrapping by the key-encryption key itself, as before, begins with by a version after the first."""


@dataclass(frozen=True, slots=True)
class LocalKeyring:
    """The keys of one region, read from a file; its ``repr`` shows none of them."""

    region: str
    key_id: str
    _wrapping: Mapping[int, bytes] = field(repr=False)
    _pseudonym_key: bytes = field(repr=False)
    _sealing_key: bytes = field(repr=False)
    _signing_key: Path = field(repr=False, compare=False, default=Path(SIGNING_KEY))
    principal: str = field(repr=False, default=OWNER)
    _parts: Mapping[str, bytes] = field(repr=False, default_factory=dict)

    @staticmethod
    def create(path: Path, region: str, service: KeyService = KeyService()) -> LocalKeyring:  # noqa: B008  # frozen
        """New keys in a new file. Raises WorkspaceUnusable where it exists or cannot be written, KeyUnavailable where
        the service does not protect it."""
        if path.exists():
            raise WorkspaceUnusable(f"{path} exists; a keyring is never written over")
        root = root_key(region, service)
        if root is not None:
            root.prepare()
        fresh = new_keyring(region, service, "" if root is None else root.version)
        try:
            make_private_folder(path.parent)
            write_key_file(path, fresh.content(root))
        except OSError as error:
            if path.exists():
                raise WorkspaceUnusable(f"{path} exists; a keyring is never written over") from None
            raise WorkspaceUnusable(
                f"cannot write {path}: {error.strerror}; free space or choose workspace=DIR"
            ) from None
        return LocalKeyring.of(fresh, path)

    @staticmethod
    def open(path: Path, region: str, service: KeyService | None = None, principal: str = OWNER) -> LocalKeyring:
        """The keyring of `region`. Raises as `fedsov.keys.keyring_file.read_keyring`."""
        return LocalKeyring.of(read_keyring(path, region, service, principal), path)

    @staticmethod
    def of(keyring: Keyring, path: Path) -> LocalKeyring:
        """The keys of a keyring that lies at this path."""
        secrets = (keyring.wrapping, keyring.pseudonyms, keyring.sealing)
        signing = path.with_name(SIGNING_KEY)
        return LocalKeyring(keyring.region, keyring.key_id, *secrets, signing, keyring.principal, keyring.parts)

    @property
    def public(self) -> PublicKeys:
        """The public halves. Raises KeyUnavailable where the signing key is there and cannot be read."""
        signs = self._signing_key.exists()
        verify = self._signer().public_key().public_bytes_raw() if signs else None
        return PublicKeys(sealing.public_half(self._its(self._sealing_key, "the sealing key")), verify)

    def wrap(self, secret: bytes, context: str) -> bytes:
        """`secret` encrypted for this region, the newest version of its part's key, and the context.

        Raises KeyUnavailable for a part that is not this principal's.
        """
        newest = max(self._wrapping or (int(name.rpartition(" ")[2]) for name in self._parts))
        key = self._part_key(context, newest)
        return _MARK + newest.to_bytes(_VERSION, "big") + sealing.encrypted(key, secret, self._bound(context, newest))

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """The inverse of `wrap`. Raises KeyUnavailable for a wrapping of another region, key or context, and for one
        of a version that was retired, or a part that is not this principal's."""
        number = version_of(wrapped)
        if wrapped.startswith(_MARK):
            key, content, bound = self._part_key(context, number), wrapped[_HEAD:], self._bound(context, number)
        else:
            self._its(self._wrapping, f"the whole key, which wrapped this before; `fedsov keys rotate {self.region}`")
            self._check_version(number in self._wrapping, context, number)
            key, content = self._wrapping[number], wrapped if number == 1 else wrapped[_HEAD:]
            bound = self._bound_before(context, number)
        try:
            return sealing.decrypted(key, content, bound)
        except ValueError:
            raise KeyUnavailable(
                f"key {self.key_id} of {self.region} does not open this ({context}); not its, or changed"
            ) from None

    def pseudonyms(self, subjects: Iterable[str]) -> list[str]:
        """For each subject 32 hexadecimal digits: the first half of its HMAC-SHA256 under the region's own key."""
        key = self._its(self._pseudonym_key, "the key of pseudonyms")
        return [digest.hex()[:32] for digest in _hmacs(key, subjects)]

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature of 64 bytes. Raises KeyUnavailable where the signing key cannot be read."""
        return self._signer().sign(message)

    def open_sealed(self, sealed: bytes, context: str) -> bytes:
        """The content of `fedsov.keys.sealing.seal`. Raises KeyUnavailable for another's, another context's, a changed
        one."""
        key = self._its(self._sealing_key, "the sealing key")
        try:
            return sealing.opened(key, sealed, context)
        except ValueError:
            raise KeyUnavailable(
                f"the sealing key of {self.region} does not open this ({context}); another's, or changed"
            ) from None

    def _part_key(self, context: str, number: int) -> bytes:
        """The key of a version for the part that the context belongs to."""
        part = part_of(context)
        if self._wrapping:
            self._check_version(number in self._wrapping, context, number)
            return sealing.derived_key(self._wrapping[number], f"part {part}")
        self._its(part in {name.rpartition(" ")[0] for name in self._parts}, f"the key of {part}")
        self._check_version(part_name(part, number) in self._parts, context, number)
        return self._parts[part_name(part, number)]

    def _check_version(self, is_there: bool, context: str, number: int) -> None:
        if not is_there:
            raise KeyRetired(
                f"version {number} of key {self.key_id} of {self.region} is not there ({context}): retired, or changed"
            )

    def _its(self, key: T, what: str) -> T:
        """A key that this principal has. Raises KeyUnavailable where it has none."""
        if not key:
            raise KeyUnavailable(f"the {self.principal} of {self.region} does not have {what}")
        return key

    def _bound(self, context: str, number: int) -> bytes:
        return json.dumps([self.region, self.key_id, context, number, part_of(context)]).encode()

    def _bound_before(self, context: str, number: int) -> bytes:
        return json.dumps([self.region, self.key_id, context, *([] if number == 1 else [number])]).encode()

    def _signer(self) -> Ed25519PrivateKey:
        path = self._signing_key
        return read_signing_key(path, missing=f"{self.region} has no {path}; it is made with the region's ledger")


def _hmacs(key: bytes, messages: Iterable[str]) -> Iterator[bytes]:
    """HMAC-SHA256 (RFC 2104) of many messages under a key of 64 bytes at most: its two blocks are hashed once."""
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in key.ljust(64, b"\0"))) for pad in (0x36, 0x5C))
    for message in messages:
        first, second = inner.copy(), outer.copy()
        first.update(message.encode())
        second.update(first.digest())
        yield second.digest()


def read_signing_key(path: Path, *, missing: str) -> Ed25519PrivateKey:
    """The Ed25519 key of a PEM file. Raises KeyUnavailable; where there is no file, in the words `missing`."""
    try:
        text = path.read_bytes()
        check_private(path)
        private = load_pem_private_key(text, password=None)
    except FileNotFoundError:
        raise KeyUnavailable(missing) from None
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnavailable(f"{path} cannot be read ({error}); restore it from your copy") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyUnavailable(f"{path} is no Ed25519 key; restore it from your copy")
    return private


def write_key_file(path: Path, content: bytes) -> None:
    """A key's new file, on the disk when this returns. Raises FileExistsError where there is one, OSError."""
    with written_beside(path, content) as aside:
        os.link(aside, path)  # unlike a rename, this fails where a keyring exists
    sync_folder(path.parent)


def version_of(wrapped: bytes) -> int:
    """The version of the region's key that wrapped this."""
    return int.from_bytes(wrapped[len(_MARK) : _HEAD], "big") if wrapped.startswith((_MARK, _WHOLE)) else 1


def part_name(part: str, version: int) -> str:
    """What a principal's keyring calls the key of a part."""
    return f"{part} {version}"


def part_keys(wrapping: Mapping[int, bytes], parts: Iterable[str]) -> dict[str, bytes]:
    """The keys of these parts for every version of the region's key, by `part_name`."""
    return {
        part_name(part, version): sealing.derived_key(key, f"part {part}")
        for part in parts
        for version, key in wrapping.items()
    }
