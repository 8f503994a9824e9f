"""What a region says about its columns, and how what regions say is pooled."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fedsov.errors import ConfigurationError, InputError
from fedsov.model.column_statistics import LARGEST, Counts, Moments, Statistics

EPS = float(np.finfo(np.float64).eps)
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


def test_a_numeric_column_is_described_by_count_mean_squared_deviations_and_missing():
    found = described([*range(20), *[np.nan] * 10], ["yes"] * 30).numeric["years"]
    assert found == Moments(20, 9.5, sum((i - 9.5) ** 2 for i in range(20)), 10)


def test_identifiers_are_in_no_statistic():
    assert "person" not in json.dumps(described(range(20), ["yes"] * 20).to_json())


def test_a_level_of_fewer_people_than_the_minimum_count_is_not_named():
    remote = ["yes"] * 20 + ["no"] * 9 + ["canary"] * 9 + [None] * 2
    found = described(range(40), remote).categorical["remote"]
    assert found == Counts({"yes": 20}, other=18, missing=0)


def test_too_few_rows_at_rare_levels_are_not_counted_at_all():
    assert described(range(20), ["yes"] * 17 + ["canary"] * 3).categorical["remote"] == Counts({"yes": 17})


def test_a_numeric_column_in_which_only_a_few_differ_is_not_described():
    assert described([0.0] * 20 + [987654.0] * 9, ["yes"] * 29).numeric["years"] == Moments()
    assert described([0.0] * 20 + [987654.0] * 10, ["yes"] * 30).numeric["years"].n == 30


def test_no_number_of_a_region_stands_for_fewer_people_than_the_minimum_count():
    rng = np.random.default_rng(0)
    for _ in range(50):
        size = int(rng.integers(0, 60))
        years = rng.choice([0.0, 1.0, 2.0, np.nan], size, p=[0.7, 0.1, 0.1, 0.1])
        remote = rng.choice(np.array(["a", "b", "c", None], dtype=object), size, p=[0.7, 0.1, 0.1, 0.1])
        found = described(years, remote).to_json()
        counts = [found["numeric"]["years"]["n"], found["numeric"]["years"]["missing"]]
        part = found["categorical"]["remote"]
        counts += [part["other"], part["missing"], *part["levels"].values()]
        assert all(count == 0 or count >= 10 for count in counts)


def test_many_rows_of_few_people_are_held_back_as_few():
    years = [0.0] * 20 + [987654.0] * 18
    remote = ["yes"] * 20 + ["canary"] * 18
    found = described(years, remote, persons=people(*[1] * 20, *[2] * 9))
    assert found == Statistics({"years": Moments()}, {"remote": Counts({"yes": 20})})
    enough = described(years, remote, persons=people(*[1] * 20, *[2] * 8, 1, 1))
    assert enough.numeric["years"].n == 38
    assert enough.categorical["remote"] == Counts({"canary": 18, "yes": 20})


def test_one_persons_many_rows_do_not_make_a_value_the_commonest():
    years = [0.0] * 15 + [987654.0] * 500
    assert described(years, ["yes"] * 515, persons=people(*[1] * 15, 500)).numeric["years"] == Moments()


def test_a_person_of_two_values_differs_from_either():
    years = [0.0, 1.0] * 10
    assert described(years, ["yes"] * 20, persons=people(*[2] * 10)).numeric["years"].n == 20
    assert described(years[:18], ["yes"] * 18, persons=people(*[2] * 9)).numeric["years"] == Moments()


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
    assert found == Statistics({"years": Moments()}, {"remote": Counts({"yes": 69})})


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
    moments = described(holed, ["yes"] * 70).numeric["years"]
    assert (moments.n, moments.missing) == (70, 0)
    assert moments.mean == pytest.approx(np.nanmean(holed)) and moments.spread == pytest.approx(np.nanstd(holed))
    assert described(whole, ["yes"] * 70).numeric["years"].n == moments.n


def exactly(numbers):
    """Mean and variance in rational arithmetic, which rounds nothing."""
    several = [Fraction(number) for number in numbers]
    mean = sum(several) / len(several)
    return mean, sum((number - mean) ** 2 for number in several) / len(several)


SHIFTED = st.lists(st.lists(st.integers(-500, 500), min_size=2, max_size=30), min_size=1, max_size=4).filter(
    lambda parts: all(len(set(part)) > 1 for part in parts)
)


@settings(max_examples=60, deadline=None)
@given(SHIFTED, st.sampled_from([0.0, 1.7e9, -1.7e9, 1e12, -3e15, 1e-6]), st.sampled_from([1.0, 0.37, 1e-5, 1e9]))
def test_pooled_moments_are_those_of_all_rows_in_rational_arithmetic_however_far_from_zero(parts, shift, scale):
    regions = [shift + scale * np.array(part, dtype=np.float64) for part in parts]
    assume(all(len(np.unique(region)) > 1 for region in regions))
    pooled = Statistics.pooled(described(region, ["a"] * len(region), 1) for region in regions).numeric["years"]
    everybody = np.concatenate(regions)
    mean, variance = exactly(everybody.tolist())
    largest = float(np.abs(everybody).max())
    assert pooled.n == len(everybody)
    assert abs(Fraction(pooled.mean) - mean) <= 4 * EPS * largest
    # a region's mean is told in float64: rounded by half an ulp, which moves the spread by as much and no further
    assert abs(pooled.spread - math.sqrt(variance)) <= 1e-12 * math.sqrt(variance) + 4 * EPS * largest


@settings(max_examples=60, deadline=None)
@given(SHIFTED, st.sampled_from([0.0, 1.7e9, 1e-3]), st.randoms(use_true_random=False))
def test_what_regions_say_is_pooled_to_the_same_bits_in_any_order(parts, shift, random):
    regions = [described(shift + 0.1 * np.array(part), ["ab"[i % 2] for i in part], 1) for part in parts]
    shuffled = random.sample(regions, len(regions))
    assert Statistics.pooled(regions) == Statistics.pooled(shuffled)
    assert regions[0] + regions[-1] == regions[-1] + regions[0] == Statistics.pooled([regions[0], regions[-1]])


def test_a_region_alone_is_pooled_to_itself_and_nobody_to_nothing():
    alone = described(1.7e9 + np.arange(30.0), ["yes"] * 20 + ["no"] * 10)
    assert Statistics.pooled([alone]) == alone == alone + Statistics()
    assert Statistics.pooled([]) == Statistics()


def test_equal_means_of_any_size_are_pooled_without_a_spread_of_their_own():
    parts = [Moments(n, 1.6e9 + 0.1, 0.0) for n in (13, 7, 29)]
    assert Moments.pooled(parts) == Moments(49, 1.6e9 + 0.1, 0.0)


def test_statistics_of_other_columns_are_kept_side_by_side():
    left = Statistics({"a": Moments(1, 1.0, 1.0)})
    assert set((left + Statistics({"b": Moments(1, 1.0, 1.0)})).numeric) == {"a", "b"}


@pytest.mark.parametrize("size", [1e160, 1e300, 1.7e308, 1e-160, 5e-324])
def test_a_column_whose_squares_float64_cannot_hold_is_marked_and_pooled_as_such(size):
    beyond = described([0.0, size] * 10, ["yes"] * 20)
    moments = beyond.numeric["years"]
    assert (moments.n, moments.mean, moments.is_usable) == (20, 0.0, False)
    both = beyond + described(range(20), ["yes"] * 20)
    assert (both.numeric["years"].n, both.numeric["years"].is_usable) == (40, False)
    plain = json.loads(json.dumps(both.to_json(), allow_nan=False))
    assert plain["numeric"]["years"]["squared_deviations"] is None and Statistics.from_json(plain) == both


def test_the_largest_values_that_are_taken_are_pooled_without_overflow():
    column = np.array([LARGEST, -LARGEST] * 10)
    one = described(column, ["yes"] * 20)
    assert one.numeric["years"].spread == pytest.approx(LARGEST)
    assert (one + described(-column, ["no"] * 20)).numeric["years"].spread == pytest.approx(LARGEST)
    many = Moments.pooled([Moments(2**40, LARGEST, 0.0), Moments(2**40, -LARGEST, 0.0)])
    assert many.spread == pytest.approx(LARGEST)


def test_statistics_survive_json():
    found = described([*range(20), np.nan], ["yes"] * 11 + ["no"] * 10)
    assert Statistics.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_statistics_as_they_were_written_before_are_read():
    """A region that drew noisy statistics keeps them as long as a run lasts, also over an update of fedsov."""
    old = {"numeric": {"years": [20, 190.0, 2470.0, 3], "none": [0, 0.0, 0.0, 12]}, "categorical": {}}
    read = Statistics.from_json(old).numeric
    assert read == {"years": Moments(20, 9.5, 665.0, 3), "none": Moments(0, 0.0, 0.0, 12)}
    rounded = {"numeric": {"big": [50, 8e10, 1.28e20 + 16384.0, 0]}, "categorical": {}}
    assert Statistics.from_json(rounded).numeric["big"].spread == 0.0  # what rounding left of such sums was no spread


MALFORMED = [
    None,
    [],
    {"numeric": {}},
    {"numeric": {}, "categorical": {}, "rows": []},
    {"numeric": {"years": {"n": 3}}, "categorical": {}},
    {"numeric": {"years": "many"}, "categorical": {}},
    {"numeric": {"years": [3, 1.0, 1.0]}, "categorical": {}},
    {"numeric": {"years": [3, float("nan"), 1.0, 0]}, "categorical": {}},
    {"numeric": {"years": [True, 1.0, 1.0, 0]}, "categorical": {}},
    {"numeric": {5: [3, 1.0, 1.0, 0]}, "categorical": {}},
    {"numeric": {}, "categorical": {"remote": {"levels": {"a": -3}, "other": 0, "missing": 0}}},
    {"numeric": {}, "categorical": {"remote": {"levels": ["a"], "other": 0, "missing": 0}}},
    {"numeric": {}, "categorical": {"remote": {"levels": {"a": 3.5}, "other": 0, "missing": 0}}},
    {"numeric": {}, "categorical": {"remote": {"levels": {}, "other": "1", "missing": 0}}},
]


@pytest.mark.parametrize("value", MALFORMED, ids=str)
def test_what_are_no_statistics_is_refused(value):
    with pytest.raises(ConfigurationError):
        Statistics.from_json(value)


@pytest.mark.parametrize("key", ["n", "mean", "squared_deviations", "missing"])
@pytest.mark.parametrize("number", [float("nan"), math.inf, -1e300, 1e300, "1", True, [], 10**400])
def test_a_number_that_no_column_has_is_refused_and_the_column_named(key, number):
    plain = described(range(20), ["yes"] * 20).to_json()
    plain["numeric"]["years"][key] = number
    with pytest.raises(ConfigurationError, match="years"):
        Statistics.from_json(plain)


def test_infinite_values_and_absent_columns_are_named():
    with pytest.raises(InputError, match="column 'years' has 2 infinite"):
        described([np.inf, -np.inf], ["yes", "yes"])
    with pytest.raises(InputError, match="column 'gone' is missing"):
        Statistics.from_records({"years": np.zeros(3)}, {"gone": "numeric"})


def test_a_minimum_count_below_one_is_refused():
    with pytest.raises(ConfigurationError, match="minimum count"):
        described(range(20), ["yes"] * 20, 0)
