"""`border explain`: one crossing's whole evaluation, and what is said of words that no rule knows."""

from __future__ import annotations

import pytest

from fedsov.artifact import Kind
from fedsov.cli.border_explain import ExplainArguments
from tests.cli.world import call
from tests.world import ROOT, fedsov

DEMO = ROOT / "configs" / "border" / "evidence_demo.yaml"
CROSSING = ("--from", "DE", "--to", "US", "--kind", "update", "--categories", "personal", "--on", "2026-11-25")
COVERED = (*CROSSING, "--entity", "Example US Inc. (fictional)", "--evidence", DEMO)


def explain(*words: object):
    return call("border", "explain", *words)


def test_a_crossing_is_explained_as_a_tree() -> None:
    ended = explain(*COVERED)
    assert ended.code == 0 and not ended.err
    assert ended.out.startswith("PERMIT: update of DE")
    assert "scc_eu by demo-scc-de-us, demo-tia-de-us: permit" in ended.out
    assert "applies: eu.scc (permit) [GDPR Art. 46(2)(c)" in ended.out
    assert "has doc = 2021/914 (it is 2021/914)" in ended.out


def test_a_crossing_is_explained_as_json() -> None:
    answer = explain(*COVERED, "--json").json
    assert answer["decision"]["verdict"] == "permit"
    (origin,) = answer["origins"]
    assert "eu.scc" in [rule["id"] for claim in origin["claims"] for rule in claim["rules"] if rule["held"]]


def test_a_refusal_names_what_would_mend_it_and_that_no_register_was_given() -> None:
    decision = explain(*CROSSING, "--json").json["decision"]
    assert decision["verdict"] == "refuse" and "scc_eu" in decision["missing"][0]
    assert "kind: scc_eu" in decision["remedy"] and len(decision["bundle_digest"]) == 64
    ended = explain(*CROSSING)
    assert ended.err == "fedsov: note: no register was given (--evidence FILE), so no document is at hand\n"
    lines = [line.strip("│├└─ ") for line in ended.out.splitlines()]
    unmet = [line for line in lines if line.startswith("does not apply: ")]
    assert any(line.startswith("does not apply: eu.dpf (permit) [GDPR Art. 45") for line in unmet)
    assert any(line.startswith("needs ") and line.endswith("; not stated") for line in lines)


def test_all_shows_also_rules_that_would_open_nothing() -> None:
    assert len(explain(*CROSSING, "--all").out.splitlines()) > len(explain(*CROSSING).out.splitlines())


def test_words_that_no_rule_knows_are_noted_with_the_nearest_and_the_answer_is_a_refusal() -> None:
    ended = explain("--from", "Germany", "--to", "UK", "--kind", "update", "--categories", "helth", "--owners", "XQ")
    assert ended.code == 0 and ended.out.startswith("REFUSE: ")
    assert "--from 'Germany' is no code of a place; did you mean DE?\n" in ended.err
    assert "--to 'UK' is no code of a place; did you mean GB?\n" in ended.err
    assert "--owners 'XQ' is no code of a place\n" in ended.err
    assert "unknown category 'helth'; did you mean health?" in ended.err


def test_the_help_lists_the_kinds_that_there_are() -> None:
    text = " ".join(call("border", "explain", "--help").out.split())
    assert f"{', '.join([*Kind][:-1])} or {[*Kind][-1]}" in text
    defaults = {"--count N": 1000, "--purpose WORD": "training", "--flow WORD": "transfer"}
    assert all(f"{value})." in text.partition(option)[2][:90] for option, value in defaults.items())
    assert ExplainArguments(exporter="DE", importer="US", kind="update").people == 1000


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
    assert all(letter.isprintable() or letter == "\n" for letter in done.stdout + done.stderr)
    assert r"D\x1b[31mE" in done.stdout and r"a\nb\u202e" in done.stdout
    assert "\x1b" not in explain(*CROSSING[:4], "--kind", "update", "--rules", "/\x1b[2J").err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--from", "DE"), "border explain needs --to and --kind; see `fedsov border explain --help`"),
        ((*CROSSING[:4], "--kind", "updat"), "unknown --kind 'updat'; did you mean update? There are records, "),
        ((*CROSSING, "--count", "-3"), "--count is '-3'; write a whole number"),
        ((*CROSSING[:-1], "tomorrow"), "--on is 'tomorrow'; write a day as 2026-11-22"),
        ((*CROSSING, "--flow", "by-mail"), "unknown --flow 'by-mail'; there are "),
        ((*CROSSING, "--evidence", "/nowhere.yaml"), "/nowhere.yaml"),
        ((*CROSSING, "--rules", "/nowhere.yaml"), "/nowhere.yaml"),
    ],
)
def test_what_cannot_be_asked_is_one_clear_line(words: tuple[str, ...], line: str) -> None:
    ended = explain(*words)
    assert ended.code == 2 and line in ended.line
