"""May this artifact cross? A pure, total and deterministic answer, in words that a lawyer can check.

`decide` asks the law of **every origin in the label**, since a model made in three countries is an export
from all three, and gives the strictest of their answers. For each origin, in this order: what a rule forbids
is refused; what no rule opens with the documents at hand is refused, naming the least costly documents that
would change it; what a rule wants a person to look at is a review; the rest is a permit. So an unknown
jurisdiction is refused, and a label that binds without an origin, and everything under an empty bundle.

A permit is not a legal opinion. It says: this bundle permitted it, on these documents, on this day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from fedsov.artifact import Artifact, Crossing, Kind
from fedsov.border.answers import Decision, Permit, Refusal, Review, strictest
from fedsov.border.rules import Bundle, Rule

__all__ = ["Decision", "Evidence", "Permit", "Refusal", "Review", "decide", "decide_release"]

UNSAFE_RULE = "unsafe_open"
LONGEST_TYPE_NAME = 80


class Paper(Protocol):
    """What the policy needs to know of a document: its id and kind."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...


class Evidence(Protocol):
    """The tenant's documents, as far as a decision asks (`fedsov.border.evidence.Register`)."""

    def holding(
        self,
        kind: str,
        *,
        origin: str,
        destination: str,
        categories: frozenset[str],
        on: date,
        entity: str = "",
    ) -> Paper | None: ...

    def shortcoming(
        self,
        kind: str,
        *,
        origin: str,
        destination: str,
        categories: frozenset[str],
        on: date,
        entity: str = "",
    ) -> str: ...

    def get(self, id: str) -> Paper | None: ...

    def only(self, id: str) -> Evidence: ...


def decide(crossing: Crossing, bundle: Bundle, evidence: Evidence, at: date) -> Decision:
    """The answer of this bundle and this register to a crossing on the day `at`; it never raises for any
    label.

    The strictest answer over the origins of the label. A label without any origin is asked about once, as an
    unknown origin, so that only `PUBLIC` (for which a rule exists) can pass.
    """
    if bundle.unsafe:
        return _unsafe(bundle)
    shared = _facts(crossing, bundle, at)
    origins = sorted(crossing.artifact.label.origins) or [""]
    return strictest([_ask(origin, shared, bundle=bundle, evidence=evidence, at=at) for origin in origins])


def decide_release(artifact: Artifact, document: str, *, bundle: Bundle, evidence: Evidence, at: date) -> Decision:
    """May this artifact's label shrink to `PUBLIC` on the strength of one document (its id in the register)?

    The document must be valid on the day `at`, cover every category and every origin in the label, and name
    "*" as importer, for a public artifact may go anywhere; and a release rule must accept its kind for that
    origin.
    """
    if bundle.unsafe:
        return _unsafe(bundle)
    paper = evidence.get(document)
    if paper is None:
        reason = f"The register holds no document '{document}'."
        remedy = f"Enter '{document}' in the register."
        return Refusal(("release.no_document",), (), reason, (document,), remedy, bundle.digest)
    answers = [
        _ask_release(origin, artifact, paper, bundle=bundle, evidence=evidence, at=at)
        for origin in sorted(artifact.label.origins) or [""]
    ]
    return strictest(answers)


def _unsafe(bundle: Bundle) -> Permit:
    return Permit((UNSAFE_RULE,), (), ("Laboratory use only: nothing was checked.",), (), bundle.digest)


def _facts(crossing: Crossing, bundle: Bundle, at: date) -> dict[str, Any]:
    """The facts that are the same for every origin, under the names of `rules.FIELDS`."""
    artifact, source, target = crossing.artifact, crossing.source, crossing.target
    known = bundle.is_place(target.location)
    return {
        "kind": str(artifact.kind),
        "destination": target.location,
        "destination_country": target.location.partition("-")[0],
        "destination_known": known,
        "destination_regime": (bundle.regime(target.location, at) if known else None) or "unknown",
        "purpose": crossing.purpose,
        "categories": artifact.label.categories,
        "restrictions": artifact.label.restrictions,
        "count": artifact.count,
        "public": artifact.label.is_public,
        "same_party": source.name == target.name and source.location == target.location,
        "error_type_only": artifact.kind is Kind.ERROR and _is_type_name(artifact.content),
        "document_kind": "",
        "entity": target.entity,
    }


