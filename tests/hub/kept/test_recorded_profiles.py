"""What regions told once is a plan's ground from then on: nobody is asked again, and no ledger tells of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.hub import region_queries
from fedsov.hub.kept import recorded_profiles
from fedsov.hub.run import HubRun, open_run
from fedsov.hub.runtime import IngestRequest
from tests.hub.world import World, connected, hub, profile, text

SIZES = {"DE": 600, "FR": 700, "US": 40}


def told(folder: Path) -> World:
    return World(folder, {"query.profile": lambda name, _: text("profile", profile(name, SIZES[name]))})


def ingested(run: HubRun) -> HubRun:
    """The run over stores that are up to date; no region is connected."""
    report = run.runtime.ingest(IngestRequest(run.settings.plain, run.name))
    run.ingested = replace(report, stores={"DE": "1"}, settings={"DE": "s1"})
    return run


def test_a_plan_of_recorded_profiles_is_the_same_and_sends_no_message_and_adds_no_entry(tmp_path: Path) -> None:
    with connected(told(tmp_path)) as run:
        plan, profiles = region_queries.planned(ingested(run))
    silent = told(tmp_path)
    with open_run(hub(tmp_path), lambda _: silent, progress=lambda _: None) as run:
        before = run.gate.ledger.head()
        recorded = recorded_profiles.recorded(ingested(run))
        assert recorded is not None and recorded == (profiles, run.gate.today())
        assert region_queries.plan_of(run, recorded[0]).to_json() == plan.to_json()
        assert run.gate.ledger.head() == before
    assert not silent.messages


def test_profiles_count_for_the_very_rows_and_settings_that_they_are_of(tmp_path: Path) -> None:
    with connected(told(tmp_path)) as run:
        assert recorded_profiles.recorded(ingested(run)) is None
        region_queries.planned(run)
        assert recorded_profiles.recorded(run) is not None
        told_then = run.ingested
        assert told_then is not None
        for other in ({"DE": "2"}, {}, {"DE": "1", "FR": "1"}):
            run.ingested = replace(told_then, stores=other)
            assert recorded_profiles.recorded(run) is None
            run.ingested = replace(told_then, settings=other)
            assert recorded_profiles.recorded(run) is None
        run.ingested = None
        assert recorded_profiles.recorded(run) is None


def test_a_plan_of_recorded_profiles_says_which_regions_decide_by_rules_of_their_own(tmp_path: Path) -> None:
    rules = {"digest": "ab" * 32, "count": 2, "permits": True}
    answers = told(tmp_path).answers | {"query.ready": lambda name, _: text("law", rules)}
    with connected(World(tmp_path, answers, names=("DE",))) as run:
        region_queries.planned(ingested(run))
        assert run.own_rules == {"DE": rules}
    with connected(World(tmp_path, answers, names=("DE",))) as run:
        assert recorded_profiles.recorded(ingested(run)) is not None
        assert run.own_rules == {"DE": rules} and any("OWN RULES: region DE" in mark for mark in run.marks)


def test_nothing_is_recorded_where_a_region_was_lost(tmp_path: Path) -> None:
    with connected(told(tmp_path)) as run:
        profiles = region_queries.profiles(ingested(run))
        recorded_profiles.record(run, [*profiles[1:], replace(profiles[0], lost="its process ended")])
        assert recorded_profiles.recorded(run) is None
        recorded_profiles.record(run, profiles)
        assert recorded_profiles.recorded(run) is not None


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"body": {}, "sha256": "0"}', b"\xff"])
def test_a_damaged_record_holds_nothing_and_the_regions_are_asked(tmp_path: Path, damage: bytes) -> None:
    with connected(told(tmp_path)) as run:
        region_queries.planned(ingested(run))
        (run.workspace.hub / "profiles.json").write_bytes(damage)
        assert recorded_profiles.recorded(run) is None
        region_queries.planned(run)
        assert recorded_profiles.recorded(run) is not None
