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
    assert {answer["decision"] for answer in answers} == {"permit", "review", "refuse"}
    assert all(answer["rules"] and answer["reason"] for answer in answers)


def test_a_case_with_an_unknown_or_unreadable_fact_is_denied_and_the_fact_is_named(tmp_path: Path) -> None:
    cases = tmp_path / "cases.csv"
    cases.write_text(HEAD + LINE.format("a", "shoe_size=43") + LINE.format("b", "tia_date=soon"))
    first, second = call("border", "check", cases, "--json").json
    assert first["decision"] == "refuse" and "Unknown: shoe_size." in first["reason"]
    assert second["decision"] == "refuse" and "Unreadable: tia_date." in second["reason"]
    cases.write_text(HEAD + LINE.format("a", ""))
    assert "1 case, 0 compared" in call("border", "check", cases).out


def expecting(folder: Path, *words: str, confidence: str = "high") -> Path:
    """One case for each word, which expects it; every case is permitted."""
    lines = "".join(
        LINE.format(f"c{place}", "").strip() + f",{word},{confidence}\n" for place, word in enumerate(words)
    )
    (folder / "cases.csv").write_text(HEAD.strip() + ",expected,confidence\n" + lines)
    return folder / "cases.csv"


def test_an_answer_looser_than_expected_ends_with_4_and_a_stricter_one_with_0_and_a_line(tmp_path: Path) -> None:
    cases = expecting(tmp_path, "deny", "permit")
    ended = call("border", "check", cases)
    assert ended.code == 4 and "c0: permit (expected refuse: looser) by " in ended.out
    assert call("border", "check", cases, "--json").code == 4
    assert call("border", "check", expecting(tmp_path, "needs_review")).code == 4
    stricter = tmp_path / "stricter.csv"
    stricter.write_text(expecting(tmp_path, "allow").read_text().replace("DE,FR", "DE,RU"))
    ended = call("border", "check", stricter)
    assert ended.code == 0 and "c0: refuse (expected permit: stricter) by " in ended.out


def test_the_words_of_a_case_file_are_read_as_ours_and_shown_as_ours(tmp_path: Path) -> None:
    for theirs, ours in (("allow", "permit"), ("needs_review", "review"), ("deny", "refuse")):
        their_file = call("border", "check", expecting(tmp_path, theirs)).out
        assert call("border", "check", expecting(tmp_path, ours)).out == their_file
        assert theirs not in their_file


def test_an_expected_answer_that_is_no_answer_ends_with_2_and_names_the_case(tmp_path: Path) -> None:
    ended = call("border", "check", expecting(tmp_path, "permit", "alow"))
    assert ended.code == 2
    assert "cases.csv, case c1: unknown expected decision 'alow'; did you mean allow? There are permit," in ended.line


def test_answers_are_counted_by_how_sure_their_expectation_is(tmp_path: Path) -> None:
    lines = call("border", "check", expecting(tmp_path, "permit", "permit", "permit", "deny")).out.splitlines()
    assert lines[-2:] == [
        "cases.csv: 4 cases, 4 compared: 3 exact (75.0%), 0 stricter, 1 looser",
        "  high confidence, 4 cases: 3 exact (75.0%), 0 stricter, 1 looser",
    ]
    (line,) = call("border", "check", expecting(tmp_path, "", confidence="low")).out.splitlines()[1:]
    assert line == "cases.csv: 1 case, 0 compared"


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
        (["why", "IN"], "has no region, and a question ingests nothing; name another one by --workspace DIR, or run"),
        (["why", "US", "algorithm=krumm"], "unknown algorithm 'krumm'; did you mean krum?"),
    ],
)
def test_what_cannot_be_asked_is_one_clear_line(words: Sequence[str], line: str, tmp_path: Path) -> None:
    settings = [f"workspace={tmp_path / 'w'}"] if words[0] == "why" else []
    ended = call("border", *words, *settings)
    assert ended.code == 2 and line in ended.line
    assert not (tmp_path / "w").exists()
    assert not (tmp_path / "w" / "regions").exists(), "a region was asked"


def test_a_permitted_case_tells_its_ground_by_its_plain_name_with_the_id_beside_it(tmp_path: Path) -> None:
    line = call("border", "check", expecting(tmp_path, "")).out.splitlines()[0]
    assert line == "c0: permit by intra_jurisdiction: DE: no crossing of a jurisdiction's border (intra_jurisdiction)"
