"""Drift: a reference that tells of no few people, and an index that is small for the same rows and large for others."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.errors import ConfigurationError
from fedsov.inference.use.drift import LEAST, LEAST_ROWS, SCORE, Bins, DriftWindow, Reference, psi

RNG = np.random.default_rng(3)
SAME, SCORES = RNG.normal(size=2000), RNG.uniform(size=2000)


def reference(**more: object) -> Reference:
    return Reference.of({"years": SAME, "remote": (SAME > 0).astype(float)}, SCORES, **more)


def window(values: np.ndarray, scores: np.ndarray) -> DriftWindow:
    inputs = np.column_stack([values, (values > 0).astype(float)])
    return DriftWindow(reference()).with_rows(inputs, scores.reshape(-1, 1))


def test_the_same_rows_do_not_drift_and_others_do():
    same = window(RNG.normal(size=3000), RNG.uniform(size=3000)).psi()
    other = window(RNG.normal(0.8, 1.0, size=3000), RNG.beta(5, 1, size=3000)).psi()
    assert set(same) == {"years", "remote", SCORE} and max(same.values()) < 0.05
    assert min(other.values()) > 0.2


def test_few_rows_tell_nothing():
    few = LEAST_ROWS - 1
    assert window(RNG.normal(size=few), RNG.uniform(size=few)).psi() == {}


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=300),
    st.lists(st.floats(-8, 8), min_size=300, max_size=300),
)
@settings(max_examples=60, deadline=None)
def test_no_bin_of_a_reference_is_of_fewer_than_ten_people(people, values):
    own = np.array(values[: len(people)])
    bins = Bins.of(own, (-1.0, -0.5, 0.0, 0.5, 1.0), np.array(people))
    places = np.searchsorted(bins.edges, own, side="right")
    where = range(len(bins.counts))
    counts = [len({who for who, at in zip(people, places, strict=True) if at == place}) for place in where]
    assert sum(bins.counts) == len(own)
    assert len(bins.counts) == 1 or min(counts) >= LEAST
    assert list(bins.counts) == np.bincount(places, minlength=len(bins.counts)).tolist()


def test_a_person_with_many_rows_is_one():
    values = np.concatenate([np.full(500, -2.0), RNG.normal(2.0, 0.1, size=100)])
    people = np.concatenate([np.zeros(500, int), np.arange(1, 101)])
    assert len(Bins.of(values, (0.0,), people).counts) == 1
    assert len(Bins.of(values, (0.0,)).counts) == 2


def test_the_edges_are_no_row_s_value():
    values = np.array([1.23456789] * 30 + [7.654321] * 30)
    edges = [edge for bins in Reference.of({"a": values}, values).scores for edge in bins.edges]
    assert edges and not set(edges) & set(values.tolist())


def test_a_reference_survives_json():
    whole = reference()
    assert Reference.from_json(json.loads(json.dumps(whole.to_json()))) == whole


@pytest.mark.parametrize(
    "plain",
    [None, {}, {"inputs": {"a": [[1, 0], [1, 2, 3]]}, "scores": []}, {"inputs": {"a": 3}, "scores": []},
     {"inputs": {"a": [[0], [1]]}, "scores": []}, {"inputs": [], "scores": []}],
)  # fmt: skip
def test_what_is_no_reference_is_refused(plain):
    with pytest.raises(ConfigurationError):
        Reference.from_json(plain)


@pytest.mark.parametrize("scores", [np.array([]), np.array([np.nan] * 20), np.array([np.inf] * 20)])
def test_no_rows_and_no_numbers_make_no_reference(scores):
    with pytest.raises(ConfigurationError, match="finite"):
        Reference.of({"a": np.zeros(len(scores))}, scores)


def test_windows_of_workers_are_added():
    first, second = window(SAME[:700], SCORES[:700]), window(SAME[700:], SCORES[700:])
    both = first.joined(json.loads(json.dumps(second.to_json())))
    assert both.to_json() == window(SAME, SCORES).to_json() and both.rows == 2000


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=12))
def test_the_index_is_never_below_zero_and_zero_for_equal_counts(pairs):
    expected, observed = zip(*pairs, strict=True)
    assert psi(expected, observed) >= -1e-12
    assert psi(expected, expected) == pytest.approx(0.0, abs=1e-12)


def test_the_index_is_the_one_of_the_books():
    expected, observed = [0.5, 0.3, 0.2], [0.4, 0.3, 0.3]
    by_hand = sum((o - e) * np.log(o / e) for e, o in zip(expected, observed, strict=True))
    counts = [[int(share * 1e7) for share in shares] for shares in (expected, observed)]
    assert psi(*counts) == pytest.approx(by_hand, rel=1e-4)
