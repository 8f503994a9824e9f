"""The engine: what may be asked of it, what it leaves alone, and what of it is the same bits on any processor."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import fedsov
from fedsov.algorithms.local_steps import poisson
from fedsov.errors import ConfigurationError, TrainingFailed
from fedsov.model.network import NetworkSpec, initial
from fedsov.training.engine import predict, train_locally, train_one
from tests.training.clients import STEPS, task

KERNELS = [
    {},
    {"MKL_CBWR": "COMPATIBLE"},
    {"MKL_CBWR": "AVX2"},
    {"MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    {"ATEN_CPU_CAPABILITY": "default"},
]
"""By which kernels the libraries below multiply and add, on Intel and AMD alike."""


def _digest(kernels: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.training.same_bits"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MKL_", "ATEN_"))}
    return subprocess.Popen(
        command, env={**environment, **kernels}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(
    "kernels",
    [KERNELS[0], *(pytest.param(each, marks=pytest.mark.long) for each in KERNELS[1:])],
    ids=lambda kernels: "-".join(f"{name}={value}" for name, value in kernels.items()),
)
def test_equal_stacks_are_the_same_bits_and_others_the_same_up_to_rounding_by_whatever_kernels(kernels):
    process = _digest(kernels)
    digest, problem = process.communicate()
    assert process.returncode == 0, problem
    if not kernels:
        again, _ = _digest(kernels).communicate()
        assert again == digest


@pytest.fixture
def two_threads():
    """The threads of a caller who has two."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_caller_s_threads_generators_and_rows_are_as_they_were(two_threads):
    X, y = (array.astype(np.float32) for array in task("binary", 1, 40, 0))
    kept, state, numpy_state = X.copy(), torch.random.get_rng_state(), np.random.get_state()[1].copy()
    for spec in (NetworkSpec("mlp", (4,)), NetworkSpec("cnn", (2,))):
        start = initial(spec, 4, 0)
        predict(train_one(start, X, y, STEPS, spec=spec), X, spec)
        fedsov.federate(spec, [(X, y), (X, y)], rounds=1, algorithm="fedadam").logits(X)
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    assert np.array_equal(X, kept)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("learning_rate", value) for value in (0.0, 1e-320, 1e-46, 1e39, 1e300, math.nan)],
        *[(name, value) for name in ("weight_decay", "proximal_mu") for value in (1e39, math.inf)],
        *[("seed", value) for value in (-1, 2**63, 2**80)],
    ],
)
def test_a_number_that_steps_cannot_be_taken_with_is_refused_before_they_are(name, value):
    with pytest.raises(ConfigurationError, match=f"{name} must be a "):
        replace(STEPS, **{name: value})


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


def test_a_poisson_sample_takes_each_row_with_its_rate_and_never_twice():
    drawn = poisson(50, 0.2, 4000, np.random.default_rng(1))
    counts = np.bincount(np.concatenate(drawn), minlength=50) / 4000
    sizes = np.array([len(one) for one in drawn])
    assert all(len(set(one.tolist())) == len(one) for one in drawn)
    assert np.abs(counts - 0.2).max() < 5 * np.sqrt(0.2 * 0.8 / 4000)
    assert sizes.var() == pytest.approx(50 * 0.2 * 0.8, rel=0.1)


def test_no_rows_another_network_and_parameters_that_are_not_finite_are_refused():
    spec, (X, y) = NetworkSpec("mlp", (6,)), task("binary", 1, 40, 0)
    start = initial(spec, 4, 0)
    with pytest.raises(TrainingFailed, match="no rows to train on"):
        train_locally(start, X[:0], y[:0], STEPS, spec=spec)
    with pytest.raises(TrainingFailed, match="not as in network mlp"):
        train_locally(initial(NetworkSpec(), 4, 0), X, y, STEPS, spec=spec)
    with pytest.raises(TrainingFailed, match="not finite"), np.errstate(all="ignore"):
        train_locally(start, X * 1e200, y, STEPS, spec=spec)
