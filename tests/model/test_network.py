"""Networks by name, with and without torch."""

import subprocess
import sys

import numpy as np
import pytest

from fedsov.errors import ConfigurationError, TrainingFailed
from fedsov.model.network import NetworkSpec, build, check, head, initial, load, parameters, shapes

SPECS = [NetworkSpec(), NetworkSpec("mlp", (4,)), NetworkSpec("mlp", (5, 3))]


@pytest.mark.parametrize("spec", SPECS)
def test_names_shapes_and_order_are_those_of_torch(spec):
    state = build(spec, 7).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == shapes(spec, 7)
    assert list(state) == list(initial(spec, 7, seed=0))


@pytest.mark.parametrize("spec", SPECS)
def test_parameters_come_back_from_a_module_as_they_went_in(spec):
    first = initial(spec, 7, seed=3)
    back = parameters(load(build(spec, 7), first))
    assert all(np.array_equal(back[name], first[name]) for name in first)


def test_the_module_computes_what_the_arrays_say():
    import torch

    spec = NetworkSpec("mlp", (4,))
    p, X = initial(spec, 3, seed=1), np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    by_hand = np.maximum(X @ p["0.weight"].T + p["0.bias"], 0) @ p["2.weight"].T + p["2.bias"]
    with torch.no_grad():
        assert np.allclose(load(build(spec, 3), p)(torch.from_numpy(X)).numpy(), by_hand, atol=1e-6)


def test_the_same_seed_gives_the_same_start_and_another_seed_another():
    spec = NetworkSpec("mlp", (4,))
    assert np.array_equal(initial(spec, 3, 1)["0.weight"], initial(spec, 3, 1)["0.weight"])
    assert not np.array_equal(initial(spec, 3, 1)["0.weight"], initial(spec, 3, 2)["0.weight"])
    assert all(array.dtype == np.float32 for array in initial(spec, 3, 1).values())


def test_the_head_is_the_last_layer():
    assert head(NetworkSpec()) == {"0.weight", "0.bias"}
    assert head(NetworkSpec("mlp", (5, 3))) == {"4.weight", "4.bias"}


def test_what_is_no_network_is_refused():
    for name, hidden in (("forest", ()), ("logistic", (3,)), ("mlp", ()), ("mlp", (3, 0))):
        with pytest.raises(ConfigurationError, match="network|hidden"):
            NetworkSpec(name, hidden)
    with pytest.raises(ConfigurationError, match="at least one input"):
        initial(NetworkSpec(), 0, seed=0)


def test_foreign_or_broken_parameters_are_refused_by_name():
    spec = NetworkSpec()
    good = initial(spec, 3, 0)
    check(spec, 3, good)
    for bad, said in (
        ({"0.weight": good["0.weight"]}, "0.bias"),
        (good | {"9.weight": good["0.bias"]}, "9.weight"),
        (good | {"0.weight": np.zeros((1, 4), np.float32)}, "shape"),
        (good | {"0.bias": np.array([np.nan], np.float32)}, "not finite"),
    ):
        with pytest.raises(TrainingFailed, match=said):
            check(spec, 3, bad)


def test_the_hub_can_make_and_check_a_model_without_torch():
    program = (
        "import sys, fedsov.model.features\n"
        "from fedsov.model.network import NetworkSpec, check, initial\n"
        "spec = NetworkSpec('mlp', (4,)); check(spec, 3, initial(spec, 3, 0))\n"
        "print(sorted({'torch', 'pandas', 'pyarrow', 'flwr', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
