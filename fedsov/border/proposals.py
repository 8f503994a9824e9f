"""Documents that would open a crossing, found by asking the border itself, and what a document at hand lacks.

A proposal is a guess that the border has decided upon: for each origin that refuses, the documents that its law's rules
ask for are written down with what these rules want them to state, the easiest to get first, and the first that opens
is told. So none is told that would not do. What must be amended, and what no document opens, has no proposal.

    proposed(crossing, bundle, register, day).documents
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from fedsov.artifact import TRAINING, Artifact, Crossing, Kind, Party
from fedsov.border.decisions import Decision, Permit, Refusal
from fedsov.border.evidence.register import PROFILE, Document, Register
from fedsov.border.law.bundle import Bundle
from fedsov.border.law.mechanism import Mechanism
from fedsov.border.law.rules import Condition, Rule
from fedsov.border.law.vocabulary import ANY, By
from fedsov.border.policy import decide, decide_origin
from fedsov.border.questions import asked_origins, crossing_facts, is_sent_at_home, route_of
from fedsov.label import Label

PROPOSED = "proposed-"
"""How the id of a document that does not exist yet begins."""
MOST_PAIRS = 12
"""Pairs of places that a document at hand is tried for; one between groups of countries has hundreds."""
_BY_FIELDS = ("signed", "expires", "effective", "covers", "covers_purposes", "importer_match", "exporter_match")
_YEAR = timedelta(days=364)
_SHORT = {"controller": "C", "processor": "P"}


@dataclass(frozen=True, slots=True)
class Proposal:
    """Documents to get for a crossing, and the border's answer with them; none where no document opens it."""

    documents: tuple[Document, ...]
    decision: Decision


@dataclass(frozen=True, slots=True)
class Carried:
    """What a document does for data of one place that go to another: the border's answer with it."""

    origin: str
    destination: str
    decision: Decision
    carries: bool


def proposed(crossing: Crossing, bundle: Bundle, register: Register, at: date) -> Proposal:
    """The documents that are missing for a crossing, easiest first; none for an origin that no document opens."""
    documents: list[Document] = []
    for origin in asked_origins(crossing, bundle, at):
        known = _with(register, documents)
        if not isinstance(decide_origin(origin, crossing, bundle, known, at), Refusal):
            continue
        documents += _opening(origin, crossing, bundle, known, at)
    return Proposal(tuple(documents), decide(crossing, bundle, _with(register, documents), at))


def carried(document: Document, register: Register, bundle: Bundle, at: date) -> list[Carried]:
    """What a ground carries by itself, with the supporting documents of the register, for each pair of its places.

    It is tried for records of its categories, for the recipients that it names, on the first day it is valid from.
    """
    if bundle.mechanisms[document.kind].supports is not None or bundle.mechanisms[document.kind].about == "artifact":
        return []
    beside = [each for each in register.documents if bundle.mechanisms[each.kind].supports is not None]
    known = replace(register, documents=(document, *beside))
    day = max(at, document.signed, document.effective or document.signed)
    answers = []
    for origin, destination in _pairs(document, bundle):
        crossing = _crossing(document, origin, destination, day)
        decision = decide_origin(origin, crossing, bundle, known, day)
        answers.append(Carried(origin, destination, decision, document.id in decision.documents))
    return answers


def unnamed(document: Document, bundle: Bundle) -> list[str]:
    """The fields in which a document has to name a party and names none: a person must look at what it carries."""
    ground = bundle.mechanisms[document.kind]
    asked = {"exporters": ground.names_exporter, "entities": ground.names_recipient}
    return [name for name, must in asked.items() if must and not getattr(document, name)]


def _pairs(document: Document, bundle: Bundle) -> list[tuple[str, str]]:
    places = [sorted(code for code in codes if code != ANY) for codes in (document.exporter, document.importer)]
    pairs = [(origin, destination) for origin in places[0] for destination in places[1] if origin != destination]
    return pairs[:MOST_PAIRS]


def _crossing(document: Document, origin: str, destination: str, day: date) -> Crossing:
    roles = [
        {"C": "controller", "P": "processor"}.get(word, "controller")
        for word in str(document.terms.get("role", "C->C")).split("->")
    ]
    exporter, importer = min(document.exporters, default=""), min(document.entities, default="")
    parties = Party(origin, origin, exporter, role=roles[0]), Party(destination, destination, importer, role=roles[-1])
    label = Label(frozenset({origin}), document.categories - {ANY} or frozenset({"personal"}))
    purpose = min(document.purposes - {ANY}, default=TRAINING)
    return Crossing(Artifact(Kind.RECORDS, label), *parties, purpose, day)


def _with(register: Register, documents: Sequence[Document]) -> Register:
    return replace(register, documents=(*register.documents, *documents))


