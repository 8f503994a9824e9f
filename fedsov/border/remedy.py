"""What would open a crossing that nothing opens: the papers that cost least, in words.

A refusal without a way out is no answer. For every rule that would open for this origin and kind, and speaks
of this crossing, the papers that are missing or do not suffice are counted by how hard they are to get; mending
a paper at hand (renewing what has expired) counts as the easiest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedsov.border.claims import Claim
from fedsov.border.lawbook import Bundle, Route
from fedsov.border.rules import Condition, Rule

_MENDING = 1
Tried = tuple[Claim, Mapping[str, Any], tuple[Rule, ...]]
"""A claim that was made, the facts under it, and the rules that forbade it."""


@dataclass(frozen=True, slots=True)
class WayOut:
    """The rules concerned, the kinds of document to get, why it is refused now, and what to do."""

    rules: tuple[Rule, ...]
    missing: tuple[str, ...]
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Way:
    effort: int
    rule: Rule
    mechanism: str
    unmet: tuple[Condition, ...]
    tried: Tried | None

    @property
    def rank(self) -> tuple[bool, int, bool, str]:
        return self.rule.effect != "permit", self.effort, self.tried is None, self.rule.id


def way_out(tried: Sequence[Tried], facts: Mapping[str, Any], route: Route, bundle: Bundle) -> WayOut | None:
    """The least costly way, or None where no rule would open whatever the papers.

    Args:
        tried: every claim that was made and refused.
        facts: of the origin, without any claim; route: what is settled of them.
    """
    ways = [
        _way(rule, name, tried, bundle)
        for rule in route.openers
        if _speaks(rule, facts)
        for name in rule.mechanisms() or ()
    ]
    usable = [way for way in ways if way is not None]
    if not usable:
        return None
    return _told(min(usable, key=lambda way: way.rank), facts, bundle)


def _speaks(rule: Rule, facts: Mapping[str, Any]) -> bool:
    """True where every condition about the crossing itself holds."""
    grounds = ("mechanism", "origin_regime")
    return all(one.test(facts) for one in rule.when if not one.claimed and one.field not in grounds)


def _way(rule: Rule, mechanism: str, tried: Sequence[Tried], bundle: Bundle) -> _Way | None:
    asked = [one for one in rule.when if one.claimed]
    made = [one for one in tried if one[0].mechanism == mechanism]
    at_hand = tried[0][1] if tried else {}  # the plainest claim states what supporting papers there are
    if not made:
        known = bundle.mechanisms.get(mechanism)
        if known is None or known.statement:
            return None
        lacking = tuple(one for one in asked if one.needs_a_statement and not one.test(at_hand))
        return _Way(known.effort + _efforts(lacking, bundle), rule, mechanism, lacking, None)
    best = min(made, key=lambda one: (len(one[2]), sum(not c.test(one[1]) for c in asked)))
    unmet = tuple(one for one in asked if not one.test(best[1]))
    return _Way(_MENDING + _efforts(unmet, bundle), rule, mechanism, unmet, best)


def _efforts(conditions: Iterable[Condition], bundle: Bundle) -> int:
    kinds = {bundle.supports[one.field] for one in conditions if one.field in bundle.supports}
    return sum(bundle.mechanisms[kind].effort for kind in kinds)


def _told(way: _Way, facts: Mapping[str, Any], bundle: Bundle) -> WayOut:
    supports = [
        k for k in dict.fromkeys(bundle.supports.get(one.field, "") for one in way.unmet if one.needs_a_statement) if k
    ]
    if way.tried is None:
        kinds = (way.mechanism, *supports)
        names = " and ".join(f"{bundle.mechanisms[kind].name} ({kind})" for kind in kinds)
        held = f"The register holds no {' and no '.join(kinds)} for it."
        return WayOut((way.rule,), kinds, f"needs {names}. {held}", _entries(kinds, facts, bundle))
    claim, seen, forbidding = way.tried
    papers = ", ".join(f"'{id}'" for id in claim.papers) or bundle.mechanisms[way.mechanism].name
    if forbidding:
        said = " ".join(dict.fromkeys(rule.reason for rule in forbidding))
        remedy = " ".join(dict.fromkeys(rule.remedy for rule in forbidding if rule.remedy))
        return WayOut(forbidding, (way.mechanism,), f"{papers} does not carry it: {said}", remedy or f"Renew {papers}.")
    wrong = "; ".join(f"{one.said} (it is {_shown(seen.get(one.field))})" for one in way.unmet)
    reason = f"{papers} does not carry it: {way.rule.reason.rstrip('.')} only where {wrong}."
    if supports:
        return WayOut((way.rule,), tuple(supports), reason, _entries(supports, facts, bundle))
    return WayOut((way.rule,), (way.mechanism,), reason, f"Amend {papers}, or present another ground.")


def _shown(value: Any) -> str:
    if value is None:
        return "not stated"
    return ", ".join(sorted(value)) if isinstance(value, frozenset) else f"{value}"


def _entries(kinds: Iterable[str], facts: Mapping[str, Any], bundle: Bundle) -> str:
    covered = ", ".join(sorted(facts["categories"])) or "'*'"
    parties = f"exporter: [{facts['origin']}], importer: [{facts['destination']}]"
    return " ".join(
        f"Obtain {bundle.mechanisms[kind].name} and enter it in the evidence register: "
        f"{{kind: {kind}, {parties}, categories: [{covered}]}}."
        for kind in kinds
    )
