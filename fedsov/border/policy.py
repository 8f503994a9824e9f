"""May this artifact cross? A pure, total and deterministic answer, in words that a lawyer can check.

`decide` asks the law of **every origin in the label**, since a model made in three countries is an export
from all three, and gives the strictest of their answers. For an origin it weighs every claim that the
exporter can make (a ground with its papers, or a ground that needs none) and lets the best one count: what a
rule forbids is refused; what no rule opens is refused, naming the least costly papers that would change it;
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

from fedsov.artifact import Artifact, Crossing
from fedsov.border.decisions import Decision, Permit, Refusal, Review, strictest
from fedsov.border.evidence.claims import Claim, Evidence, Question
from fedsov.border.law.bundle import Bundle, Route, Speaking
from fedsov.border.law.rules import Rule
from fedsov.border.questions import asked_origins, claimed, crossing_facts, is_count, question, regime_of, route_of
from fedsov.border.remedies import way_out

__all__ = ["Decision", "Evidence", "Permit", "Refusal", "Review", "decide", "decide_release"]

UNSAFE_RULE = "unsafe_open"


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the rules say of one claim: those that forbid, those that brake, those that open, by id."""

    claim: Claim
    facts: Mapping[str, Any]
    forbidding: tuple[Rule, ...]
    braking: tuple[Rule, ...]
    opening: tuple[Rule, ...]

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
    routes = [route_of(origin, crossing, bundle, at) for origin in asked_origins(crossing)]
    answers = tuple(_ask(route, common, crossing, bundle=bundle, evidence=evidence) for route in routes)
    if len(answers) > 1 and all(type(answer) is Permit for answer in answers):
        return bundle.together(answers, strictest)
    return strictest(answers)


def approved(review: Review, origin: str, crossing: Crossing, evidence: Evidence, at: date) -> Decision:
    """The review with its id; or a permit, where a person's approval of this very review is valid on the day."""
    review = replace(review, id=review_id(review, origin, crossing))
    approval = evidence.approval(review.id, at)
    if approval is None:
        return review
    papers = (*review.documents, approval)
    return Permit(review.rules, review.citations, review.obligations, papers, review.bundle_digest, review.basis)


def review_id(review: Review, origin: str, crossing: Crossing) -> str:
    """Names what a person is asked to approve: whose data, of which categories, in what kind of thing, go to whom,
    what for, on which papers, and which rules ask. The same in every round and whoever passes it on; another rule, or
    other papers about the artifact, ask anew.
    """
    artifact, target = crossing.artifact, crossing.target
    parts = [origin, str(artifact.kind), *sorted(artifact.label.categories), "", crossing.purpose, crossing.flow]
    parts += ["", target.name, target.location, target.entity, *sorted(target.owners), "", *sorted(review.rules), ""]
    parts += [*sorted(review.documents), "", *sorted(artifact.evidence)]
    return "R" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]


def decide_release(artifact: Artifact, document: str, *, bundle: Bundle, evidence: Evidence, at: date) -> Decision:
    """May this artifact's label shrink to `PUBLIC` on the strength of one document (its id in the register)?

    The document must speak for every origin in the label and name "*" as importer, for a public artifact may
    go anywhere; release rules must accept its kind and terms for each origin, and none may forbid it.
    """
    if bundle.unsafe:
        return _unsafe(bundle)
    if not evidence.knows(document):
        reason = f"The register holds no document '{document}'."
        remedy = f"Enter '{document}' in the register."
        return Refusal(("release.no_document",), (), reason, (document,), remedy, bundle.digest)
    artifact = replace(artifact, evidence=tuple(dict.fromkeys((*artifact.evidence, document))))
    origins = sorted(artifact.label.origins) or [""]
    return strictest(
        [_ask_release(origin, artifact, document, bundle=bundle, evidence=evidence, at=at) for origin in origins]
    )


def _unsafe(bundle: Bundle) -> Permit:
    return Permit((UNSAFE_RULE,), (), ("Laboratory use only: nothing was checked.",), (), bundle.digest)


def weigh(speaking: Speaking, claim: Claim, facts: Mapping[str, Any]) -> Weighed:
    """What the rules that can speak of a claim say of it."""
    held = [*speaking.openers.holding(claim.facts, facts), *speaking.closers.holding(claim.facts, facts)]
    return weighed(claim, facts, held)


