"""What regions report has rollouts go on and stop, as the service's driver takes it from the directory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fedsov.api.control.control_hub import ControlHub
from fedsov.api.control.rollouts.rollout_answers import take_reports
from fedsov.control_plane.regions.directory import put_report
from fedsov.control_plane.rollouts.acts import HubRollouts
from fedsov.errors import ApprovalRefused, ConfigurationError
from fedsov.protocol.rollouts import WindowReport
from tests.control_plane.rollouts.world import HubWorld


@pytest.fixture
def world(tmp_path: Path) -> Iterator[HubWorld]:
    """Version 2 in DE, the canary's region, and signed by FR and GB."""
    with HubWorld.begin(tmp_path, "DE", "FR", "GB") as begun:
        begun.sign(begun.propose(2))
        begun.rollouts.start(1, by="A. Person", why="x")
        yield begun


def _report(world: HubWorld, region: str, word: str, counter: int = 1) -> None:
    rollouts = world.rollouts
    plain = {
        "counter": counter,
        "versions": [],
        "verdicts": [{"model": "people", "version": 2, "verdict": word, "bands": {}}],
    }
    with rollouts.database.changing() as connection:
        put_report(connection, region, plain, at=datetime.now(UTC))
    take_reports(ControlHub(rollouts.repository.folder.home, rollouts.database, rollouts.ledger, rollouts.repository))


def test_a_word_in_a_report_begins_the_next_wave_and_another_one_stops_it(world: HubWorld) -> None:
    for word in ("watching", "watching", "something else"):
        _report(world, "DE", word)
        assert world.rollouts.status(1).rollout.at("published") == ("DE",)
    _report(world, "FR", "errors")
    assert world.rollouts.status(1).rollout.state == "running", "FR was not told to serve it"
    _report(world, "DE", "ok", counter=0)
    assert world.rollouts.status(1).rollout.at("published") == ("DE",), "that is what DE served before"
    _report(world, "DE", "ok")
    assert world.rollouts.status(1).rollout.at("published") == ("FR",)
    _report(world, "FR", "slow")
    stopped = world.rollouts.status(1).rollout
    assert (stopped.state, stopped.why, stopped.at("taken back")) == ("stopped", "FR reported slow", ("DE", "FR"))
    changes = world.rollouts.database.changes
    _report(world, "FR", "drift")
    assert world.rollouts.database.changes == changes + 1, "the report is written, and nothing comes of it"


def test_a_name_that_is_longer_than_anybody_reads_is_refused_before_anything_is_written(world: HubWorld) -> None:
    with pytest.raises(ConfigurationError, match="--by has 300 characters; 200 at most"):
        world.rollouts.freeze(1, by="x" * 300, why="y")
    assert world.rollouts.status(1).rollout.state == "running"
    noted = [entry.body["note"]["rollout"]["act"] for entry in world.rollouts.ledger.notes("rollout")]
    assert "frozen" not in noted


def test_a_report_that_cannot_be_taken_holds_up_no_fault_of_another_region(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.rollouts.start(1, by="A. Person", why="x")
    report = HubRollouts.report

    def fails_for_the_first(rollouts: HubRollouts, said: WindowReport) -> None:
        if said.region == "DE":
            raise ApprovalRefused("its list is damaged")
        report(rollouts, said)

    monkeypatch.setattr(HubRollouts, "report", fails_for_the_first)
    with pytest.raises(ApprovalRefused, match="its list is damaged"):
        _report(world, "DE", "ok")
    with pytest.raises(ApprovalRefused, match="its list is damaged"):
        _report(world, "FR", "errors")
    assert world.rollouts.status(1).rollout.state == "stopped"
