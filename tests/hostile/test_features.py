"""No one person's label is read off an update or a score: features, scales and speeds that a hub makes up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsov.model.features import Features
from fedsov.model.network import initial
from fedsov.region.worker import ClosedRegion, OpenRegion, open_region
from tests.hostile.people_region import PeopleRegion, Row, told

MODEL = ("model.name=logistic", "model.hidden=[]")
ONE_STEP = (
    "model.round.epochs=1",
    "model.round.batch=10000",
    "model.round.momentum=0.0",
    "model.round.weight_decay=0.0",
    "model.round.learning_rate=1.0",
)
LEVELS = ("A", "B", "only me")
PEOPLE = 200


def _rows(every: int = 5) -> list[Row]:
    """Wards A and B, one in so many ill; and three people, all ill, of a ward that nobody else is in."""
    usual = [(f"p{one}", 10.0 + one, "AB"[one % 2], int(one % every == 0)) for one in range(PEOPLE)]
    return [*usual, *[(f"me{one}", 5.0 + one, "only me", 1) for one in range(3)]]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    """A region that knows three people too few to be told of."""
    region = PeopleRegion(tmp_path_factory.mktemp("features"))
    region.ingest(_rows())
    return region


@pytest.fixture
def region(people: PeopleRegion) -> Iterator[OpenRegion]:
    """Its worker, after it answered what a hub asks before rounds."""
    opened = people.opened(*MODEL, *ONE_STEP)
    assert "statistics" in told(opened, "query.statistics", {"scope": "shareable"})
    yield opened
    opened.close()


def _asked(region: OpenRegion, features: Features, model: Mapping[str, np.ndarray] | None = None) -> dict[str, Any]:
    """A first round over a model of zeros."""
    start = initial(region.start.job.recipe.network, features.inputs, 0)
    zeros = {name: np.zeros_like(array) for name, array in start.items()}
    config = {"scope": "shareable", "server-round": 1, "features": json.dumps(features.to_json())}
    return told(region, "train", config, model or zeros)


def _steps(region: OpenRegion, features: Features) -> tuple[np.ndarray, float]:
    """(D,) what each input's weight moved by, and the intercept."""
    arrays = _asked(region, features)["arrays"]
    weights = next(array for array in arrays.values() if array.ndim == 2)
    intercept = next(array for array in arrays.values() if array.ndim == 1)
    return weights.ravel(), float(intercept.ravel()[0])


def test_a_level_that_was_withheld_has_no_gradient_in_the_region_where_it_occurs(region: OpenRegion) -> None:
    weights, _ = _steps(region, Features(levels=(("ward", LEVELS),)))
    assert weights[LEVELS.index("only me")] == 0.0
    assert all(weights[LEVELS.index(level)] < 0.0 for level in "AB")


def test_what_the_other_levels_gradients_lack_of_the_intercept_s_is_nobody(region: OpenRegion) -> None:
    for levels in (LEVELS, ("A", "B")):
        weights, intercept = _steps(region, Features(levels=(("ward", levels),)))
        assert weights.sum() == pytest.approx(intercept, abs=1e-6)


def test_scales_that_differ_by_little_do_not_tell_one_person_s_label_by_where_they_clip(region: OpenRegion) -> None:
    """Standardised values end at 6 spreads: the second difference of three scales is of whoever stands at that edge."""
    spread, edge = 3.0, 110.0  # one person in ten units, at 6 spreads above the scale's mean
    means = [edge - 6 * spread + shift for shift in (-0.4, 0.0, 0.4)]
    weights = np.concatenate([_steps(region, Features(numeric=(("income", mean, spread),)))[0] for mean in means])
    assert weights.any() and abs(weights[0] - 2 * weights[1] + weights[2]) < 1e-5


def test_a_scale_that_makes_a_threshold_of_a_number_has_no_gradient(region: OpenRegion) -> None:
    for threshold in (7.5, 100.0):  # below it lie the three, or the three and half of the others
        weights, _ = _steps(region, Features(numeric=(("income", threshold, 1e-9),)))
        assert weights.tolist() == [0.0]


def test_an_indicator_of_a_missing_value_that_nobody_was_told_of_has_no_gradient(region: OpenRegion) -> None:
    columns = Features(numeric=(("income", 109.0, 60.0),), missing=("income",))
    weights, _ = _steps(region, columns)
    assert weights[0] != 0.0 and weights[1] == 0.0


def _residuals(tmp_path: Path, rows: list[Row], asked: Iterable[Features]) -> list[tuple[np.ndarray, float]]:
    """The steps of a region of these people, for each of the features."""
    region = PeopleRegion(tmp_path)
    region.ingest(rows)
    opened = region.opened(*MODEL, *ONE_STEP)
    try:
        assert "statistics" in told(opened, "query.statistics", {"scope": "shareable"})
        return [_steps(opened, features) for features in asked]
    finally:
        opened.close()


