"""`border` and `evidence` as their users meet them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from fedsov.border.evidence.register_file import load_register
from tests.world import ROOT, SHARED, answered, fedsov

CASES = SHARED / "law" / "decisions.csv"
DEMO = ROOT / "configs" / "border" / "evidence_demo.yaml"
ASKED = ("--from", "DE", "--to", "US", "--kind", "update", "--categories", "personal", "--on", "2026-11-25")


def test_cases_are_checked_and_counted() -> None:
    done = fedsov("border", "check", str(CASES))
    assert done.returncode == 0, done.stderr
    assert "166 cases, 166 compared" in done.stdout and " 0 looser" in done.stdout
    listed = answered(fedsov("border", "check", str(CASES), "--json"))
    assert len(listed) == 166
    assert {tuple(one) for one in listed} == {("case_id", "decision", "rules", "reason")}
    assert {one["decision"] for one in listed} == {"allow", "needs_review", "deny"}
    assert all(one["rules"] and one["reason"] for one in listed)


def test_a_case_with_an_unknown_or_unreadable_fact_is_denied_and_the_fact_is_named(tmp_path: Path) -> None:
    head = "case_id,date,origin,destination,flow,payload,data_category,mechanism,facts\n"
    line = "{0},2026-11-22,DE,FR,transfer,raw_records,personal,intra_jurisdiction,{1}\n"
    (tmp_path / "cases.csv").write_text(head + line.format("a", "shoe_size=43") + line.format("b", "tia_date=soon"))
    first, second = answered(fedsov("border", "check", str(tmp_path / "cases.csv"), "--json"))
    assert first["decision"] == "deny" and "Unknown: shoe_size." in first["reason"]
    assert second["decision"] == "deny" and "Unreadable: tia_date." in second["reason"]


@pytest.mark.parametrize("text", ["", "case_id,date\n1,2", "\x00", "case_id,date,origin\n" + "x," * 40])
def test_a_file_that_is_no_table_of_cases_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "cases.csv").write_text(text)
    done = fedsov("border", "check", str(tmp_path / "cases.csv"))
    assert done.returncode == 2 and "cases.csv" in done.stderr and done.stderr.count("\n") == 1


def test_a_crossing_is_explained_as_a_tree_and_as_json() -> None:
    words = (*ASKED, "--entity", "Example US Inc. (fictional)", "--evidence", str(DEMO))
    done = fedsov("border", "explain", *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PERMIT: update of DE")
    assert "scc_eu by demo-scc-de-us, demo-tia-de-us: permit" in done.stdout
    assert "applies: eu.scc (permit) [GDPR Art. 46(2)(c)" in done.stdout
    told = answered(fedsov("border", "explain", *words, "--json"))
    assert told["decision"]["verdict"] == "permit"
    (origin,) = told["origins"]
    held = [rule["id"] for claim in origin["claims"] for rule in claim["rules"] if rule["held"]]
    assert "eu.scc" in held


def test_whatever_is_asked_steers_no_terminal() -> None:
    words = {
        "--from": "D\x1b[31mE",
        "--to": "U\rS",
        "--kind": "update",
        "--categories": "a\nb\u202e",
        "--purpose": "\x07",
    }
    done = fedsov("border", "explain", *(word for pair in words.items() for word in pair), "--all")
    assert done.returncode == 0 and done.stdout.startswith("REFUSE: update of ")
    assert all(one.isprintable() or one == "\n" for one in done.stdout)
    assert r"D\x1b[31mE" in done.stdout and r"a\nb\u202e" in done.stdout
    wrong = fedsov("border", "explain", "--from", "DE", "--to", "US", "--kind", "update", "--rules", "/\x1b[2J")
    assert wrong.returncode == 2 and "\x1b" not in wrong.stderr


def test_a_refusal_is_explained_with_what_would_mend_it() -> None:
    told = answered(fedsov("border", "explain", *ASKED, "--json"))["decision"]
    assert told["verdict"] == "refuse" and "scc_eu" in told["missing"][0] and "kind: scc_eu" in told["remedy"]
    assert len(told["bundle_digest"]) == 64


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("explain", "--from", "DE"), "--to is missing"),
        (("explain", *ASKED[:4], "--kind", "letter"), "--kind is 'letter'"),
        (("explain", *ASKED, "--count", "-3"), "--count is '-3'"),
        (("explain", *ASKED[:-1], "tomorrow"), "--on is 'tomorrow'"),
        (("explain", *ASKED, "--flow", "by-mail"), "--flow is 'by-mail'"),
        (("explain", *ASKED, "--evidence", "/nowhere.yaml"), "/nowhere.yaml"),
        (("rules", "MARS"), "no regime 'MARS'"),
        (("guess",), "border takes explain"),
        (("check",), "takes a file of cases"),
        (("check", "/nowhere.csv"), "cannot read the cases"),
        (("why",), "takes a region"),
    ],
)
def test_what_cannot_be_asked_is_one_clear_line(words: tuple[str, ...], said: str) -> None:
    done = fedsov("border", *words)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1 and not done.stdout


def test_the_rules_of_a_regime_are_listed_with_their_texts() -> None:
    rules = answered(fedsov("border", "rules", "JP-APPI", "--json"))
    by_id = {one["id"]: one for one in rules}
    assert by_id["jp.contract"]["cite"] == "APPI Art. 28(1) and (3)"
    assert "eu.scc" not in by_id and "floor.attack" in by_id


def test_a_document_is_added_listed_and_checked_against_its_file(tmp_path: Path) -> None:
    register, paper = tmp_path / "documents.yaml", tmp_path / "papers" / "scc.pdf"
    paper.parent.mkdir()
    paper.write_bytes(b"clauses")
    words = (
        "--evidence", str(register), "--id", "scc-1", "--kind", "scc_eu", "--exporter", "@EEA", "--importer", "US",
        "--categories", "personal,health", "--signed", "2025-03-01", "--expires", "2027-02-28", "--owner", "DPO",
        "--terms", "doc=2021/914; module=2; role=C->P", "--entities", "Example US Inc.; Other Inc.",
        "--file", str(paper),
    )  # fmt: skip
    assert answered(fedsov("evidence", "add", *words, "--json"))["standing"] in ("stands", "expired on 2027-02-28")
    (document,) = load_register(register).documents
    assert document.terms == {"doc": "2021/914", "module": "2", "role": "C->P"}
    assert document.sha256 == hashlib.sha256(b"clauses").hexdigest()
    assert len(document.exporter) == 30 and document.entities == {"Example US Inc.", "Other Inc."}
    again = fedsov("evidence", "add", *words)
    assert again.returncode == 2 and "listed twice" in again.stderr
    assert len(load_register(register).documents) == 1
    files = ("--evidence", str(register), "--files", str(paper.parent), "--on", "2026-11-25")
    assert fedsov("evidence", "check", *files).returncode == 0
    paper.write_bytes(b"other clauses")
    changed = fedsov("evidence", "check", *files)
    assert changed.returncode == 4 and "scc-1" in changed.stderr
    late = fedsov("evidence", "check", "--evidence", str(register), "--on", "2027-03-01", "--json")
    assert late.returncode == 4 and json.loads(late.stdout)[0]["faults"] == ["expired on 2027-02-28"]
    assert "scc-1" in fedsov("evidence", "list", "--evidence", str(register)).stdout


def test_a_document_for_a_category_that_no_rule_knows_is_remarked_on(tmp_path: Path) -> None:
    """It covers nothing, for a label that holds such a category is refused; so the register may be read."""
    file = tmp_path / "documents.yaml"
    file.write_text(
        "documents:\n- {id: one, kind: tia, exporter: [DE], importer: [US], categories: [personal, Health], "
        f"signed: 2026-01-01, owner: office, sha256: {'ab' * 32}}}\n"
    )
    done = fedsov("evidence", "check", "--evidence", str(file))
    assert done.returncode == 0 and "one: covers Health, which no rule knows as a category" in done.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("--kind", "scc_mars"), "scc_mars"),
        (("--signed", "soon"), "--signed is 'soon'"),
        (("--terms", "module"), "NAME=VALUE"),
        (("--categories", "personal,Health"), "covers 'Health', which no rule knows as a category"),
        (("--terms", "shoe=43"), "unknown fact 'shoe'"),
        (("--importer", "America"), "importer holds 'America'"),
        (("--expires", "2024-01-01"), "expires"),
        (("--file", "/nowhere.pdf"), "/nowhere.pdf"),
    ],
)
def test_a_document_that_is_not_understood_changes_nothing(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    words = {
        "--evidence": str(tmp_path / "d.yaml"), "--id": "one", "--kind": "scc_eu", "--exporter": "DE",
        "--importer": "US", "--categories": "personal", "--signed": "2025-03-01", "--owner": "DPO",
    }  # fmt: skip
    words |= {change[0]: change[1]}
    done = fedsov("evidence", "add", *(word for pair in words.items() for word in pair))
    assert done.returncode in (2, 7) and said in done.stderr
    assert not (tmp_path / "d.yaml").exists()
