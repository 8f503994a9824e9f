"""Statistics under noise: their sensitivity, and what they say and do not say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fedsov.errors import InputError
from fedsov.model.column_statistics import Statistics
from fedsov.model.features import Features
from fedsov.privacy.private_statistics import GRID, MEDIAN_CELLS, Schema, private_median, private_statistics

KINDS = {"age": "numeric", "income": "numeric", "town": "categorical", "name": "identifier"}
SCHEMA = Schema({"age": (0.0, 100.0), "income": (-1e5, 1e5)}, {})


class Silent:
    """A generator whose noise is 0, so that what is released is what is noised."""

    def normal(self, mean: float, stddev: float, size: int | None = None) -> Any:
        return 0.0 if size is None else np.zeros(size)


def columns(n: int = 4000, *, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    age = rng.uniform(20, 80, n)
    age[: n // 10] = np.nan
    town = rng.choice(np.array(["Bonn", "Ulm", None], dtype=object), n, p=[0.6, 0.3, 0.1])
    return {"age": age, "income": rng.normal(3e4, 1e4, n), "town": town}


def described(
    table: dict[str, np.ndarray], *, noise: float = 5.0, schema: Schema = SCHEMA, delta: float = 1e-8, rng: Any = None
) -> Statistics:
    generator = rng or np.random.default_rng(1)
    return private_statistics(table, KINDS, schema, noise_multiplier=noise, threshold_delta=delta, rng=generator)


def test_with_rows_enough_noisy_statistics_are_near_the_true_ones() -> None:
    table = columns()
    noisy, true = described(table), Statistics.from_records(table, KINDS)
    for name in ("age", "income"):
        a, b = noisy.numeric[name], true.numeric[name]
        assert a.n == pytest.approx(b.n, rel=0.05)
        low, high = SCHEMA.bounds[name]
        assert a.mean == pytest.approx(b.mean, abs=0.03 * (high - low))
        assert a.spread == pytest.approx(b.spread, abs=0.05 * (high - low))
    assert noisy.categorical["town"].levels.keys() == {"Bonn", "Ulm"}
    assert Features.fit(noisy).names == Features.fit(true).names
    assert Statistics.from_json(noisy.to_json()) == noisy


@hypothesis_settings(deadline=None, max_examples=60)
@given(
    age=st.one_of(st.none(), st.floats(-1e6, 1e6)),
    income=st.one_of(st.none(), st.floats(-1e9, 1e9)),
    town=st.sampled_from(["Bonn", "Ulm", None]),
)
def test_one_record_moves_everything_together_by_no_more_than_the_stated_sensitivity(
    age: float | None, income: float | None, town: str | None
) -> None:
    """The noise is recorded in place of drawn: what is handed to it is the whole of what is released."""
    released: list[list[float]] = []

    class Recorder:
        def __init__(self) -> None:
            self.stddevs: set[float] = set()

        def normal(self, mean: float, stddev: float, size: int | None = None) -> Any:
            self.stddevs.add(stddev)
            return 0.0 if size is None else np.zeros(size)

    table = {
        "age": np.array([30.0, 40.0]),
        "income": np.array([1.0, 2.0]),
        "town": np.array(["Bonn", "Ulm"], dtype=object),
    }
    more = {
        "age": np.append(table["age"], np.nan if age is None else age),
        "income": np.append(table["income"], np.nan if income is None else income),
        "town": np.append(table["town"], np.array([town], dtype=object)),
    }
    recorder = Recorder()
    for one in (table, more):
        described(one, noise=1.0, schema=Schema(SCHEMA.bounds, {"town": ("Bonn", "Ulm")}), rng=recorder)
        released.append(_vector(one))
    (stddev,) = recorder.stddevs
    moved = math.dist(*released)
    assert stddev == pytest.approx(math.sqrt(3 * 2 + 1)) and moved <= stddev + 1e-9


def _vector(table: dict[str, np.ndarray]) -> list[float]:
    """The sums as their definition says, for two bounded columns and one of levels."""
    found: list[float] = []
    for name, (low, high) in SCHEMA.bounds.items():
        present = table[name][~np.isnan(table[name])]
        u = np.clip((present - (low + high) / 2) / ((high - low) / 2), -1, 1)
        found += [len(u), float(u.sum()), float((u**2).sum()), len(table[name]) - len(u)]
    towns = table["town"].tolist()
    return [*found, towns.count("Bonn"), towns.count("Ulm"), towns.count(None)]


@pytest.mark.parametrize("zero", [0.0, 1.7e9, -1e15])
def test_where_the_bounds_lie_moves_the_mean_and_neither_the_spread_nor_the_noise(zero: float) -> None:
    times = np.random.default_rng(0).uniform(0.0, 150.0, 4000)
    noisy = private_statistics(
        {"signup": zero + times},
        {"signup": "numeric"},
        Schema({"signup": (zero, zero + 150.0)}, {}),
        noise_multiplier=5.0,
        threshold_delta=0.0,
        rng=np.random.default_rng(1),
    ).numeric["signup"]
    assert noisy.mean - zero == pytest.approx(75.0, abs=2.0)
    assert noisy.spread == pytest.approx(times.std(), abs=2.0)


def test_low_bits_of_a_value_change_nothing_of_what_is_released() -> None:
    table = columns()
    close = {**table, "age": table["age"] + 1e-12 * np.arange(len(table["age"])) / len(table["age"])}
    for seed in range(5):
        released = [described(one, rng=np.random.default_rng(seed)).to_json() for one in (table, close)]
        assert table["age"][-1] != close["age"][-1] and released[0] == released[1]


def test_what_is_released_of_a_column_is_whole_cells_of_the_stated_grid() -> None:
    """Without noise, the mean of a column of one value is that value's cell and nothing finer."""
    third = {"age": np.full(1000, 100.0 / 3.0), "income": np.zeros(1000), "town": columns(1000)["town"]}
    moments = described(third, rng=Silent()).numeric["age"]
    cell = (moments.mean - 50.0) / 50.0 / GRID
    assert moments.n == 1000 and cell == pytest.approx(round(cell), abs=1e-6)
    assert moments.mean != 100.0 / 3.0 and moments.mean == pytest.approx(100.0 / 3.0, abs=50.0 * GRID)


