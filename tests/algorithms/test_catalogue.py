"""One row an algorithm; what excludes what follows from the needs in the rows, and is said in one place."""

from __future__ import annotations

import doctest
import inspect
import math
from pathlib import Path

import pytest

from fedsov.algorithms import catalogue
from fedsov.algorithms.aggregation import build
from fedsov.algorithms.catalogue import ALGORITHMS, Algorithm, Need, Surroundings, check_compatible
from fedsov.algorithms.compression import Compression
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.personalization import Personalization, PrivateParameters
from fedsov.errors import ConfigurationError
from tests.world import ROOT

STEPS = LocalSteps()


def _check(name: str, private: PrivateParameters = PrivateParameters(), **around: object) -> None:  # noqa: B008
    algorithm = Algorithm(name)
    personalization = algorithm.personalization(private, STEPS)
    check_compatible(algorithm, personalization, Surroundings(**around))  # type: ignore[arg-type]


def test_the_example_of_the_module_runs() -> None:
    assert doctest.testmod(catalogue).failed == 0


def test_every_algorithm_has_a_row_a_yaml_and_parameters_that_its_strategy_takes() -> None:
    from flwr.serverapp import strategy

    files = {path.stem for path in Path(ROOT / "configs" / "algorithm").glob("*.yaml")}
    assert files == set(ALGORITHMS)
    for spec in ALGORITHMS.values():
        assert isinstance(spec.strategy, str)
        known = inspect.signature(getattr(strategy, spec.strategy)).parameters
        assert set(spec.options) <= set(known)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("magic", {}, "algorithm must be one of fedavg, fedprox.*got 'magic'"),
        ("fedavg", {"speed": 3}, "algorithm.options.speed is no option of fedavg; it has none"),
        ("fedadam", {"speed": 3}, "its options are eta, eta_l"),
        ("fedprox", {"proximal_mu": -1}, "must be a number of 0 or more and at most .*, got -1"),
        ("fedprox", {"proximal_mu": math.nan}, "must be a number of 0 or more and at most .*, got nan"),
        ("fedprox", {"proximal_mu": True}, "must be a number of 0 or more and at most .*, got True"),
        ("fedrep", {"head_epochs": 0}, "head_epochs must be a whole number of 1 or more, got 0"),
        ("fedrep", {"head_epochs": 2.5}, "head_epochs must be a whole number of 1 or more, got 2.5"),
    ],
)
def test_an_algorithm_or_option_that_is_none_is_named(name: str, options: dict, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Algorithm(name, options)


def test_options_of_clients_are_not_told_to_the_strategy() -> None:
    assert Algorithm("ditto", {"ditto_lambda": 0.5}).strategy_options == {}
    assert build(Algorithm("ditto", {"ditto_lambda": 0.5}), 3).fraction_train == 1.0
    assert Algorithm("fedprox", {"proximal_mu": 0.5}).strategy_options == {"proximal_mu": 0.5}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_each_need_excludes_what_does_not_provide_it_and_nothing_else(name: str) -> None:
    needs = ALGORITHMS[name].needs
    excluded = {
        Need.EXACT_STEP_COUNTS: {"noise": True},
        Need.UNCOMPRESSED_UPDATES: {"compression": Compression("int8")},
        Need.SINGLE_UPDATES: {"secure_sum": True},
        Need.PLAIN_GRADIENTS: {"proximal_mu": 0.1},
    }
    assert excluded.keys() == set(Need)
    _check(name)
    for need, around in excluded.items():
        if need in needs:
            with pytest.raises(ConfigurationError, match=f"algorithm={name}"):
                _check(name, **around)
        elif name != "fedrep" or need is not Need.EXACT_STEP_COUNTS:
            _check(name, **around)


def test_steps_that_are_known_under_noise_may_be_counted() -> None:
    with pytest.raises(ConfigurationError, match=r"choose one of fedavg(?!.*fedrep).*, or privacy=none"):
        _check("scaffold", noise=True)
    _check("scaffold", noise=True, counted=True)


def test_parameters_that_step_alone_are_not_mixed_with_noise() -> None:
    for name, private in (
        ("fedrep", PrivateParameters()),
        ("fedavg", PrivateParameters(("intercept",), private_only_steps=STEPS)),
    ):
        with pytest.raises(ConfigurationError, match="step alone do so without noise.*fedper"):
            _check(name, private, noise=True)
    check_compatible(Algorithm("fedper"), Personalization(PrivateParameters(("head",))), Surroundings(noise=True))


def test_words_of_a_secure_sum_are_not_compressed() -> None:
    with pytest.raises(ConfigurationError, match="exclude each other.*federation.compression=none"):
        _check("fedavg", compression=Compression("topk"), secure_sum=True)
