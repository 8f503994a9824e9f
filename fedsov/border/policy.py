"""May this artifact cross? A pure, total and deterministic answer, in words that a lawyer can check.

`decide` asks the law of **every origin in the label**, since a model made in three countries is an export
from all three, and gives the strictest of their answers. For an origin it weighs every claim that the
exporter can make (a ground with its documents, or a ground that needs none) and lets the best one count: what a
rule forbids is refused; what no rule opens is refused, naming the least costly documents that would change it;
what a rule wants a person to look at is a review; the rest is a permit. So an unknown jurisdiction is refused,
and a label that binds without an origin, and everything under an empty bundle. A review becomes a permit only
by a person's recorded approval, which `approved` looks for.

A permit is not a legal opinion. It says: this bundle permitted it, on these documents, on this day.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from fedsov.artifact import Crossing
from fedsov.border.decisions import Decision, Permit, Refusal, Review, origin_is, strictest
from fedsov.border.evidence.approvals import SENT_BY
from fedsov.border.evidence.claims import Claim, Evidence, Question
from fedsov.border.law.bundle import ApplicableRules, Bundle, Route
from fedsov.border.law.rules import Rule
from fedsov.border.questions import ANYONE, as_release, asked_origins, claimed, crossing_facts, question, route_of
from fedsov.border.remedies import Tried, cheapest_remedy, own_faults

__all__ = ["ANYONE", "Decision", "Evidence", "Permit", "Refusal", "Review", "decide", "decide_release"]

UNSAFE_RULE = "unsafe_open"


@dataclass(frozen=True, slots=True)
class WeighedClaim:
    """What the rules say of one claim: those that forbid, that brake, that open and that oblige, by id."""

    claim: Claim
    facts: Mapping[str, Any]
    forbidding: tuple[Rule, ...]
    braking: tuple[Rule, ...]
    opening: tuple[Rule, ...]
    obliging: tuple[Rule, ...] = ()

    @property
    def verdict(self) -> str:
        """Forbid; then refuse what nothing opens; then review; then permit.

        A brake comes after the refusal of what nothing opens: else a longer label, by meeting a brake, would
        turn a refusal into a review.
        """
        if self.forbidding or not self.opening:
            return "refuse"
        return "review" if self.braking or self.opening[0].effect == "review" else "permit"


def decide(crossing: Crossing, bundle: Bundle, evidence: Evidence, at: date) -> Decision:
    """The answer of this bundle and this evidence to a crossing on the day `at`; it never raises for any label.

    The strictest answer over the origins of the label. A label without any origin is asked about once, as an
    unknown origin, so that only `PUBLIC` (for which a rule exists) can pass.
    """
    if bundle.unsafe:
        return _unsafe(bundle)
    common = crossing_facts(crossing, evidence)
    routes = [route_of(origin, crossing, bundle, at) for origin in asked_origins(crossing, bundle, at)]
    answers = tuple(_ask(route, common, crossing, bundle=bundle, evidence=evidence) for route in routes)
    if len(answers) > 1 and all(type(answer) is Permit for answer in answers):
        return bundle.together(answers, strictest)
    return strictest(answers)


def decide_origin(origin: str, crossing: Crossing, bundle: Bundle, evidence: Evidence, at: date) -> Decision:
    """The answer of one of a crossing's origins alone; `decide` gives the strictest of all of them."""
    if bundle.unsafe:
        return _unsafe(bundle)
    route = route_of(origin, crossing, bundle, at)
    return _ask(route, crossing_facts(crossing, evidence), crossing, bundle=bundle, evidence=evidence)


def approved(review: Review, asked: Question, crossing: Crossing, evidence: Evidence) -> Decision:
    """The review with its id; or a permit, where a person's approval of this very review is valid on the day."""
    review = replace(review, id=review_id(review, asked, crossing, evidence))
    approval = evidence.approval(review.id, asked.day)
    if approval is None:
        return review
    documents = (*review.documents, approval)
    permit = Permit(review.rules, review.citations, review.obligations, documents, review.bundle_digest, review.basis)
    return origin_is(permit, asked.origin)


