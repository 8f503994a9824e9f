"""How steep a model is: sums of a unit's weights, narrow scales, held inputs, and what is no number."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedsov.model.features import Features, Held
from fedsov.model.steepness import composed, steepness

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


def test_layers_multiply_after_any_of_them_and_a_drift_is_added_to_each():
    layers = {"0.weight": np.array([[4.0, 0.0]]), "0.bias": np.full(1, 1e9), "2.weight": np.array([[5.0]])}
    assert composed(layers, AGE, {}) == pytest.approx(20.0)
    assert composed({**layers, "2.weight": np.array([[0.01]])}, AGE, {}) == pytest.approx(4.0)
    assert composed(layers, AGE, {"age": 20.0}) == pytest.approx(40.0), "a narrow scale"
    assert composed(layers, AGE, {}, {"2.weight": np.array([[-1.0]])}) == pytest.approx(24.0)
    held = replace(AGE, held=Held(inputs=((0, 0.0),)))
    assert composed(layers, held, {}) == 0.0


def test_a_layer_s_norm_is_that_of_torch():
    rng = np.random.default_rng(0)
    layers = [rng.normal(size=shape) for shape in ((7, 2), (5, 7), (3, 5))]
    expected = [float(torch.linalg.matrix_norm(torch.tensor(layer), 2)) for layer in layers]
    whole = composed({str(place): layer for place, layer in enumerate(layers)}, AGE, {})
    assert whole == pytest.approx(np.cumprod(expected).max())


def test_no_kernel_moves_a_picture_by_more_than_its_norm():
    kernel = torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    bound = composed({"1.weight": kernel.numpy()}, AGE, {})
    for seed in range(20):
        picture = torch.randn(1, 1, 6, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        moved = torch.nn.functional.conv2d(picture, kernel, padding=1)
        assert float(moved.norm()) <= bound * float(picture.norm())


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_layers_one_of_which_is_no_number_move_without_bound(odd):
    held = replace(AGE, held=Held(inputs=((0, 0.0), (1, 0.0))))
    layers = {"0.weight": np.array([[4.0, 0.0]]), "2.weight": np.array([[odd]])}
    assert composed(layers, AGE, {}) == composed(layers, held, {}) == np.inf
    assert composed({}, AGE, {}) == composed({"2.bias": np.ones(3)}, AGE, {}) == 0.0
