"""People counted over time: by country within twelve months, over all countries since 1 January, pools never twice."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from fedsov.artifact import Artifact, Kind
from fedsov.border.gate import Gate, Outgoing
from fedsov.border.people_counts import PeopleCounter, Pool, Totals
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from tests.border.world import DAY, demo_register, law, party

HOME = Pool("people", 700)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "US.sqlite", "US")


def moved(ledger: Ledger, count: int, to: str, day: date, *, pool: Pool = HOME, verdict: str = "permit") -> None:
    ledger.append(
        {"act": "cross", "verdict": verdict, "count": count, "destination": to, "day": day.isoformat(),
         "exporter": {"location": "US"}, "origins": ["US"], "pool": pool.to_json()}
    )  # fmt: skip


def test_rounds_over_the_same_people_are_not_counted_again(ledger: Ledger) -> None:
    for _ in range(20):
        moved(ledger, 500, "CN", DAY)
    assert PeopleCounter(ledger).totals(500, "CN", HOME, DAY) == Totals(500, 700, 700)


def test_people_of_another_pool_and_of_an_unknown_one_are_added(ledger: Ledger) -> None:
    moved(ledger, 300, "CN", DAY, pool=Pool("patients", 400))
    moved(ledger, 50, "CN", DAY, pool=Pool())
    moved(ledger, 50, "CN", DAY, pool=Pool())
    assert PeopleCounter(ledger).totals(600, "CN", HOME, DAY).twelve_months == 600 + 300 + 100


def test_twelve_months_look_at_one_country_and_the_year_at_all(ledger: Ledger) -> None:
    unknown = Pool()
    moved(ledger, 10, "CN", DAY - timedelta(days=366), pool=unknown)  # a year ago: gone
    moved(ledger, 20, "CN", DAY - timedelta(days=365), pool=unknown)  # within twelve months, last year
    moved(ledger, 40, "DE", DAY, pool=unknown)
    moved(ledger, 80, "US", DAY, pool=unknown)  # at home
    moved(ledger, 160, "CN", DAY, pool=unknown, verdict="refuse")
    assert PeopleCounter(ledger).totals(1, "CN", unknown, DAY) == Totals(1, 21, 41)


def test_a_tally_sees_what_another_process_appended(ledger: Ledger) -> None:
    tally = PeopleCounter(ledger)
    assert tally.totals(5, "CN", Pool(), DAY).year == 5
    moved(Ledger(ledger._path, "US"), 7, "CN", DAY, pool=Pool())
    assert tally.totals(5, "CN", Pool(), DAY).year == 12


def test_a_gate_refuses_when_many_small_crossings_add_up_to_bulk(ledger: Ledger) -> None:
    """28 CFR 202.205: more than 100 people's genomic data within twelve months, in however many parts."""
    parts = {"bundle": law(), "evidence": demo_register(), "run": "r", "today": lambda: DAY}
    gate = Gate(party("US"), ledger=ledger, tally=PeopleCounter(ledger), **parts)
    genomes = Artifact(Kind.RECORDS, Label(frozenset({"US"}), frozenset({"genomic"})), count=60)
    assert gate.consider(genomes, party("CN")).verdict == "review"
    moved(ledger, 60, "CN", DAY - timedelta(days=100), pool=Pool())
    decision = gate.consider(genomes, party("CN"))
    assert (decision.verdict, decision.rules) == ("refuse", ("us.doj.omic",))
    entry = gate.record(gate._crossing(genomes, party("CN")), decision).body
    assert (entry["count"], entry["count_12m"], entry["count_year"]) == (60, 120, 120)


def test_crossings_written_together_count_those_before_them(ledger: Ledger) -> None:
    gate = Gate(
        party("US"), bundle=law(), evidence=demo_register(), ledger=ledger, run="r", today=lambda: DAY,
        tally=PeopleCounter(ledger),
    )  # fmt: skip
    things = [Artifact(Kind.UPDATE, Label(frozenset({"US"})), b"", count=count) for count in (30, 50, 70)]
    gate.cross_all([Outgoing(thing, party("IE")) for thing in things])
    entries = [entry.body for entry in ledger.entries()]
    assert [body["verdict"] for body in entries] == ["permit"] * 3
    assert [body["count_year"] for body in entries] == [30, 80, 150]
    assert PeopleCounter(ledger).totals(1, "IE", Pool(), DAY).year == 151