def review_id(review: Review, asked: Question, crossing: Crossing, evidence: Evidence) -> str:
    """Names what a person is asked to approve: whose data, of which categories, in what kind of thing, go from whom to
    whom, in which roles, what for, on which documents as they read now, and which rules ask. The same in every round;
    another rule, or other documents about the artifact, ask anew.

    After a hyphen it names who sends data of its own place; whoever passes them on asks without (`Approval.is_of`).
    """
    artifact, target = crossing.artifact, crossing.target
    contents = evidence.contents((*review.documents, *artifact.evidence))
    parts: list[Any] = [asked.origin, artifact.kind, sorted(artifact.label.categories), crossing.purpose, crossing.flow]
    parts += [target.name, target.location, target.entity, asked.importer_role, sorted(target.owners)]
    parts.append(sorted(review.rules))
    parts += [[(name, contents.get(name)) for name in sorted(ids)] for ids in (review.documents, artifact.evidence)]
    sender = [asked.exporter_entity, asked.exporter_role] if asked.exporter_entity else []
    return "R" + SENT_BY.join(_short_digest(each) for each in (parts, sender) if each)


def _short_digest(parts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:10]


def decide_release(crossing: Crossing, document: str, *, bundle: Bundle, evidence: Evidence, at: date) -> Decision:
    """May the label of a crossing's artifact shrink to `PUBLIC` on the strength of one document (its id)?

    A release is a crossing to anyone, for any purpose, whatever target, purpose and earlier people the crossing names.
    So the document must speak for every origin in the label and name "*" as importer; release rules must accept its
    kind and terms for each origin, and none may forbid it.
    """
    if bundle.unsafe:
        return _unsafe(bundle)
    if not evidence.knows(document):
        remedy = f"Enter '{document}' in the evidence register."
        return Refusal(("release.no_document",), (), evidence.absent([f"document '{document}'"]), (document,), remedy,
                       bundle.digest)  # fmt: skip
    artifact = crossing.artifact
    relying = replace(artifact, evidence=tuple(dict.fromkeys((*artifact.evidence, document))))
    crossing = as_release(replace(crossing, artifact=relying))
    common = crossing_facts(crossing, evidence)
    routes = [route_of(origin, crossing, bundle, at, release=True) for origin in asked_origins(crossing, bundle, at)]
    answers = [_ask_release(route, common, crossing, document, bundle=bundle, evidence=evidence) for route in routes]
    return strictest(answers)


def _unsafe(bundle: Bundle) -> Permit:
    return Permit((UNSAFE_RULE,), (), ("For simulations only: nothing was checked.",), (), bundle.digest)


def weigh(rules: ApplicableRules, claim: Claim, facts: Mapping[str, Any]) -> WeighedClaim:
    """What the rules that can apply to a claim say of it."""
    holding = [*rules.openers.holding(claim.facts, facts), *rules.closers.holding(claim.facts, facts)]
    return weighed(claim, facts, holding)


def weighed(claim: Claim, facts: Mapping[str, Any], holding: Iterable[Rule]) -> WeighedClaim:
    """The rules that hold, by what they do, each kind in an order that does not hang on the bundle's."""
    forbidding: list[Rule] = []
    braking: list[Rule] = []
    opening: list[Rule] = []
    obliging: list[Rule] = []
    for rule in holding:
        effect = rule.effect
        closing = forbidding if effect == "forbid" else braking if effect == "review" else obliging
        (opening if rule.opens else closing).append(rule)
    for several in (forbidding, braking, opening, obliging):
        several.sort(key=_strongest)
    return WeighedClaim(claim, facts, tuple(forbidding), tuple(braking), tuple(opening), tuple(obliging))


def _strongest(rule: Rule) -> tuple[bool, str]:
    return rule.effect != "permit", rule.id


