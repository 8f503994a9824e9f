"""Embeddings: a table of numbers for an input that is a code, before the first layer."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.errors import ConfigurationError, InputError
from fedsov.model.embeddings import Embedding, plain
from fedsov.model.network import NetworkSpec, build, initial, load, shapes
from fedsov.training.engine import advance, flat, held

STEPS = LocalSteps(learning_rate=0.1, weight_decay=0.01)
EMBEDDED = NetworkSpec("mlp", (6, 5), embeddings=(Embedding(1, 7, 3), Embedding(3, 2, 4)))


def test_numbers_of_each_code_follow_on_the_plain_inputs_in_the_order_of_the_tables():
    spec = replace(EMBEDDED, name="logistic", hidden=())
    arrays = {name: np.asarray(array, np.float32) for name, array in initial(spec, 5, 0).items()}
    arrays["0.weight"] = np.arange(10.0, dtype=np.float32)[None]
    row = np.array([0.5, 6, -1.0, 1, 2.0], np.float32)
    given_to_the_layer = [0.5, -1.0, 2.0, *arrays["embedding.0.weight"][6], *arrays["embedding.1.weight"][1]]
    with torch.no_grad():
        logit = float(load(build(spec, 5), arrays)(torch.from_numpy(row[None])))
    assert logit == pytest.approx(float(np.dot(given_to_the_layer, np.arange(10.0))), abs=1e-5)
    assert plain(spec.embeddings, 5) == [0, 2, 4]


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
    X = np.zeros((9, 4))
    X[4, 1] = 7
    with pytest.raises(InputError, match="input 1 must hold whole numbers from 0 to 6"):
        held([(X, np.zeros(9))], STEPS, EMBEDDED)
    with pytest.raises(ConfigurationError, match="none is column 3"):
        shapes(EMBEDDED, 3)
    with pytest.raises(ConfigurationError, match="from 1 to 16,777,216"):  # 2^24 + 1 is 2^24 in float32
        replace(EMBEDDED, embeddings=(Embedding(0, 2**24 + 1, 1),))
    with pytest.raises(ConfigurationError, match="takes no embeddings"):
        replace(EMBEDDED, name="ft_transformer", hidden=())
