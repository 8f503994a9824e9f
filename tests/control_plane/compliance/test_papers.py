"""Which paper serves whose data, who signed it, and what its assessment says."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from fedsov.control_plane.compliance.page import as_html
from tests.border.world import DAY
from tests.control_plane.compliance.ledgers import made_of, said
from tests.control_plane.compliance.papers import document

CLAUSES = document(
    "scc_eu",
    id="scc-1",
    terms={"doc": "2021/914", "module": "2", "role": "C->P"},
    entities=frozenset({"Example US Inc."}),
    record={"signatories": "A. Example for the exporter; B. Example for the importer"},
)
ASSESSED = {"author": "C. Example", "conclusion": "equivalent", "measures": "keys stay", "next_review": "2027-01-05"}
BRITISH = document("scc_uk_idta", id="idta-1", exporter=frozenset({"GB"}))


def crossed(**changed: Any) -> dict[str, Any]:
    plain = {"act": "cross", "verdict": "permit", "day": "2026-11-01", "at": "2026-11-01T10:00", "destination": "US"}
    papers = {"documents": ["scc-1", "tia-1", "idta-1"], "basis": ["DE scc_eu", "GB scc_uk_idta"]}
    return plain | {"origins": ["DE", "GB"]} | papers | changed


def test_each_paper_is_told_with_the_origins_it_serves_and_no_other() -> None:
    told = {each.id: each for each in made_of(crossed(), register=[CLAUSES, BRITISH]).safeguards}
    assert (told["scc-1"].origins, told["scc-1"].destinations) == (("DE",), ("US",))
    assert told["idta-1"].origins == ("GB",)


def test_of_two_papers_of_one_kind_each_serves_its_own_place() -> None:
    own = document("scc_eu", id="scc-2", exporter=frozenset({"IE"}))
    entry = crossed(basis=["DE scc_eu", "GB scc_uk_idta", "IE scc_eu"], documents=["scc-1", "scc-2"])
    told = {each.id: each.origins for each in made_of(entry, register=[CLAUSES, own]).safeguards}
    assert told == {"scc-1": ("DE",), "scc-2": ("IE",)}


def test_a_paper_between_many_places_serves_those_whose_ground_it_is() -> None:
    wide = document("scc_eu", id="scc-1", exporter=frozenset({"*"}))
    assert made_of(crossed(), register=[wide]).safeguards[0].origins == ("DE",)
    assessed = document("tia", id="tia-1", exporter=frozenset({"*"}))
    assert made_of(crossed(), register=[assessed]).assessments[0].origins == ("DE", "GB")


def test_where_the_entry_tells_whose_paper_it_is_that_counts() -> None:
    wide = document("tia", id="tia-1", exporter=frozenset({"*"}))
    entry = crossed(relied=["DE scc-1", "DE tia-1", "GB idta-1"])
    assert made_of(entry, register=[wide]).assessments[0].origins == ("DE",)


def test_the_sender_s_own_ground_serves_the_sender() -> None:
    entry = crossed(origins=["US"], basis=["US free", "IE scc_eu"], destination="IN", documents=["scc-1"])
    indian = document("scc_eu", id="scc-1", exporter=frozenset({"IE"}), importer=frozenset({"IN"}))
    (told,) = made_of(entry, register=[indian]).safeguards
    assert (told.origins, told.destinations) == (("IE",), ("IN",))


def test_version_module_role_signatories_and_whom_it_binds_are_told() -> None:
    record = made_of(crossed(), register=[CLAUSES])
    (told,) = record.safeguards
    assert (told.version, told.module, told.role) == ("2021/914", "2", "C->P")
    assert told.recipients == ("Example US Inc.",) and "B. Example for the importer" in told.signatories
    page = as_html(record)
    assert "B. Example for the importer" in page and "2021/914" in page and "C-&gt;P" in page


def test_an_assessment_is_told_with_date_conclusion_measures_author_and_next_review() -> None:
    (told,) = made_of(crossed(), register=[document("tia", id="tia-1", record=ASSESSED)]).assessments
    assert (told.dated, told.conclusion, told.measures) == (date(2026, 1, 5), "equivalent", "keys stay")
    assert (told.author, told.next_review, told.due) == ("C. Example", "2027-01-05", False)


def test_what_an_assessment_s_terms_state_stands_where_its_record_is_silent() -> None:
    terms = {"tia_conclusion": "effective_with_measures", "supplementary_measures": "yes"}
    (told,) = made_of(crossed(), register=[document("tia", id="tia-1", terms=terms)]).assessments
    assert (told.conclusion, told.measures, told.author) == ("effective_with_measures", "yes", "")
    assert "not stated" in as_html(made_of(crossed(), register=[document("tia", id="tia-1", terms=terms)]))


@pytest.mark.parametrize(("on", "due"), [(date(2027, 1, 5), False), (date(2027, 1, 6), True)])
def test_an_assessment_is_due_after_the_day_of_its_next_review(on: date, due: bool) -> None:
    told = made_of(crossed(), register=[document("tia", id="tia-1", record=ASSESSED)], on=on)
    assert told.assessments[0].due is due and ("are to be reviewed" in said(told)) is due


def test_a_refused_crossing_rests_on_no_paper() -> None:
    assert made_of(crossed(verdict="refuse"), register=[CLAUSES], on=DAY).safeguards == ()
