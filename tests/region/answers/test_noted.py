"""What a ledger knows of answers: each digest in its order, and when each answer about people left."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from fedsov.artifact import Artifact, Kind, Party
from fedsov.border.evidence.register import Register
from fedsov.border.gate import Gate
from fedsov.border.law.bundle_loader import unsafe_open
from fedsov.label import PUBLIC, Label
from fedsov.ledger.ledger import Ledger
from fedsov.region.answers.noted import EXAMPLE_ROWS, Noted, RowsQuestion

DE, HUB, BOUND = Party("DE", "DE", "Example"), Party("hub", "IE", "Example Holding"), Label(frozenset({"DE"}))
ASKED = RowsQuestion("people", "statistics", "shareable", split="one")


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(
        DE,
        bundle=unsafe_open(),
        evidence=Register(()),
        ledger=Ledger(tmp_path / "ledger.sqlite", "DE"),
        run="r",
        today=lambda: date(2026, 11, 29),
    )


def _left(gate: Gate, kind: Kind, *, count: int = 50, round_number: int | None = None) -> None:
    gate.cross(Artifact(kind, BOUND if count else PUBLIC, b"x", count=count, name="n"), HUB, round_number=round_number)


def test_digests_are_known_by_question_in_their_order_and_read_once(gate: Gate) -> None:
    noted, other = Noted(gate), replace(ASKED, scope="public")
    for question, digest in ((ASKED, "a"), (other, "b"), (ASKED, "c")):
        gate.note({"answer": {"question": question.to_json(), "version": "v", "digest": digest}})
        noted.catch_up()
        noted.catch_up()
    assert noted.digests == {ASKED: ["a", "c"], other: ["b"]}


@pytest.mark.parametrize(
    ("kind", "how", "counts"),
    [
        (Kind.REPORT, {}, 1),
        (Kind.METRICS, {}, 1),
        (Kind.UPDATE, {"round_number": 1}, 1),
        (Kind.SYNTHETIC, {}, 1),
        (Kind.METRICS, {"round_number": 1}, 0),
        (Kind.REPORT, {"count": 0}, 0),
    ],
)
def test_what_left_about_people_counts_once_and_a_round_s_scores_not_again(
    gate: Gate, kind: Kind, how: dict[str, int], counts: int
) -> None:
    _left(gate, kind, **how)
    noted = Noted(gate)
    noted.catch_up()
    assert noted.asked_since("2000") == counts and noted.asked_since("9999") == 0


def test_example_rows_are_nobody_s(gate: Gate) -> None:
    _left(replace(gate, marks=(EXAMPLE_ROWS, "rehearsed day")), Kind.UPDATE)
    noted = Noted(gate)
    noted.catch_up()
    assert noted.times == []


def test_questions_of_one_kind_differ_in_rows_and_division_alone() -> None:
    assert ASKED.kind == replace(ASKED, dataset="cohort", about="x", split="two").kind
    assert ASKED.kind != replace(ASKED, scope="public").kind and ASKED.kind != replace(ASKED, what="profile").kind
