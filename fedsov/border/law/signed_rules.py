"""The signature of a file of additional rules, by the person who answers for the law: the law owner.

A rule that forbids or asks for a review needs none: it only takes away. A rule that permits or releases opens a border,
so its file needs a signature beside it (``RULES.yaml.sig``), made with a key that no region's process has. Whose
signature counts is said by `region.yaml`, which pins the public key (`fedsov.region.settings`).

The signature is Ed25519 (RFC 8032) over a domain line and the bytes of the file.
"""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from fedsov.errors import ConfigurationError, WorkspaceUnusable
from fedsov.keys.local import read_signing_key, write_key_file
from fedsov.ledger.signed_head import signature_holds
from fedsov.storage.atomic_files import replace_file
from fedsov.storage.bounded_files import parsed_json, read_bounded
from fedsov.storage.private_files import make_private_folder

DOMAIN = b"fedsov additional rules 1\n"


def make_owner_key(path: Path) -> str:
    """A law owner's new key in a new file of mode 0600; its public half in hexadecimal.

    Raises WorkspaceUnusable where there is a file of that name, or it cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        make_private_folder(path.resolve().parent)
        write_key_file(path, content)
    except FileExistsError:
        raise WorkspaceUnusable(f"{path} exists; a key is never written over: name another file") from None
    except OSError as error:
        raise WorkspaceUnusable(f"cannot write {path}: {error.strerror}; name another file") from None
    return key.public_key().public_bytes_raw().hex()


def public_half(key: Path) -> str:
    """The public half of a law owner's key, in hexadecimal. Raises KeyUnavailable."""
    return _owner(key).public_key().public_bytes_raw().hex()


def sign_rules(rules: Path, key: Path) -> str:
    """Writes the signature of a file of rules beside it; the signer's public key in hexadecimal.

    Raises ConfigurationError where the rules cannot be read, KeyUnavailable where the key cannot.
    """
    owner = _owner(key)
    body = {"key": owner.public_key().public_bytes_raw().hex(), "signature": owner.sign(_signed(rules)).hex()}
    try:
        replace_file(_beside(rules), json.dumps(body, indent=1).encode() + b"\n")
    except OSError as error:
        raise WorkspaceUnusable(f"cannot write {_beside(rules)}: {error.strerror}") from None
    return body["key"]


def signer_of(rules: Path, content: bytes) -> str | None:
    """The public key (hexadecimal) whose signature beside the file holds for this content; None where there is none.

    Raises ConfigurationError for a signature that does not hold: the file was changed after it was signed.
    """
    path = _beside(rules)
    try:
        body = parsed_json(read_bounded(path))
        key, signature = str(body["key"]), str(body["signature"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, OSError):
        key = signature = ""
    if not signature_holds(DOMAIN + content, key, signature):
        raise ConfigurationError(
            f"{path} is no signature of {rules} as it is now: it was changed after it was signed; read it, then "
            f"`fedsov border sign {rules} --key FILE`"
        )
    return key


def _beside(rules: Path) -> Path:
    return rules.with_name(f"{rules.name}.sig")


def _signed(rules: Path) -> bytes:
    try:
        return DOMAIN + rules.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read the rules in {rules}: {error.strerror}") from None


def _owner(path: Path) -> Ed25519PrivateKey:
    missing = f"no key at {path}; `fedsov region owner init NAME --key {path}` makes one"
    return read_signing_key(path, missing=missing)
