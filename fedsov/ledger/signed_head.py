"""A ledger's head, signed by its owner: how many entries, under which root, and whose word that is.

A head is small enough for others to keep, and whoever kept one can tell later whether the ledger still continues it.
It is signed with an Ed25519 key that never leaves its owner's folder (`signing.key`, for its owner's eyes only);
to check a head takes the public key alone. Signed is the canonical JSON of format, owner, size and root.

    signer = Signer.made(folder / "signing.key")
    head = signer.signed("eu", size=0, root=EMPTY)
    head.check()
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from fedsov.errors import ConfigurationError, LedgerBroken, counted
from fedsov.ledger.canonical_json import canonical, parsed
from fedsov.storage.atomic_files import sync_folder, written_beside

FORMAT = "fedsov ledger head 1"
_LENGTHS = {"digest": 64, "key": 64, "signature": 128}


@dataclass(frozen=True, slots=True)
class Head:
    """The state of a ledger: the number of its entries and the Merkle root over them.

    Attributes:
        digest: the root, in hex.
        owner: whose ledger it is.
        key, signature: the owner's public key and its signature, in hex; empty in a head that nobody signed.
    """

    size: int
    digest: str
    owner: str = ""
    key: str = ""
    signature: str = ""

    @property
    def short(self) -> str:
        """SIZE:ROOT, as `read_head` takes it."""
        return f"{self.size}:{self.digest}"

    def to_json(self) -> dict[str, Any]:
        """For another party to keep."""
        return asdict(self)

    @staticmethod
    def from_json(value: Any) -> Head:
        """A head that somebody kept or sent, its form checked, its signature not. Raises ConfigurationError."""
        if not isinstance(value, Mapping) or not {"size", "digest"} <= set(value) <= set(Head.__slots__):
            raise ConfigurationError("expected a head: an object of size, digest, owner, key and signature")
        head = Head(**value)
        if type(head.size) is not int or not 0 <= head.size < 2**63:
            raise ConfigurationError("a head's size must be a whole number from 0 on")
        if not isinstance(head.owner, str):
            raise ConfigurationError("a head's owner must be text")
        for name, length in _LENGTHS.items():
            text = getattr(head, name)
            is_absent = text == "" and name != "digest"
            if not isinstance(text, str) or not (is_absent or re.fullmatch(rf"[0-9a-f]{{{length}}}", text)):
                raise ConfigurationError(f"a head's {name} must be {length} hexadecimal digits")
        return head

    def message(self) -> bytes:
        """The bytes that are signed, and that a time-stamping authority sees the hash of."""
        return canonical({"format": FORMAT, "owner": self.owner, "size": self.size, "digest": self.digest})

    def check(self) -> Head:
        """This head. Raises LedgerBroken where its signature is not that of its key."""
        try:
            is_signed = signature_holds(self.message(), self.key, self.signature)
        except ValueError:  # a size that is no JSON number, which no owner signs
            is_signed = False
        if not is_signed:
            raise LedgerBroken(
                f"the head of {self.owner or 'nobody'} at size {self.size:,} is not signed by key "
                f"{self.key[:16]}: "
                "size, root, owner or signature was changed, or another key signed it"
            )
        return self


def is_key(word: str) -> bool:
    """Whether a text can be a public key (Ed25519), in hexadecimal."""
    try:
        return len(bytes.fromhex(word)) == 32
    except ValueError:
        return False


def signature_holds(message: bytes, key: str, signature: str) -> bool:
    """True where the signature (hex) of the message is that of the public key (hex)."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_head(text: str) -> Head:
    """A head from ``SIZE:ROOT``, from JSON, or from the name of a file that holds JSON.

    Raises ConfigurationError where it is none of them.
    """
    if match := re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text.strip()):
        return Head(int(match[1]), match[2])
    if re.match(r"\d+:", text.strip()):
        raise ConfigurationError(
            f"{text[:80]!r} is no head: SIZE:ROOT is a number, a colon and 64 hexadecimal digits (0-9, a-f), as "
            "`ledger verify` prints"
        )
    try:
        return Head.from_json(parsed(text if text.lstrip().startswith("{") else Path(text).read_bytes()))
    except (OSError, ValueError) as problem:
        raise ConfigurationError(
            f"{text[:80]!r} is no head ({problem}); give SIZE:ROOT, or the head.json of an export"
        ) from problem


@dataclass(frozen=True, slots=True)
class Signer:
    """An owner's private key, and the public one (hex) that others keep."""

    private: Ed25519PrivateKey
    public: str

    @staticmethod
    def read(path: Path) -> Signer:
        """The key of a file. Raises LedgerBroken where there is none, it is no key, or others may read it."""
        try:
            text = path.read_bytes()
            if path.stat().st_mode & 0o077:
                raise LedgerBroken(f"signing key {path} can be read by others; run `chmod 600 {path}`")
            private = load_pem_private_key(text, password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as problem:
            raise LedgerBroken(f"signing key {path} cannot be read ({problem}); restore it from your copy") from problem
        if not isinstance(private, Ed25519PrivateKey):
            raise LedgerBroken(f"signing key {path} is no Ed25519 key; restore it from your copy")
        return Signer(private, private.public_key().public_bytes_raw().hex())

    @staticmethod
    def made(path: Path) -> Signer:
        """The key of a file, written first where there is none; of several processes that try, one does."""
        if not path.exists():
            try:
                _write_new(path, Ed25519PrivateKey.generate())
            except OSError as problem:
                raise LedgerBroken(f"signing key {path} cannot be written: {problem}; nothing crossed") from problem
        return Signer.read(path)

    def signed(self, owner: str, *, size: int, root: bytes) -> Head:
        """The head of so many entries under this root, with the owner's signature."""
        head = Head(size, root.hex(), owner, self.public)
        return replace(head, signature=self.private.sign(head.message()).hex())


def _write_new(path: Path, key: Ed25519PrivateKey) -> None:
    """Writes a key file whole and durably, or leaves the one that another process has just written."""
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with written_beside(path, text) as aside, suppress(FileExistsError):
        os.link(aside, path)
    sync_folder(path.parent)


def head_fault(head: Head, size: int, root: str) -> str:
    """What is wrong with a head over entries that match their own hashes, in one line, or nothing."""
    try:
        head.check()
        is_signed = True
    except LedgerBroken:
        is_signed = False
    if is_signed and size < head.size:
        signed = counted(head.size, "signed entry", "signed entries")
        return f"entry {size + 1} is missing: of {signed} the end was cut or rewritten"
    if is_signed and size > head.size:
        covered = counted(head.size, "entry", "entries")
        return f"entry {head.size + 1} is not under the signed head, which covers {covered}: it was added"
    if is_signed and root != head.digest:
        return (
            f"entries 1 to {size} do not make up the signed root: some were changed together with the hashes above "
            "them; verify with --since and a head you kept to find where"
        )
    if is_signed:
        return ""
    if (size, root) == (head.size, head.digest):
        what = "signature, owner or key was changed"
        place = counted(size, "entry", "entries")
        return f"the head's signature at {place} is not that of key {head.key[:16]}: {what}"
    what = f"size {head.size} instead of {size}" if size != head.size else f"another root than entries 1 to {size} have"
    return f"the head was changed or forged: it has {what}, and is not signed by key {head.key[:16]}"
