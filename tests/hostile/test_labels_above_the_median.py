"""Where the target is "above the region's median", a newcomer flips nobody's label in what leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from fedsov.model.features import Features
from fedsov.model.network import initial
from tests.hostile.people_region import PeopleRegion, Row, drawn, told

ABOVE = (
    "dataset.target=income", "dataset.target_above_region_median=true", "model.name=logistic", "model.hidden=[]",
    "model.round.epochs=1", "model.round.batch=10000", "model.round.momentum=0.0", "model.round.weight_decay=0.0",
    "model.round.learning_rate=1.0",
)  # fmt: skip
FEATURES = Features(numeric=(("ill", 0.5, 0.5),), levels=(("ward", ("A", "B")),))


def _round(region: PeopleRegion, run: str) -> dict[str, Any]:
    """One step over all rows from a model of zeros: a label that flips shows with the ward and illness beside it."""
    opened = region.opened(*ABOVE, run=run)
    try:
        said = told(opened, "query.statistics", {"scope": "shareable"})
        assert "statistics" in said, said
        start = initial(opened.start.job.recipe.network, FEATURES.inputs, 0)
        model = {name: np.zeros_like(array) for name, array in start.items()}
        config = {"scope": "shareable", "server-round": 1, "features": json.dumps(FEATURES.to_json())}
        return told(opened, "train", config, model)
    finally:
        opened.close()


def _rich(people: int) -> list[Row]:
    return [(f"new{one}", 9_500.0 + one, "AB"[one % 2], one % 2) for one in range(people)]


def _share_above(answer: dict[str, Any]) -> float:
    """Half the share of rows above less half the share of the others: what a first step moves the bias by."""
    return float(answer["arrays"]["0.bias"][0])


def test_no_update_and_no_score_shows_that_newcomers_moved_the_median(tmp_path: Path) -> None:
    """Nine rich newcomers made some people's labels flip, and two updates told the first of them."""
    region, rows = PeopleRegion(tmp_path), drawn(range(200))
    region.ingest(rows, *ABOVE)
    before, scores = _round(region, "before"), region.asked("query.finish", *ABOVE, strategy="local", run="scored")
    assert abs(_share_above(before)) < 0.01
    for newcomers in (1, 9):
        region.ingest([*rows, *_rich(newcomers)], *ABOVE)
        after = _round(region, f"after-{newcomers}")
        assert all(np.allclose(array, after["arrays"][name], atol=1e-6) for name, array in before["arrays"].items())
        assert before["metrics"]["loss"] == after["metrics"]["loss"]
    again = region.asked("query.finish", *ABOVE, strategy="local", run="scored-again")
    assert scores["metrics"]["score"] is not None and scores["metrics"] == again["metrics"]


def test_once_enough_people_came_the_median_is_that_of_all_of_them(tmp_path: Path) -> None:
    region, rows = PeopleRegion(tmp_path), drawn(range(200))
    region.ingest(rows, *ABOVE)
    before = _round(region, "before")
    region.ingest([*rows, *_rich(60)], *ABOVE)
    after = _round(region, "after")
    assert abs(_share_above(after)) < 0.01
    assert not np.allclose(before["arrays"]["0.weight"], after["arrays"]["0.weight"], atol=1e-4)
