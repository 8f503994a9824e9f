"""A registered model, loaded or exported, has the very scores that its run reported for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedsov import load
from fedsov.api import train
from fedsov.api.result import RunResult
from fedsov.artifact import Party
from fedsov.config.hub_settings import hub_settings, training_job
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.inference.predictor import Predictor
from fedsov.label import Scope
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import continuations
from fedsov.model.metrics import MEASURES
from fedsov.model.packaging import saved
from fedsov.model.packaging.onnx_export import export
from fedsov.model.targets import TargetRule
from fedsov.protocol.job import RegionStart
from fedsov.region.worker import OpenRegion, open_region
from fedsov.registry.lookup import find, listed
from fedsov.storage.workspace import Workspace, ledger_of
from fedsov.training.engine import predict
from fedsov.training.rows import Rows
from tests.world import people

TARGETS = {
    "binary": ["ill"],
    "multiclass": ["mood", "dataset.task=multiclass", "dataset.classes=[bad,fair,good]"],
    "regression": ["cost", "dataset.task=regression", "dataset.target_scale=[0,400]"],
}


@pytest.fixture(scope="module", params=TARGETS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, list[str]]:
    """A run of two regions over people with numbers, texts and empty fields, and its words."""
    rng = np.random.default_rng(0)
    lines = ["country,age,visits,ward,ill,mood,cost"]
    for row in range(500):
        age, visits, ward = int(rng.integers(20, 80)), int(rng.integers(0, 11)), "ABC"[rng.integers(3)]
        risk = age + 4 * visits + 20 * (ward == "B") + rng.normal(0, 10)
        shown = "" if rng.random() < 0.1 else age
        mood = ("good", "fair", "bad")[int(risk > 70) + int(risk > 95)]
        lines.append(f"{('DE', 'FR')[row % 2]},{shown},{visits},{ward},{int(risk > 80)},{mood},{3 * risk:.2f}")
    target, *more = TARGETS[request.param]
    words = [
        *people(tmp_path_factory.mktemp(request.param), lines, target=target),
        *more,
        f"dataset.drop=[{','.join(sorted({'ill', 'mood', 'cost'} - {target}))}]",
        "federation.rounds=2",
        "strategy.federated.min_rows=50",
    ]
    return train.train_settings(settings(compose(words)), progress=lambda _: None), words


@pytest.fixture
def test_rows(trained: tuple[RunResult, list[str]]) -> Iterator[Rows]:
    """DE's rows that the run's scores are of."""
    result, words = trained
    chosen = settings(compose(words))
    folder = Workspace(result.workspace).region("DE")
    party = Party("DE", "DE", "operator in DE")
    job, asked = training_job(chosen), hub_settings(chosen).asked
    start = RegionStart(party, chosen.federation.hub, folder, "again", job, asked)
    with closing(Ledger.read(ledger_of(Workspace(result.workspace).hub))) as ledger:
        start = replace(start, hub_head=continuations(ledger))
    region = open_region(start)
    assert isinstance(region, OpenRegion), region
    yield region.outbound.session.divided(Scope.ALL).test
    region.close()


def _answers(logits: np.ndarray, target: TargetRule) -> np.ndarray:
    """(N, outputs) what logits, or numbers as they are learned, mean: by the formulas of the field."""
    raw = logits.astype(np.float64).reshape(len(logits), -1)
    if target.task == "regression":
        low, high = target.scale
        return np.asarray(low + (raw + 1.0) / 2.0 * (high - low))
    if target.task == "multiclass":
        odds = np.exp(raw - raw.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))
    return np.asarray(1.0 / (1.0 + np.exp(-raw)))


def test_a_loaded_and_an_exported_model_answer_what_the_score_of_the_run_is_of(
    trained: tuple[RunResult, list[str]], test_rows: Rows, tmp_path: Path
) -> None:
    result, words = trained
    target = settings(compose(words)).dataset.target
    (reported,) = [region.score for region in result.regions if region.region == "DE"]
    version = find(listed(Workspace(result.workspace).region("DE")), "people-de")
    assert version is not None and reported is not None
    described, parameters = saved.read(version.folder)
    logits = predict(parameters, described.features.encode(test_rows.columns), described.network)
    assert MEASURES[target.task].score(test_rows.y, logits) == pytest.approx(reported, abs=1e-9)

    expected, size = _answers(logits, target), max([1.0, *target.scale])
    loaded = load("DE", "people-de@candidate", workspace=result.workspace).predict(dict(test_rows.columns))
    np.testing.assert_allclose(loaded.to_numpy() / size, expected / size, atol=1e-6)
    saved.write(tmp_path, described, parameters)
    (tmp_path / "model.onnx").write_bytes(export(described, parameters))
    predictor = Predictor.load(tmp_path)
    answers = predictor.run(predictor.encode(test_rows.columns))
    np.testing.assert_allclose(answers / size, expected / size, atol=1e-6)
