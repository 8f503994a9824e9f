"""What a document tells for the record alone, beside its terms: no rule reads it, and a regulator asks for it.

    record: {author: "A. Example, counsel", conclusion: "protection is equivalent", next_review: 2027-01-15}

Art. 46 and 13(1)(f) GDPR and Clause 14 of the EU clauses (who signed; the assessment's author, conclusion, measures,
next review); 28 CFR 202.1001, 202.1002 and 202.1101 (volumes, ownership, method, end use, who certified, when).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from fedsov.errors import ConfigurationError, unknown

RECORDED: Mapping[str, str] = {
    "signatories": "who signed it, for which party",
    "author": "who wrote the assessment",
    "conclusion": "what the assessment concludes",
    "measures": "the measures it asks for, or that are in place",
    "next_review": "the day by which it is looked at again",
    "volumes": "kinds and volumes of data of the transaction (28 CFR 202.1101)",
    "ownership": "who owns the other party, and where its owners live",
    "method": "how the data reach the other party",
    "end_use": "what the other party uses the data for",
    "certified_by": "the officer who certified the records",
    "certified_on": "the day of that certification",
}
"""The names, and what each says."""
DAYS = ("next_review", "certified_on")


def read_recorded(stated: Any, where: str) -> dict[str, str]:
    """The texts of a document's `record`; days as ISO texts. Raises ConfigurationError for other names and shapes."""
    if not isinstance(stated, Mapping):
        raise ConfigurationError(f"{where}: record is a mapping of texts, not {stated!r}")
    read = {}
    for name, value in stated.items():
        if name not in RECORDED:
            message = unknown("name", str(name)[:80], RECORDED, see="fedsov evidence kinds")
            raise ConfigurationError(f"{where}: record: {message}")
        read[str(name)] = _day(value, f"{where}: {name}") if name in DAYS else _text(value, f"{where}: {name}")
    return read


def _day(value: Any, where: str) -> str:
    try:
        return (value if type(value) is date else date.fromisoformat(value)).isoformat()
    except (TypeError, ValueError):
        raise ConfigurationError(f"{where} is {value!r}; write a date as 2026-11-22") from None


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{where} is {value!r}; write a text, in quotes")
    return value.strip()
