"""`border why`, `check`, `rules`: the plan's reasons, cases answered, the law listed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.world import call
from tests.world import SHARED

CASES = SHARED / "law" / "decisions.csv"
HEAD = "case_id,date,origin,destination,flow,payload,data_category,mechanism,facts\n"
LINE = "{0},2026-11-22,DE,FR,transfer,raw_records,personal,intra_jurisdiction,{1}\n"


def test_cases_are_checked_and_counted() -> None:
    assert "166 cases, 166 compared" in call("border", "check", CASES).out
    answers = call("border", "check", CASES, "--json").json
    assert len(answers) == 166
    assert {tuple(answer) for answer in answers} == {("case_id", "decision", "rules", "reason")}
    assert {answer["decision"] for answer in answers} == {"allow", "needs_review", "deny"}
    assert all(answer["rules"] and answer["reason"] for answer in answers)


def test_a_case_with_an_unknown_or_unreadable_fact_is_denied_and_the_fact_is_named(tmp_path: Path) -> None:
    cases = tmp_path / "cases.csv"
    cases.write_text(HEAD + LINE.format("a", "shoe_size=43") + LINE.format("b", "tia_date=soon"))
    first, second = call("border", "check", cases, "--json").json
    assert first["decision"] == "deny" and "Unknown: shoe_size." in first["reason"]
    assert second["decision"] == "deny" and "Unreadable: tia_date." in second["reason"]
    cases.write_text(HEAD + LINE.format("a", ""))
    assert "1 case, 0 compared" in call("border", "check", cases).out


@pytest.mark.parametrize("text", ["", "case_id,date\n1,2", "\x00", "case_id,date,origin\n" + "x," * 40])
def test_a_file_that_is_no_table_of_cases_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "cases.csv").write_text(text)
    ended = call("border", "check", tmp_path / "cases.csv")
    assert ended.code == 2 and "cases.csv" in ended.line


def test_the_rules_of_a_regime_are_listed_with_their_texts() -> None:
    rules = {rule["id"]: rule for rule in call("border", "rules", "JP-APPI", "--json").json}
    assert rules["jp.contract"]["cite"] == "APPI Art. 28(1) and (3)"
    assert "eu.scc" not in rules and "floor.attack" in rules
    assert f"{len(rules)} rules; bundle " in call("border", "rules", "JP-APPI").out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["rules", "EU-GDRP"], "unknown regime 'EU-GDRP'; did you mean EU-GDPR? There are AE-ADGM, "),
        (["check"], "border check needs CASES.csv; see `fedsov border check --help`"),
        (["check", "/nowhere.csv"], "cannot read the cases in /nowhere.csv: No such file or directory"),
        (["why"], "border why needs REGION; see `fedsov border why --help`"),
        (["why", "USA"], "unknown region 'USA'; did you mean US? There are US, GB, DE, IN, CA"),
        (["why", "FR"], "unknown region 'FR'; there are US, GB, DE, IN, CA"),
        (["why", "US", "algorithm=krumm"], "unknown algorithm 'krumm'; did you mean krum?"),
    ],
)
def test_what_cannot_be_asked_is_one_clear_line(words: Sequence[str], line: str, tmp_path: Path) -> None:
    settings = [f"workspace={tmp_path / 'w'}"] if words[0] == "why" else []
    ended = call("border", *words, *settings)
    assert ended.code == 2 and line in ended.line
    assert not (tmp_path / "w" / "regions").exists(), "a region was asked"
