"""What a rule of the border is: a value, made of conditions over a closed vocabulary and closed operators.

No rule is code. A rule says which crossings and claims it speaks of (`when`), what it does about them
(`effect`), why and on which text (`reason`, `cite`), for how long, and how sure we are. `check` refuses a
rule that could make a longer label *open* something: a permit may look at categories and restrictions only to
demand that there are none beyond a list (`within`, `excludes`), a prohibition only to find some (`overlaps`,
`exceeds`, `beyond`). So joining a label to another can only make the answer stricter, whoever wrote the rules.

This module opens no file: `fedsov.border.law.bundle_loader` reads the bundle, `fedsov.border.policy` decides with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as part
from datetime import date
from string import Formatter
from typing import Any

from fedsov.border.law.vocabulary import COMPARING, DENYING, By, Facts, Term, Test, compare, compiled

EFFECTS = ("forbid", "review", "permit")
CONFIDENCES = ("high", "medium", "low")
_OPENING = {"categories": ("within", "excludes"), "restrictions": ("within", "excludes")}
_CLOSING = {"categories": ("overlaps", "exceeds", "beyond"), "restrictions": ("overlaps", "exceeds")}


@dataclass(frozen=True, slots=True)
class Condition:
    """``[field, operator, value]``; a list or a named group of codes has become a frozenset."""

    field: str
    shape: str
    operator: str
    value: Any
    claimed: bool = False
    said: str = part(compare=False, default="")
    test: Test = part(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "test", compiled(self.field, self.shape, self.operator, self.value))

    @property
    def other(self) -> str | None:
        """The second field that it looks at, where it compares two."""
        if self.operator in COMPARING:
            return str(self.value)
        if isinstance(self.value, Term):
            return self.value.of
        return self.value.field if isinstance(self.value, By) else None

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that it looks at."""
        return (self.field,) if self.other is None else (self.field, self.other)

    def is_settled_by(self, facts: Facts) -> bool:
        """True where these facts alone say whether it holds."""
        return self.field in facts and (self.other is None or self.other in facts)

    @property
    def needs_a_statement(self) -> bool:
        """True where only a paper can make it hold: silence cannot."""
        return self.claimed and self.operator not in DENYING

    def holds_for(self, facts: Facts) -> bool:
        """True where the facts satisfy this condition: the plain definition, of which `test` is the fast form."""
        return compare(self.shape, self.operator, facts.get(self.field), self.value, facts)


@dataclass(frozen=True, slots=True)
class Rule:
    """One sentence of law or policy that a machine can apply and a lawyer can check.

    Attributes:
        effect: "forbid", "review" (a person must approve) or "permit".
        opens: True for a permit, and for a review that stands alone; any other review is a brake, which stops
            what another rule opened and opens nothing itself.
        when: all must hold; `valid_from` and `valid_until` are both inclusive, None is open.
        cite: the text it rests on; confidence: "high", "medium" or "low" (never for a permit).
        obligations: what must be done, and go on being done, where the crossing relies on this rule.
        remedy: for a prohibition, what would make the crossing possible.
        unusual: it opens in a special case that a refusal does not propose.
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
    opens: bool = False
    unusual: bool = False

    def in_force(self, on: date) -> bool:
        """True on every day from `valid_from` to `valid_until`."""
        return (self.valid_from or date.min) <= on <= (self.valid_until or date.max)

    def holds_for(self, facts: Facts) -> bool:
        """True where every condition holds: the plain definition."""
        return all(one.holds_for(facts) for one in self.when)

    def speaks_of(self, regime: str) -> bool:
        """True where a condition on the origin's regime holds for this one, or there is none."""
        return all(one.test({one.field: regime}) for one in self.when if one.field == "origin_regime")

    def to_json(self) -> dict[str, Any]:
        """The rule in words, for machines."""
        days = [None if day is None else day.isoformat() for day in (self.valid_from, self.valid_until)]
        return {
            "id": self.id,
            "effect": self.effect,
            "when": [one.said for one in self.when],
            "reason": self.reason,
            "cite": self.cite,
            "valid": days,
            "confidence": self.confidence,
            "obligations": list(self.obligations),
            "remedy": self.remedy,
            "opens": self.opens,
        }

    def told(self, facts: Facts) -> str:
        """The reason, with the facts that it names in braces filled in."""
        if "{" not in self.reason:
            return self.reason
        return self.reason.format_map({name: shown(facts.get(name)) for name in named_in(self.reason)})

    def mechanisms(self) -> frozenset[str] | None:
        """The mechanisms it speaks of; None for any."""
        return next((_wanted(one) for one in self.when if one.field == "mechanism" and _wanted(one)), None)


def named_in(reason: str) -> frozenset[str]:
    """The facts that a reason names in braces. Raises ValueError for braces that do not pair or hold more."""
    found = [part for part in Formatter().parse(reason) if part[1] is not None]
    if any(form or change for _, _, form, change in found):
        raise ValueError("a fact in braces takes no format")
    return frozenset(str(name) for _, name, _, _ in found)


def shown(value: Any) -> str:
    """A fact's value in a sentence."""
    if value is None:
        return "not stated"
    return ", ".join(sorted(value)) if isinstance(value, frozenset) else f"{value}"


def _wanted(one: Condition) -> frozenset[str] | None:
    if one.operator == "eq":
        return frozenset({one.value})
    return one.value if one.operator == "in" else None


def check(rule: Rule) -> str | None:
    """What is wrong with a rule, as a phrase, or None; the reader of the bundle adds file and line."""
    if not rule.when:
        return "has no condition; a rule that speaks of everything is not allowed"
    if rule.effect == "permit" and rule.confidence == "low":
        return "permits with low confidence; only high and medium may"
    if rule.opens and rule.effect == "forbid":
        return "is a prohibition, which cannot open"
    for one in rule.when:
        allowed = (_OPENING if rule.opens else _CLOSING).get(one.field)
        if allowed and one.operator not in allowed:
            return f"looks at {one.field} with '{one.operator}'; a {rule.effect} may use {', '.join(allowed)}"
        if one.field == "public" and one.value is not rule.opens:
            return f"a {rule.effect} may not depend on public being {str(one.value).lower()}"
        if rule.opens and one.field in ("unreadable", "unknown_fact", "evidence_unknown") and one.value is True:
            return f"opens where {one.field} is true"
    return None
