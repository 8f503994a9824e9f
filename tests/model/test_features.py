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


def described(years, remote, least=10, persons=None):
    return Statistics.from_records(table(years, remote), KINDS, least, persons)


def people(*rows):
    """Whose row each is: people(3, 1) is one person's three rows and another's one."""
    return np.repeat([f"p{person}" for person in range(len(rows))], rows)


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


def test_many_rows_of_few_people_are_held_back_as_few():
    years = [0.0] * 20 + [987654.0] * 18
    remote = ["yes"] * 20 + ["canary"] * 18
    found = described(years, remote, persons=people(*[1] * 20, *[2] * 9))
    assert found == Statistics({"years": Sums()}, {"remote": Counts({"yes": 20})})
    enough = described(years, remote, persons=people(*[1] * 20, *[2] * 8, 1, 1))
    assert enough.numeric["years"].n == 38
    assert enough.categorical["remote"] == Counts({"canary": 18, "yes": 20})


def test_one_persons_many_rows_do_not_make_a_value_the_commonest():
    years = [0.0] * 15 + [987654.0] * 500
    assert described(years, ["yes"] * 515, persons=people(*[1] * 15, 500)).numeric["years"] == Sums()


def test_a_person_of_two_values_differs_from_either():
    years = [0.0, 1.0] * 10
    assert described(years, ["yes"] * 20, persons=people(*[2] * 10)).numeric["years"].n == 20
    assert described(years[:18], ["yes"] * 18, persons=people(*[2] * 9)).numeric["years"] == Sums()


def test_missing_rows_and_rare_levels_of_few_people_are_not_counted():
    years = [*range(20), *[np.nan] * 18]
    remote = ["yes"] * 20 + ["a", "b"] * 9
    few = described(years, remote, persons=people(*[1] * 20, *[2] * 9))
    assert (few.numeric["years"].missing, few.categorical["remote"]) == (0, Counts({"yes": 20}))
    several = described(years, remote, persons=people(*[1] * 20, *[2] * 6, *[1] * 6))
    assert (several.numeric["years"].missing, several.categorical["remote"]) == (18, Counts({"yes": 20}, other=18))
    none = described(range(38), ["yes"] * 20 + [None] * 18, persons=people(*[1] * 20, *[2] * 9))
    assert none.categorical["remote"] == Counts({"yes": 20})


def test_public_rows_hide_no_bound_one():
    persons = np.array([f"p{i}" for i in range(20)] + [""] * 100, dtype=object)
    years = [0.0] * 19 + [987654.0] + [5.0] * 100
    remote = ["yes"] * 19 + ["canary"] + ["canary"] * 50 + ["yes"] * 50
    found = described(years, remote, persons=persons)
    assert found == Statistics({"years": Sums()}, {"remote": Counts({"yes": 69})})


def test_rows_that_are_all_public_are_each_somebodys():
    years, remote = [*range(15), *[np.nan] * 10], ["yes"] * 14 + ["no"] * 11
    assert described(years, remote, persons=np.full(25, "")) == described(years, remote)


def test_a_person_per_row_is_the_same_as_no_persons_whatever_names_them():
    years, remote = [*range(15), *[np.nan] * 10], ["yes"] * 14 + ["no"] * 11
    for persons in (np.arange(25), np.arange(25).astype(str), np.arange(25).astype(str).astype(object)):
        assert described(years, remote, persons=persons) == described(years, remote)
    assert described([], [], persons=np.array([], dtype=object)) == described([], [])


def test_persons_of_other_rows_are_refused():
    with pytest.raises(ValueError, match="each of 20 rows, got 19"):
        described(range(20), ["yes"] * 20, persons=people(*[1] * 19))


def expected(years, remote, persons):
    """Who is counted for each reported number, the slow way."""
    at = [("level", level, {p for p, r in zip(persons, remote, strict=True) if r == level and p}) for level in "ab"]
    missing = {p for p, year in zip(persons, years, strict=True) if np.isnan(year) and p}
    known = [(p, year) for p, year in zip(persons, years, strict=True) if not np.isnan(year) and p]
    apart = [{p for p, year in known if year != value} for value in [*years, -1.0]]
    return {level: len(who) >= 3 for _, level, who in at}, len(missing) >= 3, min(map(len, apart)) >= 3


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("pqrstu") | st.just(""), st.sampled_from([0.0, 1.0, np.nan]), st.sampled_from("ab")),
        min_size=1,
        max_size=30,
    )
)
def test_what_is_reported_is_what_enough_people_share(rows):
    persons, years, remote = zip(*rows, strict=True)
    counted = persons if any(persons) else [str(row) for row in range(len(rows))]
    found = described(years, remote, 3, np.array(persons, dtype=object))
    levels, missing, apart = expected(years, remote, counted)
    assert set(found.categorical["remote"].levels) == {level for level in levels if levels[level]}
    assert found.numeric["years"].missing == (int(np.isnan(years).sum()) if missing else 0)
    present = int((~np.isnan(years)).sum()) if missing else len(years)  # too few missing are not told by n either
    assert found.numeric["years"].n == (present if apart else 0)


def test_one_missing_value_is_not_told_by_the_number_of_the_others():
    whole, holed = [float(i % 7) for i in range(70)], [float(i % 7) for i in range(70)]
    holed[3] = np.nan
    sums = described(holed, ["yes"] * 70).numeric["years"]
    assert (sums.n, sums.missing) == (70, 0)
    assert sums.total / sums.n == pytest.approx(np.nanmean(holed))
    assert described(whole, ["yes"] * 70).numeric["years"].n == sums.n


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
