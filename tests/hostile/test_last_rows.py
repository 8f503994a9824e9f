"""No update is one person's row: a job's batch, decay and pull, and a round's last step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsov.algorithms.local_steps import LocalSteps, Stream, shuffled
from fedsov.label import Scope
from fedsov.model.features import Features
from fedsov.model.network import initial
from fedsov.region.answers.people_steps import cut_for
from fedsov.region.worker import OpenRegion
from tests.hostile.people_region import PeopleRegion, drawn, told

MODEL = ("model.name=logistic", "model.hidden=[]", "model.round.epochs=1", "model.round.momentum=0.0")
WARDS = Features(levels=(("ward", ("A", "B")),))
PEOPLE = 200


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    region = PeopleRegion(tmp_path_factory.mktemp("last"))
    region.ingest(drawn(range(PEOPLE)))
    return region


@pytest.fixture(scope="module")
def worker(people: PeopleRegion) -> Iterator[OpenRegion]:
    opened = people.opened(*MODEL, run="orders")
    told(opened, "query.statistics", {"scope": "shareable"})
    yield opened
    opened.close()


def _asked(opened: OpenRegion, **config: Any) -> dict[str, Any]:
    start = initial(opened.start.job.recipe.network, WARDS.inputs, 0)
    asked = {"scope": "shareable", "server-round": 1, "features": json.dumps(WARDS.to_json()), **config}
    return told(opened, "train", asked, {name: np.zeros_like(array) for name, array in start.items()})


def _round(people: PeopleRegion, *words: str, **config: Any) -> dict[str, Any]:
    opened = people.opened(*MODEL, *words)
    try:
        told(opened, "query.statistics", {"scope": "shareable"})
        return _asked(opened, **config)
    finally:
        opened.close()


def _cut(opened: OpenRegion, steps: LocalSteps, number: int = 1) -> list[np.ndarray]:
    session = opened.outbound.session
    cut = cut_for(session, Scope.SHAREABLE, session.divided(Scope.SHAREABLE).train, number)
    assert cut is not None
    return list(cut(0, steps, Stream.ORDER))


@pytest.mark.parametrize(
    ("words", "config", "said"),
    [
        (("model.round.batch=1", "model.round.weight_decay=1.0", "model.round.learning_rate=1.0"), {}, "batch=10"),
        (("model.round.batch=4", "model.round.accumulate=2"), {}, "model.round.batch=5"),
        (("model.round.batch=16", "model.round.weight_decay=1.0", "model.round.learning_rate=1.0"), {}, "weight_decay"),
        (
            ("model.round.batch=16", "model.round.weight_decay=0.0", "model.round.learning_rate=1.0"),
            {"proximal-mu": 1.0},
            "proximal_mu",
        ),
    ],
)
def test_a_job_whose_update_would_be_the_last_rows_is_refused_with_the_setting_that_mends_it(
    people: PeopleRegion, words: tuple[str, ...], config: dict[str, Any], said: str
) -> None:
    error = _round(people, *words, **config)["error"]
    assert error.startswith("LimitExceeded") and said in error


def test_a_last_step_of_one_row_is_joined_to_the_one_before(worker: OpenRegion) -> None:
    rows = len(worker.outbound.session.divided(Scope.SHAREABLE).train)
    for batch in (rows - 1, rows - 9, 10, 16):
        steps = _cut(worker, LocalSteps(batch=batch, epochs=2))
        assert min(map(len, steps)) >= 10
        assert np.array_equal(np.sort(np.concatenate(steps)), np.repeat(np.arange(rows), 2))
    assert [len(step) for step in _cut(worker, LocalSteps(batch=rows - 1, epochs=1))] == [rows]


def test_an_update_under_a_batch_of_all_rows_but_one_is_that_of_the_full_batch(
    people: PeopleRegion, worker: OpenRegion
) -> None:
    rows = len(worker.outbound.session.divided(Scope.SHAREABLE).train)
    updates = [_round(people, f"model.round.batch={batch}")["arrays"] for batch in (rows - 1, 10_000)]
    assert all(np.allclose(array, updates[1][name], atol=1e-6) for name, array in updates[0].items())


def test_the_order_of_peoples_rows_follows_from_no_seed_of_a_job(worker: OpenRegion) -> None:
    steps = LocalSteps(batch=16, epochs=1)
    order = np.concatenate(_cut(worker, steps))
    assert np.array_equal(order, np.concatenate(_cut(worker, replace(steps, seed=7))))
    assert not np.array_equal(order, np.concatenate(_cut(worker, steps, number=2)))
    assert not np.array_equal(order, np.concatenate(_cut(worker, replace(steps, batch=17))))
    known = np.concatenate(shuffled(len(order), steps, np.random.default_rng(0)))
    assert not np.array_equal(order, known)


def test_two_regions_of_the_same_people_have_orders_of_their_own(worker: OpenRegion, tmp_path: Path) -> None:
    other = PeopleRegion(tmp_path)
    other.ingest(drawn(range(PEOPLE)))
    opened = other.opened(*MODEL)
    try:
        theirs = np.concatenate(_cut(opened, LocalSteps()))
    finally:
        opened.close()
    ours = np.concatenate(_cut(worker, LocalSteps()))
    assert not np.array_equal(ours[:20], theirs[:20])