def _ask(
    route: Route, common: Mapping[str, Any], crossing: Crossing, *, bundle: Bundle, evidence: Evidence
) -> Decision:
    """The answer of one origin's law: of the first claim that it permits, else of the first it would review.

    A permit hangs on the claims, and on what the rules for this route read of the crossing: the same of both, the same
    permit. A review is decided anew, as its approval may have been withdrawn.
    """
    asked = question(route, crossing, bundle)
    claims = evidence.claims(asked)
    key = tuple([fact for name, fact in common.items() if name in route.reads])
    permit: Permit | None = route.remembered(key, claims)
    if permit is not None:
        return permit
    facts = {**route.facts, **common}
    review: WeighedClaim | None = None
    for claim in claims:
        rules = route.applicable(claim.mechanism)
        if not rules.openers.touched_by(claim.facts):
            continue  # nothing can open for it; what else it lacks matters only where nothing opens at all
        candidate = weigh(rules, claim, claimed(facts, claim))
        if (verdict := candidate.verdict) == "permit":
            return route.remember(key, claims, _permitted(candidate, route, bundle))
        if verdict == "review" and review is None:
            review = candidate
    if review:
        pending = origin_is(_review(review, route.applicable(review.claim.mechanism), bundle), facts["origin"])
        return approved(pending, asked, crossing, evidence)
    refused = [weigh(route.applicable(claim.mechanism), claim, claimed(facts, claim)) for claim in claims]
    return origin_is(_refusal(refused, facts, route, bundle=bundle, evidence=evidence), facts["origin"])


def _ask_release(
    route: Route, common: Mapping[str, Any], crossing: Crossing, document: str, *, bundle: Bundle, evidence: Evidence
) -> Permit | Refusal:
    """The answer of one origin's law to a release: of the first claim on this document that a release rule permits."""
    claims = [claim for claim in evidence.claims(question(route, crossing, bundle)) if document in claim.grounds]
    kind = claims[0].mechanism if claims else ""
    facts = {**route.facts, **common, "document_kind": kind}
    candidates = [weigh(route.applicable(claim.mechanism), claim, claimed(facts, claim)) for claim in claims]
    for candidate in candidates:
        if candidate.verdict == "permit":
            return _permitted(candidate, route, bundle)
    if not candidates:
        origin = facts["origin"] or "this"
        reason = f"{way(facts)}: '{document}' does not cover {origin} for use anywhere ('*')."
        return Refusal(("release.not_covered",), (), reason, (document,), f"Have '{document}' cover it.", bundle.digest)
    if candidates[0].forbidding:
        return _forbidden(candidates[0], facts, bundle)
    reason = f"{way(facts)}: no rule accepts '{document}' ({kind}) for releasing this."
    return Refusal(("release.not_accepted",), (), reason, (), "Keep the label as it is.", bundle.digest)


def way(facts: Mapping[str, Any]) -> str:
    """From where to where, in words."""
    return f"{facts['origin'] or 'an unnamed origin'} -> {facts['destination']}"


def cites(rules: Iterable[Rule], facts: Mapping[str, Any], bundle: Bundle) -> tuple[str, ...]:
    """What the rules cite, and the instruments of the adequacy findings that they lean on."""
    cited = []
    for rule in rules:
        cited.append(rule.cite)
        leaning = (condition for condition in rule.when if condition.field == "adequacy" and condition.value)
        scopes = frozenset().union(*(condition.value for condition in leaning))
        if scopes:
            findings = bundle.findings(facts["origin_regime"], facts["destination"], facts["day"])
            cited += [finding.cite for finding in findings if finding.scope in scopes]
    return tuple(dict.fromkeys(cited))


def _relied(rules: Sequence[Rule], weighed: WeighedClaim, applicable: ApplicableRules) -> tuple[str, ...]:
    """The documents without which the answer would be another: what the rules look at, and what holds others off."""
    claim = weighed.claim
    if not claim.documents:
        return ()
    read = frozenset(name for rule in rules for condition in rule.when for name in condition.names)
    return claim.relied_on(read | applicable.needed_against_denials(claim.facts, weighed.facts))


