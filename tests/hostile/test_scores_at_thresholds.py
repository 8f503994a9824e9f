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

COARSE = 1 / 32
"""Several people's worth of an AUC: two scores that are further apart were rounded apart, by the region's secret."""
MODEL = ("model.name=logistic", "model.hidden=[]", "model.round.epochs=1", "model.round.batch=10000")


def test_two_scores_of_a_step_at_a_threshold_do_not_differ_by_whoever_is_between_them(tmp_path: Path) -> None:
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
    losses, scores = zip(*([abs(one - other) for one, other in zip(*pair, strict=True)] for pair in pairs), strict=True)
    assert all(apart == 0 or apart >= 2.0**16 for apart in losses)  # to its last digit one person's is 16 or less
    assert all(apart == 0 or apart >= COARSE for apart in scores)


def test_two_scores_of_a_run_s_end_do_not_differ_by_whoever_is_between_two_steps(tmp_path: Path) -> None:
    """The hub's model is scored as it came where tuning made it no better; it is asked for at two thresholds."""
    people = PeopleRegion(tmp_path)
    people.ingest(drawn(range(200)))
    opened = people.opened(*MODEL)
    try:
        told(opened, "query.statistics", {"scope": "shareable"})
        assert _asked_for_end(opened, 5000.0, 1.0)["error"].startswith("LimitExceeded: a unit of the model that came")
    finally:
        opened.close()
    people.set("limits.weights=1000000000")
    opened = people.opened(*MODEL)
    try:
        income = told(opened, "query.statistics", {"scope": "shareable"})["statistics"]["numeric"]["income"]
        spread = (income["squared_deviations"] / income["n"]) ** 0.5
        known = opened.outbound.session.divided(Scope.SHAREABLE).test.columns["income"][:6]
        pairs = [[_end(opened, at + side, spread) for side in (-1, 1)] for at in known]
    finally:
        opened.close()
    assert all(one["score"] is not None and "," not in one["selected"] for pair in pairs for one in pair)
    for key in ("score", "local_score", "validation_score", "gain"):
        apart = [abs(below[key] - above[key]) for below, above in pairs]
        assert all(each == 0 or each >= COARSE for each in apart), key


def _end(opened: OpenRegion, threshold: float, spread: float) -> dict[str, Any]:
    return dict(_asked_for_end(opened, threshold, spread)["metrics"])


def _asked_for_end(opened: OpenRegion, threshold: float, spread: float) -> dict[str, Any]:
    features, model = _step(opened, threshold, spread)
    return told(opened, "query.finish", {"strategy": "federated", "rounds": 1, "features": features}, model)


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
