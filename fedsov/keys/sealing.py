"""Encryption to a region's public key, so that whoever carries the bytes cannot read them.

It takes an ephemeral X25519 key (RFC 7748), HKDF-SHA256 (RFC 5869) and AES-256-GCM (NIST SP 800-38D), the context
as associated data. A seal does not say who made it.

    sealed = seal(public_half(private), b"rows", "DE")
    opened(private, sealed, "DE")
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedsov.errors import KeyUnavailable

NONCE = 12
PUBLIC = 32


def seal(recipient_public: bytes, content: bytes, context: str) -> bytes:
    """`content` encrypted so that only the owner of `recipient_public` (32 bytes) opens it, for this context.

    Layout: ephemeral public key (32), nonce (12), ciphertext and tag. Raises KeyUnavailable for an impossible key.
    """
    ephemeral = X25519PrivateKey.generate()
    public = ephemeral.public_key().public_bytes_raw()
    try:
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient_public))
    except ValueError:
        raise KeyUnavailable(f"cannot seal ({context}): not an X25519 public key of 32 bytes") from None
    return public + encrypted(_derived(shared, public, recipient_public), content, context.encode())


def opened(private: bytes, sealed: bytes, context: str) -> bytes:
    """The content of `seal`, by the owner's 32 private bytes.

    Raises ValueError for what was sealed for another key or context, or was changed.
    """
    ephemeral = X25519PublicKey.from_public_bytes(sealed[:PUBLIC])
    shared = X25519PrivateKey.from_private_bytes(private).exchange(ephemeral)
    return decrypted(_derived(shared, sealed[:PUBLIC], public_half(private)), sealed[PUBLIC:], context.encode())


def public_half(private: bytes) -> bytes:
    """The 32-byte X25519 public key of 32 private bytes."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def encrypted(key: bytes, content: bytes, bound: bytes) -> bytes:
    """Nonce (12), ciphertext and tag of AES-256-GCM under a fresh nonce; `bound` must be the same at decryption."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, content, bound)


def decrypted(key: bytes, content: bytes, bound: bytes) -> bytes:
    """The inverse of `encrypted`. Raises ValueError for another key, another `bound`, or a changed byte."""
    try:
        return AESGCM(key).decrypt(content[:NONCE], content[NONCE:], bound)
    except InvalidTag:
        raise ValueError("does not decrypt: another key or context, or changed") from None


def derived_key(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, of a secret of at least 16; keys of two purposes tell nothing of each other.

    HKDF-SHA256 (RFC 5869), the purpose in its `info`.
    """
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"fedsov key 1 " + purpose.encode()).derive(secret)


def _derived(shared: bytes, ephemeral: bytes, recipient: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"fedsov seal 1" + ephemeral + recipient).derive(shared)
