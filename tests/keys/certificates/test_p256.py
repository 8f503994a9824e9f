"""Keys of parties are P-256 and nothing else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fedsov.errors import KeyUnavailable
from fedsov.keys.certificates import private_key, public_half


def test_what_is_no_p256_key_is_refused() -> None:
    longer = ec.generate_private_key(ec.SECP384R1())
    text = longer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(KeyUnavailable, match="not of the curve P-256"):
        private_key(text)
    with pytest.raises(KeyUnavailable, match="cannot be read"):
        public_half(b"half a key")
