"""SDV itself: silent, imported late, away from the user's own folders; levels by their frequency, margins normal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fedsov.region.strategies import sdv_copula

COLUMNS = {
    "x": np.concatenate([np.random.default_rng(0).normal(5.0, 2.0, 400), [np.nan] * 100]),
    "job": np.array(["nurse", "clerk", None, "nurse", "nurse"] * 100, object),
}
KINDS = {"x": "numeric", "job": "categorical"}


@pytest.fixture(scope="module")
def sampled() -> dict[str, np.ndarray]:
    return sdv_copula.fit_and_sample(COLUMNS, KINDS, rows=1000)


def test_sampled_columns_have_the_names_types_and_lengths_that_were_asked_for(sampled: dict[str, np.ndarray]) -> None:
    assert list(sampled) == ["x", "job"]
    assert (sampled["x"].dtype, sampled["job"].dtype, len(sampled["x"])) == (np.float64, object, 1000)


def test_margins_and_missing_values_are_those_of_the_columns(sampled: dict[str, np.ndarray]) -> None:
    assert np.nanmean(sampled["x"]) == pytest.approx(5.0, abs=0.3) and np.nanstd(sampled["x"]) == pytest.approx(
        2, abs=0.3
    )
    assert np.isnan(sampled["x"]).mean() == pytest.approx(0.2, abs=0.05)
    shares = {level: np.mean([value == level for value in sampled["job"]]) for level in ("nurse", "clerk", None)}
    assert shares == pytest.approx({"nurse": 0.6, "clerk": 0.2, None: 0.2}, abs=0.06)


def test_equal_columns_give_equal_rows(sampled: dict[str, np.ndarray]) -> None:
    again = sdv_copula.fit_and_sample(COLUMNS, KINDS, rows=1000)
    np.testing.assert_array_equal(again["x"], sampled["x"])
    assert again["job"].tolist() == sampled["job"].tolist()


def test_what_a_fit_may_end_with_is_listed() -> None:
    with pytest.raises(sdv_copula.FAILURES):
        sdv_copula.fit_and_sample({"x": np.array([])}, {"x": "numeric"}, rows=5)
    assert all(issubclass(failure, Exception) and failure is not Exception for failure in sdv_copula.FAILURES)


ALONE = """
import logging, sys
import numpy as np
logging.basicConfig(level=logging.DEBUG)
from fedsov.label import PUBLIC
from fedsov.partition.records import Records
from fedsov.region.strategies import synthetic
print({"sdv", "pandas", "sklearn", "torch"} & set(sys.modules))
rng = np.random.default_rng(1)
columns = {name: rng.normal(size=400) for name in "xyz"}
subjects = np.arange(400).astype(str)
kinds, target, one_label = dict.fromkeys("xyz", "numeric"), columns["x"] + rng.normal(size=400), np.zeros(400, int)
rows = Records("DE", columns, kinds, target, subjects, (PUBLIC,), one_label)
print(len(synthetic.synthesise(rows, rows=100, divided_by=1)))
"""


@pytest.mark.long
def test_sdv_is_imported_late_says_nothing_and_leaves_nothing_behind(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    said = subprocess.run(
        [sys.executable, "-c", ALONE],
        cwd=home,
        env={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ} | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "set()\n100\n"
    assert not [line for line in said.stderr.splitlines() if "synthesizer" in line.lower() or "sdv" in line.lower()]
    assert not list(home.iterdir())
