"""A region's limits are asked of all steps that a job names, and of a run's end whose statistics nobody asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from fedsov.algorithms.personalization import Personalization, PrivateParameters
from fedsov.model.features import Features
from fedsov.model.network import initial
from fedsov.protocol.job import TrainingJob
from fedsov.region.worker import ClosedRegion, OpenRegion, open_region
from tests.hostile.people_region import PeopleRegion, drawn, told

STEPS = ("model.name=mlp", "model.hidden=[1]", "model.round.weight_decay=0.0")
LINEAR = ("model.name=logistic", "model.hidden=[]")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeopleRegion]:
    region = PeopleRegion(tmp_path_factory.mktemp("limits"))
    region.ingest(drawn(range(200)))
    region.set("limits.steps=1000")
    return region


def _private_only(job: TrainingJob, **steps: float) -> TrainingJob:
    only = replace(job.recipe.round, **steps)
    return replace(job, personalization=Personalization(PrivateParameters(("head",), only)))


def _occasion(name: str, **steps: object) -> Callable[[TrainingJob], TrainingJob]:
    def changed(job: TrainingJob) -> TrainingJob:
        own = replace(getattr(job.recipe, name), **steps)
        return replace(job, recipe=replace(job.recipe, **{name: own}))

    return changed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda job: _private_only(job, learning_rate=1e6), "limits.learning_rate=1000000"),
        (lambda job: _private_only(job, epochs=20_000), "20,000 steps of model.private_only_steps"),
        (_occasion("from_scratch", epochs=20_000), "20,000 steps of model.from_scratch are more than the 1,000"),
        (_occasion("fine_tune", learning_rate=11.0), "a learning rate of model.fine_tune of 11"),
        (_occasion("fine_tune", class_weights=(1.0, 1e6)), "limits.class_weights=1000000"),
    ],
)
def test_a_job_whose_other_steps_are_beyond_the_limits_is_not_even_begun(
    people: PeopleRegion, change: Callable[[TrainingJob], TrainingJob], said: str
) -> None:
    start = people.start(*STEPS)
    region = open_region(replace(start, job=change(start.job)))
    assert isinstance(region, ClosedRegion), region.close()
    assert region.failure.startswith("LimitExceeded") and said in region.failure


def test_class_weights_of_the_private_steps_mark_no_class(people: PeopleRegion) -> None:
    start = people.start(*STEPS, run="classes")
    region = open_region(replace(start, job=_private_only(start.job, class_weights=(1.0, 1e6))))  # type: ignore[arg-type]
    assert isinstance(region, OpenRegion), region
    with closing(region):
        income = told(region, "query.statistics", {"scope": "shareable"})["statistics"]["numeric"]["income"]
        features = Features(numeric=(("income", income["mean"], 1e3),))
        config = {"scope": "shareable", "server-round": 1, "features": json.dumps(features.to_json())}
        said = told(region, "train", config, initial(start.job.recipe.network, features.inputs, 0))["error"]
    assert "limits.class_weights=1000000" in said


def test_steps_of_the_region_s_own_model_are_counted_by_its_rows(people: PeopleRegion) -> None:
    """200 epochs under a limit of 1,000 steps took three times 200 epochs of all batches."""
    start = people.start(*LINEAR, run="home")
    region = open_region(replace(start, job=_occasion("from_scratch", epochs=900, batch=16)(start.job)))
    assert isinstance(region, OpenRegion), region
    with closing(region):
        said = told(region, "query.finish", {"strategy": "local"})["error"]
    assert "steps of model.from_scratch are more than the 1,000" in said


@pytest.mark.parametrize("is_asked", [True, False])
def test_a_threshold_at_a_run_s_end_is_refused_whether_or_not_statistics_were_asked(
    people: PeopleRegion, is_asked: bool
) -> None:
    with closing(people.opened(*LINEAR, run=f"end-{is_asked}")) as region:
        if is_asked:
            told(region, "query.statistics", {"scope": "shareable"})
        features = Features(numeric=(("income", 5000.0, 1e-3),))
        start = initial(region.start.job.recipe.network, features.inputs, 0)
        model = {name: np.full_like(array, 50.0) for name, array in start.items()}
        config = {"strategy": "federated", "rounds": 1, "server-round": 1, "features": json.dumps(features.to_json())}
        said = told(region, "query.finish", config, model)["error"]
    assert said.startswith("LimitExceeded") and "limits.weights=" in said
