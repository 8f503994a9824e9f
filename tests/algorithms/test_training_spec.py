"""One training as one value: its rates, its steps, and what it keeps with clients."""

from __future__ import annotations

import doctest
from dataclasses import replace

import pytest

from fedsov.algorithms import training_spec
from fedsov.algorithms.catalogue import ALGORITHMS, Algorithm, AlgorithmSpec
from fedsov.algorithms.client_half import ClientHalf, no_terms
from fedsov.algorithms.compression import Compression
from fedsov.algorithms.local_steps import LocalSteps, Schedule
from fedsov.algorithms.personalization import Personalization, PrivateParameters
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.errors import ConfigurationError
from fedsov.model.network import NetworkSpec

SPEC = TrainingSpec(NetworkSpec("mlp", (4,)), LocalSteps(learning_rate=0.1, momentum=0.5, batch=10, epochs=2))


def test_the_example_of_the_module_runs() -> None:
    assert doctest.testmod(training_spec).failed == 0


def test_a_schedule_and_a_function_of_the_round_slow_the_same_steps() -> None:
    only = PrivateParameters(("head",), private_only_steps=LocalSteps(learning_rate=0.4))
    named = replace(SPEC, rounds=4, schedule=Schedule("step", every=2, by=0.5), personalization=Personalization(only))
    own = replace(named, schedule=lambda number: 0.5 ** ((number - 1) // 2))
    for number, rate in ((1, 0.1), (2, 0.1), (3, 0.05), (4, 0.05)):
        for spec in (named, own):
            assert spec.steps_of(number).learning_rate == pytest.approx(rate)
            steps = spec.private_of(number).private_only_steps
            assert steps is not None and steps.learning_rate == pytest.approx(4 * rate)
            assert spec.step_counts(number).rate == pytest.approx(rate)
    assert SPEC.step_counts(1).taken(25) == 6


def test_a_rate_that_makes_no_learning_rate_is_refused_in_its_round() -> None:
    with pytest.raises(ConfigurationError, match="learning_rate"):
        replace(SPEC, schedule=lambda number: 0.0).steps_of(1)


def test_what_stays_with_clients_is_known_from_the_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not SPEC.keeps_state and not replace(SPEC, algorithm=Algorithm("scaffold")).keeps_state  # the hub keeps it
    assert replace(SPEC, compression=Compression("topk")).keeps_state
    assert not replace(SPEC, compression=Compression("int8")).keeps_state
    ditto = replace(SPEC, personalization=Personalization(ditto_lambda=0.1))
    assert ditto.keeps_state and not ditto.without_personalization().keeps_state
    half = ClientHalf(no_terms, lambda state, update, taken: (update, state), keeps=("h",))
    monkeypatch.setitem(ALGORITHMS, "toy", AlgorithmSpec(client=half))
    assert replace(SPEC, algorithm=Algorithm("toy")).keeps_state


def test_what_excludes_each_other_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="proximal_mu"):
        replace(SPEC, steps=LocalSteps(proximal_mu=0.1), algorithm=Algorithm("scaffold")).check()
    with pytest.raises(ConfigurationError, match="secure_aggregation"):
        replace(SPEC, algorithm=Algorithm("krum")).check(secure_sum=True)
    SPEC.check(noise=True, secure_sum=True)
