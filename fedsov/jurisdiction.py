"""Legal orders, and the regions that hold their people's records.

A jurisdiction is named by its ISO 3166 code (``DE``, or ``US-OH`` where a part of a country has law of its own).
The atlas answers three questions: which code does this value mean, which regime governs that code, and which
region holds its records. It guesses nothing: what it does not know it answers with None, and the caller refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Region:
    """Where records live: the jurisdictions held, the place of its machines, its legal entity, key and retention.

    `owners` are other countries whose persons own half of the entity or more; `role` is its part in the law.
    """

    name: str
    jurisdictions: frozenset[str]
    location: str
    entity: str
    key_id: str
    retention_days: int | None = None
    owners: frozenset[str] = frozenset()
    role: str = "controller"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        listed = {"jurisdictions": sorted(self.jurisdictions), "owners": sorted(self.owners)}
        words = {
            name: getattr(self, name) for name in ("name", "location", "entity", "key_id", "retention_days", "role")
        }
        return words | listed

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Region:
        """The inverse of `to_json`."""
        sets = {"jurisdictions": frozenset(value["jurisdictions"]), "owners": frozenset(value.get("owners", ()))}
        return Region(**{**value, **sets})


@dataclass(frozen=True, slots=True)
class Atlas:
    """Codes to regimes and regions.

    Attributes:
        regimes: code to the id of the regime that governs it (``DE`` to ``EU-GDPR``).
        spellings: upper-case spelling (alpha-2, alpha-3, English name, alias) to code.
        regions: the federation's regions, by name.
    """

    regimes: Mapping[str, str]
    spellings: Mapping[str, str]
    regions: Mapping[str, Region] = field(default_factory=dict)

    def code(self, value: object) -> str | None:
        """The code that a value means, or None. Sub-national codes are known where their country is."""
        spelled = str(value).strip().upper()
        if spelled in self.spellings:
            return self.spellings[spelled]
        country, dash, part = spelled.partition("-")
        known = self.spellings.get(country)
        return f"{known}-{part}" if dash and part.isalnum() and len(part) <= 3 and known == country else None

    def regime(self, code: str) -> str | None:
        """The regime of a code; a sub-national code without law of its own falls under its country's."""
        return self.regimes.get(code) or self.regimes.get(code.partition("-")[0])

    def region(self, code: str) -> Region | None:
        """The region that holds a code's records; the most exact claim wins (``US-OH`` before ``US``)."""
        for wanted in (code, code.partition("-")[0]):
            for region in self.regions.values():
                if wanted in region.jurisdictions:
                    return region
        return None