def _opening(origin: str, crossing: Crossing, bundle: Bundle, register: Register, at: date) -> list[Document]:
    """The documents by which one origin's law permits a crossing, else those by which a person may approve it."""
    route = route_of(origin, crossing, bundle, at)
    facts = {**route.facts, **crossing_facts(crossing, register)}
    ways = [
        (rule.unusual, rule.effect != "permit", _effort(documents, bundle), rule.id, documents)
        for rule in route.openers
        for documents in _candidates(rule, facts, crossing, bundle, at)
    ]
    reviewed: list[Document] = []
    for *_, documents in sorted(ways, key=lambda way: way[:4]):
        decision = decide_origin(origin, crossing, bundle, _with(register, documents), at)
        if isinstance(decision, Permit):
            named = [document for document in documents if document.id in decision.documents]
            return _needed(named, origin, crossing, bundle, register, at)
        if not isinstance(decision, Refusal) and not reviewed:
            reviewed = documents
    return reviewed


def _needed(
    documents: list[Document], origin: str, crossing: Crossing, bundle: Bundle, register: Register, at: date
) -> list[Document]:
    """Those of the documents without which the crossing is not permitted; what is at hand need not be got again."""
    for document in documents:
        others = [each for each in documents if each is not document]
        if isinstance(decide_origin(origin, crossing, bundle, _with(register, others), at), Permit):
            return _needed(others, origin, crossing, bundle, register, at)
    return documents


def _effort(documents: Sequence[Document], bundle: Bundle) -> int:
    """How hard they are to get; a profile is as hard as it is to make true what it states."""
    stated = sum(bundle.facts[name].effort for document in documents for name in document.terms)
    return stated + sum(bundle.mechanisms[document.kind].effort for document in documents)


def _candidates(
    rule: Rule, facts: Mapping[str, Any], crossing: Crossing, bundle: Bundle, at: date
) -> Iterator[list[Document]]:
    """For each ground that a rule opens, the documents that state what it asks."""
    for kind in rule.mechanisms() or ():
        ground = bundle.mechanisms.get(kind)
        if ground is None or ground.statement or ground.about == "artifact":
            continue
        wanted = [each for each in rule.when if each.needs_a_statement and each.field != "mechanism"]
        supports = {bundle.supports[each.field] for each in wanted if each.field in bundle.supports}
        if any(bundle.mechanisms[name].about == "artifact" for name in supports):
            continue
        terms = _terms(wanted, crossing, bundle, at)
        terms |= dict.fromkeys(bundle.asked_of_flows.get((kind, facts["flow"]), ()), "yes")
        kinds = [PROFILE] if ground.standing and terms else [] if ground.standing else [kind]
        own = [replace(_document(bundle.mechanisms[name], name, facts, crossing, at), terms=terms) for name in kinds]
        beside = [_document(bundle.mechanisms[name], name, facts, crossing, at) for name in sorted(supports)]
        yield [*own, *beside]


def _document(mechanism: Mechanism, kind: str, facts: Mapping[str, Any], crossing: Crossing, at: date) -> Document:
    """A document of this kind that names the parties which it must name; an earlier exporter's names its own."""
    sends = is_sent_at_home(facts) and mechanism.names_exporter
    named = (crossing.source.entity if sends else "", crossing.target.entity if mechanism.names_recipient else "")
    exporters, entities = (frozenset({name} if name else ()) for name in named)
    return Document(
        id=f"{PROPOSED}{kind}-{facts['origin']}-{facts['destination']}".lower().replace("_", "-"),
        kind=kind,
        exporter=frozenset({facts["origin"]}),
        importer=frozenset({facts["destination"]}),
        categories=crossing.artifact.label.categories or frozenset({ANY}),
        signed=at,
        expires=at + _YEAR,
        sha256="",
        owner="",
        entities=entities,
        exporters=exporters,
    )


def _terms(wanted: Sequence[Condition], crossing: Crossing, bundle: Bundle, at: date) -> dict[str, Any]:
    """What a document has to state so that conditions hold, as far as a value can be found; the border decides."""
    roles = "->".join(_SHORT.get(party.role, "C") for party in (crossing.source, crossing.target))
    terms: dict[str, Any] = {}
    for condition in sorted(wanted, key=lambda each: isinstance(each.value, By)):
        if condition.field in _BY_FIELDS or condition.field in bundle.supports or condition.field in terms:
            continue
        value = roles if condition.field == "role" else _value(condition, terms, bundle, at)
        if value is not None and not (condition.field == "doc" and value == "present"):
            terms[condition.field] = value
    return terms


def _value(condition: Condition, terms: Mapping[str, Any], bundle: Bundle, at: date) -> Any:
    if isinstance(condition.value, By):
        return condition.value.table.get(terms.get(condition.value.field, ""))
    if condition.operator in ("eq", "at_least", "at_most", "on_or_after"):
        return condition.value
    if condition.operator == "in":
        return min(condition.value)
    if condition.shape == "day":
        return at
    words = bundle.facts[condition.field].values
    return next((word for word in ("present", "yes") if word in words), "stated")
