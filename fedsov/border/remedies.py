"""What would open a crossing that nothing opens: the documents that cost least, in words.

A refusal without a remedy is no answer. For every rule that would open for this origin and kind, and applies to this
crossing, the documents that are missing or do not suffice are counted by how hard they are to get; mending a document
at hand (renewing what has expired) counts as the easiest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from fedsov.artifact import BASE_MODEL
from fedsov.border.evidence.claims import Claim, Evidence
from fedsov.border.evidence.register import CONSENT_OF_PEOPLE, PROFILE
from fedsov.border.law.bundle import Bundle, Route
from fedsov.border.law.rules import Condition, Rule, shown
from fedsov.border.law.vocabulary import is_there
from fedsov.border.questions import is_sent_at_home

_MENDING = 1
_MOST = 3  # grounds that fail, told in one refusal
_BY_FIELDS = ("signed", "expires", "effective", "covers", "covers_purposes", "importer_match", "exporter_match")
_ENTERED = {"doc": "present"}  # what every document that is entered states


class Tried(NamedTuple):
    """A claim that was made, the facts under it, and the rules that forbade it."""

    claim: Claim
    facts: Mapping[str, Any]
    forbidding: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Remedy:
    """The rules concerned, the kinds of document to get, why it is refused now, and what to do.

    `is_at_hand`: the kind is there and fails, so that it is to be mended and is not missing.
    """

    rules: tuple[Rule, ...]
    missing: tuple[str, ...]
    reason: str
    remedy: str
    is_at_hand: bool = False


@dataclass(frozen=True, slots=True)
class _Way:
    """One rule that would open, under one ground: what is still missing for it, and how hard that is to get.

    `tried` is the best claim of this ground, or None where nobody has made one. `is_denied`: what the claim says is the
    case is another case than the rule's, so that to follow it would be a false statement.
    """

    effort: int
    rule: Rule
    mechanism: str
    unmet: tuple[Condition, ...]
    tried: Tried | None
    faults: Mapping[str, str]
    is_denied: bool = False

    @property
    def is_presented(self) -> bool:
        """True where somebody rests on this ground."""
        return self.tried is not None and self.tried.claim.is_presented

    def lifts(self, forbidding: Sequence[Rule]) -> bool:
        """True where its claim is not met by all of these prohibitions."""
        return self.tried is not None and not set(forbidding) <= set(self.tried.forbidding)

    @property
    def rank(self) -> tuple[bool, bool, bool, bool, int, bool, str, str]:
        """Last what the claim denies; what somebody rests on before the rest; the usual before the unusual, a permit
        before a review, then by effort.
        """
        kind = self.is_denied, not self.is_presented, self.rule.unusual, self.rule.effect != "permit"
        return *kind, self.effort, self.tried is None, self.rule.id, self.mechanism


def cheapest_remedy(
    tried: Sequence[Tried], facts: Mapping[str, Any], route: Route, *, bundle: Bundle, evidence: Evidence
) -> Remedy | None:
    """The least costly remedy, or None where no rule would open whatever the documents.

    Args:
        tried: every claim that was made and refused.
        facts: of the origin, without any claim; route: what is settled of them.
    """
    best = min(_ways(tried, facts, route, bundle), key=lambda way: way.rank, default=None)
    if best is None:
        return None
    mend = _worded(best, facts, bundle, evidence)
    if best.is_presented and not best.is_denied:
        return mend
    fails = [_no_ground(attempt, route, bundle) for attempt in tried if _is_rested_on(attempt.claim, bundle)]
    return replace(
        mend, reason=" ".join(dict.fromkeys((*fails[:_MOST], _capital(mend.reason) if fails else mend.reason)))
    )


def own_faults(
    plain: Tried, tried: Sequence[Tried], facts: Mapping[str, Any], route: Route, *, bundle: Bundle, evidence: Evidence
) -> list[str]:
    """Why each ground fails, in sentences, that lifts a prohibition which the plainest claim meets."""
    ways = [way for way in _ways(tried, facts, route, bundle) if way.is_presented and way.lifts(plain.forbidding)]
    best = {way.mechanism: way for way in sorted(ways, key=lambda way: way.rank, reverse=True)}
    return [_capital(_worded(way, facts, bundle, evidence).reason) for way in best.values()][:_MOST]


def _ways(tried: Sequence[Tried], facts: Mapping[str, Any], route: Route, bundle: Bundle) -> list[_Way]:
    """Every rule that would open here, under each of its grounds."""
    opening = [(rule, name) for rule in route.openers if _applies(rule, facts) for name in rule.mechanisms() or ()]
    ways = (_way(rule, name, tried, route, bundle) for rule, name in opening)
    return [way for way in ways if way is not None]


def _is_rested_on(claim: Claim, bundle: Bundle) -> bool:
    """True for a ground that a case names, and for one that a document states to be the case."""
    ground = bundle.mechanisms.get(claim.mechanism)
    return claim.named or (bool(claim.is_presented) and ground is not None and ground.statement)


def _no_ground(attempt: Tried, route: Route, bundle: Bundle) -> str:
    """Why a ground that somebody rests on opens nothing here, as a sentence."""
    claim, seen = attempt.claim, attempt.facts
    ground = bundle.mechanisms.get(claim.mechanism)
    regime, place, day = seen["origin_regime"], seen["destination"], seen["day"]
    named = ground.name if ground else f"'{claim.mechanism}'"
    if claim.mechanism == "adequacy":
        found = sorted(bundle.scopes(regime, place, day))
        covers = f"The finding on {place} ({', '.join(found)}) does not cover this crossing."
        return covers if found else f"{regime} has no adequacy finding on {place} in force on {day}."
    if claim.mechanism == "intra_jurisdiction":
        return f"{place} is not under {regime}, so that a border is crossed."
    meant = [
        rule
        for rule in route.openers
        if _is_of(rule, claim) and not _denied(rule, claim.mechanism, seen, route, bundle)
    ]
    lacking = min(([each for each in rule.when if not each.test(seen)] for rule in meant), key=len, default=[])
    if lacking:
        return f"{_capital(named)} ({claim.mechanism}) does not apply: {_lacks(lacking, seen)}."
    return f"{_capital(named)} ({claim.mechanism}) opens nothing here under {regime}."


def _is_of(rule: Rule, claim: Claim) -> bool:
    return claim.mechanism in (rule.mechanisms() or ())


def _denied(rule: Rule, mechanism: str, seen: Mapping[str, Any], route: Route, bundle: Bundle) -> bool:
    """True where a statement tells another case than a rule asks: in a word by which this ground's rules differ."""
    ground = bundle.mechanisms.get(mechanism)
    if ground is None or not ground.statement:
        return False
    others = [asked for other in route.openers if mechanism in (other.mechanisms() or ()) for asked in _asked(other)]
    wrong = (each for each in _asked(rule) if not each.test(seen) and is_there(str(seen.get(each.field) or "")))
    return any(other.field == each.field and other.value != each.value for each in wrong for other in others)


