"""No correction is the difference of two answers: an income, a label, and a newcomer like somebody who is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsov.label import Scope
from fedsov.model.features import Features
from fedsov.model.network import initial
from tests.hostile.people_region import PeopleRegion, Row, drawn, told

FULL_BATCH = (
    "model.name=logistic", "model.hidden=[]", "model.round.epochs=1", "model.round.batch=10000",
    "model.round.momentum=0.0", "model.round.weight_decay=0.0", "model.round.learning_rate=1.0",
)  # fmt: skip
PEOPLE = 200
Round = tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[PeopleRegion, Round]:
    """A region of 200 people, and its statistics and first round."""
    region = PeopleRegion(tmp_path_factory.mktemp("corrections"))
    region.ingest(drawn(range(PEOPLE)))
    return region, _round(region, "before")


@pytest.fixture
def region(trained_once: tuple[PeopleRegion, Round], tmp_path: Path) -> PeopleRegion:
    """The same in a workspace that a test may change."""
    return trained_once[0].copied(tmp_path / "copy")


def _round(region: PeopleRegion, run: str) -> Round:
    """The statistics, and one step over all rows from a model of zeros, as the hub of an attack review asked."""
    opened = region.opened(*FULL_BATCH, run=run)
    try:
        said = told(opened, "query.statistics", {"scope": "shareable"})
        income = said["statistics"]["numeric"]["income"]
        spread = (income["squared_deviations"] / income["n"]) ** 0.5
        features = Features(numeric=(("income", income["mean"], spread),), levels=(("ward", ("A", "B")),))
        start = initial(opened.start.job.recipe.network, features.inputs, 0)
        model = {name: np.zeros_like(array) for name, array in start.items()}
        config = {"scope": "shareable", "server-round": 1, "features": json.dumps(features.to_json())}
        return said, told(opened, "train", config, model)
    finally:
        opened.close()


def _in(region: PeopleRegion, part: str, rows: list[Row]) -> list[Row]:
    """Those whose rows are in a part of the region's division: only its owner can look."""
    opened = region.opened()
    try:
        incomes = {*getattr(opened.outbound.session.divided(Scope.SHAREABLE), part).columns["income"].tolist()}
    finally:
        opened.close()
    return [row for row in rows if row[1] in incomes]


def _corrected(row: Row, what: str) -> Row:
    name, income, ward, ill = row
    return (name, income + 1.0, ward, ill) if what == "income" else (name, income, ward, 1 - ill)


@pytest.mark.parametrize("what", ["income", "label"])
def test_one_correction_is_not_the_difference_of_two_updates(
    region: PeopleRegion, trained_once: tuple[PeopleRegion, Round], what: str
) -> None:
    (statistics, _), rows = trained_once[1], drawn(range(PEOPLE))
    known = _in(region, "train", rows)
    region.ingest([_corrected(row, what) if row in known[:1] else row for row in rows])
    assert _round(region, "after") == (statistics, {"error": "AnswerWithheld"})
    region.ingest([_corrected(row, what) if row in known[:10] else row for row in rows])
    assert "arrays" in _round(region, "after-ten")[1]


def test_a_correction_of_a_row_that_is_scored_leaves_a_round_without_a_score(
    region: PeopleRegion, trained_once: tuple[PeopleRegion, Round]
) -> None:
    before, rows = trained_once[1][1], drawn(range(PEOPLE))
    scored = _in(region, "validation", rows)[0]
    region.ingest([_corrected(row, "label") if row == scored else row for row in rows])
    after = _round(region, "after")[1]
    assert np.isfinite(before["metrics"]["loss"]) and np.isnan(after["metrics"]["loss"])
    assert all(np.array_equal(array, after["arrays"][name]) for name, array in before["arrays"].items())


def test_after_one_correction_no_score_of_a_run_s_end_leaves_and_the_region_has_its_model(region: PeopleRegion) -> None:
    def finished(run: str) -> dict[str, Any]:
        return dict(region.asked("query.finish", strategy="local", run=run)["metrics"])

    rows = drawn(range(400))  # the secret divides them: a fifth of so many is never too few
    region.ingest(rows)
    assert finished("before")["score"] is not None
    region.ingest([_corrected(row, "label") if row == rows[0] else row for row in rows])
    after = finished("after")
    assert {name for name, value in after.items() if value is not None} == {"selected", "test_rows"}
    assert (region.folder / "models" / "after" / "model.safetensors").is_file()


def test_a_newcomer_whose_rows_are_those_of_somebody_else_is_not_the_difference_of_two_updates(tmp_path: Path) -> None:
    """In a table of few columns nearly everybody's row is also somebody else's."""
    region = PeopleRegion(tmp_path)
    alike = [(f"p{one}", 10.0 * (one % 4), "AB"[one % 2], one // 4 % 2) for one in range(PEOPLE)]
    region.ingest(alike)
    before = _round(region, "before")[1]["arrays"]
    region.ingest([*alike, *[(f"new{one}", *alike[one][1:]) for one in range(9)]])
    after = _round(region, "after")[1]["arrays"]
    assert all(np.allclose(array, after[name], atol=1e-6) for name, array in before.items())
