"""A run names every column that it does not use; one far from zero is used like any other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fedsov.api import train
from fedsov.api.report import as_html, as_text
from fedsov.api.result import RunResult
from fedsov.cli import main as cli
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from tests.world import people

IN_THE_DATA = {"country": "dataset.jurisdiction", "same": "one value in all rows"}


def _words(place: Path, *more: str) -> list[str]:
    """A table whose outcome is decided by a Unix time, 1.7e9 + 0 ... 150 seconds."""
    rng = np.random.default_rng(0)
    lines = ["country,seconds,signup,wide,same,y"]
    for row in range(900):
        offset = rng.uniform(0.0, 150.0)
        ill = int(rng.random() < 1.0 / (1.0 + np.exp(-(offset - 75.0) / 12.0)))
        lines.append(f"{['DE', 'US'][row % 2]},{1.7e9 + offset!r},2024-03-{1 + row % 28:02d},{row % 9}e160,7,{ill}")
    few = ("federation.rounds=2", "strategy.federated.min_rows=50")
    return [*people(place, lines, target="y"), *few, *more]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, list[str]]:
    lines: list[str] = []
    words = _words(tmp_path_factory.mktemp("unused"))
    result = train.train_settings(settings(compose(words)), progress=lines.append)
    return result, lines


def test_a_column_far_from_zero_decides_the_outcome(run: tuple[RunResult, list[str]]) -> None:
    result, _ = run
    scores = [one.score for one in result.regions]
    assert all(score is not None and score > 0.85 for score in scores), scores
    assert not {"seconds", "signup"} & result.unused.keys()  # a date is days since 1970


def test_a_result_names_each_unused_column_with_its_reason(run: tuple[RunResult, list[str]]) -> None:
    result, lines = run
    assert result.unused.keys() == IN_THE_DATA.keys() | {"wide"}
    assert {name: result.unused[name] for name in IN_THE_DATA} == IN_THE_DATA
    assert result.unused["wide"].startswith("global model: values cannot be squared in float64")
    assert json.loads(json.dumps(result.to_json()))["unused"] == dict(result.unused)
    for text in (as_text(result), as_html(result)):
        assert "same (one value in all rows)" in text and "wide (global model: values cannot be squared" in text
    (of_data,) = (line for line in lines if line.startswith("unused columns: "))
    assert "same (one value in all rows)" in of_data and "dataset.kinds" in of_data and "wide" not in of_data
    (of_model,) = (line for line in lines if line.startswith("global model, unused columns: "))
    assert "wide (values cannot be squared" in of_model


def test_ingest_and_plan_name_each_column_that_the_data_leaves_unused(
    run: tuple[RunResult, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = _words(tmp_path)
    assert cli.run(["plan", *words, "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["unused"] == IN_THE_DATA
    assert cli.run(["ingest", *words, "--json", "--quiet"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["unused"] == IN_THE_DATA and said["up_to_date"]  # also where nothing is read again
    assert cli.run(["ingest", *words, "--quiet"]) == 0
    assert "same (one value in all rows)" in capsys.readouterr().out
