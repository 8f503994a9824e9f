"""Who signs the repository: the hub's and the regions' ledger keys, and keys of the repository's own in the hub's home.

Every key is Ed25519. Three `root` keys say which keys the others are, and two of the three sign; while the service runs
it needs none of them, so they can be kept elsewhere. `targets`, `snapshot` and `timestamp` sign as it runs. A file is
named after its public key, and the root in force says which are used: a kill while keys are replaced leaves both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from securesystemslib.signer import Key, Signature, Signer, SSlibKey
from tuf.api.metadata import Metadata, Root

from fedsov.errors import KeyUnavailable, LedgerBroken
from fedsov.ledger import signed_head
from fedsov.storage.atomic_files import write_file
from fedsov.storage.control_folder import HubControlFolder

ROOT = "root"
ONLINE = ("targets", "snapshot", "timestamp")
ROOT_KEYS = 3
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
        raise KeyUnavailable(f"{priv_key_uri}: a key of the repository is given by whoever holds it, not by an address")


def new_key(folder: HubControlFolder, role: str) -> KeyFile:
    """A new key for a role, in a file of its own. Raises WorkspaceUnusable."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw().hex()
    write_file(_path(folder, role, public), private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return KeyFile(signed_head.Signer(private, public))


def online_keys(folder: HubControlFolder, root: Root) -> dict[str, KeyFile]:
    """The keys that sign while the service runs, by role, as the root names them. Raises KeyUnavailable."""
    return {role: _read_key(_path(folder, role, _publics(root, role)[0]), role) for role in ONLINE}


def names_keys(root: Root, keys: Mapping[str, KeyFile]) -> bool:
    """Whether the root names these keys for their roles."""
    return all(holder.key in _publics(root, role) for role, holder in keys.items())


def root_keys(folder: HubControlFolder, root: Root) -> list[KeyFile]:
    """Those of the root's keys that are at hand. Raises KeyUnavailable for one that cannot be read."""
    paths = [_path(folder, ROOT, public) for public in _publics(root, ROOT)]
    return [_read_key(path, ROOT) for path in paths if path.exists()]


def root_key_names(folder: HubControlFolder, content: bytes) -> dict[str, bool]:
    """How the public half of each of the root's keys begins, and whether its file is at hand."""
    root = Metadata[Root].from_bytes(content).signed
    return {public[:16]: _path(folder, ROOT, public).exists() for public in _publics(root, ROOT)}


def _publics(root: Root, role: str) -> list[str]:
    return [str(root.keys[keyid].keyval["public"]) for keyid in root.roles[role].keyids]


def _path(folder: HubControlFolder, role: str, public: str) -> Path:
    return (folder.root_keys if role == ROOT else folder.keys) / f"{role}-{public[:16]}.key"


def _read_key(path: Path, role: str) -> KeyFile:
    try:
        return KeyFile(signed_head.Signer.read(path))
    except LedgerBroken as problem:
        raise KeyUnavailable(f"the {role} key of the hub's repository: {problem}") from None
