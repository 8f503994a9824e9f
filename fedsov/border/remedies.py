"""What would open a crossing that nothing opens: the papers that cost least, in words.

A refusal without a way out is no answer. For every rule that would open for this origin and kind, and speaks
of this crossing, the papers that are missing or do not suffice are counted by how hard they are to get; mending
a paper at hand (renewing what has expired) counts as the easiest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fedsov.border.evidence.claims import Claim
from fedsov.border.law.bundle import Bundle, Route
from fedsov.border.law.rules import Condition, Rule, shown

_MENDING = 1
_BY_FIELDS = ("signed", "expires", "effective", "covers", "covers_purposes", "importer_match")
_ENTERED = {"doc": "present"}  # what every document that is entered states
PROFILE = "recipient"
"""The kind of document that states what a recipient is."""
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
    faults: Mapping[str, str]

    @property
    def rank(self) -> tuple[bool, bool, bool, int, bool, str, str]:
        """The usual before the unusual, a permit before a review, what a document at hand nearly carries before all
        else, then by effort.
        """
        kind = self.rule.unusual, self.rule.effect != "permit", not self.rests_on_paper
        return *kind, self.effort, self.tried is None, self.rule.id, self.mechanism

    @property
    def rests_on_paper(self) -> bool:
        return self.tried is not None and self.tried[0].rests_on_paper


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
    faults = tried[0][0].faults if tried else {}
    known = bundle.mechanisms.get(mechanism)
    if known is None:
        return None  # the empty ground: no paper can be proposed for it
    if not made:
        if known.statement or rule.unusual:
            return None
        lacking = tuple(one for one in asked if one.needs_a_statement and not one.test(at_hand))
        return _Way(known.effort + _efforts(lacking, bundle), rule, mechanism, lacking, None, faults)
    best = min(made, key=lambda one: (len(one[2]), sum(not c.test(one[1]) for c in asked)))
    unmet = tuple(one for one in asked if not one.test(best[1]))
    stated = 0 if best[0].rests_on_paper else sum(bundle.facts[one.field].effort for one in unmet)
    return _Way(_MENDING + _efforts(unmet, bundle) + stated, rule, mechanism, unmet, best, faults)


def _efforts(conditions: Iterable[Condition], bundle: Bundle) -> int:
    kinds = {bundle.supports[one.field] for one in conditions if one.field in bundle.supports}
    return sum(bundle.mechanisms[kind].effort for kind in kinds)


def _told(way: _Way, facts: Mapping[str, Any], bundle: Bundle) -> WayOut:
    asked = (bundle.supports.get(one.field, "") for one in way.unmet if one.needs_a_statement)
    supports = [kind for kind in dict.fromkeys(asked) if kind]
    if way.tried is None:
        kinds = (way.mechanism, *supports)
        return WayOut((way.rule,), kinds, f"needs {_names(kinds, way, bundle)}", _entries(kinds, way, facts, bundle))
    claim, seen, forbidding = way.tried
    if not forbidding and not claim.rests_on_paper and not supports:
        stated = " and ".join(one.said for one in way.unmet)
        reason = f"needs {bundle.mechanisms[PROFILE].name} ({PROFILE}) which states that {stated}."
        return WayOut((way.rule,), (PROFILE,), reason, _entries((PROFILE,), way, facts, bundle))
    papers = ", ".join(f"'{id}'" for id in claim.papers) or bundle.mechanisms[way.mechanism].name
    if forbidding:
        said = " ".join(dict.fromkeys(rule.told(seen) for rule in forbidding))
        remedy = " ".join(dict.fromkeys(rule.remedy for rule in forbidding if rule.remedy))
        return WayOut(forbidding, (way.mechanism,), f"{papers} does not carry it: {said}", remedy or f"Renew {papers}.")
    if supports:
        reason = f"beside {papers} it needs {_names(supports, way, bundle)}"
        return WayOut((way.rule,), tuple(supports), reason, _entries(supports, replace(way, unmet=()), facts, bundle))
    wrong = "; ".join(f"{one.said} (it is {shown(seen.get(one.field))})" for one in way.unmet)
    reason = f"{papers} does not carry it: {way.rule.told(seen).rstrip('.')} only where {wrong}."
    return WayOut((way.rule,), (way.mechanism,), reason, f"Amend {papers}, or present another ground.")


def _names(kinds: Sequence[str], way: _Way, bundle: Bundle) -> str:
    """The papers by name, and what stands in the register's way: papers that no longer count, or none at all."""
    names = " and ".join(f"{bundle.mechanisms[kind].name} ({kind})" for kind in kinds)
    absent = [kind for kind in kinds if kind not in way.faults]
    held = [f"The register holds no {' and no '.join(absent)} for it."] if absent else []
    return " ".join([f"{names}.", *(way.faults[kind] for kind in kinds if kind in way.faults), *held])


def _entries(kinds: Iterable[str], way: _Way, facts: Mapping[str, Any], bundle: Bundle) -> str:
    """What to enter in the register for these kinds; the first states what the rule asks of the ground itself."""
    covered = ", ".join(sorted(facts["categories"])) or "'*'"
    parties = f"exporter: [{facts['origin']}], importer: [{facts['destination']}]"
    asked = (one for one in way.unmet if one.needs_a_statement and one.field not in (*bundle.supports, *_BY_FIELDS))
    own = [one for one in asked if not one.test(_ENTERED)]
    terms = f", terms: {{{', '.join(map(_term, own))}}}" if own else ""
    return " ".join(
        f"Obtain {bundle.mechanisms[kind].name} and enter it in the evidence register: "
        f"{{kind: {kind}, {parties}, categories: [{covered}]{'' if place else terms}}}."
        for place, kind in enumerate(kinds)
    )


def _term(one: Condition) -> str:
    """What a document would state so that a condition holds, as far as one value can say it."""
    if one.operator == "eq":
        return f"{one.field}: {one.value}"
    if one.operator == "in":
        return f"{one.field}: {' or '.join(sorted(one.value))}"
    return f"{one.field}: ({one.said.removeprefix(one.field).strip()})"
