"""A paper carries a crossing of named parties only where it names them: the recipient, the sender and their roles."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from fedsov.artifact import Crossing, Kind, Party
from fedsov.border.decisions import Decision
from fedsov.border.evidence.register import Document
from fedsov.border.proposals import proposed
from tests.border.world import DAY, EMPTY, ask, document, law, of, party, register

HERE, THERE = party("DE"), party("US")
CLAUSES: dict[str, Any] = {"doc": "2021/914", "module": "1", "role": "C->C"}


def paper(kind: str, *entities: str, **terms: Any) -> Document:
    """A paper of whatever exporter that names these recipients."""
    return document(kind, kind, entities=frozenset(entities), expires=date(2027, 12, 31), terms=terms)


def nameless(paper: Document) -> Document:
    """The same paper, of an exporter that it does not name."""
    return replace(paper, exporters=frozenset())


def answer(*papers: Document, source: Party = HERE, target: Party = THERE, origin: str = "DE") -> Decision:
    return ask(of(Kind.UPDATE, origin, "personal"), source, target, register=register(*papers))


CARRYING = {
    "clauses": ("DE", [("scc_eu", CLAUSES), ("tia", {})]),
    "a listing under the DPF": ("DE", [("recipient", {"dpf_listed": "yes"})]),
    "binding corporate rules": (
        "DE",
        [
            ("bcr", {"bcr_type": "C", "group_member": "yes", "approval_authority": "IE"}),
            ("tia", {}),
        ],
    ),
    "a British agreement": ("GB", [("scc_uk_idta", {"doc": "A1.0"}), ("tia", {})]),
    "a Japanese certificate": (
        "JP",
        [("cbpr", {"scheme": "APEC-CBPR", "certificate": "valid", "doc": "present"}), ("annual_check", {})],
    ),
    "a Korean consent": ("KR", [("derogation_consent", {"consent": "separate", "notice_items": "complete"})]),
}


@pytest.mark.parametrize("what", sorted(CARRYING))
def test_a_paper_carries_a_named_recipient_only_where_it_names_it(what):
    origin, kinds = CARRYING[what]
    source = party(origin)
    named = [paper(kind, THERE.entity, **terms) for kind, terms in kinds]
    unnamed = [paper(kind, **terms) for kind, terms in kinds]
    others = [paper(kind, "Example Stranger", **terms) for kind, terms in kinds]
    assert answer(*named, source=source, origin=origin).verdict == "permit"
    review = answer(*unnamed, source=source, origin=origin)
    assert review.verdict == "review"
    assert THERE.entity in review.reason
    assert answer(*others, source=source, origin=origin).verdict == "refuse"


@pytest.mark.parametrize("what", sorted(CARRYING))
def test_a_question_that_names_no_party_is_about_the_papers_own(what):
    origin, kinds = CARRYING[what]
    for entities in ((), ("Example Stranger",)):
        papers = [nameless(paper(kind, *entities, **terms)) for kind, terms in kinds]
        nobody = answer(*papers, source=Party("a", origin, ""), target=Party("b", "US", ""), origin=origin)
        assert nobody.verdict == "permit", nobody.reason


def clauses(**other: Any) -> tuple[Document, Document]:
    scc = document("scc_eu", "scc", entities=frozenset({THERE.entity}), terms=CLAUSES)
    return replace(scc, **other), paper("tia", THERE.entity)


def test_clauses_of_another_exporter_are_looked_at_by_a_person():
    own, other = frozenset({HERE.entity}), frozenset({"Example Stranger"})
    assert answer(*clauses(exporters=own)).verdict == "permit"
    assert answer(*clauses(exporters=own | other)).verdict == "permit"
    review = answer(*clauses(exporters=other))
    assert (review.verdict, review.rules) == ("review", ("paper.exporter_other",))
    assert HERE.entity in review.reason


UNNAMED_EXPORTER = {
    "clauses": {"paper.exporter_unnamed", "paper.support_unnamed"},
    "a listing under the DPF": set(),
    "binding corporate rules": {"paper.exporter_unnamed", "paper.support_unnamed"},
    "a British agreement": {"paper.exporter_unnamed", "paper.support_unnamed"},
    "a Japanese certificate": {"paper.support_unnamed"},
    "a Korean consent": {"paper.exporter_unnamed"},
}


@pytest.mark.parametrize("what", sorted(CARRYING))
def test_a_paper_names_who_sends_unless_it_is_the_recipients_alone(what):
    origin, kinds = CARRYING[what]
    papers = [nameless(paper(kind, THERE.entity, **terms)) for kind, terms in kinds]
    decided = answer(*papers, source=party(origin), origin=origin)
    if UNNAMED_EXPORTER[what]:
        assert decided.verdict == "review"
        assert set(decided.rules) == UNNAMED_EXPORTER[what]
        assert party(origin).entity in decided.reason
    else:
        assert decided.verdict == "permit"
    anybody = Party("a", origin, "")
    assert answer(*papers, source=anybody, origin=origin).verdict == "permit", "who sends has no name"


STATEMENTS = {
    "cn_exempt": ("CN", {"exemption_reason": "transit_data", "domestic_data_added": "no"}),
    "vn_exempt": ("VN", {"exemption_reason": "data_subject_own_transfer"}),
}


@pytest.mark.parametrize("kind", sorted(STATEMENTS))
def test_a_statement_that_names_nobody_carries_nothing_by_itself(kind):
    origin, terms = STATEMENTS[kind]
    source = party(origin)
    whole = paper(kind, THERE.entity, **terms)
    assert answer(whole, source=source, origin=origin).verdict == "permit"
    for lacking in (nameless(whole), replace(whole, entities=frozenset()), nameless(paper(kind, **terms))):
        assert answer(lacking, source=source, origin=origin).verdict == "review"
    other = answer(replace(whole, exporters=frozenset({"Example Stranger"})), source=source, origin=origin)
    assert other.rules == ("paper.exporter_other",)


def test_an_earlier_exporters_clauses_need_not_name_who_passes_the_data_on():
    """The German clauses answer for the German origin; what the hub in Ireland sends has clauses of its own."""
    hub = party("IE")
    german, assessment = clauses(exporters=frozenset({HERE.entity}), exporter=frozenset({"DE"}))
    irish = replace(german, id="own", exporter=frozenset({"IE"}), exporters=frozenset({hub.entity}))
    assert answer(german, irish, assessment, source=hub).verdict == "permit"
    assert answer(german, replace(irish, exporters=german.exporters), assessment, source=hub).verdict == "review"


@pytest.mark.parametrize(("origin", "place"), [("US", "US-CA"), ("US", "US-OH"), ("US-CA", "US"), ("US-OH", "US-CA")])
def test_who_sends_from_a_part_of_the_origins_country_is_compared_like_one_at_the_origin(origin, place):
    hub, thing = Party("hub", place, HERE.entity), of(Kind.RECORDS, origin, "health", count=20_000)
    terms = {"licence_no": "L-1", "ref": "L-1", "onward_terms": "yes", "data_brokerage": "no"}
    own = document("us_licence", expires=date(2027, 6, 1), terms=terms)
    assert ask(thing, hub, "CN", register=register(own)).verdict == "permit"
    other = replace(own, exporters=frozenset({"Example Stranger"}))
    assert ask(thing, hub, "CN", register=register(other)).rules == ("paper.exporter_other",)
    assert ask(thing, hub, "CN", register=register(nameless(own))).rules == ("paper.exporter_unnamed",)
    crossing = Crossing(thing, hub, party("CN"), "training", DAY)
    asked = [each for each in proposed(crossing, law(), EMPTY, DAY).documents if each.kind == own.kind]
    assert {each.exporters for each in asked} == {frozenset({hub.entity})}


@pytest.mark.parametrize(
    ("sender", "recipient", "verdict"),
    [
        ("controller", "controller", "permit"),
        ("controller", "processor", "review"),
        ("processor", "controller", "review"),
        ("processor", "processor", "review"),
    ],
)
def test_clauses_for_other_roles_than_the_parties_have_are_looked_at_by_a_person(sender, recipient, verdict):
    decided = answer(*clauses(), source=replace(HERE, role=sender), target=replace(THERE, role=recipient))
    assert decided.verdict == verdict
    if verdict == "review":
        assert decided.rules == ("paper.role_other",)
        assert "C->C" in decided.reason


def test_a_ground_that_speaks_of_a_place_need_not_name_a_recipient():
    thing = of(Kind.UPDATE, "KZ", "personal")
    papers = [paper("self_assessed_adequacy"), paper("assessment"), paper("storage", local_copy="yes")]
    review = ask(thing, "KZ", "US", register=register(*papers))
    assert "paper.recipient_unnamed" not in review.rules
    assert ask(of(Kind.UPDATE, "DE", "personal"), "DE", "GB", register=register()).verdict == "permit"


def test_a_profile_that_names_nobody_closes_nothing_that_opens_without_it():
    assert answer(*clauses(), paper("recipient", dpf_listed="yes")).verdict == "permit"
    assert answer(paper("recipient", dpf_listed="yes"), target=party("GB")).verdict == "permit"