def _is_type_name(content: bytes) -> bool:
    """True for nothing at all (a planned crossing) or one ASCII identifier of at most 80 characters."""
    if not content:
        return True
    return len(content) <= LONGEST_TYPE_NAME and content.isascii() and content.decode("ascii").isidentifier()


def _ask(origin: str, shared: dict[str, Any], *, bundle: Bundle, evidence: Evidence, at: date) -> Decision:
    """The answer of one origin's law."""
    regime = (bundle.regime(origin, at) if bundle.is_place(origin) else None) or "unknown"
    at_home = regime != "unknown" and regime == shared["destination_regime"]
    findings = bundle.findings(regime, shared["destination"], at)
    facts = shared | {
        "origin": origin,
        "origin_regime": regime,
        "stays_home": regime != "unknown" and (at_home or shared["same_party"]),
        "adequacy": frozenset(one.scope for one in findings),
        "findings": findings,
    }
    speaking = [rule for rule in bundle.rules_for(regime) if rule.in_force(at) and rule.speaks_of(facts)]
    return _weigh(speaking, _Papers(evidence, facts, at), bundle)


@dataclass(frozen=True, slots=True)
class _Papers:
    """The register, asked on behalf of one origin about one crossing."""

    evidence: Evidence
    facts: dict[str, Any]
    at: date

    def _terms(self) -> dict[str, Any]:
        names = ("origin", "destination", "categories", "entity")
        return {name: self.facts[name] for name in names} | {"on": self.at}

    def find(self, kind: str) -> Paper | None:
        return self.evidence.holding(kind, **self._terms())

    def shortcoming(self, kind: str) -> str:
        return self.evidence.shortcoming(kind, **self._terms())

    @property
    def route(self) -> str:
        return f"{self.facts['origin'] or 'an unnamed origin'} -> {self.facts['destination']}"


def _weigh(speaking: Sequence[Rule], papers: _Papers, bundle: Bundle) -> Decision:
    """Forbid; then refuse what nothing opens; then review as a brake; then what the opening rule says.

    A brake comes after the refusal of what nothing opens: else a longer label, by meeting a brake, would turn
    a refusal into a review.
    """
    closing = [rule for rule in speaking if not rule.opens and not any(map(papers.find, rule.kinds("lacks")))]
    forbidding = [rule for rule in closing if rule.effect == "forbid"]
    if forbidding:
        return _forbidden(forbidding, papers, bundle)
    opening = [rule for rule in speaking if rule.opens]
    opened = _opened(opening, papers, bundle)
    if opened is None:
        return _lacking(opening, papers, bundle)
    rule, held = opened
    reviewing = [*closing, *([rule] if rule.effect == "review" else [])]
    if reviewing:
        return _review(reviewing, held, papers, bundle)
    return Permit((rule.id,), _cites([rule], papers), rule.obligations, held, bundle.digest)


def _opened(opening: Sequence[Rule], papers: _Papers, bundle: Bundle) -> tuple[Rule, tuple[str, ...]] | None:
    """The first rule whose documents are all held, and their ids: permits first, then what leans on least."""
    for rule in sorted(opening, key=lambda one: (one.effect != "permit", _cost(one.kinds("holds"), bundle), one.id)):
        found = [papers.find(kind) for kind in rule.kinds("holds")]
        held = tuple(paper.id for paper in found if paper is not None)
        if len(held) == len(found):
            return rule, held
    return None


def _cost(kinds: Iterable[str], bundle: Bundle) -> int:
    return sum(bundle.documents[kind].effort for kind in kinds)


def _cites(rules: Iterable[Rule], papers: _Papers) -> tuple[str, ...]:
    """What the rules cite, and the instruments of the adequacy findings that they lean on."""
    cited = []
    for rule in rules:
        scopes = frozenset().union(*(one.value for one in rule.when if one.field == "adequacy"))
        cited += [rule.cite, *(one.cite for one in papers.facts["findings"] if one.scope in scopes)]
    return tuple(dict.fromkeys(cited))


def _forbidden(rules: Sequence[Rule], papers: _Papers, bundle: Bundle) -> Refusal:
    reason = f"{papers.route}: {' '.join(rule.reason for rule in rules)}"
    missing = tuple(_named(kind, papers, bundle) for rule in rules for kind in rule.kinds("lacks"))
    remedy = " ".join(dict.fromkeys(rule.remedy for rule in rules if rule.remedy))
    return Refusal(tuple(rule.id for rule in rules), _cites(rules, papers), reason, missing, remedy, bundle.digest)