def weighed(claim: Claim, facts: Mapping[str, Any], held: Iterable[Rule]) -> Weighed:
    """The rules that hold, by what they do, each kind in an order that does not hang on the bundle's."""
    forbidding: list[Rule] = []
    braking: list[Rule] = []
    opening: list[Rule] = []
    for rule in held:
        (opening if rule.opens else forbidding if rule.effect == "forbid" else braking).append(rule)
    for several in (forbidding, braking, opening):
        several.sort(key=_strongest)
    return Weighed(claim, facts, tuple(forbidding), tuple(braking), tuple(opening))


def _strongest(rule: Rule) -> tuple[bool, str]:
    return rule.effect != "permit", rule.id


def _ask(
    route: Route, common: Mapping[str, Any], crossing: Crossing, *, bundle: Bundle, evidence: Evidence
) -> Decision:
    """The answer of one origin's law: of the first claim that it permits, else of the first it would review."""
    facts = {**route.facts, **common}
    claims = evidence.claims(question(route, crossing, bundle))
    review: Weighed | None = None
    for claim in claims:
        speaking = route.speaking(claim.mechanism)
        if not speaking.openers.touched_by(claim.facts):
            continue  # nothing can open for it; what else it lacks matters only where nothing opens at all
        found = weigh(speaking, claim, claimed(facts, claim))
        if (verdict := found.verdict) == "permit":
            return _permitted(found, route, bundle)
        if verdict == "review" and review is None:
            review = found
    if review:
        asked = _review(review, route.speaking(review.claim.mechanism), bundle)
        return approved(asked, facts["origin"], crossing, evidence, facts["day"])
    refused = [weigh(route.speaking(claim.mechanism), claim, claimed(facts, claim)) for claim in claims]
    return _refusal(refused, facts, route, bundle)


def way(facts: Mapping[str, Any]) -> str:
    """From where to where, in words."""
    return f"{facts['origin'] or 'an unnamed origin'} -> {facts['destination']}"


def cites(rules: Iterable[Rule], facts: Mapping[str, Any], bundle: Bundle) -> tuple[str, ...]:
    """What the rules cite, and the instruments of the adequacy findings that they lean on."""
    cited = []
    for rule in rules:
        cited.append(rule.cite)
        scopes = frozenset().union(*(one.value for one in rule.when if one.field == "adequacy" and one.value))
        if scopes:
            findings = bundle.findings(facts["origin_regime"], facts["destination"], facts["day"])
            cited += [one.cite for one in findings if one.scope in scopes]
    return tuple(dict.fromkeys(cited))


def _relied(rules: Sequence[Rule], weighed: Weighed, speaking: Speaking) -> tuple[str, ...]:
    """The papers without which the answer would be another: what the rules look at, and what holds others off."""
    claim = weighed.claim
    if not claim.papers:
        return ()
    looked = frozenset(name for rule in rules for one in rule.when for name in one.names)
    return claim.relied_on(looked | speaking.held_off(claim.facts, weighed.facts))


def _basis(weighed: Weighed) -> tuple[str, ...]:
    ground = weighed.claim.mechanism or weighed.opening[0].id
    return (f"{weighed.facts['origin'] or '-'} {ground}",)


def _permitted(weighed: Weighed, route: Route, bundle: Bundle) -> Permit:
    """The permit of a claim; the same one as before where route, rule, ground and papers are the same."""
    rules, ground = weighed.opening[:1], weighed.claim.mechanism
    papers = _relied(rules, weighed, route.speaking(ground))
    key = rules[0].id, ground, papers
    if (known := route.answers.get(key)) is None:
        known = route.answers[key] = _permit(weighed, papers, bundle)
    return known


def _permit(weighed: Weighed, papers: tuple[str, ...], bundle: Bundle) -> Permit:
    rules = weighed.opening[:1]
    return Permit(
        (rules[0].id,),
        cites(rules, weighed.facts, bundle),
        rules[0].obligations,
        papers,
        bundle.digest,
        _basis(weighed),
    )


