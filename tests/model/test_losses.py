"""Losses: what outcomes and weights they take, and that each slope is its derivative."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.errors import ConfigurationError, InputError
from fedsov.model.losses import LOSSES, loss_named
from fedsov.model.network import NetworkSpec
from fedsov.training.engine import held

STEPS = LocalSteps()


def task(loss: str, outputs: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    y = {
        "binary": rng.integers(0, 2, rows),
        "multiclass": rng.integers(0, outputs, rows),
        "multilabel": rng.integers(0, 2, (rows, outputs)),
        "regression": rng.normal(size=(rows, outputs)),
    }[loss]
    return rng.normal(size=(rows, 4)), y


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
        held([task(loss, 1, 4)], replace(STEPS, loss=loss, class_weights=weights), NetworkSpec())


def test_every_loss_has_a_slope_that_is_its_derivative():
    for name, loss in LOSSES.items():
        outputs = 1 if name == "binary" else 3
        y = task(name, outputs, 7)[1].astype(float)
        targets = torch.from_numpy(np.ascontiguousarray(loss.outcomes(y, outputs)))
        logits = torch.randn(7, outputs, dtype=torch.float64, requires_grad=True)
        (expected,) = torch.autograd.grad(loss.parts(logits, targets).mean(-1).sum(), logits)
        assert torch.allclose(loss.slope(logits.detach().clone(), targets), expected, atol=1e-14)


@pytest.mark.parametrize(("y", "outputs"), [([0, 1, 2], "3"), ([0, 0], "2"), ([[0], [1]], "CLASSES"), ([], "CLASSES")])
def test_classes_for_a_network_of_one_output_say_how_many_it_needs(y, outputs):
    with pytest.raises(InputError, match=rf"the network has 1; give it as NetworkSpec\(\.\.\., outputs={outputs}\)"):
        LOSSES["multiclass"].outcomes(np.array(y), 1)


def test_a_loss_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigurationError, match="no loss 'hinge'; choose one of binary"):
        loss_named("hinge")
