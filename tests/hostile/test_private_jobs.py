"""A private job costs nothing where it can learn nothing, and what it tells of its cost counts no people's rows."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsov.label import Scope
from fedsov.model.features import Features
from fedsov.model.network import initial
from fedsov.protocol.message_types import PRIVACY
from fedsov.region.worker import ClosedRegion, OpenRegion, open_region
from tests.hostile.people_region import PeopleRegion, drawn, told


def test_a_job_that_can_describe_no_column_under_noise_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    region = PeopleRegion(tmp_path / "people")
    region.place.mkdir()
    region.ingest(drawn(range(40)), "dataset.drop=[ward]")
    opened = open_region(region.start("dataset.drop=[ward]", "privacy=record"))
    assert isinstance(opened, ClosedRegion), opened
    assert "JobRefused" in opened.failure and "'dataset.bounds={income: [LOW, HIGH]}'" in opened.failure
    assert not list(region.folder.glob("privacy*"))


def test_the_delta_that_is_told_does_not_say_how_many_rows_of_people_there_are(tmp_path: Path) -> None:
    region = PeopleRegion(tmp_path / "people")
    region.place.mkdir()
    region.ingest(drawn(range(47)))
    assert region.asked(PRIVACY, "privacy=record", "privacy.lifetime_epsilon=10")["privacy"]["delta"] == 1 / 40**2


BOUNDED = ("privacy=record", "dataset.bounds={income: [0, 10000]}", "dataset.levels={ward: [A, B]}")


@pytest.mark.parametrize(
    "other", [{"bounds": {"income": (0.0, 5.0)}}, {"bounds": {}}, {"levels": {"ward": ("A",)}}], ids=str
)
def test_under_noise_too_the_bounds_and_levels_are_the_region_s_own(tmp_path: Path, other: dict[str, Any]) -> None:
    """A hub says the owner's bounds of the job, and others of its noise."""
    region = PeopleRegion(tmp_path / "people")
    region.place.mkdir()
    region.ingest(drawn(range(60)), *BOUNDED[1:])
    start = region.start(*BOUNDED)
    assert start.job.privacy is not None
    crafted = replace(start, job=replace(start.job, privacy=replace(start.job.privacy, **other)))
    refused = open_region(crafted)
    assert isinstance(refused, ClosedRegion) and f"dataset.{next(iter(other))}" in refused.failure
    taken = open_region(start)
    assert isinstance(taken, OpenRegion), taken
    with closing(taken):
        run = taken.outbound.session.private
        assert run is not None and (run.settings.bounds, run.settings.levels) == (
            {"income": (0.0, 10000.0)},
            {"ward": ("A", "B")},
        )


SPENT = (*BOUNDED, "model.name=mlp", "model.hidden=[2]", "model.round.weight_decay=0.0", "federation.rounds=2")


def test_no_parameters_make_one_person_s_record_spoil_an_answer(tmp_path: Path) -> None:
    """Two units take the income by 3e38: beyond a threshold the logit is infinity less infinity."""
    region = PeopleRegion(tmp_path / "people")
    region.place.mkdir()
    region.ingest(drawn(range(200)), *BOUNDED[1:])
    with closing(region.opened(*SPENT)) as opened:
        told(opened, "query.statistics", {"scope": "shareable"})
        incomes = np.sort(opened.outbound.session.divided(Scope.SHAREABLE).train.columns["income"].astype(float))
        for threshold in (incomes[-1] - 1, incomes[-1] + 1):
            answer = _asked_at(opened, threshold)
            assert "arrays" in answer and all(np.isfinite(array).all() for array in answer["arrays"].values())
    with closing(region.opened(*SPENT)) as anew:
        assert _asked_at(anew, incomes[-1] + 1)["arrays"].keys() == answer["arrays"].keys()
        assert _asked_at(anew, incomes[0])["error"] == "BudgetExceeded"


def _asked_at(opened: OpenRegion, threshold: float) -> dict[str, Any]:
    edge = threshold * 3e38 / float(np.finfo(np.float32).max)
    features = Features(numeric=(("income", 0.0, edge),))
    model = initial(opened.start.job.recipe.network, features.inputs, 0)
    model = {name: np.zeros_like(array) for name, array in model.items()}
    model["0.weight"].ravel()[:] = 3e38
    model["2.weight"].ravel()[:] = [1.0, -1.0]
    config = {"scope": "shareable", "server-round": 1, "features": json.dumps(features.to_json())}
    return told(opened, "train", config, model)
