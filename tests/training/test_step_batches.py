"""Steps are gathered as they are asked for: padded, stacked by width, some at a time, and a long one in parts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.algorithms.client_half import GradientTerms
from fedsov.model.network import NetworkSpec
from fedsov.privacy.mechanism import Clipping
from fedsov.training import step_batches
from fedsov.training.step_batches import CHUNK, TOGETHER, ClientBatch, Step, gathered, stacked, width_of
from tests.training.clients import EMBEDDED, STEPS, both, clipping, coded, logistic_by_hand, orders, run, task


def _rows(sizes: Sequence[int], weights: torch.Tensor | None = None) -> ClientBatch:
    """Rows whose only input is their place among all, and whose target is that too."""
    places = torch.arange(sum(sizes), dtype=torch.float64)[:, None]
    return ClientBatch(places, places, weights, np.cumsum([0, *sizes[:-1]]), np.array(sizes))


def _clipping(sizes: Sequence[int]) -> Clipping:
    return clipping(1.0, 0.0, [(np.zeros((size, 1)), np.zeros(size)) for size in sizes], 0.5)


def test_batches_are_as_wide_as_a_client_s_own_rows_ask():
    assert [width_of(rows, 64) for rows in (1, 32, 33, 63, 64, 1000)] == [32, 32, 64, 64, 64, 64]
    assert width_of(3, 5) == 32


def test_clients_of_one_width_are_stacked_those_with_most_steps_first():
    batches = [[np.arange(1)] * steps for steps in (2, 5, 3, 5)]
    assert stacked((40, 20, 70, 33), batches, 64, is_clipped=False) == [[3, 2, 0], [1]]
    assert stacked((40, 20, 70, 33), batches, 64, is_clipped=True) == [[1, 3, 2, 0]]


def test_a_stack_has_no_more_rows_in_a_step_than_are_stacked():
    sizes = [4096] * 20
    batches = [[np.arange(size)] for size in sizes]
    for is_clipped in (False, True):
        stacks = stacked(sizes, batches, 4096, is_clipped=is_clipped)
        assert [len(stack) for stack in stacks] == [TOGETHER // 4096, 4]
        assert sorted(chain.from_iterable(stacks)) == list(range(20))
    assert stacked([TOGETHER + 1] * 2, [[np.arange(TOGETHER + 1)]] * 2, TOGETHER + 1, is_clipped=False) == [[0], [1]]


def _whole(steps: Sequence[Step]) -> list[list[dict[int, float]]]:
    """For each step, its parts put together, and each client: the weight of each of its rows that has any."""
    found: list[list[dict[int, float]]] = []
    for step in steps:
        if step.begins:
            found.append([{} for _ in range(step.clients)])
        for own, places, weights in zip(found[-1], step.X[..., 0], step.weights[..., 0], strict=True):
            own |= {int(place): float(weight) for place, weight in zip(places, weights, strict=True) if weight}
    assert all(step.X.equal(step.targets) for step in steps) and steps[-1].ends
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 90), max_size=4), min_size=1, max_size=5),
    st.booleans(),
    st.sampled_from([32, 64, 256, CHUNK]),
)
def test_every_row_of_every_step_is_gathered_once_with_its_share(lengths, is_clipped, chunk):
    ordered = sorted(lengths, key=len, reverse=True)
    sizes = [90] * len(ordered)
    rng = np.random.default_rng(0)
    batches = [[rng.permutation(90)[:length] for length in own] for own in ordered]
    bound, together = _clipping(sizes) if is_clipped else None, range(len(sizes))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(step_batches, "CHUNK", chunk)
        steps = list(gathered(_rows(sizes), batches, together, batch=90, clipping=bound))
    assert all(step.X.shape[1] <= chunk for step in steps)
    if not steps:
        assert not ordered[0]
        return
    expected = [
        [
            {90 * client + int(row): 1.0 if is_clipped else 1 / len(batches[client][at]) for row in batches[client][at]}
            for client in together
            if at < len(batches[client])
        ]
        for at in range(len(ordered[0]))
    ]
    assert _whole(steps) == expected
    assert all(set(step.divisors.ravel().tolist()) == {1 / 45 if is_clipped else 1.0} for step in steps)


def test_a_row_s_own_weight_counts_in_its_share_and_padding_has_none():
    rows = _rows([3, 2], torch.tensor([[2.0], [3.0], [5.0], [7.0], [11.0]], dtype=torch.float64))
    (step,) = gathered(rows, [[np.array([2, 0])], [np.array([1])]], [0, 1], batch=2, clipping=None)
    assert step.weights.shape == (2, 32, 1) and step.begins and step.ends
    assert step.weights[:, :2, 0].tolist() == [[2.5, 1.0], [11.0, 0.0]]
    assert step.X[:, :2, 0].tolist() == [[2.0, 0.0], [4.0, 3.0]]
    assert step.weights[:, 2:].count_nonzero() == 0


def test_an_empty_step_that_is_clipped_has_padding_alone():
    (step,) = gathered(_rows([4]), [[np.array([], dtype=int)]], [0], batch=2, clipping=_clipping([4]))
    assert step.weights.shape == (1, 32, 1) and step.weights.count_nonzero() == 0


@pytest.mark.parametrize("spec", [NetworkSpec("mlp", (6,)), NetworkSpec("mlp", (150, 120)), EMBEDDED])
def test_a_step_of_more_rows_than_are_held_at_once_is_the_whole_batch_s(spec):
    sizes = (2 * CHUNK + 7, 300)
    rows = [coded(size, place) for place, size in enumerate(sizes)]
    steps = replace(STEPS, batch=3 * CHUNK // 16, accumulate=8, weight_decay=0.02)
    closed, general = both(spec, steps, rows, orders(rows, steps))
    assert np.abs(closed - general).max() <= 1e-12
    by_hand = logistic_by_hand(*rows[0], [[one] for one in orders(rows, steps)[0]], steps)
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
