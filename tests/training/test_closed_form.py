"""The closed form takes the steps of autograd: for every loss, activation and layer, clipped, and however stacked."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.algorithms.client_half import GradientTerms
from fedsov.algorithms.local_steps import LocalSteps, poisson, shuffled
from fedsov.errors import ConfigurationError
from fedsov.model.network import ACTIVATIONS, NetworkSpec, initial, shapes
from fedsov.model.parameters import flat
from fedsov.privacy.mechanism import Clipping
from fedsov.training.engine import advance, held, stack_of
from fedsov.training.memory_layout import trained
from tests.training.clients import (
    EMBEDDED,
    GAPPED,
    SIZES,
    STEPS,
    both,
    clipping,
    coded,
    logistic_by_hand,
    orders,
    run,
    task,
)


@pytest.mark.parametrize(
    ("loss", "outputs", "weights"),
    [
        ("binary", 1, ()), ("binary", 1, (0.5, 3.0)), ("multiclass", 3, ()), ("multiclass", 3, (1.0, 2.0, 0.5)),
        ("multilabel", 3, ()), ("multilabel", 2, (4.0, 0.5)), ("regression", 1, ()), ("regression", 2, ()),
    ],
)  # fmt: skip
def test_the_closed_form_equals_autograd_for_every_loss(loss, outputs, weights):
    spec = NetworkSpec("mlp", (6, 5), outputs)
    steps = replace(STEPS, loss=loss, class_weights=weights, proximal_mu=0.05)
    rows = [task(loss, outputs, size, place) for place, size in enumerate(SIZES)]
    closed, general = both(spec, steps, rows, orders(rows, steps))
    assert np.abs(closed - general).max() <= 1e-12
    assert np.abs(closed - closed[:1]).max() > 1e-3


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("frozen", [(), ("0.weight", "2.bias")])
def test_the_closed_form_equals_autograd_for_every_activation_and_what_is_frozen(activation, frozen):
    spec = NetworkSpec("mlp", (6, 5), activation=activation)
    rows = [task("binary", 1, size, place) for place, size in enumerate(SIZES)]
    drift = torch.linspace(-0.1, 0.1, flat(initial(spec, 4, 0), shapes(spec, 4)).size, dtype=torch.float64)
    drift *= torch.from_numpy(trained(stack_of(spec, 4, frozen)))
    closed, general = both(spec, STEPS, rows, orders(rows, STEPS), frozen=frozen, terms=GradientTerms(drift=drift))
    assert np.abs(closed - general).max() <= 1e-12
    start = initial(spec, 4, 3)
    if frozen:
        assert np.array_equal(closed[:, : start["0.weight"].size], np.tile(start["0.weight"].ravel(), (4, 1)))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(1, 9), st.integers(0, 3))
def test_the_closed_form_equals_autograd_for_any_sizes(sizes, batch, epochs):
    steps = replace(STEPS, batch=batch, epochs=epochs)
    rows = [task("binary", 1, size, place) for place, size in enumerate(sizes)]
    closed, general = both(NetworkSpec("mlp", (5,)), steps, rows, orders(rows, steps))
    assert np.abs(closed - general).max() <= 1e-12


@pytest.mark.parametrize("frozen", [(), ("2.weight",), ("0.bias", "2.bias")])
def test_the_closed_form_equals_autograd_where_rows_have_gaps(frozen):
    assert any(array.gap for array in stack_of(GAPPED, 4).arrays())
    rows = [task("binary", 1, size, place) for place, size in enumerate(SIZES)]
    steps = replace(STEPS, proximal_mu=0.05)
    closed, general = both(GAPPED, steps, rows, orders(rows, steps), frozen=frozen)
    assert np.abs(closed - general).max() <= 1e-12


@pytest.mark.parametrize("spec", [EMBEDDED, replace(EMBEDDED, name="logistic", hidden=())])
@pytest.mark.parametrize("frozen", [(), ("embedding.0.weight", "0.weight")])
def test_the_closed_form_equals_autograd_through_embeddings(spec, frozen):
    rows = [coded(size, place) for place, size in enumerate(SIZES)]
    steps = replace(STEPS, proximal_mu=0.1)
    closed, general = both(spec, steps, rows, orders(rows, steps), frozen=frozen)
    assert np.abs(closed - general).max() <= 1e-12
    moved = closed[0] - flat(initial(spec, 4, 3), shapes(spec, 4), np.float64)
    assert np.any(moved[:21]) == (not frozen) and np.any(moved[21:29])


@pytest.mark.parametrize("frozen", [(), ("embedding.0.weight",)])
def test_clipped_steps_through_embeddings_equal_opacus_gradients_clipped_one_by_one(frozen):
    rows = [coded(size, place) for place, size in enumerate(SIZES)]
    batches = [poisson(len(y), 0.3, 6, np.random.default_rng(place)) for place, (_, y) in enumerate(rows)]
    found = [
        run(
            EMBEDDED,
            STEPS,
            rows,
            batches,
            closed_form=form,
            frozen=frozen,
            terms=GradientTerms(clipping(0.2, 0.3, rows, 0.3)),
        )
        for form in (True, False)
    ]
    assert np.abs(found[0] - found[1]).max() <= 1e-12


def test_float32_agrees_with_float64_as_far_as_float32_can():
    spec = NetworkSpec("mlp", (16,))
    rows = [task("binary", 1, 200, place) for place in range(3)]
    batches = orders(rows, STEPS)
    closed, general = (run(spec, STEPS, rows, batches, dtype=np.float32, closed_form=form) for form in (True, False))
    exact = run(spec, STEPS, rows, batches)
    errors = [np.abs(found - exact).max() for found in (closed, general)]
    assert max(errors) < 1e-5
    assert errors[0] < 5 * errors[1] + 1e-7


@pytest.mark.parametrize(
    "spec", [NetworkSpec(), NetworkSpec("mlp", (6, 5)), NetworkSpec("mlp", (6,), 3, "tanh"), GAPPED]
)
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_clipped_steps_equal_opacus_gradients_clipped_one_by_one(spec, noise):
    loss = "multiclass" if spec.outputs > 1 else "binary"
    rows = [task(loss, spec.outputs, size, place) for place, size in enumerate(SIZES)]
    batches = [poisson(len(y), 0.3, 6, np.random.default_rng(place)) for place, (_, y) in enumerate(rows)]
    assert any(not len(one) for many in batches for one in many)
    found = [
        run(spec, replace(STEPS, loss=loss), rows, batches, closed_form=form,
            terms=GradientTerms(clipping(0.2, noise, rows, 0.3)))
        for form in (True, False)
    ]  # fmt: skip
    assert np.abs(found[0] - found[1]).max() <= 1e-12


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.01, 0.5, 3.0]), st.sampled_from([1.0, 100.0, 1e4]), st.booleans())
def test_without_noise_one_record_moves_the_parameters_by_no_more_than_the_bound(seed, clip, scale, closed_form):
    spec = NetworkSpec("mlp", (6,))
    X, y = task("binary", 1, 1, seed)
    steps = LocalSteps(learning_rate=1.0, momentum=0.0, batch=1, epochs=1, weight_decay=0.0)
    pull = GradientTerms(Clipping(clip, [0.0], [1.0], [np.random.default_rng(0)]))
    start = flat(initial(spec, 4, 3), shapes(spec, 4), np.float64)
    moved = run(spec, steps, [(X * scale, y)], [[np.array([0])]], closed_form=closed_form, terms=pull)[0] - start
    assert np.linalg.norm(moved) <= clip * (1 + 1e-9)


@pytest.mark.parametrize("closed_form", [True, False])
@pytest.mark.parametrize("clip", [1e-30, 1e-20, 1e-6])
def test_in_float32_no_record_is_too_short_to_be_bounded(clip, closed_form):
    """The square of a slope of 1e-25 is 0 in float32; unbounded, that record would stand out of a noise of 1e-30."""
    steps = LocalSteps(learning_rate=1.0, momentum=0.0, batch=1, weight_decay=0.0)
    for logit in (-1.0, -30.0, -50.0, -58.0, -80.0):
        X = np.array([[1e4, 0.0, 0.0, 0.0]], np.float32)
        rows = held([(X, np.zeros(1))], steps, NetworkSpec(), np.float32)
        begun = torch.tensor([[0.0, 0.0, 0.0, 0.0, logit]])
        parameters, pull = (
            torch.zeros_like(begun),
            GradientTerms(Clipping(clip, [0.0], [1.0], [np.random.default_rng(0)])),
        )
        parameters.copy_(begun)
        advance(parameters, rows, [[np.array([0])]], steps, spec=NetworkSpec(), terms=pull, closed_form=closed_form)
        assert float((parameters - begun).double()[0, :4].norm()) <= clip * 1.001, logit


def clipped_move(error: float, X: np.ndarray, *, closed_form: bool) -> float:
    """How far one record moves a linear regression under a bound of 1; its bias' gradient is twice the error."""
    steps = LocalSteps(learning_rate=1.0, momentum=0.0, batch=1, weight_decay=0.0, loss="regression")
    rows = held([(X, np.zeros(1))], steps, NetworkSpec(), np.float64)
    begun = torch.tensor([[0.0, 0.0, 0.0, 0.0, error]], dtype=torch.float64)
    parameters, pull = begun.clone(), GradientTerms(Clipping(1.0, [0.0], [1.0], [np.random.default_rng(0)]))
    advance(parameters, rows, [[np.array([0])]], steps, spec=NetworkSpec(), terms=pull, closed_form=closed_form)
    return float((parameters - begun).norm())


