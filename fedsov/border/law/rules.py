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

EFFECTS = ("forbid", "review", "permit", "oblige")
CONFIDENCES = ("high", "medium", "low")
_OPENING = {"categories": ("within", "excludes"), "restrictions": ("within", "excludes")}
_CLOSING = {"categories": ("overlaps", "exceeds", "beyond"), "restrictions": ("overlaps", "exceeds")}
_IN_WORDS = {
    "present": "{field} stated",
    "absent": "{field} that says there is none",
    "missing": "{field} not stated",
    "eq": "{field} = {value}",
    "ne": "{field} other than {value}",
    "in": "{field} = {choices}",
    "not_in": "{field} none of {value}",
    "matches": "{field} that matches {value}",
    "same_as": "{field} the same as {value}",
    "differs_from": "{field} other than {value}",
    "overlaps": "{field} with any of {value}",
    "excludes": "{field} with none of {value}",
    "exceeds": "{field} beyond {value}",
    "at_least": "{field} {value} or more",
    "at_most": "{field} {value} or less",
    "at_least_one_over": "{field} of 1 over {value} or more",
    "on_or_before_crossing": "{field} on or before the day of the crossing",
    "before_crossing": "{field} before the day of the crossing",
    "after_crossing": "{field} after the day of the crossing",
    "on_or_after": "{field} on or after {value}",
    "is": "{field} = {value}",
}
"""What a condition asks for, by its operator; any other operator stands as its own word between field and value."""

FOR, WANTING, AGAINST = 0, 1, 2
"""How a fact speaks to rules: it suits each that looks at it; one that opens wants another; one that closes holds."""

UNNAMED = {"recipient_name": "the recipient", "exporter_name": "the exporter"}
"""What a reason calls a party whose entity nobody gave."""


@dataclass(frozen=True, slots=True)
class Condition:
    """``[field, operator, value]``; a list or a named group of codes has become a frozenset.

    Attributes:
        claimed: a document states the field, not the crossing itself.
        notation: the condition as it stands in the rules ("dpf_listed eq yes"), groups by their names.
        test: `holds_for`, compiled.
    """

    field: str
    shape: str
    operator: str
    value: Any
    claimed: bool = False
    notation: str = part(compare=False, default="")
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
        """True where only a document can make it hold: silence cannot."""
        return self.claimed and self.operator not in DENYING

    @property
    def words(self) -> str:
        """What it asks for, for people: "dpf_listed = yes", "role = C->C or C->P"."""
        form = _IN_WORDS.get(self.operator, "{field} {operator} {value}")
        spoken = self.operator.replace("_", " ")
        return form.format(field=self.field, operator=spoken, value=self.wanted, choices=self.choices).rstrip()

    @property
    def wanted(self) -> str:
        """The value that it compares with, as the rules write it; of a flag yes or no."""
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        return self.notation.removeprefix(f"{self.field} {self.operator.replace('_', ' ')}").strip()

    @property
    def choices(self) -> str:
        """The values of a list, the last behind an "or"."""
        return " or ".join(self.wanted.rsplit(", ", 1))

    def holds_for(self, facts: Facts) -> bool:
        """True where the facts satisfy this condition: the plain definition, of which `test` is the fast form."""
        return compare(self.shape, self.operator, facts.get(self.field), self.value, facts)


@dataclass(frozen=True, slots=True)
class Rule:
    """One sentence of law or policy that a machine can apply and a lawyer can check.

    Attributes:
        effect: "forbid", "review" (a person must approve), "permit", or "oblige", which opens and stops nothing but
            adds its obligations to what others open: papers and duties that a law asks for without a ban.
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
        return all(condition.holds_for(facts) for condition in self.when)

    def speaks_of(self, regime: str) -> bool:
        """True where a condition on the origin's regime holds for this one, or there is none."""
        conditions = (condition for condition in self.when if condition.field == "origin_regime")
        return all(condition.test({condition.field: regime}) for condition in conditions)

    def to_json(self) -> dict[str, Any]:
        """The rule in words, for machines."""
        days = [None if day is None else day.isoformat() for day in (self.valid_from, self.valid_until)]
        return {
            "id": self.id,
            "effect": self.effect,
            "when": [condition.notation for condition in self.when],
            "reason": self.reason,
            "cite": self.cite,
            "valid": days,
            "confidence": self.confidence,
            "obligations": list(self.obligations),
            "remedy": self.remedy,
            "opens": self.opens,
        }

    def reason_for(self, facts: Facts) -> str:
        """The reason, with the facts that it names in braces filled in."""
        if "{" not in self.reason:
            return self.reason
        named = named_in(self.reason)
        return self.reason.format_map({name: shown(facts.get(name)) or UNNAMED.get(name, "") for name in named})

    def mechanisms(self) -> frozenset[str] | None:
        """The mechanisms it speaks of; None for any."""
        grounds = (_values(condition) for condition in self.when if condition.field == "mechanism")
        return next((values for values in grounds if values), None)


def named_in(reason: str) -> frozenset[str]:
    """The facts that a reason names in braces. Raises ValueError for braces that do not pair or hold more."""
    fields = [piece for piece in Formatter().parse(reason) if piece[1] is not None]
    if any(form or change for _, _, form, change in fields):
        raise ValueError("a fact in braces takes no format")
    return frozenset(str(name) for _, name, _, _ in fields)


def shown(value: Any) -> str:
    """A fact's value in a sentence."""
    if value is None:
        return "not stated"
    return ", ".join(sorted(value)) if isinstance(value, frozenset) else f"{value}"


def _values(condition: Condition) -> frozenset[str] | None:
    """The values that an `eq` or an `in` accepts; None for any other operator."""
    if condition.operator == "eq":
        return frozenset({condition.value})
    return frozenset(condition.value) if condition.operator == "in" else None


def check(rule: Rule) -> str | None:
    """What is wrong with a rule, as a phrase, or None; the reader of the bundle adds file and line."""
    if not rule.when:
        return "has no condition; a rule that speaks of everything is not allowed"
    if rule.effect == "permit" and rule.confidence == "low":
        return "permits with low confidence; only high and medium may"
    if rule.opens and rule.effect in ("forbid", "oblige"):
        return f"is a {'prohibition' if rule.effect == 'forbid' else 'duty'}, which cannot open"
    if rule.effect == "oblige" and not rule.obligations:
        return "obliges to nothing; name its obligations"
    return next(filter(None, (_check_condition(condition, rule) for condition in rule.when)), None)


def _check_condition(condition: Condition, rule: Rule) -> str | None:
    field, operator, value = condition.field, condition.operator, condition.value
    allowed = (_OPENING if rule.opens else _CLOSING).get(field)
    if allowed and operator not in allowed:
        return f"looks at {field} with '{operator}'; a {rule.effect} may use {', '.join(allowed)}"
    if field == "public" and value is not rule.opens:
        return f"is a {rule.effect}, which may not depend on public being {str(value).lower()}"
    if field == "as_exporter" and value is not rule.opens:
        return f"is a {rule.effect}, which may not depend on as_exporter being {str(value).lower()}"
    if rule.opens and field in ("unreadable", "unknown_fact", "evidence_unknown") and value is True:
        return f"opens where {field} is true"
    return None
