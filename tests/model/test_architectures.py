"""Shipped networks that are no stack of linear layers: what they take, how they begin, what they compute."""

from __future__ import annotations

import math
import resource

import numpy as np
import pytest
import torch

from fedsov.errors import ConfigurationError
from fedsov.model.architectures import ARCHITECTURES
from fedsov.model.network import NetworkSpec, build, initial, load, names, shapes


@pytest.mark.parametrize(
    ("name", "hidden", "inputs", "said"),
    [
        ("cnn", (), 15, "squares of 4 pixels a side or more, row by row, not 15 inputs; .* from 16 on"),
        ("cnn", (4, 4, 4), 16, "8 pixels a side"),
        ("cnn", (), 1, "not 1 inputs"),
        ("ft_transformer", (6, 1), 4, "multiple of 4"),
        ("ft_transformer", (), 0, "at least one input, got 0"),
    ],
)
def test_an_architecture_says_what_it_takes(name, hidden, inputs, said):
    with pytest.raises(ConfigurationError, match=said):
        build(NetworkSpec(name, hidden), inputs)


@pytest.mark.parametrize(("name", "inputs"), [("cnn", 64), ("ft_transformer", 7)])
def test_an_architecture_starts_alike_from_a_seed_and_gives_a_logit_for_each_output(name, inputs):
    spec = NetworkSpec(name, outputs=3)
    first, again, other = (initial(spec, inputs, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert any(not np.array_equal(first[key], other[key]) for key in first)
    assert load(build(spec, inputs), first)(torch.zeros(5, inputs)).shape == (5, 3)


@pytest.mark.parametrize("hidden", [(), (3,), (2, 3, 4)])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_parameters_have_the_same_names_for_every_number_of_inputs_also_where_none_is_told(name, hidden):
    if name == "ft_transformer":
        hidden = (8, len(hidden) or 1)
    spec = NetworkSpec(name, hidden)
    assert names(spec) == tuple(shapes(spec, 256)) == tuple(build(spec, 64).state_dict())


def test_a_cnn_sees_pixels_row_by_row_and_each_convolution_halves_the_side():
    spec = NetworkSpec("cnn", (1,))
    arrays = {name: np.zeros_like(array) for name, array in initial(spec, 16, 0).items()}
    arrays["1.weight"][0, 0, 1, 1] = 1.0  # each pixel as it is
    arrays["5.weight"][0] = [1.0, 0.0, 0.0, 0.0]  # of the means of 2 by 2 the first
    picture = torch.arange(16.0)[None]
    assert float(load(build(spec, 16), arrays)(picture).detach()) == np.mean([0.0, 1.0, 4.0, 5.0])


def test_a_transformer_s_answer_changes_with_every_input():
    spec = NetworkSpec("ft_transformer", (8, 1))
    module, row = load(build(spec, 3), initial(spec, 3, 0)), torch.zeros(1, 3)
    with torch.no_grad():
        moved = [float(module(row + torch.eye(3)[place]) - module(row)) for place in range(3)]
    assert min(map(abs, moved)) > 1e-4


def test_shapes_of_a_network_as_wide_as_a_job_likes_take_no_memory() -> None:
    """A region built 8 GB of a width of 16,000 before it compared it with the one number that came."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = shapes(NetworkSpec("ft_transformer", (16_000, 1)), 3)
    assert found["scale.weight"] == (3, 16_000) and sum(map(math.prod, found.values())) > 10**9
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "in kilobytes"