@pytest.mark.parametrize("closed_form", [True, False])
def test_clipping_scales_to_the_bound_and_leaves_small_and_zero_gradients_alone(closed_form):
    moved = [clipped_move(error, np.zeros((1, 4)), closed_form=closed_form) for error in (0.0, 0.25, 0.5, 2.0)]
    assert moved == pytest.approx([0.0, 0.5, 1.0, 1.0])


@pytest.mark.parametrize("closed_form", [True, False])
@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e200])
def test_a_record_whose_gradient_has_no_finite_length_adds_nothing(bad, closed_form):
    """An answer that one record can spoil, whatever the noise, tells whether that record is there."""
    assert clipped_move(0.5, np.full((1, 4), bad), closed_form=closed_form) == 0.0


@pytest.mark.parametrize("closed_form", [True, False])
def test_beside_a_record_without_a_finite_gradient_the_others_are_learned_from_as_without_it(closed_form):
    spec, steps = NetworkSpec("mlp", (6,)), LocalSteps(learning_rate=1.0, momentum=0.5, batch=30, epochs=1)
    X, y = task("binary", 1, 30, 5)
    spoilt = np.concatenate([X, np.full((1, X.shape[1]), np.inf)]), np.concatenate([y, y[:1]])
    found = []
    for rows, chosen in (((X, y), np.arange(30)), (spoilt, np.arange(31))):
        pull = GradientTerms(Clipping(0.7, [0.0], [30.0], [np.random.default_rng(0)]))
        found.append(run(spec, steps, [rows], [[chosen, chosen]], closed_form=closed_form, terms=pull)[0])
    assert np.isfinite(found[0]).all() and np.abs(found[0] - found[1]).max() <= 1e-12


