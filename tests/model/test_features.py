"""The inputs that are derived from what regions say about their columns."""

import json

import numpy as np
import pytest

from fedsov.errors import ConfigurationError, InputError
from fedsov.model import features as reasons
from fedsov.model.column_statistics import Counts, Moments, Statistics
from fedsov.model.features import CLIP, Features

KINDS = {"years": "numeric", "remote": "categorical", "name": "identifier"}


def table(years, remote):
    return {
        "years": np.array(years, dtype=np.float64),
        "remote": np.array(remote, dtype=object),
        "name": np.array([f"person {i}" for i in range(len(years))], dtype=object),
    }


def described(years, remote):
    return Statistics.from_records(table(years, remote), KINDS)


def test_features_survive_json_and_older_ones_are_read():
    features = Features.fit(described([*range(20), np.nan], ["yes"] * 21))
    plain = json.loads(json.dumps(features.to_json()))
    back = Features.from_json(plain)
    assert (back, back.unused, back.digest) == (features, features.unused, features.digest)
    del plain["unused"]  # as it was written before columns had reasons
    assert Features.from_json(plain) == features and Features.from_json(plain).digest == features.digest


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


def test_the_pooled_mean_and_spread_come_out_of_two_regions_statistics():
    rng = np.random.default_rng(1)
    us, de = rng.normal(90, 20, 500), rng.normal(50, 10, 300)
    total = described(us, ["a"] * 500) + described(de, ["a"] * 300)
    _, mean, spread = Features.fit(total).numeric[0]
    pooled = np.concatenate([us, de])
    assert (mean, spread) == (pytest.approx(pooled.mean()), pytest.approx(pooled.std()))


@pytest.mark.parametrize("zero", [1.7e9, -1.7e9, 1.7e15])
def test_a_column_far_from_zero_is_a_feature_like_any_other(zero):
    near, far = np.arange(150.0), zero + np.arange(150.0)
    halves = [Features.fit(described(part[:70], ["a"] * 70) + described(part[70:], ["a"] * 80)) for part in (near, far)]
    expected, found = (one.encode(table(part, ["a"] * 150)) for one, part in zip(halves, (near, far), strict=True))
    assert halves[1].names == ("years",)
    np.testing.assert_allclose(found, expected, atol=2 * abs(zero) * 2.3e-16 / near.std() + 1e-6)


UNUSED = {
    "constant": (np.full(50, 1.6e9), reasons.TOO_FEW),
    "nearly": (np.array([1.0] * 9 + [0.0] * 41), reasons.TOO_FEW),
    "empty": (np.full(50, np.nan), reasons.MOSTLY_MISSING),
    "huge": (np.arange(50) * 1e160, reasons.BEYOND),
    "minute": (np.arange(50) * 1e-160, reasons.BEYOND),
    "one_level": (np.array(["yes"] * 50, dtype=object), reasons.ONE_LEVEL),
    "rare_levels": (np.array([f"level {i // 2}" for i in range(50)], dtype=object), reasons.RARE_LEVELS),
}


def test_each_unused_column_is_named_with_its_reason():
    columns = {name: values for name, (values, _) in UNUSED.items()} | {"x": np.arange(50.0)}
    kinds = {name: "categorical" if values.dtype == object else "numeric" for name, values in columns.items()}
    features = Features.fit(Statistics.from_records(columns, kinds), {"x": "?", "wage": "no region describes it"})
    assert features.names == ("x",)
    assert features.unused == {name: why for name, (_, why) in UNUSED.items()} | {"wage": "no region describes it"}
    assert np.isfinite(features.encode(columns)).all()


def test_what_one_region_cannot_square_is_no_feature_in_any():
    wide = Statistics.from_records({"x": np.arange(20) * 1e160, "y": np.arange(20.0)}, {"x": "numeric", "y": "numeric"})
    small = Statistics.from_records({"x": np.arange(20.0), "y": np.arange(20.0)}, {"x": "numeric", "y": "numeric"})
    features = Features.fit(Statistics.pooled([small, wide]))
    assert features.names == ("y",) and features.unused == {"x": reasons.BEYOND}


