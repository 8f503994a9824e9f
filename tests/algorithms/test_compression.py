"""Compressed changes: what is sent and what is kept back add up, and what is malformed is refused."""

from __future__ import annotations

import doctest
import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fedsov.algorithms import compression
from fedsov.algorithms.compression import BLOCK, LEVELS, Compression, chance, packed, received, sent, unpacked
from fedsov.algorithms.local_steps import client_number, generator
from fedsov.errors import ConfigurationError, TrainingFailed

INT8, TOPK = Compression("int8"), Compression("topk", share=0.1)
CHANGES = arrays(np.float32, st.integers(1, 700), elements=st.floats(-(2.0**100), 2.0**100, width=32))
MODEL = {"w": np.float32([[1, 2], [3, 4]]), "b": np.float32([5, 6])}
UPDATED = {"w": np.float32([[1.5, 2], [3, 3]]), "b": np.float32([5, 9])}


def _sent(change: np.ndarray, how: Compression, *, round_number: int = 1) -> np.ndarray:
    return unpacked(packed(change, how, rng=chance(0, client=0, round_number=round_number)).arrays, change.size, how)


def test_the_example_of_the_module_runs() -> None:
    assert doctest.testmod(compression) == (0, 3)


def test_int8_is_unbiased() -> None:
    rounds, change = 4000, np.random.default_rng(0).normal(size=300).astype(np.float32)
    mean = np.mean([_sent(change, INT8, round_number=number) for number in range(rounds)], axis=0, dtype=np.float64)
    level = _levels(change)
    # a rounding's variance is at most a quarter of a level squared: five standard errors, in 300 numbers at once
    assert (np.abs(mean - change) < 5 * level / 2 / math.sqrt(rounds)).all()
    nearest = np.rint(change / level) * level
    assert np.abs(mean - change).mean() < np.abs(nearest - change).mean() / 5  # rounding to the nearest would be biased


def _levels(change: np.ndarray) -> np.ndarray:
    """(P,) each number's level: 1/127 of its block's largest magnitude."""
    starts = range(0, change.size, BLOCK)
    largest = [np.abs(change[start : start + BLOCK]).max() for start in starts]
    return np.repeat(np.float64(largest) / LEVELS, BLOCK)[: change.size]


@given(CHANGES)
def test_int8_is_wrong_by_less_than_a_level(change: np.ndarray) -> None:
    found = _sent(change, INT8)
    error = np.abs(found.astype(np.float64) - change)
    assert (error <= _levels(change) * (1 + 1e-5) + 1e-43).all()  # scales and products are float32
    assert found[change == 0].tolist() == [0] * int((change == 0).sum())


@given(CHANGES)
def test_topk_sends_the_largest_as_they_are(change: np.ndarray) -> None:
    found = packed(change, TOPK, rng=chance(0, client=0, round_number=1))
    count = max(1, math.ceil(0.1 * change.size))
    assert found.arrays["indices"].shape == found.arrays["values"].shape == (count,)
    left_out = np.delete(change, found.arrays["indices"])
    assert np.abs(found.arrays["values"]).min() >= np.abs(left_out).max(initial=0.0)
    np.testing.assert_array_equal(change[found.arrays["indices"]], found.arrays["values"])


def test_of_equal_magnitudes_topk_sends_the_first() -> None:
    found = packed(
        np.float32([1, -3, 3, 3, 3]), Compression("topk", share=0.4), rng=chance(0, client=0, round_number=1)
    )
    assert found.arrays["indices"].tolist() == [1, 2]


@given(CHANGES, st.integers(0, 2**32 - 1))
def test_what_topk_sends_and_what_it_keeps_back_is_all_there_was(change: np.ndarray, seed: int) -> None:
    before = np.random.default_rng(seed).normal(size=change.size).astype(np.float32)
    found = packed(change, TOPK, rng=chance(0, client=0, round_number=1), residual=before)
    together = unpacked(found.arrays, change.size, TOPK) + found.residual
    np.testing.assert_array_equal(together, change + before)


def test_over_rounds_topk_sends_nearly_all_that_changed() -> None:
    rng, residual = np.random.default_rng(0), np.empty(0, np.float32)
    drift = rng.normal(size=500).astype(np.float32)
    came, were, relative = np.zeros(500), np.zeros(500), []
    for number in range(1, 201):
        change = (drift + 0.1 * rng.normal(size=500)).astype(np.float32)
        found = packed(change, TOPK, rng=chance(0, client=0, round_number=number), residual=residual)
        came, were, residual = came + unpacked(found.arrays, 500, TOPK), were + change, found.residual
        np.testing.assert_allclose(came + residual, were, atol=1e-3)
        relative.append(np.linalg.norm(residual) / np.linalg.norm(were))
    assert relative[-1] < 0.05 < relative[0]  # what is kept back stays of one size while the sum grows


