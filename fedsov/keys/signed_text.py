"""What one party of a deployment hands another: a JSON object of a named form, signed over its canonical text.

    text = written("fedsov join request 1", {"name": "DE"}, sign)
    plain = read(text, "fedsov join request 1", holds, called="the request")

The form is the first line of what is signed, so that no signature of one form is one of another. Which key must have
signed, and how, the caller's `holds` says: it may look for the key in the object itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fedsov.errors import CertificateRefused
from fedsov.storage.bounded_files import LARGEST, parsed_json

Holds = Callable[[Mapping[str, Any], bytes, bytes], bool]
"""Whether, of an object, the signature (last) of the message is that of the right key."""


def written(form: str, plain: Mapping[str, Any], sign: Callable[[bytes], bytes]) -> bytes:
    """The text of an object with its signature."""
    return json.dumps({"format": form, **plain, "signature": sign(message(form, plain)).hex()}, indent=1).encode()


def read(text: bytes, form: str, holds: Holds, *, called: str) -> dict[str, Any]:
    """The object in a text. Raises CertificateRefused for another form, or a signature that does not hold.

    Args:
        called: what it is, for the message.
    """
    plain, signature = _parts(text, form, called)
    try:
        is_signed = holds(plain, message(form, plain), signature)
    except (ValueError, TypeError, KeyError, AttributeError):  # the object lacks the key, or names what is none
        is_signed = False
    if not is_signed:
        raise CertificateRefused(f"{called} is not signed by whom it must be, or was changed since; ask for it again")
    return plain


def holds_ed25519(key: str, message: bytes, signature: bytes) -> bool:
    """Whether the signature is that of a public key (Ed25519, hexadecimal)."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _parts(text: bytes, form: str, called: str) -> tuple[dict[str, Any], bytes]:
    """The object without its form and signature, and the signature."""
    try:
        plain = dict(parsed_json(text if len(text) <= LARGEST else b""))
        signature, said = bytes.fromhex(plain.pop("signature")), plain.pop("format")
    except (ValueError, TypeError, KeyError):
        raise CertificateRefused(f"{called} cannot be read; ask for it again") from None
    if said != form:
        raise CertificateRefused(f"{called} is {str(said)[:60]!r}, and {form!r} is expected; give the right file")
    return plain, signature


def message(form: str, plain: Mapping[str, Any]) -> bytes:
    """What is signed of an object: its form, and its canonical text."""
    return form.encode() + b"\n" + json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
