"""Activations compute what torch's modules do, and pass slopes back as autograd does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fedsov.model.network import ACTIVATIONS
from fedsov.training.activations import LayerCache, activation


@pytest.mark.parametrize(("name", "module"), ACTIVATIONS.items())
def test_an_activation_and_its_slope_are_torch_s(name, module):
    linear = torch.cat([torch.linspace(-6, 6, 41, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)])
    leaf = linear.clone().requires_grad_()
    expected = getattr(nn, module)()(leaf)
    outputs = activation(name).forward(linear.clone())
    assert torch.allclose(outputs, expected, atol=1e-15)
    above = torch.linspace(0.5, 2.0, 42, dtype=torch.float64)
    (slope,) = torch.autograd.grad(expected, leaf, above)
    before = outputs if name == "relu" else linear  # relu works in place: its inputs are gone
    assert torch.allclose(activation(name).backward(above, LayerCache(linear, before, outputs)), slope, atol=1e-15)


def test_an_activation_that_there_is_not_has_none():
    with pytest.raises(KeyError):
        activation("softplus")
