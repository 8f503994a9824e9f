"""The closed form and autograd take the same steps; neither depends on who else is in the stack."""

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
from fedsov.errors import ConfigurationError, InputError
from fedsov.model.embeddings import Embedding
from fedsov.model.losses import LOSSES
from fedsov.model.network import ACTIVATIONS, NetworkSpec, initial, shapes
from fedsov.model.parameters import flat, named
from fedsov.privacy.mechanism import Clipping
from fedsov.training.closed_form import CHUNK, width_of
from fedsov.training.engine import advance, held, predict, stack_of
from fedsov.training.memory_layout import trained

STEPS = LocalSteps(learning_rate=0.1, momentum=0.9, batch=8, epochs=2, weight_decay=0.01)
SIZES = (40, 5, 19, 40)


def task(loss: str, outputs: int, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = {
        "binary": rng.integers(0, 2, rows),
        "multiclass": rng.integers(0, outputs, rows),
        "multilabel": rng.integers(0, 2, (rows, outputs)),
        "regression": rng.normal(size=(rows, outputs)),
    }[loss]
    return rng.normal(size=(rows, 4)), y


def run(spec, steps, rows, batches, *, dtype=np.float64, **how) -> np.ndarray:
    """(K, P) parameters after the steps; all clients start alike."""
    start = flat(initial(spec, 4, 3), shapes(spec, 4), dtype)
    parameters = torch.from_numpy(np.tile(start, (len(rows), 1)))
    advance(parameters, held(rows, steps, spec, dtype), batches, steps, spec=spec, **how)
    return parameters.numpy()


def orders(rows, steps):
    return [shuffled(len(y), steps, np.random.default_rng(place)) for place, (_, y) in enumerate(rows)]


def both(spec, steps, rows, batches, **how):
    return (run(spec, steps, rows, batches, closed_form=form, **how) for form in (True, False))


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


GAPPED = NetworkSpec("mlp", (1024, 20))
SPECS = [NetworkSpec(), *(NetworkSpec("mlp", hidden) for hidden in ((16,), (8, 4), (150, 120))), GAPPED]


@pytest.mark.parametrize("frozen", [(), ("2.weight",), ("0.bias", "2.bias")])
def test_the_closed_form_equals_autograd_where_rows_have_gaps(frozen):
    assert any(array.gap for array in stack_of(GAPPED, 4).arrays())
    rows = [task("binary", 1, size, place) for place, size in enumerate(SIZES)]
    steps = replace(STEPS, proximal_mu=0.05)
    closed, general = both(GAPPED, steps, rows, orders(rows, steps), frozen=frozen)
    assert np.abs(closed - general).max() <= 1e-12


@pytest.mark.parametrize("embeddings", [(), (Embedding(1, 7, 3), Embedding(3, 2, 4))])
@pytest.mark.parametrize("spec", SPECS)
def test_a_client_s_result_is_the_same_bits_whoever_is_stacked_with_it(spec, embeddings):
    spec = replace(spec, embeddings=embeddings)
    rows = [coded(size, place) for place, size in enumerate((40, 5, 19, 40, 333, 7, 64, 1))]
    steps = replace(STEPS, batch=64)
    batches = orders(rows, steps)
    together = run(spec, steps, rows, batches, dtype=np.float32)
    for chosen in ([0], [1], [4, 0], [7, 3, 4], [5], [6, 4]):
        apart = run(spec, steps, [rows[k] for k in chosen], [batches[k] for k in chosen], dtype=np.float32)
        assert np.array_equal(apart, together[chosen])


EMBEDDED = NetworkSpec("mlp", (6, 5), embeddings=(Embedding(1, 7, 3), Embedding(3, 2, 4)))


def coded(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of which the inputs 1 and 3 are codes of few levels, so that many rows of a batch share one."""
    X, y = task("binary", 1, size, seed)
    rng = np.random.default_rng(seed)
    X[:, 1], X[:, 3] = rng.integers(0, 7, size), rng.integers(0, 2, size)
    return X, y


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


def test_an_embedding_is_the_first_layer_of_a_one_hot_encoding():
    """Its gradient, worked by hand: one step of one record moves one row of the table, by its slope."""
    spec = NetworkSpec("logistic", embeddings=(Embedding(0, 3, 2),))
    start = {"embedding.0.weight": np.arange(6.0).reshape(3, 2), "0.weight": np.array([[0.5, -1.0]])}
    start["0.bias"] = np.array([0.25])
    parameters = torch.from_numpy(flat(start, shapes(spec, 1), np.float64)[None])
    rows, steps = [(np.array([[2.0]]), np.array([1.0]))], replace(STEPS, weight_decay=0.0)
    advance(parameters, held(rows, steps, spec, np.float64), [[np.array([0])]], steps, spec=spec)
    slope = 1 / (1 + math.exp(-(4 * 0.5 - 5 + 0.25))) - 1
    table, weights = [0, 1, 2, 3, 4 - 0.1 * slope * 0.5, 5 + 0.1 * slope], [0.5 - 0.1 * slope * 4, -1 - 0.1 * slope * 5]
    assert parameters[0].numpy() == pytest.approx([*table, *weights, 0.25 - 0.1 * slope], abs=1e-12)


def test_what_is_no_code_of_an_embedding_is_refused():
    rows = [coded(9, 0)]
    rows[0][0][4, 1] = 7
    with pytest.raises(InputError, match="input 1 must hold whole numbers from 0 to 6"):
        held(rows, STEPS, EMBEDDED)
    with pytest.raises(ConfigurationError, match="none is column 3"):
        shapes(EMBEDDED, 3)
    with pytest.raises(
        ConfigurationError, match="levels must be a whole number from 1 to 16,777,216"
    ):  # 2^24 + 1 is 2^24 in float32
        replace(EMBEDDED, embeddings=(Embedding(0, 2**24 + 1, 1),))
    with pytest.raises(ConfigurationError, match="takes no embeddings"):
        replace(EMBEDDED, name="ft_transformer", hidden=())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("learning_rate", value) for value in (0.0, 1e-320, 1e-46, 1e39, 1e300, math.nan)],
        *[(name, value) for name in ("weight_decay", "proximal_mu") for value in (1e39, math.inf)],
        *[("seed", value) for value in (-1, 2**63, 2**80)],
    ],
)
def test_a_number_that_steps_cannot_be_taken_with_is_refused_before_they_are(name, value):
    with pytest.raises(ConfigurationError, match=f"{name} must be"):
        replace(STEPS, **{name: value})


def test_float32_agrees_with_float64_as_far_as_float32_can():
    spec = NetworkSpec("mlp", (16,))
    rows = [task("binary", 1, 200, place) for place in range(3)]
    batches = orders(rows, STEPS)
    closed, general = (run(spec, STEPS, rows, batches, dtype=np.float32, closed_form=form) for form in (True, False))
    exact = run(spec, STEPS, rows, batches)
    errors = [np.abs(found - exact).max() for found in (closed, general)]
    assert max(errors) < 1e-5
    assert errors[0] < 5 * errors[1] + 1e-7


def clipping(clip, noise, rows, rate, seed=0):
    generators = [np.random.default_rng((seed, place)) for place in range(len(rows))]
    return Clipping(clip, [noise] * len(rows), [rate * len(y) for _, y in rows], generators)


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
    terms = GradientTerms(Clipping(clip, [0.0], [1.0], [np.random.default_rng(0)]))
    start = flat(initial(spec, 4, 3), shapes(spec, 4), np.float64)
    moved = run(spec, steps, [(X * scale, y)], [[np.array([0])]], closed_form=closed_form, terms=terms)[0] - start
    assert np.linalg.norm(moved) <= clip * (1 + 1e-9)


def clipped_move(error: float, X: np.ndarray, *, closed_form: bool) -> float:
    """How far one record moves a linear regression under a bound of 1; its bias' gradient is twice the error."""
    steps = LocalSteps(learning_rate=1.0, momentum=0.0, batch=1, weight_decay=0.0, loss="regression")
    rows = held([(X, np.zeros(1))], steps, NetworkSpec(), np.float64)
    begun = torch.tensor([[0.0, 0.0, 0.0, 0.0, error]], dtype=torch.float64)
    parameters, terms = begun.clone(), GradientTerms(Clipping(1.0, [0.0], [1.0], [np.random.default_rng(0)]))
    advance(parameters, rows, [[np.array([0])]], steps, spec=NetworkSpec(), terms=terms, closed_form=closed_form)
    return float((parameters - begun).norm())


@pytest.mark.parametrize("closed_form", [True, False])
def test_clipping_scales_to_the_bound_and_leaves_small_and_zero_gradients_alone(closed_form):
    moved = [clipped_move(error, np.zeros((1, 4)), closed_form=closed_form) for error in (0.0, 0.25, 0.5, 2.0)]
    assert moved == pytest.approx([0.0, 0.5, 1.0, 1.0])


@pytest.mark.parametrize("closed_form", [True, False])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_does_not_slip_through_the_clip_as_a_number(bad, closed_form):
    assert math.isnan(clipped_move(0.0, np.full((1, 4), bad), closed_form=closed_form))


@pytest.mark.parametrize("spec", [NetworkSpec("ft_transformer", (8, 1)), NetworkSpec("cnn", (3,), 2)])
def test_other_architectures_learn_and_their_records_are_bounded_too(spec):
    loss = "multiclass" if spec.outputs > 1 else "binary"
    X, y = np.random.default_rng(0).normal(size=(64, 4)), np.random.default_rng(1).integers(0, 2, 64)
    y = (X[:, 0] > 0).astype(int)
    steps = LocalSteps(learning_rate=0.1, momentum=0.9, batch=16, epochs=15, weight_decay=0.0, loss=loss)
    start = torch.from_numpy(np.tile(flat(initial(spec, 4, 0), shapes(spec, 4), np.float64), (1, 1)))
    trained = start.clone()
    advance(trained, held([(X, y)], steps, spec, np.float64), orders([(X, y)], steps), steps, spec=spec)
    logits = predict(named(trained[0].numpy().astype(np.float32), shapes(spec, 4)), X.astype(np.float32), spec)
    said = logits.argmax(1) if spec.outputs > 1 else logits > 0
    assert (said == y).mean() > 0.9
    one = LocalSteps(learning_rate=1.0, momentum=0.0, batch=1, epochs=1, weight_decay=0.0, loss=loss)
    for bound in (0.01, 1e9):
        moved = start.clone()
        terms = GradientTerms(Clipping(bound, [0.0], [1.0], [np.random.default_rng(0)]))
        advance(moved, held([(X * 9, y)], one, spec, np.float64), [[np.arange(3)]], one, spec=spec, terms=terms)
        plain = start.clone()
        advance(plain, held([(X * 9, y)], one, spec, np.float64), [[np.arange(3)]], one, spec=spec)
        norm = float((moved - start).norm())
        assert norm <= 3 * bound * (1 + 1e-9)
        if bound > 1:  # unbounded, the sum of the records' gradients is three times their mean
            assert norm == pytest.approx(3 * float((plain - start).norm()), rel=1e-9)


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


def test_a_poisson_sample_takes_each_row_with_its_rate_and_never_twice():
    drawn = poisson(50, 0.2, 4000, np.random.default_rng(1))
    counts = np.bincount(np.concatenate(drawn), minlength=50) / 4000
    sizes = np.array([len(one) for one in drawn])
    assert all(len(set(one.tolist())) == len(one) for one in drawn)
    assert np.abs(counts - 0.2).max() < 5 * np.sqrt(0.2 * 0.8 / 4000)
    assert sizes.var() == pytest.approx(50 * 0.2 * 0.8, rel=0.1)


def test_batches_are_as_wide_as_a_client_s_own_rows_ask():
    assert [width_of(rows, 64) for rows in (1, 32, 33, 63, 64, 1000)] == [32, 32, 64, 64, 64, 64]
    assert width_of(3, 5) == 32


@pytest.mark.parametrize(
    ("loss", "spec", "y", "said"),
    [
        ("binary", NetworkSpec(), [0, 2], "0 or 1"),
        ("binary", NetworkSpec(outputs=2), [0, 1], "one output"),
        ("multiclass", NetworkSpec(outputs=3), [0, 3], "0 to 2"),
        ("multilabel", NetworkSpec(outputs=2), [0, 1], "2 a row"),
        ("regression", NetworkSpec(), [0, np.nan], "finite"),
    ],
)
def test_outcomes_that_a_loss_cannot_have_are_refused(loss, spec, y, said):
    with pytest.raises(InputError, match=said):
        held([(np.ones((2, 4)), np.array(y))], replace(STEPS, loss=loss), spec)


@pytest.mark.parametrize(("loss", "weights"), [("regression", (1.0,)), ("binary", (1.0,)), ("binary", (1.0, -1.0))])
def test_class_weights_that_do_not_fit_the_loss_are_refused(loss, weights):
    with pytest.raises(ConfigurationError, match="class.weights"):
        held([task(loss, 1, 4, 0)], replace(STEPS, loss=loss, class_weights=weights), NetworkSpec())


def test_every_loss_has_a_slope_that_is_its_derivative():
    for name, loss in LOSSES.items():
        outputs = 1 if name == "binary" else 3
        y = task(name, outputs, 7, 2)[1].astype(float)
        targets = torch.from_numpy(np.ascontiguousarray(loss.outcomes(y, outputs)))
        logits = torch.randn(7, outputs, dtype=torch.float64, requires_grad=True)
        (expected,) = torch.autograd.grad(loss.parts(logits, targets).mean(-1).sum(), logits)
        assert torch.allclose(loss.slope(logits.detach().clone(), targets), expected, atol=1e-14)


def test_the_first_step_imports_neither_torch_s_compiler_nor_what_is_not_needed():
    code = (
        "import numpy as np, sys\n"
        "from fedsov.model.network import NetworkSpec, initial\n"
        "from fedsov.region.strategies.candidates import LocalSteps, train_locally\n"
        "spec = NetworkSpec('mlp', (4,))\n"
        "train_locally(initial(spec, 3, 0), np.ones((9, 3)), np.ones(9), LocalSteps(), spec=spec)\n"
        "assert 'torch' in sys.modules\n"
        "print([name for name in ('torch._dynamo', 'opacus', 'flwr') if name in sys.modules])\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


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
    with pytest.raises(ConfigurationError, match="accumulate must be a whole number of 1 or more"):
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


def test_long_steps_give_the_same_bits_whoever_is_stacked_with_them():
    rows = [task("binary", 1, size, place) for place, size in enumerate((CHUNK + 50,) * 6 + (CHUNK // 2, 70))]
    steps = replace(STEPS, batch=5000, accumulate=4)
    batches, spec = orders(rows, steps), NetworkSpec("mlp", (16,))
    together = run(spec, steps, rows, batches, dtype=np.float32)
    for chosen in ([0], [5, 2], [6], [7, 6]):
        apart = run(spec, steps, [rows[k] for k in chosen], [batches[k] for k in chosen], dtype=np.float32)
        assert np.array_equal(apart, together[chosen])


LONG = """
import resource, numpy as np, torch
from fedsov.model.network import NetworkSpec, initial, shapes
from fedsov.training.engine import advance, flat, held
from fedsov.algorithms.client_half import GradientTerms
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.privacy.mechanism import Clipping
spec, count = NetworkSpec("mlp", (64,)), 600_000
steps = LocalSteps(batch=1000, accumulate=600, epochs=1)
rng = np.random.default_rng(0)
data = held([(rng.normal(size=(count, 4)), rng.integers(0, 2, count))], steps, spec)
def step(rows, form, noisy):
    parameters = torch.from_numpy(flat(initial(spec, 4, 0), shapes(spec, 4))[None].copy())
    terms = GradientTerms(Clipping(1.0, [1.0], [1000.0], [rng])) if noisy else None
    advance(parameters, data, [[rows]], steps, spec=spec, closed_form=form, terms=terms)
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
