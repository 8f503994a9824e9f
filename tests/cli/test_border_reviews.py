"""`border reviews`, `approve`, `withdraw`: one review is listed, approved until a day, and taken back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.ledger.ledger import Ledger
from tests.api.test_ledger_audit import append, history
from tests.cli.world import Ended, call

Run = Callable[..., Ended]
REVIEW = "R0aed072c2a"
ENTRY = {
    "at": "2026-11-23T10:00:00",
    "run": "r1",
    "act": "cross",
    "review": REVIEW,
    "verdict": "review",
    "exporter": {"name": "DE", "location": "DE", "entity": "x"},
    "importer": {"name": "hub", "location": "IE", "entity": "y"},
    "destination": "IE",
    "kind": "update",
    "name": "global model",
    "origins": ["DE"],
    "categories": ["personal"],
    "restrictions": [],
    "purpose": "training",
    "flow": "transfer",
    "reason": "A person must look at it.",
    "rules": ["eu.review"],
    "citations": ["GDPR Art. 49"],
    "obligations": [],
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command over a workspace in which one crossing of DE waits for a person."""
    append(tmp_path / "hub", "hub", *history(2))
    append(tmp_path / "regions" / "DE", "DE", *history(1))
    with closing(Ledger(tmp_path / "regions" / "DE" / "ledger.sqlite", "DE")) as ledger:
        ledger.append(ENTRY)
    return lambda *words: call("border", *words, "--workspace", tmp_path)


def test_a_review_waits_is_approved_and_waits_again_when_the_approval_is_withdrawn(run: Run) -> None:
    waiting = run("reviews")
    assert waiting.code == 0 and waiting.out.endswith("1 review, 1 waits for a person\n")
    assert f"{REVIEW}: waits: update of DE, DE -> hub (IE): A person must look at it." in waiting.out
    approval = run("approve", REVIEW, "--by", "A. Person", "--why=contract", "--until", "2099-01-01", "--json").json
    assert approval["by"] == "A. Person"
    (listed,) = run("reviews", "--json").json
    assert listed["review"] == REVIEW and listed["approved"]["until"] == "2099-01-01"
    assert run("reviews").out.endswith("1 review, 0 wait for a person\n")
    gone = run("withdraw", REVIEW, "--by", "A. Person", "--why", "ended")
    assert gone.code == 0 and gone.out.startswith("withdrawn: ") and "no decision relies on it" in gone.out
    assert run("reviews", "--json").json[0]["approved"] is None


def test_an_approval_says_how_it_is_taken_back(run: Run) -> None:
    ended = run("approve", REVIEW, "--by=A", "--why=b", "--until=2099-01-01")
    assert f" approves {REVIEW} until 2099-01-01; `fedsov border withdraw " in ended.out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("approve",), "border approve needs ID, --by, --why and --until; see `fedsov border approve --help`"),
        (("approve", REVIEW, "--by=A", "--why=b", "--until=soon"), "--until is 'soon'; write a day as 2026-11-22"),
        (("approve", REVIEW, "--by=A", "--why=b", "--until=2020-01-01"), "--until 2020-01-01 has passed"),
        (("approve", "R0", "--by=A", "--why=b", "--until=2099-01-01"), "no review 'R0' in this workspace"),
        (("withdraw", REVIEW, "--why=b"), "border withdraw needs --by; see `fedsov border withdraw --help`"),
        (("withdraw", REVIEW, "--by=A", "--why=b"), "no approval or approved review"),
    ],
)
def test_what_cannot_be_answered_is_one_line_and_2(run: Run, words: tuple[str, ...], line: str) -> None:
    ended = run(*words)
    assert ended.code == 2 and line in ended.line