def _basis(weighed: WeighedClaim) -> tuple[str, ...]:
    ground = weighed.claim.mechanism or weighed.opening[0].id
    return (f"{weighed.facts['origin'] or '-'} {ground}",)


def _permitted(weighed: WeighedClaim, route: Route, bundle: Bundle) -> Permit:
    """The permit of a claim; the same one as before where route, rule, ground and documents are the same."""
    rules, ground = weighed.opening[:1], weighed.claim.mechanism
    documents = _relied(rules, weighed, route.applicable(ground))
    key = rules[0].id, ground, documents, tuple(rule.id for rule in weighed.obliging)
    remembered: Permit | None = route.answers.get(key)
    if remembered is None:
        remembered = route.answers[key] = origin_is(_permit(weighed, documents, bundle), route.facts["origin"])
    return remembered


def _permit(weighed: WeighedClaim, documents: tuple[str, ...], bundle: Bundle) -> Permit:
    rules = weighed.opening[:1] + weighed.obliging
    return Permit(
        tuple(rule.id for rule in rules),
        cites(rules, weighed.facts, bundle),
        _duties(rules),
        documents,
        bundle.digest,
        _basis(weighed),
    )


def _duties(rules: Iterable[Rule]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(duty for rule in rules for duty in rule.obligations))


def _review(weighed: WeighedClaim, applicable: ApplicableRules, bundle: Bundle) -> Review:
    opener = weighed.opening[0]
    asking = (*weighed.braking, *([opener] if opener.effect == "review" else []))
    relied = (*weighed.braking, opener)
    return Review(
        tuple(rule.id for rule in asking),
        cites(asking, weighed.facts, bundle),
        _duties((*relied, *weighed.obliging)),
        _relied(relied, weighed, applicable),
        f"{way(weighed.facts)}: {' '.join(rule.reason_for(weighed.facts) for rule in asking)}",
        bundle.digest,
        _basis(weighed),
    )


def _refusal(
    refused: Sequence[WeighedClaim], facts: Mapping[str, Any], route: Route, *, bundle: Bundle, evidence: Evidence
) -> Refusal:
    """The refusal of an origin: by the prohibition that meets the plainest claim, else for want of documents."""
    tried = [Tried(each.claim, each.facts, each.forbidding) for each in refused]
    if tried and tried[0].forbidding:
        beside = own_faults(tried[0], tried[1:], facts, route, bundle=bundle, evidence=evidence)
        return _forbidden(refused[0], facts, bundle, beside)
    mend = cheapest_remedy(tried, facts, route, bundle=bundle, evidence=evidence)
    if mend is None:
        reason = f"{way(facts)}: no rule of the bundle permits this crossing."
        remedy = "Keep it at home, or have a lawyer add a rule for this route (border.rules)."
        return Refusal(("default_refusal",), (), reason, (), remedy, bundle.digest)
    ids = tuple(rule.id for rule in mend.rules)
    missing = tuple(
        f"{bundle.mechanisms[kind].name} ({kind}) for {way(facts)}" for kind in mend.missing if not mend.is_at_hand
    )
    cited, reason = cites(mend.rules, facts, bundle), f"{way(facts)}: {mend.reason}"
    return Refusal(ids, cited, reason, missing, mend.remedy, bundle.digest)


def _forbidden(weighed: WeighedClaim, facts: Mapping[str, Any], bundle: Bundle, beside: Sequence[str] = ()) -> Refusal:
    """The refusal by the rules that forbid a claim, and why grounds fail that would lift them."""
    rules = weighed.forbidding
    reason = " ".join(dict.fromkeys((*(rule.reason_for(weighed.facts) for rule in rules), *beside)))
    remedy = " ".join(dict.fromkeys(rule.remedy for rule in rules if rule.remedy))
    ids, cited = tuple(rule.id for rule in rules), cites(rules, facts, bundle)
    return Refusal(ids, cited, f"{way(facts)}: {reason}", (), remedy, bundle.digest)
