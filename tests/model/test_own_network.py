"""Networks of one's own: what works is trained as torch would, and what cannot is refused by name before it is."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
import torch

import fedsov
from fedsov.errors import ConfigurationError
from fedsov.model import own_network
from fedsov.model.network import (
    NetworkSpec,
    build,
    check_frozen,
    head,
    initial,
    load,
    names,
    parameters,
    register,
    shapes,
    untrained,
)
from fedsov.training.engine import predict
from tests.model.odd_networks import REFUSED, WORKING, additive, partly_untrained, tied, with_dropout

for _name, _build in WORKING.items():
    register(f"works-{_name}", _build)
for _name, (_build, _) in REFUSED.items():
    register(f"refused-{_name}", _build)
register("partly-untrained", partly_untrained)

X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
ROWS = {"DE": (X[:20], (X[:20, 0] > 0).astype(int)), "US": (X[20:], (X[20:, 0] > 0).astype(int))}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_train_or_score_wrongly_is_refused_by_name_with_the_way_to_mend_it(name):
    told = REFUSED[name][1]
    pattern = told if ".*" in told else re.escape(told)
    for enter in (
        lambda spec: initial(spec, 4, 0),
        lambda spec: fedsov.federate(spec, ROWS, rounds=1, work=fedsov.Work(processes=1)),
    ):
        with pytest.raises(ConfigurationError, match=f"network 'refused-{name}'.*{pattern}"):
            enter(NetworkSpec(f"refused-{name}"))


@pytest.mark.parametrize("name", WORKING)
def test_the_same_seed_begins_alike_and_scores_are_the_same_each_time_and_leave_rows_alone(name):
    spec, before = NetworkSpec(f"works-{name}"), X.copy()
    first, again, other = (initial(spec, 4, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert any(not np.array_equal(first[key], other[key]) for key in first)
    assert {key: array.shape for key, array in first.items()} == shapes(spec, 4)
    scores = predict(first, X, spec)
    assert np.array_equal(predict(first, X, spec), scores)
    assert np.allclose(np.concatenate([predict(first, row[None], spec) for row in X]), scores, atol=1e-5)
    assert np.array_equal(X, before)


def test_tied_weights_are_one_parameter_under_their_first_name():
    spec = NetworkSpec("works-tied")
    assert "second.weight" in tied(4, 1).state_dict()
    assert "second.weight" not in shapes(spec, 4) and "first.weight" in shapes(spec, 4)
    arrays = {name: np.full_like(array, 0.25) for name, array in initial(spec, 4, 0).items()}
    module = load(build(spec, 4), arrays)
    assert module.second.weight is module.first.weight
    assert float(module.second.weight.detach()[0, 0]) == 0.25
    assert parameters(module).keys() == arrays.keys()


def test_names_follow_from_the_inputs_that_were_last_spoken_of_where_none_are_told():
    spec = NetworkSpec("works-additive")
    assert len(names(spec, 5)) == 5 * 4
    assert names(spec) == names(spec, 5) != names(spec, 2)
    register("squares-only", lambda inputs, outputs: torch.nn.Linear({4: 4}[inputs], outputs))
    with pytest.raises(ConfigurationError, match="cannot be made of 1 inputs .*; without its number of inputs"):
        names(NetworkSpec("squares-only"))
    assert names(NetworkSpec("squares-only"), 4) == ("weight", "bias") == names(NetworkSpec("squares-only"))


def test_the_head_of_a_network_of_one_s_own_is_not_known():
    assert head(NetworkSpec("works-dropout")) == frozenset()


def test_a_federated_training_asks_for_what_is_not_trained_to_be_frozen_too():
    spec = NetworkSpec("partly-untrained")
    assert untrained(spec, 4) == {"0.weight"} and untrained(NetworkSpec(), 4) == frozenset()
    with pytest.raises(
        ConfigurationError, match=r"parameter '0.weight' has requires_grad=False.*frozen=\['0.weight'\]"
    ):
        check_frozen(spec, 4, ["0.bias"])
    check_frozen(spec, 4, ["0.weight"])


def test_what_a_network_begins_with_and_is_made_of_is_not_drawn_from_the_caller_s_generator():
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    own_network.check.cache_clear()
    initial(NetworkSpec("works-dropout"), 4, 0)
    build(NetworkSpec("works-dropout"), 4)
    build(NetworkSpec("mlp", (3,)), 4)
    assert torch.equal(torch.rand(3), expected)


def test_a_network_is_looked_at_once_in_a_process():
    calls = []

    def counted(inputs: int, outputs: int) -> torch.nn.Module:
        calls.append(inputs)
        return with_dropout(inputs, outputs)

    register("counted", counted)
    for _ in range(3):
        initial(NetworkSpec("counted"), 4, 0)
    assert len(calls) == 2 + 3  # made twice to be looked at, and once for each start
    initial(NetworkSpec("counted"), 5, 0)
    assert len(calls) == 2 + 3 + 3


def test_a_name_is_given_once():
    with pytest.raises(ConfigurationError, match="named 'works-dropout' already"):
        register("works-dropout", additive)
    with pytest.raises(ConfigurationError, match="named 'cnn' already"):
        register("cnn", additive)


@pytest.mark.parametrize(
    ("name", "build", "told"),
    [
        (3, additive, "the name of a network must be text, got 3"),
        ("none", None, r"build must be a function build\(inputs, outputs\) .*got None"),
        ("module", torch.nn.Linear(4, 1), r"got Linear\(.*; write lambda inputs, outputs: MODULE"),
    ],
)
def test_what_names_no_function_that_makes_a_module_is_refused(name, build, told):
    with pytest.raises(ConfigurationError, match=told):
        fedsov.register(name, build)


def test_a_class_of_modules_is_named_too():
    fedsov.register("a-class", torch.nn.Linear)
    assert NetworkSpec("a-class").name in own_network.registered() and fedsov.register is register


def test_naming_a_network_imports_no_torch():
    program = (
        "import sys\nfrom fedsov.model.network import NetworkSpec, register\n"
        "register('mine', lambda inputs, outputs: None); NetworkSpec('mine')\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
