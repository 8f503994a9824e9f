"""The border's law said to Cedar (cedarpy), and the same questions put to it.

Every rule that bears on a permit is translated: what permits to `permit`, prohibitions and brakes to `forbid`; reviews
that stand alone are left out, since they permit nothing. The policies are parsed once, and facts and claims reach Cedar
as JSON made beforehand. What Cedar cannot say (calendar years, working days, products of fractions, the words for "not
there yet") comes as a computed fact. `differences` says where Cedar's permits are not ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from border_questions import Asked

from fedsov.border.decisions import Permit
from fedsov.border.explain import traces
from fedsov.border.law.bundle import Bundle
from fedsov.border.law.rules import Condition, Rule
from fedsov.border.law.vocabulary import ANY, OPERATORS, By, Duration, Facts, Term

SCALE = 1_000_000  # Cedar has whole numbers only
SAID: Mapping[str, str] = {
    "present": "true",
    "stated": "true",
    "eq": "{it} == {value}",
    "ne": "{it} != {value}",
    "is": "{it} == {value}",
    "in": "{value}.contains({it})",
    "not_in": "!{value}.contains({it})",
    "overlaps": "{it}.containsAny({value})",
    "excludes": "!{it}.containsAny({value})",
    "within": "{value}.containsAll({it})",
    "exceeds": "!{value}.containsAll({it})",
    "at_least": "{it} >= {value}",
    "above": "{it} > {value}",
    "at_most": "{it} <= {value}",
    "below": "{it} < {value}",
    "on_or_after": "{it} >= {value}",
    "before": "{it} < {value}",
    "on_or_before_crossing": "{it} <= context.day",
    "before_crossing": "{it} < context.day",
    "after_crossing": "{it} > context.day",
    "same_as": "{it} == {other}",
    "differs_from": "{it} != {other}",
    "outside": f'!{{other}}.contains("{ANY}") && !{{other}}.contains({{it}})',
    "beyond": f'!{{other}}.contains("{ANY}") && !{{other}}.containsAll({{it}})',
}
SAID_OF_TERMS: Mapping[str, str] = {
    "within": "{other} <= {it} && {it} <= {other} + {days}",
    "no_later_than": "{it} <= {other} + {days}",
    "later_than": "{it} > {other} + {days}",
    "older_than": "{it} + {days} < context.day",
    "not_older_than": "{it} + {days} >= context.day",
}


def plain(value: Any) -> Any:
    """A fact as Cedar knows it: words, sets, flags; numbers in millionths, days counted. Raises ValueError."""
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, date):
        return value.toordinal()
    scaled = Fraction(str(value)) * SCALE
    if scaled.denominator != 1:
        raise ValueError(f"{value} has more than six decimals; raise SCALE in scripts/border_cedar.py")
    return int(scaled)


def condition(one: Condition) -> str | None:
    """A condition as Cedar says it of `context`; None where Cedar cannot."""
    has, it = f"context has {one.field}", f"context.{one.field}"
    if one.operator == "missing":
        return f"!({has})"
    if one.operator in OPERATORS["text"] and one.shape in ("word", "text") and one.operator != "stated":
        return None
    span = one.value.span if isinstance(one.value, Term) else one.value if isinstance(one.value, Duration) else None
    if span is not None and span.unit != "D":
        return None
    if isinstance(one.value, By):
        by, table = f"context.{one.value.field}", one.value.table.items()
        said: str | None = " || ".join(f'({by} == "{key}" && {it} == "{wanted}")' for key, wanted in table)
    else:
        said = (SAID if span is None else SAID_OF_TERMS).get(one.operator)
    if said is None:
        return None
    if not isinstance(one.value, By):
        # a text of JSON is one of Cedar, as long as what is not ASCII stays as it is
        value = "" if one.value is None or span else json.dumps(plain(one.value), ensure_ascii=False)
        said = said.format(it=it, value=value, other=f"context.{one.other}", days=span.count if span else 0)
    if one.operator in ("ne", "not_in"):
        return f"(!({has}) || {said})"
    return f"({' && '.join([has, *([f'context has {one.other}'] if one.other else []), f'({said})'])})"


def bears_on_permits(rule: Rule) -> bool:
    """False for a review that stands alone: it opens, and yet permits nothing."""
    return rule.effect == "permit" or (not rule.opens and rule.effect != "oblige")


def beyond_cedar(rules: Sequence[Rule]) -> dict[str, Condition]:
    """The conditions that Cedar cannot say, by the name of the fact that stands for each."""
    cannot = {one.notation: one for rule in rules for one in rule.when if condition(one) is None}
    return {f"computed_{number}": cannot[said] for number, said in enumerate(sorted(cannot))}


def policy(rule: Rule, names: Mapping[str, str]) -> str:
    """A rule as a policy; `names` are those of computed facts, by what a condition says."""
    days = [
        f"context.day {sign} {day.toordinal()}"
        for sign, day in ((">=", rule.valid_from), ("<=", rule.valid_until))
        if day
    ]
    said = [condition(one) or f"context.{names[one.notation]}" for one in rule.when]
    effect = "permit" if rule.effect == "permit" else "forbid"
    return f'@id("{rule.id}")\n{effect} (principal, action, resource)\nwhen {{ {" && ".join([*said, *days])} }};'


@dataclass(frozen=True, slots=True)
class Put:
    """A question as put to Cedar: for each origin its regime, and a request for each of its claims."""

    origins: tuple[tuple[str, tuple[Mapping[str, str], ...]], ...]


@dataclass(frozen=True, slots=True)
class Cedar:
    """Cedar's side: the policies as one set and by the regime they speak of, parsed; no entities; and the questions."""

    package: Any
    nothing: Any
    policies: Any
    of_regime: Mapping[str, Any]
    questions: tuple[Put, ...]
    computed: Mapping[str, Condition]
    translated: tuple[Rule, ...]

    def permits(self, requests: Sequence[Mapping[str, str]], policies: Any) -> list[bool]:
        """Whether each request is allowed, all asked in one call."""
        return [found.allowed for found in self.package.is_authorized_batch(requests, policies, self.nothing)]