def test_statistics_without_any_spread_are_constant():
    moments = {"flat": Moments(20, 5.0, 0.0), "x": Moments(20, 5.0, 1.0)}
    assert Features.fit(Statistics(moments)).unused == {"flat": reasons.CONSTANT}


def test_a_level_that_only_some_have_is_used_and_not_in_the_unused():
    features = Features.fit(Statistics({}, {"town": Counts({"Bonn": 20}, other=12)}))
    assert (features.names, features.unused) == (("town=Bonn",), {})


def test_an_unknown_level_encodes_as_zeros_and_an_extreme_value_is_clipped():
    features = Features.fit(described(range(20), ["yes"] * 10 + ["no"] * 10))
    encoded = features.encode(table([1e300, -1e300], ["never seen", "yes"]))
    assert encoded.tolist() == [[CLIP, 0, 0], [-CLIP, 0, 1]]


def test_no_feature_at_all_names_each_column_with_its_reason():
    with pytest.raises(InputError, match="no column varies.*remote: constant: one level.*years: constant, or nearly"):
        Features.fit(described([1.0] * 20, ["yes"] * 20))
    with pytest.raises(InputError, match="none is described"):
        Features.fit(Statistics())


@pytest.mark.parametrize("scale", [["years", 0.0, 0.0], ["years", float("nan"), 1.0], ["years", 1.0, float("inf")]])
def test_a_scale_that_nothing_can_be_standardised_by_is_refused(scale):
    with pytest.raises(ConfigurationError, match="years"):
        Features.from_json({"numeric": [scale], "levels": [], "missing": []})


@pytest.mark.parametrize(
    ("named", "twice"),
    [
        ({"numeric": [["age", 0.0, 1.0], ["age", 1.0, 1.0]]}, "a column of features is named more than once: 'age'"),
        ({"numeric": [["age", 0.0, 1.0]], "levels": [["age", ["1"]]]}, "a column of features .* 'age'"),
        ({"levels": [["ward", ["A", "B", "A"]]]}, "a level of column 'ward' is named more than once: 'A'"),
        ({"missing": ["age", "age"]}, "a column with an indicator .* 'age'"),
    ],
)
def test_a_column_or_a_level_that_is_named_twice_is_refused(named, twice):
    with pytest.raises(ConfigurationError, match=twice):
        Features.from_json({"numeric": [], "levels": [], "missing": [], **named})


def test_values_too_far_to_subtract_are_clipped_like_other_extremes():
    features = Features.fit(Statistics({"years": Moments(20, -1e139, 20.0)}))
    assert features.encode({"years": np.array([1.7e308, -1.7e308, np.nan])}).ravel().tolist() == [CLIP, -CLIP, 0.0]


def test_an_absent_column_and_infinite_values_are_named():
    features = Features.fit(described(range(20), ["yes"] * 10 + ["no"] * 10))
    with pytest.raises(InputError, match="column 'remote' is missing"):
        features.encode({"years": np.zeros(2)})
    with pytest.raises(InputError, match="column 'years' has 1 infinite value;"):
        features.encode(table([np.inf, 1], ["yes", "yes"]))


def test_own_scale_changes_means_and_nothing_else():
    shared = Features.fit(described(range(40), ["yes"] * 20 + ["no"] * 20))
    own = described(range(20, 40), ["yes"] * 20)
    scaled = shared.scaled_as(own)
    assert scaled.names == shared.names
    assert scaled.encode(table(range(20, 40), ["yes"] * 20))[:, 0].mean() == pytest.approx(0, abs=1e-6)
    assert shared.scaled_as(Statistics()) == shared
    beyond = Statistics({"years": Moments(20, 0.0, float("inf"))})
    assert shared.scaled_as(beyond) == shared  # an own scale that cannot be computed is none
