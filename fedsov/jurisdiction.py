"""Legal orders, and the regions that hold their people's records.

A jurisdiction is named by its ISO 3166 code (``DE``, or ``US-OH`` where a part of a country has law of its own).
The atlas answers three questions: which code does this value mean, which regime governs that code, and which
region holds its records. It guesses nothing: what it does not know it answers with None, and the caller refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedsov.checks import choice, refused, require, section, shown, text, texts, whole
from fedsov.errors import ConfigurationError, nearest

ROLES = ("controller", "processor")
"""What a party may be in data-protection law."""


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
    def from_settings(group: str, plain: Any, atlas: Atlas) -> Region:
        """A region as the federation's catalogue describes it; the keys are these fields.

        Args:
            group: such as ``federation.catalogue.DE``, for messages.

        Raises:
            ConfigurationError: a key that nobody reads or that is not set, or a value that cannot be.
        """
        given = section(group, plain, Region)
        given |= party_settings(group, given, atlas) | {
            "jurisdictions": _codes(f"{group}.jurisdictions", given["jurisdictions"], atlas),
            "key_id": text(f"{group}.key_id", given["key_id"]),
        }
        if given.get("retention_days") is not None:
            whole(f"{group}.retention_days", given["retention_days"], at_least=0)
        return Region(**given)

    @staticmethod
    def of_code(code: str) -> Region:
        """The region that a jurisdiction gets where none is described: of its own name, in its own territory."""
        return Region(code, frozenset({code}), code, f"operator in {code}", f"{code.lower()}-store")

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
        parts: the codes with a dash that there are; None where any of a known country will do.
    """

    regimes: Mapping[str, str]
    spellings: Mapping[str, str]
    regions: Mapping[str, Region] = field(default_factory=dict)
    parts: frozenset[str] | None = None

    def code(self, value: object) -> str | None:
        """The code that a value means, or None. Sub-national codes are known where their country is."""
        spelled = str(value).strip().upper()
        if spelled in self.spellings:
            return self.spellings[spelled]
        country, dash, part = spelled.partition("-")
        known = self.spellings.get(country)
        if self.parts is not None:
            return spelled if spelled in self.parts and known == country else None
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


def party_settings(group: str, given: Mapping[str, Any], atlas: Atlas) -> dict[str, Any]:
    """What the settings of a region and of a hub have in common, checked: name, location, entity, owners, role.

    Raises:
        ConfigurationError: one that is not set or no text, a name of nobody (documents are matched with the entity), a
            place or an owner that is no country, or another role.
    """
    words = {key: text(f"{group}.{key}", require(group, given, key)) for key in ("name", "location", "entity")}
    for key in ("name", "entity"):
        if not any(map(str.isalnum, words[key])):
            raise refused(f"{group}.{key}", "a name with a letter or a digit", words[key])
    code_of_place(f"{group}.location", words["location"], atlas)
    owners = given.get("owners")
    codes = _codes(f"{group}.owners", [] if owners is None else owners, atlas)
    return {**words, "owners": codes, "role": choice(f"{group}.role", given.get("role", "controller"), ROLES)}


def code_of_place(setting: str, word: str, atlas: Atlas) -> str:
    """The code of the place that a setting names. Raises ConfigurationError, with the place that may be meant."""
    code = atlas.code(word)
    if code is None:
        near = nearest(word, [spelling for spelling in atlas.spellings if len(spelling) > 3], alike=0.75)
        guess = f"; did you mean {atlas.spellings[near[0]]}?" if near else ""
        raise ConfigurationError(f"{setting} is {word!r}, no ISO code of a country{guess}")
    return code


def _codes(name: str, words: Any, atlas: Atlas) -> frozenset[str]:
    """The codes that a list of places means. Raises ConfigurationError for a word that is none."""
    codes = {word: atlas.code(word) for word in texts(name, words)}
    for word in sorted(word for word, code in codes.items() if code is None):
        raise ConfigurationError(f"{name} has {shown(word)}, which is no ISO code of a country")
    return frozenset(filter(None, codes.values()))
