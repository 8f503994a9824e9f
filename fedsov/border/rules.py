"""What a rule of the border is: a value, made of conditions over a closed set of fields and operators.

No rule is code. A rule says which crossings it speaks of (`when`), what it does about them (`effect`), why
and on which text (`reason`, `cite`), for how long, and how sure we are. `check` refuses a rule that could
make a longer label or a thinner register *open* something, so two properties hold for every bundle, whoever
wrote its rules:

- joining a label to another can only make the answer stricter: a permit may look at categories and
  restrictions only to demand that there are none beyond a list (`within`, `excludes`), a prohibition only to
  find some (`overlaps`, `exceeds`);
- removing a document can only make it stricter: a permit `holds` documents, a prohibition acts where one is
  `lacks`.

This module opens no file: `fedsov.border.bundle` reads the bundle, `fedsov.border.policy` decides with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

FIELDS: Mapping[str, str] = {
    "kind": "word",
    "origin": "word",
    "origin_regime": "word",
    "destination": "word",
    "destination_country": "word",
    "destination_regime": "word",
    "purpose": "word",
    "document_kind": "word",
    "categories": "words",
    "restrictions": "words",
    "adequacy": "words",
    "count": "number",
    "public": "flag",
    "same_party": "flag",
    "stays_home": "flag",
    "destination_known": "flag",
    "error_type_only": "flag",
    "documents": "documents",
}
"""Every field a condition may name, and the shape of its value."""

OPERATORS: Mapping[str, Mapping[str, Callable[[Any, Any], bool]]] = {
    "word": {
        "eq": lambda found, wanted: found == wanted,
        "in": lambda found, wanted: found in wanted,
        "not_in": lambda found, wanted: found not in wanted,
    },
    "words": {
        "overlaps": lambda found, wanted: not found.isdisjoint(wanted),
        "excludes": lambda found, wanted: found.isdisjoint(wanted),
        "within": lambda found, wanted: found <= wanted,
        "exceeds": lambda found, wanted: not found <= wanted,
    },
    "number": {
        "at_least": lambda found, wanted: found >= wanted,
        "below": lambda found, wanted: found < wanted,
    },
    "flag": {"is": lambda found, wanted: found is wanted},
    "documents": {"holds": lambda found, wanted: False, "lacks": lambda found, wanted: False},
}
"""Operators by shape of field; `holds` and `lacks` are answered by the evidence register, not here."""

EFFECTS = ("forbid", "review", "permit")
CONFIDENCES = ("high", "medium", "low")
_FOR_OPENING = {"categories": ("within", "excludes"), "restrictions": ("within", "excludes")}
_FOR_CLOSING = {"categories": ("overlaps", "exceeds"), "restrictions": ("overlaps", "exceeds")}


@dataclass(frozen=True, slots=True)
class Condition:
    """``[field, operator, value]``; a list or a named group of codes has become a frozenset."""

    field: str
    operator: str
    value: Any

    def holds_for(self, facts: Mapping[str, Any]) -> bool:
        """True where the facts satisfy this condition (never asked of `documents`)."""
        return OPERATORS[FIELDS[self.field]][self.operator](facts[self.field], self.value)


@dataclass(frozen=True, slots=True)
class Rule:
    """One sentence of law or policy that a machine can apply and a lawyer can check.

    Attributes:
        effect: "forbid", "review" (a person must approve) or "permit". A review that `holds` documents opens,
            less than a permit does; a review without documents is a brake on what another rule opens.
        when: all must hold; `valid_from` and `valid_until` are both inclusive, None is open.
        cite: the text it rests on; confidence: "high", "medium" or "low" (never for a permit).
        obligations: what must be done, and go on being done, where the crossing relies on this rule.
        remedy: for a prohibition, what would make the crossing possible.
    """

    id: str
    effect: str
    when: tuple[Condition, ...]
    reason: str
    cite: str
    valid_from: date | None = None
    valid_until: date | None = None
    confidence: str = "high"
    obligations: tuple[str, ...] = ()
    remedy: str = ""

    def in_force(self, on: date) -> bool:
        """True on every day from `valid_from` to `valid_until`."""
        return (self.valid_from or date.min) <= on <= (self.valid_until or date.max)

    def speaks_of(self, facts: Mapping[str, Any]) -> bool:
        """True where every condition but those on documents holds."""
        return all(one.holds_for(facts) for one in self.when if one.field != "documents")

    def kinds(self, operator: str) -> tuple[str, ...]:
        """The kinds of document this rule `holds` or `lacks`, in the order written."""
        return tuple(kind for one in self.when if one.operator == operator for kind in one.value)

    @property
    def opens(self) -> bool:
        """True for a permit, and for a review of documents: without them there is nothing to review."""
        return self.effect == "permit" or (self.effect == "review" and bool(self.kinds("holds")))


@dataclass(frozen=True, slots=True)
class Regime:
    """A body of law that governs the data of some places for some time."""

    id: str
    name: str
    codes: frozenset[str]
    cite: str
    valid_from: date
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """An authority's finding that a place protects personal data well enough, within a scope and a time."""

    scope: str
    cite: str
    valid_from: date
    valid_until: date | None
    confidence: str


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """A kind of document: its name with its article, and how hard it is to get (1 a form, 5 an approval)."""

    name: str
    effort: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """All law facts and rules, read once, with the hash that names them in every ledger entry.

    Attributes:
        rules: for crossings; releases: for shrinking a label (`Gate.release`).
        regimes: code to the regimes that govern it, one after another in time.
        groups: "@EEA" and the like to codes; places: every code that is a place at all.
        adequacy: (regime id, code of the destination) to findings.
        digest: SHA-256 over the law files, hex; dated: the day the facts were last read.
        unsafe: permits everything (laboratory only); see `fedsov.border.bundle.unsafe_open`.
    """

    rules: tuple[Rule, ...]
    releases: tuple[Rule, ...]
    regimes: Mapping[str, tuple[Regime, ...]]
    groups: Mapping[str, frozenset[str]]
    adequacy: Mapping[tuple[str, str], tuple[Finding, ...]]
    documents: Mapping[str, DocumentKind]
    places: frozenset[str]
    digest: str
    dated: date
    unsafe: bool = False
    _index: dict[str, tuple[Rule, ...]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for regime in {one.id for reigns in self.regimes.values() for one in reigns} | {"unknown"}:
            self._index[regime] = tuple(rule for rule in self.rules if _may_concern(rule, regime))

    def regime(self, code: str, on: date) -> str | None:
        """The id of the regime that governs a code on a day; a part of a country falls under the whole."""
        reigns = self.regimes.get(code) or self.regimes.get(code.partition("-")[0], ())
        for reign in reigns:
            if reign.valid_from <= on <= (reign.valid_until or date.max):
                return reign.id
        return None

    def is_place(self, code: str) -> bool:
        """True for an ISO 3166-1 code, a code with law of its own, and a part of a known country."""
        country, _, part = code.partition("-")
        return code in self.places or (country in self.places and part.isalnum() and len(part) <= 3)

    def findings(self, regime: str, destination: str, on: date) -> tuple[Finding, ...]:
        """Adequacy findings of a regime for a place on a day, those of low confidence left out."""
        codes = dict.fromkeys((destination, destination.partition("-")[0]))
        found = (one for code in codes for one in self.adequacy.get((regime, code), ()))
        return tuple(
            one for one in found if one.confidence != "low" and one.valid_from <= on <= (one.valid_until or date.max)
        )

    def rules_for(self, regime: str) -> tuple[Rule, ...]:
        """Every rule that could speak of data under this regime: the same answers as all rules, sooner."""
        return self._index.get(regime, self.rules)


def _may_concern(rule: Rule, regime: str) -> bool:
    return all(one.holds_for({"origin_regime": regime}) for one in rule.when if one.field == "origin_regime")


def check(rule: Rule) -> str | None:
    """What is wrong with a rule, as a phrase, or None; the reader of the bundle adds file and line."""
    if not rule.when:
        return "has no condition; a rule that speaks of everything is not allowed"
    if rule.opens and rule.confidence == "low":
        return "opens the border with low confidence; only high and medium may"
    for one in rule.when:
        allowed = (_FOR_OPENING if rule.opens else _FOR_CLOSING).get(one.field)
        if allowed and one.operator not in allowed:
            return f"looks at {one.field} with '{one.operator}'; a {rule.effect} may use {', '.join(allowed)}"
        if one.field == "public" and one.value is not rule.opens:
            return f"a {rule.effect} may not depend on public being {str(one.value).lower()}"
        if one.operator == "holds" and not rule.opens:
            return "a prohibition may not depend on holding a document; use 'lacks'"
        if one.operator == "lacks" and rule.opens:
            return f"a {rule.effect} may not depend on lacking a document; use 'holds'"
    return None