def _asked(rule: Rule) -> list[Condition]:
    return [each for each in rule.when if each.claimed and each.shape == "word" and each.operator in ("eq", "in")]


def _capital(sentence: str) -> str:
    return f"{sentence[:1].upper()}{sentence[1:]}"


def _applies(rule: Rule, facts: Mapping[str, Any]) -> bool:
    """True where every condition about the crossing itself holds."""
    of_claims = ("mechanism", "origin_regime")
    own = (condition for condition in rule.when if not condition.claimed and condition.field not in of_claims)
    return all(condition.test(facts) for condition in own)


def _way(rule: Rule, mechanism: str, tried: Sequence[Tried], route: Route, bundle: Bundle) -> _Way | None:
    claimed = [condition for condition in rule.when if condition.claimed]
    same_ground = [attempt for attempt in tried if attempt.claim.mechanism == mechanism]
    at_hand = tried[0].facts if tried else {}  # the plainest claim states what supporting documents there are
    faults = tried[0].claim.faults if tried else {}
    ground = bundle.mechanisms.get(mechanism)
    if ground is None:
        return None  # the empty ground: no document can be proposed for it
    if not same_ground:
        if ground.statement or rule.unusual:
            return None
        lacking = tuple(each for each in claimed if each.needs_a_statement and not each.test(at_hand))
        stated = _stating(lacking, bundle) if ground.standing else 0
        return _Way(ground.effort + _efforts(lacking, bundle) + stated, rule, mechanism, lacking, None, faults)
    best = min(same_ground, key=lambda attempt: (len(attempt.forbidding), len(_unmet(claimed, attempt))))
    unmet = _unmet(claimed, best)
    stated = 0 if best.claim.is_presented else _stating(unmet, bundle)
    is_denied = _denied(rule, mechanism, best.facts, route, bundle)
    return _Way(_MENDING + _efforts(unmet, bundle) + stated, rule, mechanism, unmet, best, faults, is_denied)


