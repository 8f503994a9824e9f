"""A claim is a ground and what documents state for it; every kind of evidence answers the same questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.border.case_table import Case, CaseEvidence, read_facts
from fedsov.border.evidence.claims import Claim, Evidence, Question
from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.evidence.register_file import load_register
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.border.law.rules import FOR
from fedsov.ledger.ledger import Ledger
from tests.border.world import DAY, DEMO, demo_register, document, law, register

SCC = Claim(
    "scc_eu",
    {"doc": "2021/914", "tia": "present", "dpf_listed": "yes"},
    {"scc": frozenset({"mechanism", "doc", "signed"}), "tia": frozenset({"tia"}), "r": frozenset({"dpf_listed"})},
)
QUESTION = Question(
    origin="DE",
    destination="US",
    entity="Example US Inc. (fictional)",
    purpose="training",
    categories=frozenset({"personal"}),
    day=DAY,
    standing=("", "adequacy"),
    reads=frozenset(law().facts),
    weigh=lambda name, value: FOR,
)


@pytest.mark.parametrize(
    ("documents", "grounds"),
    [
        ({}, ()),
        ({"tia": frozenset({"tia"})}, ()),
        ({"scc": frozenset({"mechanism"})}, ("scc",)),
        ({"scc": frozenset({"mechanism", "doc"}), "tia": frozenset({"tia"})}, ("scc",)),
        ({"a": frozenset({"mechanism"}), "b": frozenset({"mechanism"})}, ("a", "b")),
    ],
)
def test_the_ground_is_the_document_that_states_the_mechanism(
    documents: dict[str, frozenset[str]], grounds: tuple[str, ...]
) -> None:
    assert Claim("scc_eu", {}, documents).grounds == grounds


@pytest.mark.parametrize(
    ("fields", "ids"),
    [
        (set(), ("scc",)),
        ({"tia"}, ("scc", "tia")),
        ({"dpf_listed"}, ("scc", "r")),
        ({"doc", "unheard_of"}, ("scc",)),
        ({"tia", "dpf_listed"}, ("scc", "tia", "r")),
    ],
)
def test_what_is_relied_on_is_the_ground_and_whoever_states_what_is_looked_at(
    fields: set[str], ids: tuple[str, ...]
) -> None:
    assert SCC.relied_on(frozenset(fields)) == ids


def test_a_claim_without_documents_relies_on_none() -> None:
    assert Claim("", {}, {}).relied_on(frozenset({"doc"})) == ()


def every_evidence(folder: Path) -> dict[str, Evidence]:
    """All that a decision can be asked with, each with the demo's documents or with none."""
    case = Case("c", "2026-11-23", "DE", "US", "transfer", "model_update", "personal", "scc_eu", "doc=2021/914")
    ledger = Ledger(folder / "ledger.sqlite", "eu")
    return {
        "register": demo_register(),
        "no document": register(),
        "no register": load_register(None),
        "live": LiveRegister(DEMO, ledger),
        "live without a file": LiveRegister(None, ledger),
        "case": CaseEvidence(case, read_facts(case.facts, law()), load_bundle()),
    }


def test_all_evidence_answers_what_a_decision_asks(tmp_path: Path) -> None:
    for name, evidence in every_evidence(tmp_path).items():
        claims = evidence.claims(QUESTION)
        assert claims and all(isinstance(claim, Claim) for claim in claims), name
        assert claims == evidence.claims(QUESTION), "the same question has the same answer"
        assert evidence.approval("R0", DAY) is None
        assert evidence.knows("no such document") is (name == "case")


def test_what_is_absent_is_said_by_each_in_words_that_fit_it(tmp_path: Path) -> None:
    absent = {name: evidence.absent(["scc_eu", "tia"]) for name, evidence in every_evidence(tmp_path).items()}
    assert absent["register"] == absent["no document"] == "The register holds no scc_eu and no tia for it."
    assert absent["no register"] == "No evidence register was given (border.evidence, or --evidence FILE)."
    assert absent["live"] == absent["register"] and absent["live without a file"] == absent["no register"]
    assert absent["case"] == "The case states no scc_eu and no tia."


def test_equal_questions_are_one_question() -> None:
    asked = register(document("scc_eu"))
    assert asked.claims(QUESTION) is asked.claims(Question(**{name: getattr(QUESTION, name) for name in NAMES}))


NAMES = tuple(Question.__slots__)
