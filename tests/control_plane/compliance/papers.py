"""Documents for records."""

from __future__ import annotations

from datetime import date
from typing import Any

from fedsov.border.evidence.register import Document


def document(kind: str, **changed: Any) -> Document:
    """A document `d` from Germany to the United States."""
    places = {"exporter": frozenset({"DE"}), "importer": frozenset({"US"}), "categories": frozenset({"personal"})}
    plain = {"id": "d", "signed": date(2026, 1, 5), "expires": None, "sha256": "", "owner": "office"}
    return Document(kind=kind, **(places | plain | changed))
