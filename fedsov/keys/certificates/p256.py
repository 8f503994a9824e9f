"""Private and public keys of parties: P-256 alone, as PEM.

key = new_key()
public_half(key)          # SubjectPublicKeyInfo: the form in which Flower registers a node
is_signed_with(public_half(key), message, signature_of(key, message))
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from fedsov.errors import CertificateRefused, KeyUnavailable


def new_key() -> bytes:
    """A new private key (P-256) as PEM, under no passphrase: for a file of mode 0600."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_half(key: bytes) -> bytes:
    """The public key of a private one, as PEM. Raises KeyUnavailable."""
    return public_text(private_key(key).public_key())


def signature_of(key: bytes, message: bytes) -> bytes:
    """A private key's signature (ECDSA, SHA-256, DER) of a message. Raises KeyUnavailable."""
    return private_key(key).sign(message, ec.ECDSA(SHA256()))


def is_signed_with(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature is that of a public key (PEM). Raises ValueError, CertificateRefused for what is no key."""
    try:
        public_key_in(public).verify(signature, message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def private_key(key: bytes) -> ec.EllipticCurvePrivateKey:
    """The key of a PEM text. Raises KeyUnavailable for what is no P-256 key."""
    try:
        read = load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyUnavailable("a party's private key cannot be read; restore it, or `fedsov deploy renew`") from None
    if not isinstance(read, ec.EllipticCurvePrivateKey) or not isinstance(read.curve, ec.SECP256R1):
        raise KeyUnavailable("a party's private key is not of the curve P-256; `fedsov deploy renew` makes one")
    return read


def public_key_in(text: bytes) -> ec.EllipticCurvePublicKey:
    key = load_pem_public_key(text)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateRefused("the public key is not of an elliptic curve")
    return key


def public_text(key: object) -> bytes:
    """A public key as PEM. Raises CertificateRefused for what is no P-256 key."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CertificateRefused("the public key is not of the curve P-256; `fedsov deploy join` makes one")
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
