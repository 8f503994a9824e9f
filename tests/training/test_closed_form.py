"""The closed form takes the steps of autograd: for every loss, activation and layer, clipped, and however stacked."""

from __future__ import annotations

import math
import subprocess
import sys
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
from fedsov.training.closed_form import CHUNK, width_of
from fedsov.training.engine import advance, held, stack_of
from fedsov.training.memory_layout import trained
from tests.training.clients import EMBEDDED, GAPPED, SIZES, STEPS, both, clipping, coded, orders, run, task


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
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_does_not_slip_through_the_clip_as_a_number(bad, closed_form):
    assert math.isnan(clipped_move(0.0, np.full((1, 4), bad), closed_form=closed_form))


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


def test_batches_are_as_wide_as_a_client_s_own_rows_ask():
    assert [width_of(rows, 64) for rows in (1, 32, 33, 63, 64, 1000)] == [32, 32, 64, 64, 64, 64]
    assert width_of(3, 5) == 32


def _logistic_by_hand(X, y, batches, steps) -> np.ndarray:
    """(D + 1,) weights and bias after steps of one client, each the mean of its batches' gradients by rows."""
    start = initial(NetworkSpec("logistic"), 4, 3)
    w, v = np.concatenate([start["0.weight"].ravel(), start["0.bias"]]).astype(float), np.zeros(5)
    whole = np.hstack([X, np.ones((len(X), 1))])
    for together in batches:
        sums = [((1 / (1 + np.exp(-whole[rows] @ w)) - y[rows]) @ whole[rows], len(rows)) for rows in together]
        gradient = sum(part for part, _ in sums) / sum(count for _, count in sums)
        v = steps.momentum * v + gradient + steps.weight_decay * np.append(w[:4], 0.0)
        w = w - steps.learning_rate * v
    return w


@pytest.mark.parametrize("rows", [40, 41, 7])
def test_accumulated_batches_make_the_step_of_their_gradients_mean_by_rows(rows):
    steps = replace(STEPS, batch=5, accumulate=3)
    X, y = task("binary", 1, rows, 0)
    one_by_one = shuffled(rows, replace(steps, accumulate=1), np.random.default_rng(0))
    epoch = -(-rows // 5)
    apart = [one_by_one[at : at + epoch] for at in range(0, len(one_by_one), epoch)]
    expected = _logistic_by_hand(X, y, [part[at : at + 3] for part in apart for at in range(0, epoch, 3)], steps)
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


@pytest.mark.parametrize("spec", [NetworkSpec("mlp", (6,)), NetworkSpec("mlp", (150, 120)), EMBEDDED])
def test_a_step_of_more_rows_than_are_held_at_once_is_the_whole_batch_s(spec):
    sizes = (2 * CHUNK + 7, 300)
    rows = [coded(size, place) for place, size in enumerate(sizes)]
    steps = replace(STEPS, batch=3 * CHUNK // 16, accumulate=8, weight_decay=0.02)
    closed, general = both(spec, steps, rows, orders(rows, steps))
    assert np.abs(closed - general).max() <= 1e-12
    by_hand = _logistic_by_hand(*rows[0], [[one] for one in orders(rows, steps)[0]], steps)
    plain = run(NetworkSpec("logistic"), steps, rows, orders(rows, steps))
    assert np.abs(plain[0] - by_hand).max() <= 1e-12


def test_a_long_noisy_step_bounds_each_record_and_adds_noise_once():
    rows = [task("binary", 1, CHUNK + 2000, 0), task("binary", 1, 900, 1)]
    batches = [[np.arange(len(y))] * 2 for _, y in rows]
    spec = NetworkSpec("mlp", (6,))
    closed, general = (
        run(spec, STEPS, rows, batches, closed_form=form, terms=GradientTerms(clipping(0.2, 0.3, rows, 1.0)))
        for form in (True, False)
    )
    assert np.abs(closed - general).max() <= 1e-12


LONG = """
import resource, numpy as np, torch
from fedsov.algorithms.client_half import GradientTerms
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.model.network import NetworkSpec, initial, shapes
from fedsov.model.parameters import flat
from fedsov.privacy.mechanism import Clipping
from fedsov.training.engine import advance, held
spec, count = NetworkSpec("mlp", (64,)), 600_000
steps = LocalSteps(batch=1000, accumulate=600, epochs=1)
rng = np.random.default_rng(0)
data = held([(rng.normal(size=(count, 4)), rng.integers(0, 2, count))], steps, spec)
def step(rows, form, noisy):
    parameters = torch.from_numpy(flat(initial(spec, 4, 0), shapes(spec, 4))[None].copy())
    pull = GradientTerms(Clipping(1.0, [1.0], [1000.0], [rng])) if noisy else None
    advance(parameters, data, [[rows]], steps, spec=spec, closed_form=form, terms=pull)
for noisy in (False, True):
    for form in (True, False):
        step(np.arange(40_000 if form else 9_000), form, noisy)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for form, noisy in ((True, False), (False, False), (True, True)):
    step(np.arange(count), form, noisy)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_step_of_many_batches_needs_little_more_memory_than_one_of_few():
    """600,000 rows through a layer of 64 would take 150 MB for each thing that a layer keeps, and it keeps several."""
    done = subprocess.run([sys.executable, "-c", LONG], capture_output=True, text=True, check=True)
    assert all(int(kilobytes) < 80_000 for kilobytes in done.stdout.split()), done.stdout
