"""No answer, price, budget or refusal says exactly how many rows of people a region has: only how many tens of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from fedsov.api.budgets import account
from fedsov.label import Scope
from fedsov.model.features import Features
from fedsov.model.network import initial
from fedsov.privacy.private_statistics import Schema, private_statistics
from fedsov.protocol.message_types import PRIVACY, STATISTICS, TRAIN
from fedsov.region.worker import ClosedRegion, OpenRegion, open_region
from tests.hostile.people_region import PeopleRegion, Row, drawn, told

MODEL = ("model.name=logistic", "model.hidden=[]")
PRIVATE = ("privacy=record", "dataset.bounds={income: [0, 10000]}", "model.round.epochs=1", "federation.rounds=1")
FEW_STEPS = tuple(
    f"model.{group}.{word}" for group in ("from_scratch", "fine_tune") for word in ("epochs=1", "batch=500")
)
PEOPLE = 167
WARDS = Features(levels=(("ward", ("A", "B")),))


def _not_in_tens(places: pytest.TempPathFactory, people: Sequence[Row]) -> PeopleRegion:
    """A region of these people that trains on no multiple of ten of them, which would show nothing.

    How many are trained on follows from the region's secret.
    """
    while True:
        made = PeopleRegion(places.mktemp("tens"))
        made.ingest(people)
        opened = made.opened(*MODEL)
        rows = _trained_on(opened)
        opened.close()
        if rows % 10:
            return made


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    """Ages in whole years, so that a mean is a fraction of the number of rows."""
    people = [(name, 20.0 + place % 60, ward, ill) for place, (name, _, ward, ill) in enumerate(drawn(range(PEOPLE)))]
    return _not_in_tens(tmp_path_factory, people)


@pytest.fixture
def worker(region: PeopleRegion) -> Iterator[OpenRegion]:
    opened = region.opened(*MODEL, "model.round.epochs=1", "model.round.batch=10")
    yield opened
    opened.close()


def _trained_on(worker: OpenRegion) -> int:
    """How many rows are trained on, which the region alone knows."""
    return len(worker.outbound.session.divided(Scope.SHAREABLE).train)


def _round(worker: OpenRegion) -> dict[str, Any]:
    model = initial(worker.start.job.recipe.network, WARDS.inputs, 0)
    config = {"scope": "shareable", "server-round": 1, "features": json.dumps(WARDS.to_json())}
    return told(worker, TRAIN, config, model)


def _counts(described: Mapping[str, Any]) -> list[int]:
    numbers = [column[key] for column in described["numeric"].values() for key in ("n", "missing")]
    for column in described["categorical"].values():
        numbers += [*column["levels"].values(), column["other"], column["missing"]]
    return numbers


def test_an_update_and_statistics_count_rows_in_tens(worker: OpenRegion) -> None:
    described = told(worker, STATISTICS, {"scope": "shareable"})["statistics"]
    rows = _trained_on(worker)
    counts = _counts(described)
    assert max(counts) == rows // 10 * 10 and all(count % 10 == 0 for count in counts)
    assert _round(worker)["metrics"]["num-examples"] == rows // 10 * 10


def test_a_mean_of_whole_numbers_does_not_tell_of_how_many_it_is(worker: OpenRegion) -> None:
    """A mean to sixteen digits is a fraction with one denominator below a thousand: the number of rows."""
    described = told(worker, STATISTICS, {"scope": "shareable"})["statistics"]["numeric"]["income"]
    least = described["n"]
    width = (described["squared_deviations"] / least / least) ** 0.5 / 4
    fits = [n for n in range(least, least + 10) if abs(round(described["mean"] * n) / n - described["mean"]) <= width]
    assert fits == list(range(least, least + 10))


def test_a_price_and_a_budget_count_people_s_rows_in_tens_though_the_job_chose_its_batch(region: PeopleRegion) -> None:
    """With a batch of one row the steps of an epoch are the rows, and the rate is one in them."""
    region.set("datasets.people.bounds={income: [0, 10000]}")
    opened = region.opened(*MODEL, *PRIVATE, "privacy.batch=1", run="priced")
    try:
        price, rows = told(opened, PRIVACY, {})["privacy"], _trained_on(opened) // 10 * 10
        told(opened, STATISTICS, {"scope": "shareable"})
        metrics = _round(opened)["metrics"]
        run = opened.outbound.session.private
        assert run is not None and run.begin().mechanism.expected_batch(rows + 7) == 1.0
    finally:
        opened.close()
    assert (price["steps"], price["sampling_rate"]) == (rows, 1 / rows)
    assert metrics["num-examples"] == rows
    assert [run["rows"] for run in account(region.folder, "DE").to_json()["runs"]] == [PEOPLE // 10 * 10]


def test_which_deltas_and_which_steps_are_refused_tells_of_tens(
    region: PeopleRegion, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tens = PEOPLE // 10 * 10
    assert all(_refuses_delta(region, 1 / (rows + 0.5)) for rows in (tens, PEOPLE - 1, PEOPLE, tens + 9))
    assert not _refuses_delta(region, 1 / (tens + 10.5))
    other = _not_in_tens(tmp_path_factory, drawn(range(PEOPLE)))
    other.set("limits.steps=10")
    opened = other.opened(*MODEL, "model.round.epochs=10", "model.round.batch=10", *FEW_STEPS)
    try:
        told(opened, STATISTICS, {"scope": "shareable"})
        error, rows = _round(opened)["error"], _trained_on(opened)
    finally:
        opened.close()
    assert f"{rows // 10 * 10 + 10} steps a round are more than" in error and str(rows) not in error


def _refuses_delta(region: PeopleRegion, delta: float) -> bool:
    opened = open_region(region.start(*MODEL, *PRIVATE, f"privacy.delta={delta}", run="asks"))
    if isinstance(opened, OpenRegion):
        opened.close()
        return False
    assert isinstance(opened, ClosedRegion) and "1 / rows or more" in opened.failure
    return True


def test_rows_at_levels_that_noise_does_not_name_are_told_apart_from_the_tens() -> None:
    wards = {"ward": np.array(["A"] * 1503 + ["rare"] * 1500, object)}
    quiet = private_statistics(
        wards,
        {"ward": "categorical"},
        Schema({}, {"ward": ("A",)}),
        noise_multiplier=1e-9,
        threshold_delta=0.0,
        rng=np.random.default_rng(0),
        rows=3000,
    )
    assert quiet.categorical["ward"].levels == {"A": 1503} and quiet.categorical["ward"].other == 1497
