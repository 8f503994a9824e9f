"""A private key under a passphrase, in the form that OpenSSL reads too: PKCS #8 (RFC 5958), encrypted by PBES2
(RFC 8018) with scrypt (RFC 7914) and AES-256-CBC.

The library's own writer derives the key by 2,048 rounds of PBKDF2, which a graphics card guesses by the million a
second; so the few bytes of ASN.1 (DER) are written here. The cost is OWASP's for scrypt: 16 MiB and some 0.2 s for each
guess. `openssl pkey -in ca.key` opens the file.

    text = encrypted(key, "a passphrase of 12 letters or more")
    key = decrypted(text, "a passphrase of 12 letters or more", called="ca.key")
"""

from __future__ import annotations

import base64
import os
import textwrap

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from fedsov.errors import KeyUnavailable
from fedsov.keys.passphrase import SHORTEST

_COST, _BLOCK, _PASSES, _KEY, _SALT = 2**14, 8, 5, 32, 16
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT = bytes.fromhex("06092b06010401da47040b")
_AES_256_CBC = bytes.fromhex("060960864801650304012a")
"""Object identifiers 1.2.840.113549.1.5.13, 1.3.6.1.4.1.11591.4.11 and 2.16.840.1.101.3.4.1.42, in DER."""
_SEQUENCE, _INTEGER, _OCTETS = 0x30, 0x02, 0x04


def encrypted(key: EllipticCurvePrivateKey, passphrase: str) -> bytes:
    """The key under the passphrase, as PEM. Raises KeyUnavailable for a passphrase of fewer than 12 letters."""
    if len(passphrase) < SHORTEST:
        raise KeyUnavailable(f"the passphrase has fewer than {SHORTEST} letters; choose a longer one")
    salt, start = os.urandom(_SALT), os.urandom(16)
    derived = Scrypt(salt=salt, length=_KEY, n=_COST, r=_BLOCK, p=_PASSES).derive(passphrase.encode())
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    pad = padding.PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(derived), modes.CBC(start)).encryptor()
    content = cipher.update(pad.update(plain) + pad.finalize()) + cipher.finalize()
    cost = _octets(salt) + b"".join(map(_integer, (_COST, _BLOCK, _PASSES, _KEY)))
    derivation = _sequence(_SCRYPT + _sequence(cost))
    scheme = _sequence(_PBES2 + _sequence(derivation + _sequence(_AES_256_CBC + _octets(start))))
    return _pem(_sequence(scheme + _octets(content)))


def decrypted(text: bytes, passphrase: str, *, called: str) -> EllipticCurvePrivateKey:
    """The inverse of `encrypted`. Raises KeyUnavailable for another passphrase, or what is no such key.

    Args:
        called: what the key is, for the message.
    """
    if b"BEGIN ENCRYPTED PRIVATE KEY" not in text:
        raise KeyUnavailable(f"{called} is not a private key under a passphrase; restore your copy")
    try:
        key = load_pem_private_key(text, passphrase.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyUnavailable(
            f"the passphrase does not open {called}: another one, or the file was changed; nothing was signed"
        ) from None
    if not isinstance(key, EllipticCurvePrivateKey):
        raise KeyUnavailable(f"{called} is no key of an elliptic curve; restore your copy")
    return key


def _pem(der: bytes) -> bytes:
    lines = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{lines}\n-----END ENCRYPTED PRIVATE KEY-----\n".encode()


def _sequence(content: bytes) -> bytes:
    return _der(_SEQUENCE, content)


def _octets(content: bytes) -> bytes:
    return _der(_OCTETS, content)


def _integer(number: int) -> bytes:
    return _der(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _der(tag: int, content: bytes) -> bytes:
    """Tag, length and content (ITU-T X.690, 8.1)."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
