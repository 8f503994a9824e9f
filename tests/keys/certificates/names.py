"""Names in certificates, also those that fedsov would not write."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
WORDS = "correct horse battery"


def subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)