def _unmet(conditions: Iterable[Condition], attempt: Tried) -> tuple[Condition, ...]:
    return tuple(condition for condition in conditions if not condition.test(attempt.facts))


def _efforts(conditions: Iterable[Condition], bundle: Bundle) -> int:
    kinds = {bundle.supports[condition.field] for condition in conditions if condition.field in bundle.supports}
    return sum(bundle.mechanisms[kind].effort for kind in kinds)


def _stating(conditions: Iterable[Condition], bundle: Bundle) -> int:
    return sum(bundle.facts[condition.field].effort for condition in conditions)


def _worded(way: _Way, facts: Mapping[str, Any], bundle: Bundle, evidence: Evidence) -> Remedy:
    """A way in words: documents to get, a profile that states more, a document to mend, or one to support it."""
    stating = (bundle.supports.get(condition.field, "") for condition in way.unmet if condition.needs_a_statement)
    supports = tuple(dict.fromkeys(kind for kind in stating if kind))
    ground = bundle.mechanisms[way.mechanism]
    if ground.standing and not supports and not (way.tried and way.tried.forbidding):
        return _by_profile(way, facts, bundle)
    if way.tried is None:
        kinds = supports if ground.standing else (way.mechanism, *supports)
        needs = f"needs {_names(kinds, way, bundle, evidence)}"
        return Remedy((way.rule,), kinds, needs, _entries(kinds, way, facts, bundle))
    claim, seen, forbidding = way.tried
    if forbidding:
        return _by_renewal(way, claim, seen, forbidding, bundle)
    named = _quoted(claim.documents) or f"{ground.name} ({way.mechanism})"
    rest = _lacks([each for each in way.unmet if bundle.supports.get(each.field, "") not in supports], seen)
    if supports:
        reason = f"beside {named} it needs {_names(supports, way, bundle, evidence)}"
        reason += f" {_capital(_quoted(claim.grounds) or named)} does not apply yet: {rest}." if rest else ""
        return Remedy((way.rule,), supports, reason, _entries(supports, replace(way, unmet=()), facts, bundle))
    mend = f"Amend {_quoted(claim.grounds) or 'its document'}, or present another ground."
    reason = f"{_quoted(claim.grounds) or named} does not apply: {rest}."
    return Remedy((way.rule,), (way.mechanism,), reason, mend, is_at_hand=True)


def _by_profile(way: _Way, facts: Mapping[str, Any], bundle: Bundle) -> Remedy:
    """A ground that needs no document of its own: what the recipient has to be, which its profile states."""
    name = bundle.mechanisms[way.mechanism].name
    if not way.unmet:
        reason = f"nobody rests on {name} ({way.mechanism}), which needs no document."
        return Remedy((way.rule,), (), reason, f"Name {way.mechanism} as the ground.")
    states = " and ".join(condition.words for condition in way.unmet)
    reason = f"needs {bundle.mechanisms[PROFILE].name} ({PROFILE}) that states {states}."
    return Remedy((way.rule,), (PROFILE,), reason, _entries((PROFILE,), way, facts, bundle))


def _by_renewal(
    way: _Way, claim: Claim, seen: Mapping[str, Any], forbidding: tuple[Rule, ...], bundle: Bundle
) -> Remedy:
    """A ground at hand that a prohibition meets: the documents it looks at, and what it says would mend it."""
    reason = " ".join(dict.fromkeys(rule.reason_for(seen) for rule in forbidding))
    remedy = " ".join(dict.fromkeys(rule.remedy for rule in forbidding if rule.remedy))
    read = frozenset(name for rule in forbidding for condition in rule.when for name in condition.names)
    blamed = claim.relied_on(read) or tuple(claim.documents)
    named = _quoted(blamed) or f"{bundle.mechanisms[way.mechanism].name} ({way.mechanism})"
    apply = "do not apply" if len(blamed) > 1 else "does not apply"
    mend = remedy or f"Renew {named}."
    return Remedy(forbidding, (way.mechanism,), f"{named} {apply}: {reason}", mend, is_at_hand=bool(claim.is_presented))


