"""A client that is stacked with nobody takes the steps that it takes in a stack, up to rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedsov.algorithms.client_half import GradientTerms
from fedsov.algorithms.local_steps import LocalSteps, shuffled
from fedsov.model.embeddings import Embedding
from fedsov.model.network import ACTIVATIONS, NetworkSpec, initial, shapes
from fedsov.model.parameters import flat
from fedsov.training import closed_form, step_batches
from fedsov.training.engine import advance, held
from fedsov.training.lone_client import steps_alone
from fedsov.training.memory_layout import Layer, Stack, Table

STEPS = LocalSteps(learning_rate=0.1, momentum=0.9, batch=8, epochs=2, weight_decay=0.01, proximal_mu=0.1)


def _trained(
    spec: NetworkSpec,
    steps: LocalSteps,
    sizes: Sequence[int],
    frozen: Sequence[str] = (),
    terms: GradientTerms | None = None,
) -> np.ndarray:
    """(K, P) float64 parameters of clients of these sizes after their steps."""
    rows = []
    for size in sizes:
        rng = np.random.default_rng(size)
        X, outcomes = rng.normal(size=(size, 4)), rng.normal(size=(size, 2))
        rows.append((X, {"binary": outcomes[:, 0] > 0, "regression": outcomes}.get(steps.loss, outcomes > 0)))
    start = flat(initial(spec, 4, 3), shapes(spec, 4), float)
    parameters = torch.from_numpy(np.tile(start, (len(sizes), 1)))
    batches = [shuffled(size, steps, np.random.default_rng(size)) for size in sizes]
    advance(parameters, held(rows, steps, spec, float), batches, steps, spec=spec, frozen=frozen, terms=terms)
    return parameters.numpy()


@pytest.mark.parametrize("spec", [NetworkSpec(), NetworkSpec("mlp", (16,)), NetworkSpec("mlp", (8, 5))])
@pytest.mark.parametrize("loss", ["binary", "multilabel", "regression"])
def test_one_client_ends_where_it_ends_in_a_stack(spec: NetworkSpec, loss: str) -> None:
    spec, steps = replace(spec, outputs=1 if loss == "binary" else 2), replace(STEPS, loss=loss)
    together = _trained(spec, steps, (40, 33, 57))
    for place, size in enumerate((40, 33, 57)):
        np.testing.assert_allclose(_trained(spec, steps, [size])[0], together[place], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_passed_back(name: str) -> None:
    spec = NetworkSpec("mlp", (8, 5), activation=name)
    np.testing.assert_allclose(_trained(spec, STEPS, [40])[0], _trained(spec, STEPS, [40, 40])[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("frozen", [["0.weight"], ["0.bias", "2.weight"], ["2.bias"]])
def test_what_is_frozen_stays_and_a_drift_is_followed(frozen: list[str]) -> None:
    spec, terms = NetworkSpec("mlp", (8,)), GradientTerms(drift=torch.linspace(-1, 1, 49, dtype=torch.float64))
    alone = _trained(spec, STEPS, [40], frozen)
    np.testing.assert_allclose(alone[0], _trained(spec, STEPS, [40, 40], frozen)[1], rtol=0, atol=1e-12)
    moved = alone[0] != flat(initial(spec, 4, 3), shapes(spec, 4), float)
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes(spec, 4).values()])[:-1]
    for name, part in zip(shapes(spec, 4), np.split(moved, ends), strict=True):
        assert part.any() != (name in frozen)
    drifted = _trained(spec, STEPS, [40], terms=terms)
    np.testing.assert_allclose(drifted[0], _trained(spec, STEPS, [40, 40], terms=terms)[1], rtol=0, atol=1e-12)


def test_the_last_client_of_a_stack_goes_on_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, alone = NetworkSpec("mlp", (8,)), list[int]()
    accumulate = closed_form.accumulate_alone
    monkeypatch.setattr(
        closed_form, "accumulate_alone", lambda *rows, **how: (alone.append(1), accumulate(*rows, **how))
    )
    together = _trained(spec, STEPS, (40, 160))
    assert len(alone) == 2 * 20 - 2 * 5
    np.testing.assert_allclose(_trained(spec, STEPS, [160])[0], together[1], rtol=0, atol=1e-12)


def test_a_long_step_is_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, steps = NetworkSpec("mlp", (8,)), replace(STEPS, batch=200)
    whole = _trained(spec, steps, [500])
    monkeypatch.setattr(step_batches, "CHUNK", 64)
    np.testing.assert_allclose(_trained(spec, steps, [500]), whole, rtol=0, atol=1e-12)


def test_tables_and_large_layers_are_not_for_this_step() -> None:
    small = Layer(4, 8, "relu"), Layer(8, 1)
    assert steps_alone(Stack(small))
    assert not steps_alone(Stack((Layer(128, 128), *small)))
    assert not steps_alone(Stack(small, (Table(*Embedding(0, 3, 2), True),), (1, 2, 3)))
