"""`border reviews`, `approve`, `withdraw`: one review is listed, approved until a day, and taken back."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from fedsov.border.evidence.approvals import approval_entry
from fedsov.border.evidence.reviewers import read_reviewers
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
    register = ("reviewer", "init", "A. Person", "--role", "officer", "--key", tmp_path / "a.pem")
    assert call("border", *register, "--workspace", tmp_path).code == 0
    return lambda *words: call("border", *words, "--workspace", tmp_path)


def key(place: Path, name: str = "a.pem") -> tuple[str, str]:
    return "--key", str(place / name)


def test_a_review_waits_is_approved_and_waits_again_when_the_approval_is_withdrawn(run: Run, tmp_path: Path) -> None:
    waiting = run("reviews")
    assert waiting.code == 0 and waiting.out.endswith("1 review, 1 waits for a person\n")
    assert f"{REVIEW}: waits: update of DE, DE -> hub (IE): A person must look at it." in waiting.out
    approval = run(
        "approve", REVIEW, "--by", "A. Person", "--why=contract", "--until", "2099-01-01", *key(tmp_path), "--json"
    ).json
    assert approval["by"] == "A. Person"
    (listed,) = run("reviews", "--json").json
    assert listed["review"] == REVIEW and listed["approved"]["until"] == "2099-01-01"
    assert run("reviews").out.endswith("1 review, 0 wait for a person\n")
    gone = run("withdraw", REVIEW, "--by", "A. Person", "--why", "ended")
    assert gone.code == 0 and gone.out.startswith("withdrawn: ") and "no decision relies on it" in gone.out
    assert run("reviews", "--json").json[0]["approved"] is None


def test_an_approval_says_how_it_is_taken_back(run: Run, tmp_path: Path) -> None:
    ended = run("approve", REVIEW, "--by=A. Person", "--why=b", "--until=2099-01-01", *key(tmp_path))
    assert f" approves {REVIEW} until 2099-01-01; `fedsov border withdraw " in ended.out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("approve",), "border approve needs ID, --by, --why, --until and --key; see `fedsov border approve --help`"),
        (
            ("approve", REVIEW, "--by=A. Person", "--why=b", "--until=soon", "--key=a"),
            "--until is 'soon'; write a day as 2026-11-22",
        ),
        (
            ("approve", REVIEW, "--by=A. Person", "--why=b", "--until=2020-01-01", "--key=a"),
            "--until 2020-01-01 has passed",
        ),
        (
            ("approve", "R0", "--by=A. Person", "--why=b", "--until=2099-01-01", "--key=a"),
            "no review 'R0' in this workspace",
        ),
        (("withdraw", REVIEW, "--why=b"), "border withdraw needs --by; see `fedsov border withdraw --help`"),
        (("withdraw", REVIEW, "--by=A", "--why=b"), "no approval or approved review"),
    ],
)
def test_what_cannot_be_answered_is_one_line_and_2(run: Run, words: tuple[str, ...], line: str) -> None:
    ended = run(*words)
    assert ended.code == 2 and line in ended.line


def test_an_approval_is_signed_by_a_registered_person_with_that_person_s_key_alone(run: Run, tmp_path: Path) -> None:
    assert run("reviewer", "add", "B. Person", "--role=counsel", *key(tmp_path, "b.pem")).code == 0
    yes = ("approve", REVIEW, "--why=b", "--until=2099-01-01")
    stranger = run(*yes, "--by=C. Person", *key(tmp_path))
    assert stranger.code == 2 and "unknown reviewer 'C. Person'" in stranger.line
    borrowed = run(*yes, "--by=A. Person", *key(tmp_path, "b.pem"))
    assert borrowed.code == 2 and "b.pem is not the key of reviewer 'A. Person'" in borrowed.line
    assert run("reviews").out.endswith("1 review, 1 waits for a person\n")
    approval = run(*yes, "--by=B. Person", *key(tmp_path, "b.pem"), "--json").json["approval"]
    with closing(Ledger(tmp_path / "regions" / "DE" / "ledger.sqlite", "DE")) as ledger:
        bodies = [entry.body for entry in ledger.entries()]
    (entry,) = [body for body in bodies if body["act"] == "approve"]
    assert read_reviewers(tmp_path / "reviewers.yaml").fault(entry) == ""
    assert entry["role"] == "counsel" and [
        body["note"]["reviewers"] for body in bodies if "reviewers" in body.get("note", {})
    ]
    assert run("reviewer", "remove", "B. Person").code == 0
    waiting = run("reviews").out
    assert f"waits (approval {approval} does not count: its reviewer 'B. Person' was revoked on " in waiting
    gone = run(*yes, "--by=B. Person", *key(tmp_path, "b.pem"))
    assert gone.code == 2 and "reviewer 'B. Person' was revoked on" in gone.line


def test_a_register_of_reviewers_that_was_changed_by_hand_is_refused_with_the_way_out(run: Run, tmp_path: Path) -> None:
    yes = ("approve", REVIEW, "--why=b", "--until=2099-01-01", "--by=A. Person", *key(tmp_path))
    register = tmp_path / "reviewers.yaml"
    assert run("reviewer", "add", "B. Person", "--role=counsel", *key(tmp_path, "b.pem")).code == 0
    assert run("reviewer", "remove", "A. Person").code == 0
    noted = register.read_text()
    register.write_text(re.sub(r"revoked: \S+", "revoked: null", noted))
    for words in (yes, ("reviews",), ("reviewer", "list"), ("reviewer", "add", "C", "--role=r", *key(tmp_path, "c"))):
        ended = run(*words)
        assert ended.code == 2 and "not the register of reviewers that the ledger noted last" in ended.line
    register.write_text(noted)
    assert "was revoked on" in run(*yes).line
    register.unlink()
    assert run("reviewer", "init", "B. Person", "--role=counsel", *key(tmp_path, "b.pem")).code == 0
    assert run("reviewer", "list").code == 0


def test_an_approval_from_before_reviewers_were_registered_is_named_and_counts_no_longer(
    run: Run, tmp_path: Path
) -> None:
    days = {"since": date(2026, 11, 23), "until": date(2099, 1, 1)}
    old = approval_entry({"review": REVIEW}, by="A. Person", why="b", at="2026-11-23T10:00:00", **days)
    for name in ("hub", "regions/DE"):
        with closing(Ledger(tmp_path / name / "ledger.sqlite", name.rpartition("/")[2])) as ledger:
            ledger.append(old)
    out = run("reviews").out
    assert f"approval {old['approval']} does not count: it bears no signature" in out and "with --key" in out
    assert out.endswith("1 review, 1 waits for a person\n")
