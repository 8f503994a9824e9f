"""The accuracy benchmarks divide rows as they say, look at test rows once, and reach a modest floor."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pandas as pd
import pytest

from fedsov.algorithms.local_steps import LocalSteps
from tests.world import ROOT, SHARED

sys.path.insert(0, str(ROOT / "scripts"))
regions = importlib.import_module("benchmark_regions")
heart = importlib.import_module("benchmark_heart")
quality = importlib.import_module("benchmark_quality")
privacy = importlib.import_module("benchmark_privacy")
sys.path.remove(str(ROOT / "scripts"))

TABLES = SHARED / "data"


def _made(rows: int = 1200) -> regions.Table:
    """Two regions whose outcomes depend on a number and a word, the second with another base rate."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "where": np.repeat(["DE", "US"], rows // 2),
            "years": rng.normal(5, 2, rows),
            "job": rng.choice(["a", "b"], rows),
        }
    )
    slope = frame["years"] - 5 + (frame["job"] == "a") - 2.0 * (frame["where"] == "US")
    y = (slope + rng.logistic(size=rows) > 0).to_numpy()
    return regions.Table.of(frame, "where", y, numeric=("years",), levels=("job",))


def test_the_heart_split_has_flamby_s_sizes() -> None:
    table = heart.read(str(TABLES / "heart_uci4" / "data.csv"))
    test = heart.test_rows(table, heart.FLAMBY)
    sizes = {name: (int(table.mask(name, ~test).sum()), int(table.mask(name, test).sum())) for name in table.regions}
    assert sizes == {"cleveland": (199, 104), "hungarian": (172, 89), "switzerland": (30, 16), "va": (85, 45)}


def test_one_seed_on_heart_is_above_guessing_and_above_what_was_published() -> None:
    table = heart.read(str(TABLES / "heart_uci4" / "data.csv"))
    test = heart.test_rows(table, heart.FLAMBY)
    found = heart.accuracies(table, heart.federated(table, ~test, (True, 0.01)), test)
    assert found["mean"] >= 0.78 and found["by rows"] >= 0.76


def test_scale_and_model_owe_nothing_to_rows_outside_the_fit() -> None:
    table = _made()
    fit = np.arange(len(table.y)) % 2 == 0
    changed = regions.Table(
        {**table.columns, "years": np.where(fit, table.columns["years"], 1e3)},
        table.kinds,
        np.where(fit, table.y, 1 - table.y).astype(np.float32),
        table.region,
        table.regions,
    )
    for own_scale in (False, True):
        one, other = (heart.federated(each, fit, (own_scale, 0.01)) for each in (table, changed))
        assert np.array_equal(one[fit], other[fit])


def test_every_row_is_fitted_to_chosen_on_or_reported_on_and_a_rehearsal_leaves_test_rows_out() -> None:
    table = _made()
    fit, choose, test = quality.divided(table, 0, rehearse=False)
    assert np.array_equal(fit.astype(int) + choose + test, np.ones(len(table.y)))
    rehearsed = quality.divided(table, 0, rehearse=True)
    assert not (np.any(rehearsed, axis=0) & test).any() and all(part.any() for part in rehearsed)


def test_the_table_says_by_region_what_was_measured_and_how_sure_it_is() -> None:
    steps = LocalSteps(learning_rate=0.05, batch=32, epochs=1)
    setting = quality.Setting((4,), rounds=3, update=steps, tune=(steps,), alone=(steps,))
    found = quality.measure(_made(), setting, 0, rehearse=False)
    again = quality.measure(_made(), setting, 0, rehearse=False)
    assert set(found) == {"DE", "US"} and found == again
    for row in found.values():
        assert row["mixture"] > 0.7 and 0 < row["standard error"] < 0.1
        assert row["gain"] == pytest.approx(row["mixture"] - max(row["pooled"], row["local"]))


def test_a_country_s_noise_keeps_to_the_epsilon_asked_over_all_rounds() -> None:
    found = privacy.private(900, 3.0)
    assert 2.9 < found.epsilon <= 3.0 and found.delta == 1 / 900**2
    assert found.mechanism.steps * found.mechanism.sampling_rate == pytest.approx(1.0)
    assert found.mechanism.sampling_rate == privacy.MOST_OFTEN