def test_the_median_is_a_cell_of_its_bounds_and_says_nothing_of_a_number_s_low_bits() -> None:
    numbers = np.random.default_rng(0).uniform(0.0, 100.0, 500)
    for seed in range(50):
        drawn = [
            private_median(some, (0.0, 100.0), epsilon=0.5, rng=np.random.default_rng(seed))
            for some in (numbers, numbers + 1e-11)
        ]
        assert drawn[0] == drawn[1] and (drawn[0] / 100.0 * MEDIAN_CELLS) % 1.0 == 0.5


def test_without_bounds_a_numeric_column_is_not_described() -> None:
    noisy = described(columns(), schema=Schema({"age": (0.0, 100.0)}, {}))
    assert noisy.numeric.keys() == {"age"}
    with pytest.raises(InputError, match=r"dataset\.bounds"):
        private_statistics(
            {"age": np.zeros(3)},
            {"age": "numeric"},
            Schema({}, {}),
            noise_multiplier=1.0,
            threshold_delta=0.0,
            rng=np.random.default_rng(0),
        )


def test_a_level_of_one_record_is_not_named_and_an_outlier_does_not_show() -> None:
    table = columns()
    table["town"][0], table["income"][0] = "Atlantis", 1e12
    for seed in range(40):
        noisy = described(table, rng=np.random.default_rng(seed))
        assert "Atlantis" not in noisy.categorical["town"].levels
        assert abs(noisy.numeric["income"].mean) < 1e5


def test_declared_levels_are_named_whatever_the_rows_and_others_are_not() -> None:
    noisy = described(columns(), schema=Schema(SCHEMA.bounds, {"town": ("Bonn", "Rome")}))
    assert noisy.categorical["town"].levels.keys() == {"Bonn", "Rome"}
    assert noisy.categorical["town"].other > 0


def test_few_rows_are_lost_in_the_noise() -> None:
    noisy = described(columns(20))
    assert noisy.numeric["age"].n == 0 and not noisy.categorical["town"].levels


def test_without_noise_the_threshold_still_hides_single_records() -> None:
    noisy = described(columns(), rng=Silent())
    assert noisy.categorical["town"].levels.keys() == {"Bonn", "Ulm"} and noisy.numeric["age"].n == 3600


def test_the_private_median_is_near_the_true_one_and_within_its_bounds() -> None:
    numbers = np.random.default_rng(0).normal(50.0, 10.0, 2000)
    drawn = [private_median(numbers, (0.0, 200.0), epsilon=0.1, rng=np.random.default_rng(s)) for s in range(50)]
    assert np.abs(np.array(drawn) - np.median(numbers)).max() < 2.0
    beyond = private_median(numbers + 1e6, (0.0, 200.0), epsilon=0.1, rng=np.random.default_rng(0))
    assert 0.0 <= private_median(np.zeros(0), (0.0, 200.0), epsilon=0.1, rng=np.random.default_rng(0)) <= 200.0
    assert 0.0 <= beyond <= 200.0


def test_the_private_median_keeps_its_epsilon_on_neighbours() -> None:
    """By counting: over a fine histogram no bin's chance differs by more than exp(epsilon), within sampling error."""
    numbers, more = np.array([10.0, 20.0, 30.0]), np.array([10.0, 20.0, 30.0, 90.0])
    rng, cost = np.random.default_rng(0), 0.5
    one, two = (
        np.histogram([private_median(some, (0.0, 100.0), epsilon=cost, rng=rng) for _ in range(20_000)], 10, (0, 100))[
            0
        ]
        for some in (numbers, more)
    )
    ratio = np.log(one / two)
    assert np.abs(ratio).max() < cost + 4 * np.sqrt((1 / one + 1 / two).max())
