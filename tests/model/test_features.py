"""Sums that cross a border, and the inputs derived from them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.errors import ConfigurationError, InputError
from fedsov.model.features import CLIP, Counts, Features, Statistics, Sums

KINDS = {"years": "numeric", "remote": "categorical", "name": "identifier"}


def table(years, remote):
    return {
        "years": np.array(years, dtype=np.float64),
        "remote": np.array(remote, dtype=object),
        "name": np.array([f"person {i}" for i in range(len(years))], dtype=object),
    }


def described(years, remote, least=10):
    return Statistics.from_records(table(years, remote), KINDS, least)


def test_a_numeric_column_is_described_by_count_sum_sum_of_squares_and_missing():
    found = described([*range(20), *[np.nan] * 10], ["yes"] * 30).numeric["years"]
    assert found == Sums(20, sum(range(20)), sum(i * i for i in range(20)), 10)


def test_identifiers_are_in_no_statistic():
    assert "person" not in json.dumps(described(range(20), ["yes"] * 20).to_json())


def test_a_level_of_fewer_people_than_the_minimum_count_is_not_named():
    remote = ["yes"] * 20 + ["no"] * 9 + ["canary"] * 9 + [None] * 2
    found = described(range(40), remote).categorical["remote"]
    assert found == Counts({"yes": 20}, other=18, missing=0)


def test_too_few_rows_at_rare_levels_are_not_counted_at_all():
    assert described(range(20), ["yes"] * 17 + ["canary"] * 3).categorical["remote"] == Counts({"yes": 17})


def test_a_numeric_column_in_which_only_a_few_differ_is_not_described():
    assert described([0.0] * 20 + [987654.0] * 9, ["yes"] * 29).numeric["years"] == Sums()
    assert described([0.0] * 20 + [987654.0] * 10, ["yes"] * 30).numeric["years"].n == 30


def test_no_number_of_a_region_stands_for_fewer_people_than_the_minimum_count():
    rng = np.random.default_rng(0)
    for _ in range(50):
        size = int(rng.integers(0, 60))
        years = rng.choice([0.0, 1.0, 2.0, np.nan], size, p=[0.7, 0.1, 0.1, 0.1])
        remote = rng.choice(np.array(["a", "b", "c", None], dtype=object), size, p=[0.7, 0.1, 0.1, 0.1])
        found = described(years, remote).to_json()
        counts = [found["numeric"]["years"][0], found["numeric"]["years"][3]]
        part = found["categorical"]["remote"]
        counts += [part["other"], part["missing"], *part["levels"].values()]
        assert all(count == 0 or count >= 10 for count in counts)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(-50, 50), min_size=0, max_size=30), min_size=3, max_size=3))
def test_statistics_add_up_in_any_order_to_those_of_all_rows(parts):
    a, b, c = (described(part, ["ab"[i % 2] for i in part], 1) for part in parts)
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    everybody = [year for part in parts for year in part]
    if all(len(set(part)) > 1 for part in parts):
        assert a + b + c == described(everybody, ["ab"[i % 2] for i in everybody], 1)


def test_statistics_of_other_columns_are_kept_side_by_side():
    left = Statistics({"a": Sums(1, 1.0, 1.0)})
    assert set((left + Statistics({"b": Sums(1, 1.0, 1.0)})).numeric) == {"a", "b"}


def test_statistics_and_features_survive_json():
    found = described([*range(20), np.nan], ["yes"] * 11 + ["no"] * 10)
    assert Statistics.from_json(json.loads(json.dumps(found.to_json()))) == found
    features = Features.fit(found)
    back = Features.from_json(json.loads(json.dumps(features.to_json())))
    assert back == features
    assert back.digest == features.digest


def test_statistics_that_are_not_finite_are_refused():
    with pytest.raises(ConfigurationError, match="years"):
        Statistics.from_json({"numeric": {"years": [3, float("nan"), 1.0, 0]}, "categorical": {}})
    counts = {"levels": {"a": -3}, "other": 0, "missing": 0}
    with pytest.raises(ConfigurationError, match="remote"):
        Statistics.from_json({"numeric": {}, "categorical": {"remote": counts}})


def test_features_standardise_name_and_mark_missing_values():
    columns = table([*range(20), *[np.nan] * 10], ["yes"] * 10 + ["no"] * 10 + [None] * 10)
    features = Features.fit(Statistics.from_records(columns, KINDS))
    names = ("years", "remote=no", "remote=yes", "years is missing", "remote is missing")
    assert features.names == names
    encoded = features.encode(columns)
    assert encoded.dtype == np.float32
    assert encoded.shape == (30, features.inputs)
    assert encoded[:20, 0].mean() == pytest.approx(0, abs=1e-6)
    assert encoded[:20, 0].std() == pytest.approx(1, abs=1e-6)
    assert (encoded[20:] == [0, 0, 0, 1, 1]).all()


def test_the_pooled_mean_and_spread_come_out_of_two_regions_sums():
    rng = np.random.default_rng(1)
    us, de = rng.normal(90, 20, 500), rng.normal(50, 10, 300)
    total = described(us, ["a"] * 500) + described(de, ["a"] * 300)
    _, mean, spread = Features.fit(total).numeric[0]
    pooled = np.concatenate([us, de])
    assert (mean, spread) == (pytest.approx(pooled.mean()), pytest.approx(pooled.std()))


def test_an_unknown_level_encodes_as_zeros_and_an_extreme_value_is_clipped():
    features = Features.fit(described(range(20), ["yes"] * 10 + ["no"] * 10))
    encoded = features.encode(table([1e300, -1e300], ["never seen", "yes"]))
    assert encoded.tolist() == [[CLIP, 0, 0], [-CLIP, 0, 1]]


def test_a_constant_column_is_no_feature_whatever_its_size():
    columns = {"big": np.full(50, 1.6e9), "x": np.arange(50.0)}
    assert Features.fit(Statistics.from_records(columns, dict.fromkeys(columns, "numeric"))).names == ("x",)


def test_no_feature_at_all_says_so():
    with pytest.raises(InputError, match="no column varies"):
        Features.fit(described([1.0] * 20, ["yes"] * 20))


def test_an_absent_column_and_infinite_values_are_named():
    features = Features.fit(described(range(20), ["yes"] * 10 + ["no"] * 10))
    with pytest.raises(InputError, match="column 'remote' is missing"):
        features.encode({"years": np.zeros(2)})
    with pytest.raises(InputError, match="column 'years' has 1 infinite"):
        features.encode(table([np.inf, 1], ["yes", "yes"]))
    with pytest.raises(InputError, match="column 'years' has 2 infinite"):
        described([np.inf, -np.inf], ["yes", "yes"])


def test_own_scale_changes_means_and_nothing_else():
    shared = Features.fit(described(range(40), ["yes"] * 20 + ["no"] * 20))
    own = described(range(20, 40), ["yes"] * 20)
    scaled = shared.scaled_as(own)
    assert scaled.names == shared.names
    assert scaled.encode(table(range(20, 40), ["yes"] * 20))[:, 0].mean() == pytest.approx(0, abs=1e-6)
    assert shared.scaled_as(Statistics()) == shared


def test_a_minimum_count_below_one_is_refused():
    with pytest.raises(ConfigurationError, match="minimum count"):
        described(range(20), ["yes"] * 20, 0)
