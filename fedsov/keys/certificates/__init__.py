"""Who a party is, by its certificate: a small authority of its own (X.509, RFC 5280), and names as SPIFFE writes them.

    key = new_key()                                                   # made where it is used; it never leaves
    asked = request(key, "region", "DE")                              # what leaves: a PKCS #10 request
    authority = new_authority("passphrase of the authority", now=now)
    certificate = authority.opened("passphrase of the authority").sign(asked, days=365, now=now)
    identity_of(certificate).name                                     # "DE"

Keys are P-256, signatures ECDSA with SHA-256. Functions over bytes: whoever calls them reads the files and the clock.
That a certificate was taken back stands in `fedsov.keys.revocation`.
"""

from fedsov.keys.certificates.authority import (
    AUTHORITY_DAYS,
    DAYS,
    CertificateAuthority,
    OpenAuthority,
    Requested,
    new_authority,
    request,
    requested,
)
from fedsov.keys.certificates.identity import (
    Identity,
    check_authority,
    check_issued,
    der_of,
    fingerprint,
    hosts_of,
    identity_of,
    is_signed_by,
    public_key_of,
)
from fedsov.keys.certificates.p256 import is_signed_with, new_key, private_key, public_half, signature_of
from fedsov.keys.certificates.party_names import HUB, HUB_OPERATOR, OPERATOR, REGION, ROLES, check_name, uri_of

__all__ = [
    "AUTHORITY_DAYS",
    "DAYS",
    "HUB",
    "HUB_OPERATOR",
    "OPERATOR",
    "REGION",
    "ROLES",
    "CertificateAuthority",
    "Identity",
    "OpenAuthority",
    "Requested",
    "check_authority",
    "check_issued",
    "check_name",
    "der_of",
    "fingerprint",
    "hosts_of",
    "identity_of",
    "is_signed_by",
    "is_signed_with",
    "new_authority",
    "new_key",
    "private_key",
    "public_half",
    "public_key_of",
    "request",
    "requested",
    "signature_of",
    "uri_of",
]
