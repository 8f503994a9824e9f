"""`border explain`: one crossing's whole evaluation, and what is said of words that no rule knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from fedsov.artifact import Kind
from fedsov.border.law.bundle_loader import load_categories, load_near_words
from fedsov.cli.border_explain import ExplainArguments
from tests.cli.world import Ended, call
from tests.world import ROOT, fedsov

DEMO = ROOT / "configs" / "border" / "evidence_demo.yaml"
CROSSING = ("--from", "DE", "--to", "US", "--kind", "update", "--categories", "personal", "--on", "2026-11-25")
COVERED = (*CROSSING, "--entity", "Example US Inc. (fictional)", "--evidence", DEMO)


def explain(*words: object) -> Ended:
    return call("border", "explain", *words)


def instead(words: Sequence[object], *pairs: str) -> list[object]:
    """The options, with other values for some of them."""
    options = dict(zip(words[::2], words[1::2], strict=True)) | dict(zip(pairs[::2], pairs[1::2], strict=True))
    return [word for pair in options.items() for word in pair]


def test_a_crossing_is_explained_as_a_tree() -> None:
    ended = explain(*COVERED)
    assert ended.code == 0 and not ended.err
    assert ended.out.startswith("PERMIT: update of DE")
    assert "clauses (2021/914) (scc_eu) by demo-scc-de-us, demo-tia-de-us: permit" in ended.out
    assert "applies: eu.scc (permit, high confidence) [GDPR Art. 46(2)(c)" in ended.out
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
    assert any(line.startswith("does not apply: eu.dpf (permit, high confidence) [GDPR Art. 45") for line in unmet)
    assert any(line.startswith("needs ") and line.endswith("; not stated") for line in lines)


def test_all_shows_also_rules_that_would_open_nothing() -> None:
    assert len(explain(*CROSSING, "--all").out.splitlines()) > len(explain(*CROSSING).out.splitlines())


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--to", "USA"), "--to 'USA' is no code of a place; did you mean US?"),
        (("--to", "UK"), "--to 'UK' is no code of a place; did you mean GB?"),
        (("--from", "Germany"), "--from 'Germany' is no code of a place; did you mean DE?"),
        (("--from", "de"), "--from 'de' is no code of a place; did you mean DE?"),
        (("--from", "deutschland"), "--from 'deutschland' is no code of a place; "),
        (("--origins", "DE,GBR"), "--origins 'GBR' is no code of a place; did you mean GB?"),
        (("--owners", "XQ"), "--owners 'XQ' is no code of a place; write an ISO 3166 code, as DE or US-CA"),
        (("--categories", "medical"), "unknown category 'medical'; did you mean health? There are "),
        (("--categories", "Human resources"), "unknown category 'Human resources'; did you mean employment?"),
        (("--categories", "health,helth"), "unknown category 'helth'; did you mean health?"),
    ],
)
def test_a_place_or_category_that_is_none_ends_with_2_and_the_one_that_is_meant(
    words: tuple[str, str], line: str
) -> None:
    ended = explain(*instead(CROSSING, *words))
    assert ended.code == 2 and ended.line.startswith(line)


def test_every_near_word_means_a_category_and_is_none_itself() -> None:
    assert set(load_near_words().values()) <= load_categories()
    assert not load_near_words().keys() & load_categories()


def test_a_purpose_that_no_rule_looks_at_is_remarked_and_one_that_a_rule_or_a_document_names_is_not() -> None:
    line = "fedsov: note: no rule looks at this purpose: unknown purpose 'imigration'; did you mean immigration? "
    assert explain(*COVERED, "--purpose", "imigration").err.startswith(line)
    assert not explain(*COVERED, "--purpose", "immigration").err
    for own in ("training", "base_model", "ingestion"):
        assert not explain(*COVERED, "--purpose", own).err
    listed = explain(*COVERED, "--purpose", "xx").err.partition("there are ")[2].splitlines()[0].split(", ")
    assert "payroll" in listed and not {"", "*", "covers_purposes"}.intersection(listed)


def test_an_explanation_says_what_it_assumed_and_how_old_the_law_is() -> None:
    answer = explain(*COVERED, "--json").json
    assert any("1,000 people" in line and "--count" in line for line in answer["assumed"])
    assert any("--flow" in line for line in answer["assumed"]) and any(
        "controllers" in line for line in answer["assumed"]
    )
    assert answer["bundle"]["age_days"] == (date(2026, 11, 25) - date.fromisoformat(answer["bundle"]["dated"])).days
    assert not any("--entity" in line for line in answer["assumed"]), "the recipient was named"
    told = explain(
        *COVERED, "--count", "1000", "--flow", "transfer", "--origins", "DE", "--owners", "US", "--json"
    ).json
    assert not any(word in line for line in told["assumed"] for word in ("--count", "--flow", "--origins", "--owners"))
    out = explain(*instead(COVERED, "--on", "2027-01-01")).out
    assert "assumed, since it was not said" in out and "days old on the day of the crossing" in out
    confidences = [rule["confidence"] for claim in answer["origins"][0]["claims"] for rule in claim["rules"]]
    assert set(confidences) <= {"high", "medium", "low"} and confidences


def test_papers_of_another_exporter_do_not_carry_and_an_unnamed_exporter_is_said() -> None:
    unnamed = explain(*COVERED, "--json").json
    assert any("exporter is not named" in line and "--exporter" in line for line in unnamed["assumed"])
    other = explain(*COVERED, "--exporter", "Somebody Else", "--json").json
    assert (unnamed["decision"]["verdict"], other["decision"]["verdict"]) == ("permit", "refuse")
    assert not any("--exporter" in line for line in other["assumed"])


def test_the_help_lists_the_kinds_that_there_are() -> None:
    text = " ".join(call("border", "explain", "--help").out.split())
    assert f"{', '.join([*Kind][:-1])} or {[*Kind][-1]}" in text
    defaults = {"--count N": 1000, "--purpose WORD": "training", "--flow WORD": "transfer"}
    assert all(f"{value})." in text.partition(option)[2][:90] for option, value in defaults.items())
    assert ExplainArguments(exporter="DE", importer="US", kind="update").people == 1000


def test_whatever_is_asked_steers_no_terminal() -> None:
    crossing = [*CROSSING, "--entity", "A\nB\u202e", "--purpose", "\x07", "--documents", "d\x1b[31m"]
    for words in (crossing, instead(crossing, "--to", "U\rS"), instead(crossing, "--categories", "a\nb\u202e")):
        done = fedsov("border", "explain", *words, "--all")
        assert done.returncode == (0 if words is crossing else 2)
        assert all(letter.isprintable() or letter == "\n" for letter in done.stdout + done.stderr)
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
