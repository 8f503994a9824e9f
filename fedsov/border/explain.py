"""The whole evaluation of a crossing as a tree: every origin, every claim, every rule and condition that was asked.

This is the plain evaluator: it asks all rules of the bundle by their definition (`Rule.holds_for`), without the
index and the compiled tests of `fedsov.border.policy`. A property test holds the two equal, so that what a
person reads here is what guards a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fedsov.artifact import Crossing
from fedsov.border.decisions import Decision
from fedsov.border.evidence.claims import Claim, Evidence
from fedsov.border.law.bundle import Bundle
from fedsov.border.law.rules import Condition, Rule
from fedsov.border.policy import Weighed, decide, weighed
from fedsov.border.questions import asked_origins, claimed, crossing_facts, question, route_of

_RANK = {"permit": 0, "review": 1, "refuse": 2}


@dataclass(frozen=True, slots=True)
class Asked:
    """One rule that speaks of a claim's regime and ground: whether it held, and each condition with what was found."""

    rule: Rule
    held: bool
    conditions: tuple[tuple[Condition, Any, bool], ...]

    @property
    def near(self) -> bool:
        """True where it holds, or only papers are missing: all that it asks of the crossing itself is so."""
        return self.held or all(held for one, _, held in self.conditions if not one.claimed)


@dataclass(frozen=True, slots=True)
class ClaimTrace:
    """One claim: its verdict, the rules that held, and those that came near."""

    claim: Claim
    weighed: Weighed
    asked: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class OriginTrace:
    """One origin: its regime, every claim, and the verdict of the best."""

    origin: str
    regime: str
    claims: tuple[ClaimTrace, ...]

    @property
    def verdict(self) -> str:
        """The best claim's: permit, review or refuse."""
        return min((one.weighed.verdict for one in self.claims), key=_RANK.__getitem__, default="refuse")


@dataclass(frozen=True, slots=True)
class Explanation:
    """A crossing, the decision about it, and how every origin came to its answer."""

    crossing: Crossing
    decision: Decision
    origins: tuple[OriginTrace, ...]

    @property
    def verdict(self) -> str:
        """The strictest origin's, before any approval of a review."""
        return max((one.verdict for one in self.origins), key=_RANK.__getitem__)

    def to_json(self) -> dict[str, Any]:
        """For `border explain --json`."""
        return {
            "decision": self.decision.to_json(),
            "origins": [_origin_json(one) for one in self.origins],
        }


def explain(crossing: Crossing, bundle: Bundle, evidence: Evidence, at: date) -> Explanation:
    """The decision about a crossing and the whole evaluation behind it."""
    return Explanation(crossing, decide(crossing, bundle, evidence, at), traces(crossing, bundle, evidence, at))


def traces(crossing: Crossing, bundle: Bundle, evidence: Evidence, at: date) -> tuple[OriginTrace, ...]:
    """Every origin's claims, each weighed by all rules of the bundle one after another."""
    common, found = crossing_facts(crossing, evidence), []
    for origin in asked_origins(crossing):
        route = route_of(origin, crossing, bundle, at)
        facts = {**route.facts, **common}
        claims = evidence.claims(question(route, crossing, bundle))
        traced = tuple(_traced(one, claimed(facts, one), bundle) for one in claims)
        found.append(OriginTrace(origin, facts["origin_regime"], traced))
    return tuple(found)


def _traced(claim: Claim, facts: dict[str, Any], bundle: Bundle) -> ClaimTrace:
    held = [rule for rule in bundle.rules if rule.in_force(facts["day"]) and rule.holds_for(facts)]
    return ClaimTrace(claim, weighed(claim, facts, held), tuple(_asked(held, facts, bundle)))


def _asked(held: Sequence[Rule], facts: Mapping[str, Any], bundle: Bundle) -> Iterator[Asked]:
    """The rules that held, then those written for this regime and ground that did not."""
    for rule in bundle.rules:
        if not rule.in_force(facts["day"]):
            continue
        tried = tuple((one, facts.get(one.field), one.holds_for(facts)) for one in rule.when)
        if rule in held:
            yield Asked(rule, True, tried)
        elif _is_near(rule, facts):
            yield Asked(rule, False, tried)


def _is_near(rule: Rule, facts: Mapping[str, Any]) -> bool:
    """True for a rule about this very ground whose conditions on place, kind and regime hold."""
    named = rule.mechanisms()
    if named is None or facts["mechanism"] not in named:
        return False
    return all(one.holds_for(facts) for one in rule.when if one.field in ("origin_regime", "kind", "destination"))


def _origin_json(one: OriginTrace) -> dict[str, Any]:
    return {
        "origin": one.origin,
        "regime": one.regime,
        "verdict": one.verdict,
        "claims": [
            {
                "mechanism": trace.claim.mechanism,
                "documents": list(trace.claim.papers),
                "verdict": trace.weighed.verdict,
                "rules": [_rule_json(asked) for asked in trace.asked],
            }
            for trace in one.claims
        ],
    }


def _rule_json(asked: Asked) -> dict[str, Any]:
    return {
        "id": asked.rule.id,
        "effect": asked.rule.effect,
        "held": asked.held,
        "reason": asked.rule.reason,
        "cite": asked.rule.cite,
        "conditions": [
            {"condition": one.said, "found": shown(found), "held": held} for one, found, held in asked.conditions
        ],
    }


def shown(value: Any) -> Any:
    """A fact's value as plain JSON; None where nobody stated it."""
    if isinstance(value, frozenset):
        return sorted(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
