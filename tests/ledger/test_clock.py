"""A ledger's time never goes back, and whoever reads it is told where the clock did."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.ledger import clock
from fedsov.ledger.ledger import Ledger, entry_time

NOON = "2026-11-29T12:00:00.000+00:00"
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1))


@given(st.lists(MOMENTS, max_size=12), MOMENTS)
def test_whatever_the_clock_says_times_never_go_back_and_what_is_not_behind_stays(
    moments: list[datetime], first: datetime
) -> None:
    entries = [{"at": entry_time(moment.replace(tzinfo=UTC))} for moment in moments]
    settled, last = clock.forward(entries, entry_time(first.replace(tzinfo=UTC)))
    times = [clock.moment(entry["at"]) for entry in settled]
    assert times == sorted(times, key=lambda moment: moment.timestamp())  # type: ignore[union-attr]
    assert all(before == after for before, after in zip(entries, settled, strict=True) if before["at"] == after["at"])
    assert last == (settled[-1]["at"] if settled else entry_time(first.replace(tzinfo=UTC)))
    assert not [said for said in clock.faults(enumerate(settled, 1)) if "earlier" in said]


@pytest.mark.parametrize(("seconds", "says"), [(0.001, None), (5, None), (6, 6), (86_400, 86_400)])
def test_a_clock_behind_by_a_few_seconds_says_nothing_and_one_behind_by_more_says_how_many(
    seconds: float, says: int | None
) -> None:
    earlier = entry_time(datetime.fromisoformat(NOON) - timedelta(seconds=seconds))
    (entry,), last = clock.forward([{"at": earlier, "act": "note"}], NOON)
    assert (entry["at"], entry.get("clock_behind"), last) == (NOON, says, NOON)


def test_a_time_without_a_zone_is_one_of_utc_and_what_is_no_time_is_left_alone() -> None:
    assert clock.moment("2026-11-29") == datetime(2026, 11, 29, tzinfo=UTC)
    assert clock.moment("2026-11-29T13:00:00+01:00") == datetime.fromisoformat(NOON)
    odd = [{"at": "soon"}, {"at": 3}, {"act": "note"}]
    assert clock.forward(odd, NOON) == (odd, NOON)
    assert clock.time_of([b"[]", b"no JSON", b'{"at":"soon"}', b'{"at":"2026-11-29"}', b'{"at":"2020-01-01"}']) == (
        "2026-11-29"
    )


def test_an_entry_written_after_one_from_the_future_has_its_time_and_says_by_how_much(tmp_path: Path) -> None:
    ahead = datetime.now(UTC) + timedelta(days=400)
    with_future = Ledger(tmp_path / "ledger.sqlite", "DE")
    with_future.append({"at": entry_time(ahead), "act": "note"})
    with_future.close()
    ledger = Ledger(tmp_path / "ledger.sqlite", "DE")  # as another process finds it
    entry = ledger.append({"at": entry_time(), "act": "note"})
    assert entry.body["at"] == entry_time(ahead)
    assert 399 * 86_400 < entry.body["clock_behind"] <= 400 * 86_400
    assert ledger.entries()[-1] == entry and ledger.verify().entries == 2
    assert ledger.today() == Ledger.read(tmp_path / "ledger.sqlite").today() == ahead.date()
    (said,) = clock.faults((each.seq, each.body) for each in ledger.entries())
    assert "when entry 2 was written" in said
    ledger.close()


def test_the_day_of_a_ledger_is_the_clock_s_where_the_clock_is_ahead(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", "DE")
    days = {datetime.now(UTC).date()}
    assert ledger.today() in days | {datetime.now(UTC).date()}
    ledger.append({"at": "2020-01-01T00:00:00.000+00:00", "act": "note"})
    assert ledger.today() >= min(days) > date(2020, 1, 1)
    ledger.close()


def test_times_that_go_back_in_a_ledger_of_before_are_named() -> None:
    bodies = [{"at": NOON}, {"at": "2026-11-29T11:00:00+00:00"}, {"at": NOON}, {"at": "2020-01-01"}]
    assert clock.faults(enumerate(bodies, 1)) == [
        "entry 2 (and 1 more) is earlier than the one before it: the clock was turned back"
    ]


def test_a_thousand_entries_cost_no_second_for_their_times() -> None:
    entries, started = [{"at": NOON}] * 1000, time.monotonic()
    clock.forward(entries, NOON)
    assert time.monotonic() - started < 1