def test_a_round_is_rounded_the_same_again_and_no_other_is() -> None:
    change = np.random.default_rng(0).normal(size=300).astype(np.float32)
    one, again, other = (_sent(change, INT8, round_number=number) for number in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert chance(3, client=4, round_number=5).random(8).tolist() != generator(3, 4, 5).random(8).tolist()
    assert 0 <= client_number("DE") < 2**32 and client_number("DE") != client_number("DE/public")


@pytest.mark.parametrize("how", [INT8, TOPK])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_change_that_is_not_finite_is_not_compressed(how: Compression, value: float) -> None:
    with pytest.raises(TrainingFailed, match="not finite"):
        packed(np.float32([1, value]), how, rng=chance(0, client=0, round_number=1))


def test_what_was_kept_back_of_another_model_is_refused() -> None:
    with pytest.raises(TrainingFailed, match="3 numbers were kept back"):
        packed(np.zeros(2, np.float32), TOPK, rng=chance(0, client=0, round_number=1), residual=np.zeros(3, np.float32))


CODES = {"codes": np.zeros(300, np.int8), "scales": np.ones(2, np.float32)}
PLACES = {"indices": np.arange(30, dtype=np.int32), "values": np.ones(30, np.float32)}


@pytest.mark.parametrize(
    ("how", "wrong"),
    [
        (INT8, {"codes": np.zeros(300, np.int16)}),
        (INT8, {"codes": np.zeros(299, np.int8)}),
        (INT8, {"codes": np.full(300, -128, np.int8)}),
        (INT8, {"scales": np.float32([1, math.nan])}),
        (INT8, {"scales": np.float32([1, -1])}),
        (INT8, {"scales": np.float32([1, 3e38])}),
        (INT8, {"scales": np.ones(3, np.float32)}),
        (INT8, {"more": np.ones(1, np.float32)}),
        (TOPK, {"indices": np.arange(30)}),
        (TOPK, {"indices": np.arange(271, 301, dtype=np.int32)}),
        (TOPK, {"indices": np.arange(-1, 29, dtype=np.int32)}),
        (TOPK, {"indices": np.zeros(30, np.int32)}),
        (TOPK, {"indices": np.arange(30, dtype=np.int32)[::-1]}),
        (TOPK, {"values": np.full(30, math.nan, np.float32)}),
        (TOPK, {"values": np.ones((30, 1), np.float32)}),
    ],
)
def test_what_has_not_the_form_of_a_compressed_change_is_refused(
    how: Compression, wrong: Mapping[str, np.ndarray]
) -> None:
    right = CODES if how is INT8 else PLACES
    assert unpacked(right, 300, how).shape == (300,)
    with pytest.raises(TrainingFailed, match="compressed"):
        unpacked({**right, **wrong}, 300, how)


@pytest.mark.parametrize("how", [Compression(), INT8, Compression("topk", share=1.0)])
def test_a_model_arrives_as_it_was_sent_and_what_is_frozen_does_not_travel(how: Compression) -> None:
    updated = {**UPDATED, "b": MODEL["b"]}
    found = sent(MODEL, updated, how, rng=chance(0, client=0, round_number=1), frozen=["b"])
    assert sum(array.size for array in found.arrays.values()) <= 8 and "b" not in found.arrays
    arrived = received(MODEL, found.arrays, how, ["b"])
    assert list(arrived) == list(MODEL) and arrived["w"].dtype == np.float32
    np.testing.assert_allclose(arrived["w"], UPDATED["w"], atol=1 / LEVELS)
    np.testing.assert_array_equal(arrived["b"], MODEL["b"])


def test_an_update_of_other_arrays_than_those_trained_is_refused() -> None:
    with pytest.raises(TrainingFailed, match="must hold w, and holds w, b"):
        received(MODEL, UPDATED, Compression(), ["b"])


def test_compressions_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="one of none, int8, topk"):
        Compression("zip")  # type: ignore[arg-type]
    for share in (0.0, 1.5, True, "all"):
        with pytest.raises(ConfigurationError, match="above 0 and at most 1"):
            Compression("topk", share=share)  # type: ignore[arg-type]


def test_bytes_of_a_change() -> None:
    sizes = {how.name: how.bytes_of(100_000) for how in (Compression(), INT8, Compression("topk", share=0.05))}
    assert sizes == {"none": 400_000, "int8": 100_000 + 4 * 391, "topk": 8 * 5000}