def _review(rules: Sequence[Rule], held: tuple[str, ...], papers: _Papers, bundle: Bundle) -> Review:
    reason = f"{papers.route}: {' '.join(rule.reason for rule in rules)}"
    obligations = tuple(dict.fromkeys(duty for rule in rules for duty in rule.obligations))
    return Review(tuple(rule.id for rule in rules), _cites(rules, papers), obligations, held, reason, bundle.digest)


def _named(kind: str, papers: _Papers, bundle: Bundle) -> str:
    return f"{bundle.documents[kind].name} ({kind}) for {papers.route}"


def _lacking(opening: Sequence[Rule], papers: _Papers, bundle: Bundle) -> Refusal:
    """The refusal where only documents are missing, by the rule whose missing documents cost least."""
    if not opening:
        return _nothing_permits(papers, bundle)
    absent = {rule.id: [kind for kind in rule.kinds("holds") if papers.find(kind) is None] for rule in opening}
    efforts = {
        kind: 1 if papers.shortcoming(kind) else bundle.documents[kind].effort
        for kind in {kind for kinds in absent.values() for kind in kinds}
    }
    rule = min(opening, key=lambda one: (sum(efforts[kind] for kind in absent[one.id]), one.id))
    lacking = absent[rule.id]
    needed = " and ".join(f"{bundle.documents[kind].name} ({kind})" for kind in rule.kinds("holds"))
    faults = " ".join(filter(None, (papers.shortcoming(kind) for kind in lacking)))
    faults = faults or f"The register holds no {' and no '.join(lacking)} for it."
    return Refusal(
        (rule.id,),
        _cites([rule], papers),
        f"{papers.route}: needs {needed}. {faults}",
        tuple(_named(kind, papers, bundle) for kind in lacking),
        " ".join(_entry_to_add(kind, papers, bundle) for kind in lacking),
        bundle.digest,
    )


def _entry_to_add(kind: str, papers: _Papers, bundle: Bundle) -> str:
    facts = papers.facts
    covered = ", ".join(sorted(facts["categories"])) or "'*'"
    parties = f"exporter: [{facts['origin']}], importer: [{facts['destination']}]"
    name = bundle.documents[kind].name
    return f"Obtain {name} and enter it in the evidence register: {{kind: {kind}, {parties}, categories: [{covered}]}}."


def _nothing_permits(papers: _Papers, bundle: Bundle) -> Refusal:
    reason = f"{papers.route}: no rule of the bundle permits this crossing."
    remedy = "Keep it at home, or have a lawyer add a rule for this route (border.rules)."
    return Refusal(("default_refusal",), (), reason, (), remedy, bundle.digest)


def _ask_release(
    origin: str, artifact: Artifact, paper: Paper, *, bundle: Bundle, evidence: Evidence, at: date
) -> Decision:
    """The answer of one origin's law to a release on the strength of one document."""
    regime = (bundle.regime(origin, at) if bundle.is_place(origin) else None) or "unknown"
    facts = dict.fromkeys(("destination_regime", "purpose"), "") | {
        "kind": str(artifact.kind),
        "origin": origin,
        "origin_regime": regime,
        "destination": "*",
        "categories": artifact.label.categories,
        "restrictions": artifact.label.restrictions,
        "count": artifact.count,
        "document_kind": paper.kind,
        "findings": (),
        "entity": "",
    }
    papers = _Papers(evidence.only(paper.id), facts, at)
    accepting = [rule for rule in bundle.releases if rule.in_force(at) and rule.speaks_of(facts)]
    if not accepting:
        reason = f"{papers.route}: no rule accepts '{paper.id}' ({paper.kind}) for releasing this."
        return Refusal(("release.not_accepted",), (), reason, (), "Keep the label as it is.", bundle.digest)
    if papers.find(paper.kind) is None:
        fault = papers.shortcoming(paper.kind) or f"'{paper.id}' does not cover {origin} for use anywhere ('*')."
        return Refusal(
            tuple(rule.id for rule in accepting),
            _cites(accepting, papers),
            f"{papers.route}: {fault}",
            (_named(paper.kind, papers, bundle),),
            f"Renew '{paper.id}' or enter one that covers this.",
            bundle.digest,
        )
    rule = min(accepting, key=lambda one: one.id)
    return Permit((rule.id,), _cites([rule], papers), rule.obligations, (paper.id,), bundle.digest)
