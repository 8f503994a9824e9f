"""Rows past their period are not used and leave; held ones stay; whatever comes and goes, the store is the model's."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from fedsov.api.lifecycle.retention import apply, hold, plan, release
from fedsov.errors import ConfigurationError
from fedsov.label import PUBLIC, Label
from fedsov.ledger.ledger import Ledger
from fedsov.partition.lifecycle.retention import RetentionRules, StoredAges, check_dates, expired
from fedsov.partition.manifest import read_manifest
from fedsov.region.settings import RegionSettings
from fedsov.region.worker import ClosedRegion, open_region
from fedsov.storage.workspace import ledger_of, store_of
from tests.cli.world import call
from tests.hostile.people_region import PeopleRegion, drawn

DE = Label(frozenset({"DE"}), frozenset({"personal"}))
HEALTH = Label(frozenset({"DE"}), frozenset({"personal", "health"}))
WHY = "a test"


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    """A region of 40 people whose rows may be used for 30 days."""
    region = PeopleRegion(tmp_path_factory.mktemp("retention"))
    region.ingest(drawn(range(40)))
    region.set("retention_days=30")
    return region


@pytest.fixture
def region(made_once: PeopleRegion, tmp_path: Path) -> PeopleRegion:
    """The same in a workspace that a test may change."""
    return made_once.copied(tmp_path / "copy")


def _root(region: PeopleRegion) -> Path:
    return region.place / "w"


def test_a_row_goes_by_the_shortest_period_of_its_categories_and_by_its_own_date() -> None:
    rules = RetentionRules({"health": 10}, {})
    assert [rules.period(label, 30) for label in (DE, HEALTH, PUBLIC)] == [30, 10, 10]
    assert [rules.period(label, None) for label in (DE, HEALTH, PUBLIC)] == [None, 10, 10]
    place = np.array([0, 1, 1, 2])
    ages = StoredAges((DE, HEALTH, PUBLIC), place, "2026-01-01")
    for on, gone in ((date(2026, 1, 11), [False] * 4), (date(2026, 1, 12), [False, True, True, True])):
        assert expired(ages, rules, 30, on=on).tolist() == gone
    dated = StoredAges((DE, HEALTH, PUBLIC), place, "2026-01-01", np.array([0.0, np.nan, 20_500.0, 20_500.0]))
    assert expired(dated, rules, 30, on=date(2026, 1, 12)).tolist() == [True, True, False, False]
    assert expired(ages, RetentionRules(), None, on=date.max).tolist() == [False] * 4
    assert expired(StoredAges((DE,), np.array([0]), "yesterday"), rules, 10**6, on=date(2026, 1, 1)).all()


def test_the_settings_are_read_shown_and_changed_key_by_key() -> None:
    own = RegionSettings("DE").changed(["retention.categories.health=365", "retention.starts.people=discharged"])
    assert own.retention == RetentionRules({"health": 365}, {"people": "discharged"})
    assert RegionSettings.from_settings(own.to_plain()) == own
    assert own.changed(["retention.categories.health=null"]).retention.categories == {}
    for word, fault in (
        ("retention.categories.helth=3", "did you mean health"),
        ("retention.categories.health=-1", "0 or more"),
        ("retention.period.health=3", "unknown setting"),
    ):
        with pytest.raises(ConfigurationError, match=fault):
            own.changed([word])


def test_what_is_past_its_period_is_planned_not_used_and_removed_with_a_tombstone(region: PeopleRegion) -> None:
    (due,), holds = plan(_root(region), "DE")
    assert (due.rows, due.past, holds) == (40, 0, {})
    region.pass_days(35)
    (due,), _ = plan(_root(region), "DE")
    assert (due.past, due.on_hold) == (40, 0)
    assert isinstance(open_region(region.start()), ClosedRegion)
    apply(_root(region), "DE", by="A. Person", why=WHY)
    left = read_manifest(store_of(region.folder, "people"))
    with closing(Ledger.read(ledger_of(region.folder))) as ledger:
        (entry,) = ledger.notes("expiry")
    tombstone = entry.body["note"]["expiry"]
    assert left.rows == 0 and tombstone["source"] == left.source_sha256
    assert (tombstone["rows"], tombstone["by"], tombstone["why"]) == (40, "A. Person", WHY)
    apply(_root(region), "DE", why=WHY)
    with closing(Ledger.read(ledger_of(region.folder))) as ledger:
        assert len(ledger.notes("expiry")) == 1


def test_a_column_of_dates_starts_the_clock_and_one_that_is_none_is_refused(tmp_path: Path) -> None:
    region = PeopleRegion(tmp_path)
    today = datetime.now(UTC).date()
    rows = [
        (f"p{one}", (today - timedelta(days=one % 50)).isoformat(), "AB"[one % 2], one % 3 % 2) for one in range(60)
    ]
    region.ingest(rows)  # type: ignore[arg-type]
    region.set("retention_days=30", "retention.starts.people=income")
    (due,), _ = plan(_root(region), "DE")
    old = [row for row in rows if date.fromisoformat(row[1]) < today - timedelta(days=30)]
    assert due.past == len(old) > 0
    opened = region.opened()
    opened.close()
    assert len(opened.outbound.session.records) == 60 - len(old)
    apply(_root(region), "DE", why=WHY)
    assert read_manifest(store_of(region.folder, "people")).rows == 60 - len(old)


def test_a_column_that_a_later_source_lacks_or_has_no_dates_in_is_refused_where_rows_are_used() -> None:
    for values, fault in (
        (None, "people does not store"),
        (np.array(["A"], object), "holds no dates"),
        (np.array([1e6]), "holds no dates"),
    ):
        with pytest.raises(
            ConfigurationError, match=rf"retention\.starts\.people names the column 'ward', which {fault}"
        ):
            check_dates("people", "ward", values)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("people=ward", "retention.starts.people=ward: its categorical values are no dates"),
        ("people=incme", "retention.starts.people=incme: unknown column 'incme'; did you mean income?"),
        ("people='30 days'", "retention.starts.people=30 days: unknown column '30 days'"),
        ("people=person", "retention.starts.people=person: "),
        ("peple=income", "retention.starts: unknown data set 'peple'; did you mean people?"),
    ],
)
def test_a_column_that_starts_no_clock_is_refused_where_it_is_set(region: PeopleRegion, word: str, said: str) -> None:
    done = call("region", "set", "DE", f"retention.starts.{word}", "--yes", "--why", "x", f"workspace={_root(region)}")
    assert done.code == 2 and said in done.err, done.err
    shown = call("region", "show", "DE", "--json", f"workspace={_root(region)}").json
    assert shown["retention"]["starts"] == {}


def test_held_rows_stay_past_their_period_unused_until_the_hold_ends(region: PeopleRegion) -> None:
    hold(_root(region), "DE", "people", "p3", why="case 12")
    region.pass_days(35)
    apply(_root(region), "DE", why=WHY)
    assert read_manifest(store_of(region.folder, "people")).rows == 1
    assert isinstance(open_region(region.start()), ClosedRegion)
    with pytest.raises(ConfigurationError, match="on hold already"):
        hold(_root(region), "DE", "people", "p3", why="case 12")
    with pytest.raises(ConfigurationError, match="is not on hold in DE; holds in force: people, subject"):
        release(_root(region), "DE", "people", why="closed")
    for subject, by, why in (("p3", "", "P3 agreed"), ("p3", "p3", "closed"), (" p3 ", "", "p3 agreed")):
        with pytest.raises(ConfigurationError, match="names the subject"):
            release(_root(region), "DE", "people", subject, by=by, why=why)
    release(_root(region), "DE", "people", "p3", why="closed")
    apply(_root(region), "DE", why=WHY)
    assert read_manifest(store_of(region.folder, "people")).rows == 0
