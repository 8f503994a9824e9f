"""Who signs the repository: the hub's and the regions' ledger keys, and keys of the repository's own in the hub's home.

Every key is Ed25519. Three `root` keys say which keys the others are, and two of the three sign; while the service runs
it needs none of them, so they can be kept elsewhere. `targets`, `snapshot` and `timestamp` sign as it runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.signer import Key, Signature, Signer, SSlibKey

from fedsov.errors import KeyUnavailable, LedgerBroken
from fedsov.ledger import signed_head
from fedsov.storage.control_folder import HubControlFolder
from fedsov.storage.private_files import make_private_folder

ONLINE = ("targets", "snapshot", "timestamp")
ROOT_KEYS = ("root-1", "root-2", "root-3")
ROOT_THRESHOLD = 2


class HoldsKey(Protocol):
    """Who signs: a public key (Ed25519, hexadecimal) and its private half; a ledger is such a value."""

    @property
    def key(self) -> str: ...

    def sign(self, message: bytes, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key of the repository's own, in a file."""

    private: signed_head.Signer

    @property
    def key(self) -> str:
        return self.private.public

    def sign(self, message: bytes, /) -> bytes:
        return self.private.private.sign(message)


def public_key(key: str) -> Key:
    """A public key (hexadecimal) as TUF writes it."""
    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)))


class TufSigner(Signer):
    """What signs metadata, by whoever holds the key."""

    def __init__(self, holder: HoldsKey) -> None:
        self._holder, self._public = holder, public_key(holder.key)

    @property
    def public_key(self) -> Key:
        return self._public

    def sign(self, payload: bytes) -> Signature:
        return Signature(self._public.keyid, self._holder.sign(payload).hex())

    @classmethod
    def from_priv_key_uri(cls, priv_key_uri: str, public_key: Key, secrets_handler: Any = None) -> Signer:
        raise NotImplementedError("keys are given by whoever holds them, and not found by an address")


def online_keys(folder: HubControlFolder, *, are_made: bool) -> dict[str, KeyFile]:
    """The keys that sign while the service runs, by role.

    Args:
        are_made: whether those that are missing are made, as at the first start.

    Raises KeyUnavailable.
    """
    return {role: _key_file(folder.keys / f"{role}.key", is_made=are_made) for role in ONLINE}


def root_keys(folder: HubControlFolder, *, are_made: bool) -> list[KeyFile]:
    """The root's keys that are at hand; all three where they are made. Raises KeyUnavailable."""
    paths = [folder.root_keys / f"{name}.key" for name in ROOT_KEYS]
    return [_key_file(path, is_made=are_made) for path in paths if are_made or path.exists()]


def _key_file(path: Path, *, is_made: bool) -> KeyFile:
    try:
        if is_made:
            make_private_folder(path.parent)
        return KeyFile(signed_head.Signer.made(path) if is_made else signed_head.Signer.read(path))
    except (LedgerBroken, OSError) as problem:
        raise KeyUnavailable(f"a key of the repository of approved versions: {problem}") from None