def one_by_one(cedar: Cedar, question: Put) -> bool:
    """A call for each claim, until one is allowed; all policies."""
    return all(any(cedar.permits([one], cedar.policies)[0] for one in requests) for _, requests in question.origins)


def at_once(cedar: Cedar, question: Put) -> bool:
    """One call for a question; all policies."""
    answers = cedar.permits([one for _, requests in question.origins for one in requests], cedar.policies)
    whose = [place for place, (_, requests) in enumerate(question.origins) for _ in requests]
    return {place for place, allowed in zip(whose, answers, strict=True) if allowed} == set(
        range(len(question.origins))
    )


def by_regime(cedar: Cedar, question: Put) -> bool:
    """A call for each claim, with the policies of its origin's regime alone, which Cedar is handed ready."""
    return all(
        any(cedar.permits([one], cedar.of_regime[regime])[0] for one in requests)
        for regime, requests in question.origins
    )


FORMS: Mapping[str, Callable[[Cedar, Put], bool]] = {
    "a call for each claim": one_by_one,
    "the same, its regime's policies only": by_regime,
    "a call for each question, all claims": at_once,
}


def put_to_cedar(asked: Asked, bundle: Bundle, read: frozenset[str], computed: Mapping[str, Condition]) -> Put:
    """A question with the facts that policies read, those of each claim as `decide` weighs them."""
    origins = []
    for origin in traces(asked.crossing, bundle, asked.evidence, asked.on):
        contexts = [_context(one.weighed.facts, read, computed) for one in origin.claims]
        request = {"principal": 'Party::"exporter"', "action": 'Action::"cross"', "resource": 'Artifact::"artifact"'}
        origins.append((origin.regime, tuple({**request, "context": text} for text in contexts)))
    return Put(tuple(origins))


def _context(facts: Facts, read: frozenset[str], computed: Mapping[str, Condition]) -> str:
    said = {name: plain(value) for name, value in facts.items() if name in read and value is not None}
    return json.dumps(said | {name: one.holds_for(facts) for name, one in computed.items()})


def cedar_for(package: Any, asked: Sequence[Asked], bundle: Bundle) -> Cedar:
    """Cedar with the bundle's rules and these questions. Raises ValueError for a policy that it cannot read."""
    rules = tuple(rule for rule in bundle.rules if bears_on_permits(rule))
    facts = beyond_cedar(rules)
    names = {one.notation: name for name, one in facts.items()}
    texts = [(rule, policy(rule, names)) for rule in rules]
    said = [one for rule in rules for one in rule.when if one.notation not in names]
    read = frozenset({"day", *(one.field for one in said), *(one.other for one in said if one.other)})
    questions = tuple(put_to_cedar(one, bundle, read, facts) for one in asked)

    def parsed(some: Sequence[str]) -> Any:
        return package.PolicySet.from_str("\n".join(some))

    regimes = {regime for one in questions for regime, _ in one.origins}
    of_regime = {regime: parsed([text for rule, text in texts if rule.speaks_of(regime)]) for regime in regimes}
    nothing = package.Entities.from_json_str("[]")
    return Cedar(package, nothing, parsed([text for _, text in texts]), of_regime, questions, facts, rules)


def differences(cedar: Cedar, asked: Sequence[Asked], bundle: Bundle) -> list[str]:
    """Where Cedar's permits are not ours, in whatever form it is asked, and where it could not evaluate a policy."""
    found = []
    for one, question in zip(asked, cedar.questions, strict=True):
        ours = isinstance(one.answer(bundle), Permit)
        wrong = [name for name, ask in FORMS.items() if ask(cedar, question) is not ours]
        for _, requests in question.origins:
            for result in cedar.package.is_authorized_batch(requests, cedar.policies, cedar.nothing):
                wrong += result.diagnostics.errors
        if wrong:
            crossing = one.crossing
            what = f"{crossing.artifact.kind} of {crossing.artifact.label} to {crossing.target.location}"
            found.append(f"{what}: ours {'permits' if ours else 'does not permit'}; Cedar differs: {'; '.join(wrong)}")
    return found