def _quoted(ids: Iterable[str]) -> str:
    return ", ".join(f"'{document_id}'" for document_id in ids)


def _lacks(unmet: Iterable[Condition], seen: Mapping[str, Any]) -> str:
    """What a document has to state, and what it states otherwise than a rule asks."""
    silent, otherwise = [], []
    for condition in unmet:
        value = seen.get(condition.field)
        if condition.needs_a_statement and value in (None, _ENTERED.get(condition.field)):
            silent.append(_to_state(condition))
        else:
            otherwise.append(f"it needs {condition.words} ({shown(value)} is stated)")
    listed = [", ".join(silent[:-1]), silent[-1]] if silent[1:] else silent
    return "; ".join([*([f"state {' and '.join(listed)}"] if silent else []), *otherwise])


def _to_state(condition: Condition) -> str:
    """A fact to be stated, with what it may be: "role (C->C, C->P or P->P)", "module (for its role: C->C 1, ...)"."""
    if condition.operator == "present":
        return condition.field
    if condition.operator in ("eq", "in"):
        return f"{condition.field} ({condition.choices})"
    if condition.operator == "matches":
        return f"{condition.field} (for {condition.wanted})"
    return condition.words


def _names(kinds: Sequence[str], way: _Way, bundle: Bundle, evidence: Evidence) -> str:
    """The documents by name, and what the register says of them: they no longer count, or there is none."""
    names = " and ".join(f"{bundle.mechanisms[kind].name} ({kind})" for kind in kinds)
    absent = [kind for kind in kinds if kind not in way.faults]
    missing = [evidence.absent(absent)] if absent else []
    return " ".join([f"{names}.", *(way.faults[kind] for kind in kinds if kind in way.faults), *missing])


def _entries(kinds: Iterable[str], way: _Way, facts: Mapping[str, Any], bundle: Bundle) -> str:
    """What to enter in the register for these kinds; the first states what the rule asks of the ground itself."""
    covered = ", ".join(sorted(facts["categories"])) or "'*'"
    parties = f"exporter: [{facts['origin']}], importer: [{facts['destination']}]"
    stated_elsewhere = (*bundle.supports, *_BY_FIELDS)
    terms = [each for each in way.unmet if each.needs_a_statement and each.field not in stated_elsewhere]
    asked = sorted(bundle.asked_of_flows.get((way.mechanism, facts["flow"]), ()))
    own_terms = [_term(condition) for condition in terms if not condition.test(_ENTERED)]
    of_rows = way.mechanism == CONSENT_OF_PEOPLE and facts["purpose"] == BASE_MODEL
    whose = ["consent_column: COLUMN", "consent_value: VALUE"] if of_rows else []  # as dataset.consent says them
    own = ", ".join([*own_terms, *(f"{name}: yes" for name in asked), *whose])
    purposes = f", purposes: [{facts['purpose']}]" if of_rows else ""
    written = f"{purposes}, terms: {{{own}}}" if own else purposes
    return " ".join(
        f"Obtain {bundle.mechanisms[kind].name} and enter it in the evidence register: {{kind: {kind}, {parties}, "
        f"categories: [{covered}]{_parties(kind, facts, bundle)}{'' if place else written}}}."
        for place, kind in enumerate(kinds)
    )


def _parties(kind: str, facts: Mapping[str, Any], bundle: Bundle) -> str:
    """Whom such a document has to name: the recipient, and who sends where the origin's law binds it as its own."""
    ground, sends = bundle.mechanisms[kind], is_sent_at_home(facts)
    exporter = facts["exporter_name"] if ground.names_exporter and sends else ""
    recipient = facts["recipient_name"] if ground.names_recipient else ""
    named = (("exporters", exporter), ("entities", recipient))
    return "".join(f', {field}: ["{name}"]' for field, name in named if name)


def _term(condition: Condition) -> str:
    """What a document would state so that a condition holds, as far as one value can say it."""
    if condition.operator == "eq":
        return f"{condition.field}: {condition.value}"
    if condition.operator == "in":
        return f"{condition.field}: {' or '.join(sorted(condition.value))}"
    return f"{condition.field}: ({condition.notation.removeprefix(condition.field).strip()})"