def test_noise_has_the_stated_spread_and_leaves_frozen_parameters_alone():
    spec, frozen = NetworkSpec("mlp", (64,)), ("0.bias",)
    rows = [task("binary", 1, 20, 0)]
    steps = LocalSteps(learning_rate=1.0, momentum=0.0, batch=1, epochs=1, weight_decay=0.0)
    noise = GradientTerms(Clipping(1.0, [2.0], [4.0], [np.random.default_rng(5)]))
    start = flat(initial(spec, 4, 3), shapes(spec, 4), np.float64)
    moved = run(spec, steps, rows, [[np.array([], dtype=int)] * 40], terms=noise, frozen=frozen)[0] - start
    mask = trained(stack_of(spec, 4, frozen)).astype(bool)
    assert np.all(moved[~mask] == 0)
    assert moved[mask].std() == pytest.approx(2.0 / 4.0 * np.sqrt(40), rel=0.1)


@pytest.mark.parametrize("rows", [40, 41, 7])
def test_accumulated_batches_make_the_step_of_their_gradients_mean_by_rows(rows):
    steps = replace(STEPS, batch=5, accumulate=3)
    X, y = task("binary", 1, rows, 0)
    one_by_one = shuffled(rows, replace(steps, accumulate=1), np.random.default_rng(0))
    epoch = -(-rows // 5)
    apart = [one_by_one[at : at + epoch] for at in range(0, len(one_by_one), epoch)]
    expected = logistic_by_hand(X, y, [part[at : at + 3] for part in apart for at in range(0, epoch, 3)], steps)
    batches = shuffled(rows, steps, np.random.default_rng(0))
    for found in both(NetworkSpec("logistic"), steps, [(X, y)], [batches]):
        assert np.abs(found[0] - expected).max() <= 1e-12


def test_accumulating_is_one_large_batch_bit_by_bit():
    rows = [task("binary", 1, size, place) for place, size in enumerate(SIZES)]
    accumulating, large = replace(STEPS, batch=4, accumulate=3), replace(STEPS, batch=12)
    found = [run(NetworkSpec("mlp", (6,)), steps, rows, orders(rows, steps)) for steps in (accumulating, large)]
    assert np.array_equal(*found)
    with pytest.raises(ConfigurationError, match="accumulate must be a whole number of 1 or more, got 0"):
        LocalSteps(accumulate=0)
