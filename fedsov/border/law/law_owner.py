"""The law owner's key: made once, kept away from every region's machine, used to sign additional rules.

No gate needs it: who decides only checks signatures (`fedsov.border.law.signed_rules`).
"""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fedsov.border.law.signed_rules import DOMAIN, signature_of
from fedsov.errors import ConfigurationError, WorkspaceUnusable
from fedsov.keys.local import read_signing_key, write_key_file
from fedsov.storage.atomic_files import replace_file
from fedsov.storage.private_files import make_private_folder


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
    try:
        content = rules.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read the rules in {rules}: {error.strerror}") from None
    body = {"key": owner.public_key().public_bytes_raw().hex(), "signature": owner.sign(DOMAIN + content).hex()}
    try:
        replace_file(signature_of(rules), json.dumps(body, indent=1).encode() + b"\n")
    except OSError as error:
        raise WorkspaceUnusable(f"cannot write {signature_of(rules)}: {error.strerror}") from None
    return body["key"]


def _owner(path: Path) -> Ed25519PrivateKey:
    missing = f"no key at {path}; `fedsov region owner init NAME --key {path}` makes one"
    return read_signing_key(path, missing=missing)
