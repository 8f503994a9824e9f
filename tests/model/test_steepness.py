"""How steep a model is: sums of a unit's weights, narrow scales, held inputs, and what is no number."""

from dataclasses import replace

import numpy as np
import pytest

from fedsov.model.features import Features, Held
from fedsov.model.steepness import steepness

AGE = Features(numeric=(("age", 50.0, 10.0), ("age", 60.0, 1.0)))


def test_the_steepest_unit_of_any_layer_counts():
    model = {"0.weight": np.array([[1.0, -2.0], [0.5, 0.5]]), "2.weight": np.array([[4.0, -5.0]]), "2.bias": np.ones(1)}
    assert steepness(model, AGE, {}) == 9.0


def test_a_scale_narrower_than_the_region_s_rows_counts_as_a_greater_weight():
    assert steepness({"0.weight": np.array([[1.0, 1.0]])}, AGE, {"age": 20.0}) == 22.0


def test_an_input_held_at_one_value_counts_for_nothing():
    held = replace(AGE, held=Held(inputs=((1, 0.0),)))
    assert steepness({"0.weight": np.array([[1.0, 1e9]])}, held, {}) == 1.0


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_infinitely_steep(odd):
    assert steepness({"0.weight": np.array([[odd, 0.0]])}, AGE, {}) == np.inf


def test_numbers_by_themselves_kernels_and_nothing_have_a_steepness():
    assert (
        steepness({"scale": np.array(-3.0), "kernel": np.ones((2, 1, 3, 3)), "none": np.zeros((0, 4))}, AGE, {}) == 9.0
    )
    assert steepness({}, AGE, {}) == 0.0
