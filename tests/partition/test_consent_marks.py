"""Consent to a base model is a mark in the store: the label of the rows stays as it is."""

from __future__ import annotations

from pathlib import Path

from fedsov.artifact import Artifact
from fedsov.jurisdiction import Region
from fedsov.partition.classify import ClassifyRules, ConsentRule, RestrictionRule
from tests.partition.world import people, read, run, spec_of, written

OPEN = ConsentRule(column="contract", equals="open", document="consent-1")
LEARNED = {"contract": "categorical"}  # or it is kept for what it says of consent alone
OF_CONTRACT = {"consent": OPEN, "kinds": LEARNED}


def _refuse(_region: Region, _artifact: Artifact) -> bool:
    return False


def test_rows_whose_people_consented_are_marked_and_stay_bound(tmp_path: Path) -> None:
    run(spec_of(written(tmp_path, people()), **OF_CONTRACT), tmp_path, release=_refuse)
    records = read(tmp_path, "EU")
    agreed = records.columns["contract"] == "open"
    assert agreed.any() and not agreed.all() and not records.public.any()
    assert (records.consented == agreed).all()
    assert records.select(records.consented).label == records.label


def test_marks_go_with_their_rows(tmp_path: Path) -> None:
    run(spec_of(written(tmp_path, people()), **OF_CONTRACT), tmp_path, release=_refuse)
    records = read(tmp_path, "US")
    assert records.select(records.consented).consented.all()


def test_where_nobody_was_asked_or_a_share_was_drawn_no_row_is_marked(tmp_path: Path) -> None:
    path = written(tmp_path, people())
    for name, rule in (("a", None), ("b", ConsentRule(share=0.5, document="d"))):
        run(spec_of(path, consent=rule), tmp_path / name, release=None if rule is None else _refuse)
        assert read(tmp_path / name, "EU").consents is None


def test_another_value_that_means_consent_marks_the_rows_anew(tmp_path: Path) -> None:
    path = written(tmp_path, people())
    for value in ("open", "closed"):
        rule = ConsentRule(column="contract", equals=value, document="consent-1")
        run(spec_of(path, consent=rule, kinds=LEARNED), tmp_path, release=_refuse)
        records = read(tmp_path, "EU")
        assert (records.consented == (records.columns["contract"] == value)).all()


def test_a_refusal_in_a_row_that_a_restriction_binds_or_that_has_no_home_is_one_too(tmp_path: Path) -> None:
    answers, origins = ["open", "closed", "open", "closed", *["open"] * 56], ["DE"] * 60
    names, origins[3] = [f"P{row // 2 if row < 4 else row}" for row in range(60)], "Atlantis"
    table = people(passport=names, country=origins, contract=answers)
    rules = ClassifyRules(restrictions=(RestrictionRule("contract", "closed", "contract"),))
    spec = spec_of(written(tmp_path, table), **OF_CONTRACT, classify=rules)
    run(spec, tmp_path, release=_refuse)
    records = read(tmp_path, "EU")
    assert not records.unrestricted[records.columns["contract"] == "closed"].any()
    assert records.consented.sum() == 56, "the first two refused elsewhere"


def test_whoever_refuses_in_one_row_consents_in_none(tmp_path: Path) -> None:
    answers = ["open", "closed", *["open"] * 58]
    table = people(passport=[f"P{max(row, 1)}" for row in range(60)], country=["DE"] * 60, contract=answers)
    run(spec_of(written(tmp_path, table), **OF_CONTRACT), tmp_path, release=_refuse)
    records = read(tmp_path, "EU")
    torn = records.subjects[records.columns["contract"] == "closed"]
    assert len(torn) == 1 and (records.subjects == torn[0]).sum() == 2
    assert not records.consented[records.subjects == torn[0]].any() and records.consented.sum() == 58


def test_the_column_of_consent_is_not_learned_from_unless_its_kind_is_declared(tmp_path: Path) -> None:
    report = run(spec_of(written(tmp_path, people()), consent=OPEN), tmp_path, release=_refuse)
    assert "contract" not in read(tmp_path, "EU").columns and read(tmp_path, "EU").consented.any()
    assert "dataset.kinds.contract=categorical" in report.unused["contract"]
