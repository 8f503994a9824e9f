"""What a run ended with: the regions' results beside the plan, and every party's account of its crossings."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.api.collect_result import collect_result
from fedsov.errors import TrainingFailed
from fedsov.hub.finishing import RunOutputs, train_regions
from fedsov.hub.region_queries import ledgers, planned
from tests.hub.world import World, connected


def test_a_result_has_every_region_of_the_plan_and_the_crossings_on_both_ways(tmp_path: Path) -> None:
    with connected(World(tmp_path)) as run:
        plan, profiles = planned(run)
        outputs, plan = train_regions(run, plan, profiles)
        result = collect_result(run, plan, outputs, ledgers(run))
    assert [region.region for region in result.regions] == ["DE", "FR", "US"]
    assert {region.score for region in result.regions} == {0.75} and result.unsafe
    assert len(result.rounds) == result.planned == 2 and set(result.heads) == {"hub", "DE", "FR", "US"}
    # one that the region tells of, and from the hub a model in each of two rounds and at the end
    assert {region.crossings["permitted"] for region in result.regions} == {1 + 3}


def test_a_run_without_any_model_fails_with_the_reasons(tmp_path: Path) -> None:
    outputs = RunOutputs(failures={"DE": "its keyring is missing"})
    with connected(World(tmp_path)) as run:
        plan, _ = planned(run)
        with pytest.raises(TrainingFailed, match=r"no region ended with a model \(DE: its keyring is missing\)"):
            collect_result(run, plan, outputs, {})
        with pytest.raises(TrainingFailed, match="DE: Federated among"):
            collect_result(run, plan, RunOutputs(), {})