def _review(weighed: Weighed, speaking: Speaking, bundle: Bundle) -> Review:
    opener = weighed.opening[0]
    asking = (*weighed.braking, *([opener] if opener.effect == "review" else []))
    relied = (*weighed.braking, opener)
    return Review(
        tuple(rule.id for rule in asking),
        cites(asking, weighed.facts, bundle),
        tuple(dict.fromkeys(duty for rule in relied for duty in rule.obligations)),
        _relied(relied, weighed, speaking),
        f"{way(weighed.facts)}: {' '.join(rule.told(weighed.facts) for rule in asking)}",
        bundle.digest,
        _basis(weighed),
    )


def _refusal(refused: Sequence[Weighed], facts: Mapping[str, Any], route: Route, bundle: Bundle) -> Refusal:
    """The refusal of an origin: by the prohibition that meets the plainest claim, else for want of papers."""
    if refused and (rules := refused[0].forbidding):
        return Refusal(
            tuple(rule.id for rule in rules),
            cites(rules, facts, bundle),
            f"{way(facts)}: {' '.join(dict.fromkeys(rule.told(refused[0].facts) for rule in rules))}",
            (),
            " ".join(dict.fromkeys(rule.remedy for rule in rules if rule.remedy)),
            bundle.digest,
        )
    mend = way_out([(one.claim, one.facts, one.forbidding) for one in refused], facts, route, bundle)
    if mend is None:
        reason = f"{way(facts)}: no rule of the bundle permits this crossing."
        remedy = "Keep it at home, or have a lawyer add a rule for this route (border.rules)."
        return Refusal(("default_refusal",), (), reason, (), remedy, bundle.digest)
    rules = mend.rules
    named = tuple(f"{bundle.mechanisms[kind].name} ({kind}) for {way(facts)}" for kind in mend.missing)
    reason = f"{way(facts)}: {mend.reason}"
    return Refusal(tuple(r.id for r in rules), cites(rules, facts, bundle), reason, named, mend.remedy, bundle.digest)


def _ask_release(
    origin: str, artifact: Artifact, document: str, *, bundle: Bundle, evidence: Evidence, at: date
) -> Decision:
    """The answer of one origin's law to a release on the strength of one document."""
    regime = regime_of(origin, bundle, at)
    count = artifact.count if is_count(artifact.count) else 0
    asked = Question(
        origin=origin,
        destination="*",
        entity="",
        purpose="",
        categories=artifact.label.categories,
        day=at,
        standing=(),
        closing=bundle.closing,
        reads=frozenset(bundle.facts),
        evidence=artifact.evidence,
    )
    claims = [one for one in evidence.claims(asked) if "mechanism" in one.papers.get(document, ())]
    kind = claims[0].mechanism if claims else ""
    facts = {
        "day": at,
        "kind": str(artifact.kind),
        "origin": origin,
        "origin_regime": regime,
        "destination": "*",
        "categories": artifact.label.categories,
        "restrictions": artifact.label.restrictions,
        "count": count,
        "count_12m": count,
        "count_year": count,
        "document_kind": kind,
        "purpose": "",
        "same_party": False,
        "evidence_unknown": not all(map(evidence.knows, artifact.evidence)),
        "unreadable": not is_count(artifact.count),
        "unknown_fact": False,
    }
    speaking = bundle.releasing(at)
    found = [weigh(speaking, claim, claimed(facts, claim)) for claim in claims]
    for one in found:
        if one.verdict == "permit":
            return _permit(one, _relied(one.opening[:1], one, speaking), bundle)
    if not found:
        reason = f"{way(facts)}: '{document}' does not cover {origin or 'this'} for use anywhere ('*')."
        return Refusal(("release.not_covered",), (), reason, (document,), f"Have '{document}' cover it.", bundle.digest)
    if rules := found[0].forbidding:
        said = " ".join(rule.told(found[0].facts) for rule in rules)
        remedy = " ".join(filter(None, (rule.remedy for rule in rules)))
        return Refusal(
            tuple(r.id for r in rules),
            cites(rules, facts, bundle),
            f"{way(facts)}: {said}",
            (),
            remedy,
            bundle.digest,
        )
    reason = f"{way(facts)}: no rule accepts '{document}' ({kind}) for releasing this."
    return Refusal(("release.not_accepted",), (), reason, (), "Keep the label as it is.", bundle.digest)
