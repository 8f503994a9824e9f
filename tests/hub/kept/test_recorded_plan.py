"""The newest plan is recorded for people, signed by the hub, and read as what it says."""

from __future__ import annotations

from pathlib import Path

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.overview import counted_parts
from fedsov.control_plane.overview.collecting import PLAN_FILE, collect
from fedsov.hub import region_queries
from fedsov.hub.kept import recorded_plan
from tests.hub.kept.test_recorded_profiles import ingested, told
from tests.hub.world import connected


def test_the_page_shows_the_plan_that_a_run_recorded(tmp_path: Path) -> None:
    assert recorded_plan.FILE == PLAN_FILE
    database = Database.open(f"sqlite:///{tmp_path}/control.sqlite")
    with connected(told(tmp_path)) as run:
        plan, _ = region_queries.planned(ingested(run))
        recorded_plan.record_plan(run, plan)
        collect(database, run.workspace.hub)
        with database.reading() as connection:
            shown = counted_parts.plan(connection)
        assert (shown.run, shown.hub) == (run.name, run.gate.ledger.owner)
    assert [(region.name, region.rows, region.strategy, region.reason) for region in shown.regions] == [
        (region.region, region.rows, region.strategy, region.reasons[-1]) for region in plan.regions
    ]
    database.close()
