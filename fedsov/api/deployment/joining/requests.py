"""What a region asks the authority for: a certificate for its new key, with the keys by which others know the region.

The whole is signed with the key of the region's ledger, which is in it: whoever asks has that key, and by the PKCS #10
request the certificate's key too. That the ledger is this region's is for the person who approves to know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fedsov.checks import section_of_texts, whole
from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.keys import signed_text
from fedsov.keys.certificates import REGION, requested
from fedsov.region.trust.known_peers import is_signed_sealing_key
from fedsov.storage.atomic_files import sha256_hex

FORMAT = "fedsov join request 1"


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A region's request.

    Attributes:
        csr: the request for the certificate (PKCS #10, PEM).
        verify_key: of the region's ledger (Ed25519, hexadecimal).
        sealing_key, sealing_signature: its X25519 key, and the ledger key's signature of that.
        settings_digest: SHA-256 of region.yaml as the region's ledger noted it last.
        authority: the fingerprint of the authority that is asked.
        number: which request of the region's it is, from 1 on, as its ledger counts them.
        at: when, ISO 8601 in UTC.
    """

    name: str
    csr: str
    verify_key: str
    sealing_key: str
    sealing_signature: str
    settings_digest: str
    authority: str
    number: int
    at: str

    @property
    def public_key(self) -> bytes:
        """The key that the certificate is to be for, PEM."""
        return requested(self.csr.encode()).public_key

    @property
    def key_digest(self) -> str:
        """SHA-256 of that key, by which a ledger notes it."""
        return sha256_hex(self.public_key)


def written_request(asked: JoinRequest, sign: Callable[[bytes], bytes]) -> bytes:
    """The text of a request, signed by the region's ledger key."""
    return signed_text.written(FORMAT, asdict(asked), sign)


def read_request(text: bytes) -> JoinRequest:
    """The request in a text.

    Raises CertificateRefused: not signed by the ledger key in it, a sealing key that this did not sign, or a request
    for another certificate than that of the region that it names.
    """

    def holds(plain: Mapping[str, Any], message: bytes, signature: bytes) -> bool:
        return signed_text.holds_ed25519(plain["verify_key"], message, signature)

    plain = signed_text.read(text, FORMAT, holds, called="the request")
    try:
        given: dict[str, Any] = dict(section_of_texts("the request", plain, JoinRequest))
        asked = JoinRequest(**{**given, "number": whole("number", plain["number"], at_least=1)})
        is_sealed = is_signed_sealing_key(
            asked.name, bytes.fromhex(asked.sealing_key), asked.verify_key, asked.sealing_signature
        )
    except (ConfigurationError, ValueError, KeyError):
        raise CertificateRefused("the request cannot be read; `fedsov deploy join` makes one") from None
    wanted = requested(asked.csr.encode())
    if (wanted.role, wanted.name) != (REGION, asked.name):
        raise CertificateRefused(
            f"the request of {asked.name} asks for the certificate of the {wanted.role} {wanted.name}; ask its owner"
        )
    if asked.verify_key != asked.verify_key.lower():
        raise CertificateRefused(f"the ledger key in the request of {asked.name} must be written in small letters")
    if not is_sealed:
        raise CertificateRefused(f"the sealing key in the request of {asked.name} is not signed by its ledger's key")
    return asked
