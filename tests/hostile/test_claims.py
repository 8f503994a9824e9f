"""What a region claims of its update is believed as far as it told before the plan, and said where it is not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message, MetricRecord, RecordDict

from fedsov.hub import federated_training, region_queries
from fedsov.label import Scope
from tests.hub.world import World, connected, update


def _train(tmp_path: Path, metrics: Any, *words: str) -> tuple[Any, list[str]]:
    """Two rounds in which DE moves the model by 1 under these claims, and FR by 0 with 100 rows."""

    def answer(name: str, message: Message) -> RecordDict:
        content = update(message, 1.0 if name == "DE" else 0.0)
        if name == "DE":
            content["metrics"] = MetricRecord(metrics)
        return content

    said: list[str] = []
    with connected(World(tmp_path, {"train": answer}, names=("DE", "FR")), *words) as run:
        run.progress = said.append
        described = region_queries.profiles(run)
        model = federated_training.train_together(run, described, Scope.SHAREABLE, what="global model", minimum=2)
        start = run.settings.training.first_parameters(model.features.inputs, Scope.SHAREABLE)
    moved = {float(np.mean(model.parameters[name] - start[name])) for name in start}
    return (model, moved), said


def test_a_claim_of_more_rows_than_were_told_weighs_no_more_than_those(tmp_path: Path) -> None:
    """A region that claims 10^12 rows would otherwise be the global model."""
    (model, moved), said = _train(tmp_path, {"num-examples": 10**12, "loss": 0.5, "score": 0.7})
    assert max(moved) == pytest.approx(2 * 600 / 700, rel=1e-5)
    assert [record.metrics[2]["num-examples"] for record in model.rounds] == [600, 600]
    doubts = [line for line in said if "DE: it claims more rows than it told before the plan; 600 are believed" in line]
    assert len(doubts) == 1


def test_an_honest_claim_is_left_as_it_is_and_nothing_is_said(tmp_path: Path) -> None:
    (_, moved), said = _train(tmp_path, {"num-examples": 300, "loss": 0.5, "score": 0.7})
    assert max(moved) == pytest.approx(2 * 300 / 400, rel=1e-5)
    assert not any("believed" in line for line in said)


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e300, -(2.0**20)])
def test_a_loss_or_score_that_cannot_be_is_heard_by_nobody_and_said(tmp_path: Path, value: float) -> None:
    """One infinite loss makes every mean infinite: early stopping would end the training in its first rounds."""
    claims = {"num-examples": 100, "loss": value, "score": value}
    (model, _), said = _train(tmp_path, claims, "federation.patience=1")
    for record in model.rounds:
        assert math.isnan(record.metrics[2]["loss"]) and math.isnan(record.metrics[2]["score"])
        assert record.metrics[3]["loss"] == 0.5
    assert any("DE: its loss is not believed" in line for line in said)
    assert any("DE: its score is not believed" in line for line in said)


def test_a_score_of_nan_is_no_score_and_no_reproach(tmp_path: Path) -> None:
    (model, _), said = _train(tmp_path, {"num-examples": 100, "loss": math.nan, "score": math.nan})
    assert math.isnan(model.rounds[0].metrics[2]["score"])
    assert not any("believed" in line for line in said)
