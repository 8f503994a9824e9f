"""No score tells one person's label, whatever model a hub makes up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from fedsov.label import Scope
from fedsov.model.features import Features
from fedsov.model.network import initial
from fedsov.region.worker import OpenRegion
from tests.hostile.people_region import PeopleRegion, drawn, told

MODEL = ("model.name=logistic", "model.hidden=[]", "model.round.epochs=1", "model.round.batch=10000")


def test_two_scores_of_a_step_at_a_threshold_seldom_differ_by_whoever_is_between_them(tmp_path: Path) -> None:
    """An intercept of 2^27 makes a linear model a step in float32; the hub knows incomes, and asks who is ill."""
    people = PeopleRegion(tmp_path)
    people.ingest(drawn(range(200)))
    people.set("limits.weights=1000000000")  # a round of such a model is refused; here its region's owner allows it
    opened = people.opened(*MODEL)
    try:
        income = told(opened, "query.statistics", {"scope": "shareable"})["statistics"]["numeric"]["income"]
        spread = (income["squared_deviations"] / income["n"]) ** 0.5
        known = opened.outbound.session.divided(Scope.SHAREABLE).validation.columns["income"][:8]
        pairs = [[_scores(opened, at + side, spread) for side in (-1, 1)] for at in known]
    finally:
        opened.close()
    assert sum(below != above for below, above in pairs) <= 5  # to their last digit all 8 differ


def test_two_scores_of_a_run_s_end_seldom_differ_by_whoever_is_between_two_steps(tmp_path: Path) -> None:
    """The hub's model is scored as it came where tuning made it no better; it is asked for at two thresholds."""
    people = PeopleRegion(tmp_path)
    people.ingest(drawn(range(200)))
    opened = people.opened(*MODEL)
    try:
        income = told(opened, "query.statistics", {"scope": "shareable"})["statistics"]["numeric"]["income"]
        spread = (income["squared_deviations"] / income["n"]) ** 0.5
        known = opened.outbound.session.divided(Scope.SHAREABLE).test.columns["income"][:6]
        pairs = [[_end(opened, at + side, spread) for side in (-1, 1)] for at in known]
    finally:
        opened.close()
    assert all(one["score"] is not None for pair in pairs for one in pair)
    assert sum(below != above for below, above in pairs) <= 3


def _end(opened: OpenRegion, threshold: float, spread: float) -> dict[str, Any]:
    features, model = _step(opened, threshold, spread)
    config = {"strategy": "federated", "rounds": 1, "features": features}
    return dict(told(opened, "query.finish", config, model)["metrics"])


def _scores(opened: OpenRegion, threshold: float, spread: float) -> tuple[float, float]:
    features, model = _step(opened, threshold, spread)
    metrics = told(opened, "train", {"scope": "shareable", "server-round": 1, "features": features}, model)["metrics"]
    return metrics["loss"], metrics["score"]


def _step(opened: OpenRegion, threshold: float, spread: float) -> tuple[str, dict[str, np.ndarray]]:
    """The features and the parameters of a model that is a step at an income."""
    features = Features(numeric=(("income", threshold - 4 * spread, spread),))
    start = initial(opened.start.job.recipe.network, features.inputs, 0)
    model = {name: np.full_like(array, 2.0 if array.ndim == 2 else 2.0**27) for name, array in start.items()}
    return json.dumps(features.to_json()), model
