"""The day of a decision: the real one when it is taken, or a rehearsed one that moves on with the rounds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from fedsov.artifact import Artifact, Kind, Party
from fedsov.border.evidence.register import Register
from fedsov.border.gate import Gate, Outgoing
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.hub.gated_grid import DatedGate
from fedsov.label import PUBLIC
from fedsov.ledger.ledger import Ledger
from fedsov.protocol.calendar import Calendar
from fedsov.protocol.flower_messages import DECISION_ROUND, day_round_of, flower_process

FIRST = date(2026, 11, 22)


def test_a_fixed_first_day_moves_on_by_the_days_of_each_round() -> None:
    calendar = Calendar.of(FIRST, days_per_round=30)
    assert [calendar.day(number).isoformat() for number in (1, 2, 4)] == ["2026-11-22", "2026-12-22", "2027-02-20"]
    assert Calendar.of(FIRST).day(9) == FIRST


def test_without_a_fixed_day_each_decision_asks_the_clock_anew() -> None:
    days = iter([FIRST, date(2026, 11, 23)])
    calendar = Calendar(lambda: next(days))
    assert (calendar.day(), calendar.day()) == (FIRST, date(2026, 11, 23))
    assert Calendar.of(None).day() in {datetime.now(UTC).date(), date.fromordinal(datetime.now(UTC).toordinal() - 1)}


def test_a_rehearsal_past_the_calendar_s_end_stays_on_its_last_day() -> None:
    assert Calendar.of(FIRST, days_per_round=10**9).day(10) == date.max


def test_a_gate_writes_the_day_of_the_round_and_of_what_stands_by_one(tmp_path: Path) -> None:
    hub, ledger = Party("hub", "IE", "Example Holding"), Ledger(tmp_path / "ledger.sqlite", "hub")
    gate = Gate(hub, bundle=load_bundle(), evidence=Register(()), ledger=ledger, run="r", today=lambda: FIRST)
    dated, model = DatedGate(gate, Calendar.of(FIRST, 1), decision_round=7), Artifact(Kind.MODEL, PUBLIC)
    leaving = Outgoing(model, Party("US", "US", "Example US"))
    dated.cross_all([leaving], round_number=3)
    dated.cross_all([leaving])
    written = [(entry.body["round"], entry.body["day"]) for entry in ledger.entries()]
    assert written == [(3, "2026-11-24"), (None, "2026-11-28")]


@pytest.mark.parametrize(
    ("config", "round_number"),
    [
        ({}, 1),
        ({"server-round": 4}, 4),
        ({DECISION_ROUND: 11}, 11),
        ({"server-round": 2, DECISION_ROUND: 11}, 2),
        ({"server-round": "soon"}, 1),
        ({"server-round": -3}, 1),
        ({DECISION_ROUND: "9" * 5000}, 1),
    ],
)
def test_a_message_is_decided_on_the_day_of_its_round_or_of_the_first(config: dict, round_number: int) -> None:
    with flower_process():
        assert day_round_of(Message(RecordDict({"config": ConfigRecord(config)}), 2, "query.finish")) == round_number
