"""`evidence`: a register is listed, checked and added to; a document that is not understood changes nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml

from fedsov.border.evidence.register_file import load_register
from fedsov.config.hydra_compose import config_dir
from tests.cli.world import call

ADDED = {
    "--id": "one",
    "--kind": "scc_eu",
    "--exporter": "DE",
    "--importer": "US",
    "--categories": "personal",
    "--signed": "2025-03-01",
    "--owner": "DPO",
}


def words(options: dict[str, str]) -> list[str]:
    return [word for pair in options.items() for word in pair]


def test_a_document_is_added_listed_and_checked_against_its_file(tmp_path: Path) -> None:
    register, paper = tmp_path / "documents.yaml", tmp_path / "papers" / "scc.pdf"
    paper.parent.mkdir()
    paper.write_bytes(b"clauses")
    options = ADDED | {
        "--evidence": str(register), "--id": "scc-1", "--exporter": "@EEA", "--categories": "personal,health",
        "--expires": "2027-02-28", "--terms": "doc=2021/914; module=2; role=C->P",
        "--entities": "Example US Inc.; Other Inc.", "--file": str(paper),
    }  # fmt: skip
    added = call("evidence", "add", *words(options), "--json").json
    assert added["status"] in ("valid", "expired on 2027-02-28")
    assert added["standing"] == added["status"].replace("valid", "stands"), "the old word, for one release"
    (document,) = load_register(register).documents
    assert document.terms == {"doc": "2021/914", "module": "2", "role": "C->P"}
    assert document.sha256 == hashlib.sha256(b"clauses").hexdigest()
    assert len(document.exporter) == 30 and document.entities == {"Example US Inc.", "Other Inc."}
    again = call("evidence", "add", *words(options))
    assert again.code == 2 and "listed twice" in again.line and len(load_register(register).documents) == 1
    files = ("--evidence", register, "--files", paper.parent, "--on", "2026-11-25")
    checked = call("evidence", "check", *files)
    assert checked.code == 0 and checked.out == "scc-1: valid\n1 document, 1 valid on 2026-11-25\n"
    paper.write_bytes(b"other clauses")
    changed = call("evidence", "check", *files)
    assert changed.code == 4 and "fedsov: 1 document is not valid: scc-1; renew or remove" in changed.err
    late = call("evidence", "check", "--evidence", register, "--on", "2027-03-01", "--json")
    assert late.code == 4 and json.loads(late.out)[0]["faults"] == ["expired on 2027-02-28"]
    table = call("evidence", "list", "--evidence", register, "--on", "2026-11-25").out
    assert table.startswith("1 document on 2026-11-25") and "scc-1" in table and "valid" in table


def test_a_document_s_file_that_is_not_there_is_named_and_nothing_is_entered(tmp_path: Path) -> None:
    register = tmp_path / "documents.yaml"
    ended = call("evidence", "add", *words(ADDED | {"--evidence": str(register), "--file": "clauses.pdf"}))
    assert ended.code == 2 and ended.line == "--file clauses.pdf does not exist, or is no file"
    assert not register.exists()


def test_only_what_was_given_is_written(tmp_path: Path) -> None:
    register = tmp_path / "documents.yaml"
    assert call("evidence", "add", "--evidence", register, *words(ADDED)).out.startswith("one entered: scc_eu, valid\n")
    (entry,) = yaml.safe_load(register.read_text())["documents"]
    assert set(entry) == {name.removeprefix("--") for name in ADDED}


def test_a_document_like_another_states_all_that_is_not_given_and_one_that_is_not_there_is_named(
    tmp_path: Path,
) -> None:
    register = tmp_path / "documents.yaml"
    register.write_text((config_dir() / "border" / "evidence_demo.yaml").read_text())
    words = ("evidence", "add", "--evidence", str(register), "--id", "renewed", "--expires", "2040-01-01", "--like")
    assert call(*words, "demo-scc-de-us").code == 0
    anew = {document.id: document for document in load_register(register).documents}
    assert anew["renewed"] == replace(anew["demo-scc-de-us"], id="renewed", expires=date(2040, 1, 1))
    before, ended = register.read_text(), call(*words, "demo-scc-de-su")
    assert ended.code == 2 and "did you mean demo-scc-de-us?" in ended.line and register.read_text() == before


def test_what_a_document_lacks_is_said_as_it_is_entered_by_place_and_rule(tmp_path: Path) -> None:
    register = tmp_path / "documents.yaml"
    unnamed = call("evidence", "add", "--evidence", tmp_path / "other.yaml", *words(ADDED)).out
    assert '  names no exporter (--exporters "A; B") and no recipient (--entities "A; B"): where a cross' in unnamed
    parties = {"--exporters": "Example GmbH", "--entities": "Example US Inc."}
    bare = call("evidence", "add", "--evidence", register, *words(ADDED | parties))
    assert "names no" not in bare.out
    assert "  DE -> US: does not carry yet: " in bare.out and "(rule " in bare.out and "module" in bare.out
    assessment = ADDED | {"--id": "two", "--kind": "tia"} | parties
    assert call("evidence", "add", "--evidence", register, *words(assessment)).out == "two entered: tia, valid\n"
    full = ADDED | {"--id": "three", "--terms": "doc=2021/914; module=1; role=C->C"} | parties
    added = call("evidence", "add", "--evidence", register, *words(full), "--json").json
    assert added["carries"] == ["DE -> US: carries"]


def test_what_is_for_the_report_alone_is_entered_with_its_names(tmp_path: Path) -> None:
    register = tmp_path / "documents.yaml"
    given = words(ADDED | {"--record": "signatories=A. Example; next_review=2027-01-05"})
    assert call("evidence", "add", "--evidence", register, *given).code == 0
    (document,) = load_register(register).documents
    assert document.record == {"signatories": "A. Example", "next_review": "2027-01-05"}
    wrong = call("evidence", "add", "--evidence", register, *words(ADDED | {"--id": "two", "--record": "autor=x"}))
    assert wrong.code == 2 and "did you mean author?" in wrong.line
    assert "signatories" in call("evidence", "kinds", "--json").json["record"]


def test_the_demo_s_register_is_read_where_none_is_named() -> None:
    listed = call("evidence", "list", "--on", "2026-11-25", "--json").json
    assert listed and {document["status"] for document in listed} == {"example"}
    checked = call("evidence", "check", "--on", "2026-11-25")
    assert checked.code == 0 and "an example, no real document" in checked.out


def test_kinds_and_terms_are_listed() -> None:
    answer = call("evidence", "kinds", "--json").json
    assert "scc_eu" in answer["kinds"] and "module" in answer["terms"]
    assert "  scc_eu: " in call("evidence", "kinds").out


def test_a_document_for_a_category_that_no_rule_knows_is_remarked_on(tmp_path: Path) -> None:
    """It covers nothing, for a label that holds such a category is refused; so the register may be read."""
    file = tmp_path / "documents.yaml"
    file.write_text(
        "documents:\n- {id: one, kind: tia, exporter: [DE], importer: [US], categories: [personal, Health], "
        f"signed: 2026-01-01, owner: office, sha256: {'ab' * 32}}}\n"
    )
    ended = call("evidence", "check", "--evidence", file)
    assert ended.code == 0 and "one: covers Health, which no rule knows as a category" in ended.out


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("--kind", "scc"), "unknown kind 'scc'; did you mean scc_eu or "),
        (("--kind", "scc"), "See `fedsov evidence kinds`"),
        (("--signed", "soon"), "--signed is 'soon'; write a day as 2026-11-22"),
        (("--terms", "module"), "--terms holds 'module'; write NAME=VALUE; NAME=VALUE"),
        (("--categories", "personal,Health"), "unknown category 'Health'; did you mean health?"),
        (("--terms", "modul=2"), "unknown fact 'modul'; did you mean module? See `fedsov evidence kinds`"),
        (("--terms", "shoe=43"), "unknown fact 'shoe'"),
        (("--importer", "America"), "--importer holds 'America', which is no ISO code of a place"),
        (("--exporter", "Germany"), "--exporter holds 'Germany', which is no ISO code of a place; did you mean DE?"),
        (("--exporter", "uk"), "--exporter holds 'uk', which is no ISO code of a place; did you mean GB?"),
        (("--exporter", "@EAA"), "unknown group in --exporter '@EAA'; did you mean @EEA?"),
        (("--expires", "2024-01-01"), "expires"),
        (("--file", "/nowhere.pdf"), "/nowhere.pdf"),
    ],
)
def test_a_document_that_is_not_understood_changes_nothing(tmp_path: Path, change: tuple[str, str], line: str) -> None:
    options = ADDED | {"--evidence": str(tmp_path / "d.yaml"), change[0]: change[1]}
    ended = call("evidence", "add", *words(options))
    assert ended.code in (2, 7) and line in ended.line
    assert not (tmp_path / "d.yaml").exists()


def test_a_folder_that_is_none_is_named() -> None:
    assert call("evidence", "check", "--files", "/nowhere").line == "--files /nowhere is no folder"