def test_two_choices_of_levels_do_not_tell_of_those_at_none_of_them(tmp_path: Path) -> None:
    """Each choice leaves enough people aside, the rare ones among them: their sum is what no gradient may lack."""
    one, other = (Features(levels=(("ward", (level,)),)) for level in "AB")
    (at_a, intercept), (at_b, _) = _residuals(tmp_path, _rows(), (one, other))
    assert at_a.sum() + at_b.sum() == pytest.approx(intercept, abs=1e-6)


def test_two_means_do_not_tell_of_those_whose_number_is_missing(tmp_path: Path) -> None:
    """Two scales give the sum over those who have a number, and the intercept's gradient gives the sum over all."""
    rows = [(name, "" if name.startswith("me") else income, "A", ill) for name, income, _, ill in _rows()]
    scales = [Features(numeric=(("income", mean, 60.0),)) for mean in (109.0, 169.0)]  # a spread apart
    (near, intercept), (far, _) = _residuals(tmp_path, rows, scales)
    assert near.sum() - far.sum() == pytest.approx(intercept, abs=1e-6)


def test_a_score_on_validation_rows_does_not_depend_on_a_level_of_few_people(region: OpenRegion) -> None:
    """A model that looks at one level scores as if nobody had it, so the loss tells no label of theirs."""
    features = Features(levels=(("ward", LEVELS),))
    start = initial(region.start.job.recipe.network, features.inputs, 0)
    scores = []
    for size in (0.0, 50.0):
        model = {name: np.zeros_like(array) for name, array in start.items()}
        weights = next(array for array in model.values() if array.ndim == 2)
        weights.ravel()[LEVELS.index("only me")] = size
        scores.append(_asked(region, features, model)["metrics"]["loss"])
    assert scores[0] == scores[1]


def test_an_outcome_that_few_people_have_is_not_trained_on(tmp_path: Path) -> None:
    """Two updates that differ by whose outcome counts would differ by that person's row."""
    few = PeopleRegion(tmp_path)
    few.ingest(_rows(every=PEOPLE))
    opened = few.opened(*MODEL, *ONE_STEP)
    try:
        assert "statistics" in told(opened, "query.statistics", {"scope": "shareable"})
        assert _asked(opened, Features(levels=(("ward", ("A", "B")),)))["error"] == "AnswerWithheld"
    finally:
        opened.close()


def test_features_that_follow_from_no_answer_of_the_region_are_not_trained_on(people: PeopleRegion) -> None:
    people.set("datasets.unasked.same_people=[people]")
    people.ingest(_rows(), name="unasked")
    opened = people.opened(*MODEL, name="unasked")
    try:
        assert _asked(opened, Features(levels=(("ward", LEVELS),)))["error"] == "AnswerWithheld"
    finally:
        opened.close()


@pytest.mark.parametrize(
    ("asked", "limit"),
    [
        ("model.round.learning_rate=1000", "limits.learning_rate=1000"),
        ("federation.rounds=1001", "limits.rounds=1001"),
    ],
)
def test_a_job_beyond_a_limit_is_refused_before_a_row_is_touched(people: PeopleRegion, asked: str, limit: str) -> None:
    closed = open_region(people.start(asked))
    assert isinstance(closed, ClosedRegion)
    assert closed.failure.startswith("LimitExceeded") and f"fedsov region set DE {limit}" in closed.failure


def test_rounds_of_more_steps_than_the_limit_are_refused_by_their_rows(people: PeopleRegion) -> None:
    people.set("limits.steps=100")
    opened = people.opened(*MODEL, "model.round.epochs=20", "model.round.batch=10")
    try:
        told(opened, "query.statistics", {"scope": "shareable"})
        said = _asked(opened, Features(levels=(("ward", ("A", "B")),)))
    finally:
        opened.close()
        people.set("limits.steps=1000000")
    assert said["error"].startswith("LimitExceeded") and "limits.steps=" in said["error"]


def test_a_newcomer_is_not_the_difference_of_two_updates(tmp_path: Path) -> None:
    """Statistics are repeated for nine newcomers; an update must not be made of them either."""
    grown = PeopleRegion(tmp_path)
    updates = []
    for newcomers in (0, 9):
        more = [(f"new{one}", 1e3 + one, "AB"[one % 2], 1) for one in range(newcomers)]
        grown.ingest([*_rows(), *more])
        opened = grown.opened(*MODEL, *ONE_STEP, run=f"r{newcomers}")
        try:
            assert "statistics" in told(opened, "query.statistics", {"scope": "shareable"})
            updates.append(_steps(opened, Features(levels=(("ward", ("A", "B")),))))
        finally:
            opened.close()
    assert np.array_equal(updates[0][0], updates[1][0]) and updates[0][1] == updates[1][1]
