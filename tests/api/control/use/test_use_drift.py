"""Drift leaves a region as words, of rows enough, of versions that have a reference."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fedsov.api.control.use.use_drift import drift_of
from fedsov.inference.use.drift import Reference
from fedsov.inference.use.usage import Usage, joined
from fedsov.protocol.use_report import Drift
from fedsov.runtimes.serving.running import Running, write_running
from fedsov.storage.serving_folder import ServingFolder

RNG = np.random.default_rng(5)
REFERENCE = Reference.of({"years": RNG.normal(size=2000), "age": RNG.normal(size=2000)}, RNG.uniform(size=2000))


def runs(folder: Path, rows: int, *, shift: float) -> None:
    """An endpoint that was asked so many rows, whose first input lies so far from training."""
    serving, usage = ServingFolder(folder), Usage()
    usage.watch({("m", 1): REFERENCE}, 0.0)
    inputs = RNG.normal([shift, 0.0], size=(rows, 2))
    usage.observed(("m", 1), inputs, RNG.uniform(size=(rows, 1)), 1.0)
    serving.model("m", 1).mkdir(parents=True)
    (serving.model("m", 1) / "reference.json").write_text(json.dumps(REFERENCE.to_json()))
    write_running(serving.running, Running(workers=1, usage=joined([usage.snapshot(2.0)])))


@pytest.mark.parametrize(("shift", "words"), [(0.0, (2, 0, 0)), (1.5, (1, 0, 1))])
def test_drift_is_counted_by_words(tmp_path: Path, shift: float, words: tuple[int, int, int]) -> None:
    runs(tmp_path, 3000, shift=shift)
    assert drift_of(tmp_path, [("m", 1), ("m", 2)]) == (Drift("m", 1, words, "small"),)


def test_of_few_rows_or_without_an_endpoint_nothing_is_said(tmp_path: Path) -> None:
    assert drift_of(tmp_path, [("m", 1)]) == ()
    runs(tmp_path, 50, shift=1.5)
    assert drift_of(tmp_path, [("m", 1)]) == ()
