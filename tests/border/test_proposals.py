"""Documents are proposed that open a crossing, and no others; a document at hand says what it lacks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fedsov.artifact import Crossing, Kind
from fedsov.border.policy import decide
from fedsov.border.proposals import carried, proposed
from tests.border.world import DAY, EMPTY, artifact, demo_register, document, law, party, register

ROUTES = [("DE", "IN"), ("GB", "IN"), ("BR", "US"), ("VN", "SG"), ("CN", "DE"), ("SA", "US"), ("KR", "US")]


def crossing(origin: str, target: str, source: str = "") -> Crossing:
    return Crossing(artifact(Kind.UPDATE, origin), party(source or origin), party(target), "training", DAY)


@pytest.mark.parametrize(("origin", "target"), ROUTES)
def test_what_is_proposed_is_what_the_border_then_relies_on(origin: str, target: str) -> None:
    asked = crossing(origin, target)
    assert decide(asked, law(), EMPTY, DAY).verdict == "refuse"
    proposal = proposed(asked, law(), EMPTY, DAY)
    assert proposal.documents and proposal.decision.verdict != "refuse"
    assert decide(asked, law(), replace(EMPTY, documents=proposal.documents), DAY) == proposal.decision
    assert {each.id for each in proposal.documents} == set(proposal.decision.documents)


@pytest.mark.parametrize(("origin", "target"), ROUTES)
def test_no_document_of_a_proposal_can_be_left_out(origin: str, target: str) -> None:
    asked = crossing(origin, target)
    proposal = proposed(asked, law(), EMPTY, DAY)
    for spare in proposal.documents:
        fewer = tuple(each for each in proposal.documents if each is not spare)
        assert decide(asked, law(), replace(EMPTY, documents=fewer), DAY).verdict == "refuse"


def test_what_is_permitted_needs_no_document() -> None:
    assert proposed(crossing("DE", "US"), law(), demo_register(), DAY).documents == ()


def test_a_document_at_hand_is_not_proposed_again() -> None:
    """The register holds the risk assessment for GB -> IN, and lacks the agreement alone."""
    kinds = [each.kind for each in proposed(crossing("GB", "IN"), law(), demo_register(), DAY).documents]
    assert kinds == ["scc_uk_idta"]


def test_the_sender_s_own_papers_are_proposed_beside_the_origin_s() -> None:
    proposal = proposed(crossing("BR", "IN", "IE"), law(), EMPTY, DAY)
    assert {min(each.exporter) for each in proposal.documents} == {"BR", "IE"}


@pytest.mark.parametrize(("origin", "target"), [("DE", "ZZ"), ("ZZ", "US")])
def test_where_no_document_opens_it_none_is_proposed(origin: str, target: str) -> None:
    """A place that nobody knows: no law speaks of it."""
    proposal = proposed(crossing(origin, target), law(), EMPTY, DAY)
    assert proposal.documents == () and proposal.decision.verdict == "refuse"


def test_a_licence_is_what_opens_a_bulk_transaction_with_a_country_of_concern() -> None:
    asked = Crossing(artifact(Kind.RECORDS, "US", count=2_000_000), party("US"), party("CN", ["CN"]), "training", DAY)
    assert [each.kind for each in proposed(asked, law(), EMPTY, DAY).documents] == ["us_licence"]


def test_a_document_without_its_terms_says_which_rule_asks_for_which() -> None:
    paper = document(
        "scc_eu", exporter=frozenset({"DE"}), importer=frozenset({"IN"}), categories=frozenset({"personal"})
    )
    (answer,) = carried(paper, register(paper), law(), DAY)
    assert not answer.carries and answer.decision.verdict == "refuse" and answer.decision.rules
    assert "tia" in answer.decision.reason


def test_a_document_with_its_terms_and_its_assessment_carries() -> None:
    places = {"exporter": frozenset({"DE"}), "importer": frozenset({"IN"}), "categories": frozenset({"personal"})}
    paper = document("scc_eu", terms={"doc": "2021/914", "module": "1", "role": "C->C"}, **places)
    (alone,) = carried(paper, register(paper), law(), DAY)
    (both,) = carried(paper, register(paper, document("tia", **places)), law(), DAY)
    assert not alone.carries and both.carries and both.decision.verdict == "permit"


def test_another_ground_of_the_register_does_not_speak_for_a_document() -> None:
    places = {"exporter": frozenset({"DE"}), "importer": frozenset({"IN"}), "categories": frozenset({"personal"})}
    good = document("scc_eu", "good", terms={"doc": "2021/914", "module": "1", "role": "C->C"}, **places)
    old = document("scc_eu", "old", terms={"doc": "2010/87", "module": "1", "role": "C->C"}, **places)
    (answer,) = carried(old, register(good, old, document("tia", **places)), law(), DAY)
    assert not answer.carries and "good" not in answer.decision.documents


def test_a_supporting_document_carries_nothing_by_itself_and_is_not_asked() -> None:
    assert carried(document("tia"), register(), law(), DAY) == []
