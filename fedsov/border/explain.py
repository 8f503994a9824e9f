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
from fedsov.border.policy import WeighedClaim, decide, weighed
from fedsov.border.questions import asked_origins, claimed, crossing_facts, question, route_of

_RANK = {"permit": 0, "review": 1, "refuse": 2}


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """One rule about a claim's regime and ground: whether it holds, and each condition with its value and answer."""

    rule: Rule
    holds: bool
    conditions: tuple[tuple[Condition, Any, bool], ...]

    @property
    def near(self) -> bool:
        """True where it holds, or only documents are missing: all that it asks of the crossing itself is so."""
        return self.holds or all(holds for condition, _, holds in self.conditions if not condition.claimed)


@dataclass(frozen=True, slots=True)
class ClaimTrace:
    """One claim: its verdict, the rules that hold, and those that come near."""

    claim: Claim
    weighed: WeighedClaim
    rules: tuple[RuleTrace, ...]


@dataclass(frozen=True, slots=True)
class OriginTrace:
    """One origin: its regime, every claim, and the verdict of the best."""

    origin: str
    regime: str
    claims: tuple[ClaimTrace, ...]

    @property
    def verdict(self) -> str:
        """The best claim's: permit, review or refuse."""
        return min((trace.weighed.verdict for trace in self.claims), key=_RANK.__getitem__, default="refuse")


@dataclass(frozen=True, slots=True)
class Explanation:
    """A crossing, the decision about it, and how every origin came to its answer."""

    crossing: Crossing
    decision: Decision
    origins: tuple[OriginTrace, ...]

    @property
    def verdict(self) -> str:
        """The strictest origin's, before any approval of a review."""
        return max((trace.verdict for trace in self.origins), key=_RANK.__getitem__)

    def to_json(self) -> dict[str, Any]:
        """For `border explain --json`."""
        return {
            "decision": self.decision.to_json(),
            "origins": [_origin_json(trace) for trace in self.origins],
        }


def explain(crossing: Crossing, bundle: Bundle, evidence: Evidence, at: date) -> Explanation:
    """The decision about a crossing and the whole evaluation behind it."""
    return Explanation(crossing, decide(crossing, bundle, evidence, at), traces(crossing, bundle, evidence, at))


def traces(crossing: Crossing, bundle: Bundle, evidence: Evidence, at: date) -> tuple[OriginTrace, ...]:
    """Every origin's claims, each weighed by all rules of the bundle one after another."""
    common, origins = crossing_facts(crossing, evidence), []
    for origin in asked_origins(crossing, bundle, at):
        route = route_of(origin, crossing, bundle, at)
        facts = {**route.facts, **common}
        claims = evidence.claims(question(route, crossing, bundle))
        traced = tuple(_traced(claim, claimed(facts, claim), bundle) for claim in claims)
        origins.append(OriginTrace(origin, facts["origin_regime"], traced))
    return tuple(origins)


def _traced(claim: Claim, facts: dict[str, Any], bundle: Bundle) -> ClaimTrace:
    holding = [rule for rule in bundle.rules if rule.in_force(facts["day"]) and rule.holds_for(facts)]
    return ClaimTrace(claim, weighed(claim, facts, holding), tuple(_traced_rules(holding, facts, bundle)))


def _traced_rules(holding: Sequence[Rule], facts: Mapping[str, Any], bundle: Bundle) -> Iterator[RuleTrace]:
    """The rules that hold, and those written for this regime and ground that do not."""
    for rule in bundle.rules:
        if not rule.in_force(facts["day"]):
            continue
        tried = tuple((condition, facts.get(condition.field), condition.holds_for(facts)) for condition in rule.when)
        if rule in holding:
            yield RuleTrace(rule, True, tried)
        elif _is_near(rule, facts):
            yield RuleTrace(rule, False, tried)


def _is_near(rule: Rule, facts: Mapping[str, Any]) -> bool:
    """True for a rule about this very ground whose conditions on place, kind and regime hold."""
    named = rule.mechanisms()
    if named is None or facts["mechanism"] not in named:
        return False
    about = (condition for condition in rule.when if condition.field in ("origin_regime", "kind", "destination"))
    return all(condition.holds_for(facts) for condition in about)


def _origin_json(origin: OriginTrace) -> dict[str, Any]:
    return {
        "origin": origin.origin,
        "regime": origin.regime,
        "verdict": origin.verdict,
        "claims": [
            {
                "mechanism": trace.claim.mechanism,
                "documents": list(trace.claim.documents),
                "verdict": trace.weighed.verdict,
                "rules": [_rule_json(rule) for rule in trace.rules],
            }
            for trace in origin.claims
        ],
    }


def _rule_json(trace: RuleTrace) -> dict[str, Any]:
    return {
        "id": trace.rule.id,
        "effect": trace.rule.effect,
        "held": trace.holds,
        "reason": trace.rule.reason,
        "cite": trace.rule.cite,
        "confidence": trace.rule.confidence,
        "conditions": [
            {"condition": condition.notation, "found": shown(value), "held": holds}
            for condition, value, holds in trace.conditions
        ],
    }


def shown(value: Any) -> Any:
    """A fact's value as plain JSON; None where nobody stated it."""
    if isinstance(value, frozenset):
        return sorted(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
