"""Every setting of a training, given everything: it is accepted and trains, or refused by one line that names it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest

import fedsov
from fedsov.algorithms.catalogue import ALGORITHMS, Algorithm
from fedsov.algorithms.compression import Compression
from fedsov.algorithms.local_steps import READS, LocalSteps, Schedule
from fedsov.algorithms.personalization import PrivateParameters
from fedsov.errors import ConfigurationError, FedsovError, InputError, TrainingFailed
from fedsov.model.embeddings import Embedding
from fedsov.model.network import NetworkSpec
from fedsov.privacy.events import Event
from fedsov.privacy.mechanism import RecordMechanism
from fedsov.privacy.settings import RecordPrivacy
from fedsov.simulation.federate import FederateOptions


class _Odd:
    """An object that is nothing in particular."""


RNG = np.random.default_rng(0)
REGIONS = {name: (RNG.normal(size=(12, 3)), np.arange(12) % 2) for name in ("DE", "US", "GB")}
VALUES: Mapping[str, Any] = {
    "NaN": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "True": True,
    "numpy's True": np.True_,
    "-1": -1,
    "0": 0,
    "1": 1,
    "2": 2,
    "0.5": 0.5,
    "2.0": 2.0,
    "2.5": 2.5,
    "numpy's 1": np.int64(1),
    "numpy's uint8 2": np.uint8(2),
    "numpy's 0.25": np.float32(0.25),
    "numpy's NaN": np.float64("nan"),
    "an array of one": np.array(1),
    "an array": np.arange(3),
    "a fraction": Fraction(1, 2),
    "a decimal": Decimal("0.5"),
    "a complex number": 1 + 0j,
    "text": "many",
    "a digit": "1",
    "bytes": b"1",
    "None": None,
    "a list": [1],
    "a mapping": {"a": 1},
    "an object": _Odd(),
    "a class": int,
    "-0.0": -0.0,
    "1e-320": 1e-320,
    "1e39": 1e39,
    "1e308": 1e308,
    "2^31": 2**31,
    "2^63": 2**63,
    "10^400": 10**400,
    "10^5000": 10**5000,
    "a date": np.datetime64("2024-01-01"),
}
"""What a field may be given; no accepted count is so large that training with it would not end."""

STEPS = LocalSteps(batch=4, epochs=1)
MECHANISM = RecordMechanism(clip=1.0, noise_multiplier=1.0, sampling_rate=0.5, steps=2)
PRIVACY = RecordPrivacy(0.25, 1e-6, 1.0, 4.0, 100, 10.0, 0.1, bounds={"age": (0.0, 100.0)})


def _train(**given: Any) -> None:
    right = {"model": "logistic", "rounds": 1, "steps": STEPS, "options": FederateOptions(processes=1)}
    fedsov.federate(regions=REGIONS, **{**right, **given})


def _with(**options: Any) -> None:
    _train(options=FederateOptions(processes=1, **options))


@dataclass(frozen=True)
class Settings:
    """A class of settings, one that is right, and what is done with another one that was accepted."""

    right: Any
    use: Callable[[Any], object]
    skipped: frozenset[str] = frozenset()

    def fields(self) -> list[str]:
        return [one.name for one in fields(self.right) if one.name not in self.skipped]


OPTIONS = {name: [*spec.options, *spec.client_options] for name, spec in ALGORITHMS.items()}
SETTINGS: Mapping[str, Settings] = {
    "LocalSteps": Settings(STEPS, lambda steps: _train(steps=steps), frozenset({"loss"})),
    "Schedule": Settings(Schedule("step"), lambda one: _with(schedule=_scheduled(one))),
    "Compression": Settings(Compression("topk"), lambda one: _with(compression=one)),
    "RecordMechanism": Settings(MECHANISM, lambda one: _train(noise=one)),
    "FederateOptions": Settings(FederateOptions(processes=1), lambda one: _train(options=one), frozenset({"order"})),
    "PrivateParameters": Settings(PrivateParameters(("intercept",)), lambda one: _train(private=one)),
    "NetworkSpec": Settings(NetworkSpec("mlp", (4,)), lambda spec: _train(model=spec)),
    "RecordPrivacy": Settings(replace(PRIVACY, epsilon=None), lambda one: RecordPrivacy.from_json(one.to_json())),
    "Event": Settings(Event("gaussian", 2.0), lambda one: Event.from_json(one.to_json())),
}


def _scheduled(schedule: Schedule) -> Callable[[int], float]:
    return lambda number: schedule.rate(number, 1)


def _try(make: Callable[[], Any], use: Callable[[Any], object], used: list[Any]) -> None:
    """Makes settings and uses them, once of equal ones; what neither works nor is refused by one line is an error."""
    try:
        accepted = make()
        if not any(accepted is other or (type(accepted) is type(other) and accepted == other) for other in used):
            used.append(accepted)
            use(accepted)
    except (ConfigurationError, InputError, TrainingFailed) as error:  # some are right, and wrong for this network
        _check_line(error)


def _check_line(error: FedsovError) -> None:
    assert "\n" not in str(error) and 10 < len(str(error)) < 400, str(error)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("kind", SETTINGS)
def test_a_setting_is_accepted_and_used_or_refused_by_one_line(kind: str) -> None:
    settings = SETTINGS[kind]
    used: list[Any] = []
    for name in settings.fields():
        for value in VALUES.values():
            if not callable(value):
                _try(partial(replace, settings.right, **{name: value}), settings.use, used)
    assert len(used) > 1


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_refused_value_is_named_with_its_setting(kind: str) -> None:
    settings = SETTINGS[kind]
    for name in settings.fields():
        with pytest.raises(ConfigurationError) as refused:
            replace(settings.right, **{name: _Odd()})
        words = str(refused.value)
        assert (name in words or name in ("name", "kind", "sampler", "neighbours", "share")) and "_Odd" in words, words


NUMBERS = {
    "whole": [
        *[("LocalSteps", name) for name in ("batch", "epochs", "accumulate", "seed")],
        *[("FederateOptions", name) for name in ("processes", "minimum", "patience")],
        *[("Schedule", name) for name in ("every", "warmup")],
        ("RecordMechanism", "steps"),
        ("RecordPrivacy", "batch"),
        ("NetworkSpec", "outputs"),
        ("Event", "steps"),
    ],
    "real": [
        *[("LocalSteps", name) for name in ("learning_rate", "momentum", "weight_decay", "proximal_mu")],
        *[("Schedule", name) for name in ("least", "by")],
        *[("RecordMechanism", name) for name in ("clip", "noise_multiplier", "sampling_rate")],
        *[("RecordPrivacy", name) for name in ("epsilon", "delta", "clip", "lifetime_epsilon", "statistics_noise")],
        ("FederateOptions", "max_update_norm"),
        ("Compression", "share"),
    ],
}
NO_NUMBERS = ("NaN", "-inf", "True", "numpy's True", "-1", "numpy's NaN", "an array", "a decimal", "text", "a digit")
ALWAYS_REFUSED = {"real": (*NO_NUMBERS, "10^400"), "whole": (*NO_NUMBERS, "2.0", "2.5", "0.5", "inf", "10^400")}


@pytest.mark.parametrize(("of", "kind", "name"), [(of, *place) for of, places in NUMBERS.items() for place in places])
def test_what_is_no_such_number_is_refused_everywhere(of: str, kind: str, name: str) -> None:
    for value in ALWAYS_REFUSED[of]:
        with pytest.raises(ConfigurationError, match="must be"):
            replace(SETTINGS[kind].right, **{name: VALUES[value]})


@pytest.mark.parametrize(("of", "kind", "name"), [(of, *place) for of, places in NUMBERS.items() for place in places])
def test_a_scalar_of_numpy_is_stored_as_python_s_own_number(of: str, kind: str, name: str) -> None:
    right = SETTINGS[kind].right
    number = np.int64(2) if of == "whole" else np.float32(0.0625 if name == "delta" else 0.5)
    stored = getattr(replace(right, **{name: number}), name)
    assert type(stored) is (int if of == "whole" else float) and stored == number


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_s_option_is_accepted_and_trains_or_is_refused(name: str) -> None:
    used: list[Any] = []
    for option in OPTIONS[name]:
        for value in VALUES.values():
            _try(partial(Algorithm, name, {option: value}), lambda algorithm: _train(algorithm=algorithm), used)
    assert used or not OPTIONS[name]


def test_every_option_has_a_range_and_is_named_with_its_value() -> None:
    for name, options in OPTIONS.items():
        for option in options:
            for value in (math.nan, True, "much", None, -1):
                with pytest.raises(ConfigurationError, match=f"algorithm.options.{option} must be"):
                    Algorithm(name, {option: value})
    for options in (None, [1], "eta", 5):
        with pytest.raises(ConfigurationError, match="algorithm.options must be a mapping"):
            Algorithm("fedadam", options)  # type: ignore[arg-type]
    for name in (None, 5, ["fedavg"], math.nan):
        with pytest.raises(ConfigurationError, match="algorithm must be one of"):
            Algorithm(name)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="did you mean fedadam"):
        Algorithm("fedadm")


FEDERATE = ("rounds", "seed", "steps", "algorithm", "weighting", "private", "noise", "work", "on_round", "start")


@pytest.mark.parametrize("name", FEDERATE)
def test_an_argument_of_federate_is_accepted_and_trains_or_is_refused(name: str) -> None:
    for value in VALUES.values():
        if not callable(value):  # a function of the caller's own is called, and its errors are the caller's
            _try(partial(_train, **{name: value}), lambda _: None, [])
    for value in (VALUES["an object"], 2.5):
        with pytest.raises(ConfigurationError, match=name):
            _train(**{name: value})


@pytest.mark.parametrize("value", [2.5, math.nan, "3", None, 0, -1, True, 2**31])
def test_rounds_are_a_whole_number_of_one_or_more(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="rounds must be a whole number"):
        _train(rounds=value)


@pytest.mark.parametrize("value", [2.5, math.nan, "3", None, -1, True, 2**63])
def test_a_seed_is_a_whole_number_from_zero(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="seed must be a whole number"):
        _train(seed=value)


def test_a_minimum_beyond_the_clients_is_refused_before_a_round() -> None:
    with pytest.raises(ConfigurationError, match=r"minimum must be a whole number from 0 to 3, got 5"):
        _train(options=FederateOptions(minimum=5))
    _train(options=FederateOptions(minimum=3, processes=1))


@pytest.mark.parametrize("bound", [math.nan, 0.0, -1.0, "1", None, True])
def test_a_bound_that_would_refuse_nothing_or_everything_is_refused(bound: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_update_norm must be a number above 0"):
        FederateOptions(max_update_norm=bound)
    assert FederateOptions(max_update_norm=np.float32(np.inf)).max_update_norm == math.inf


@pytest.mark.parametrize("noise", [1e-9, 0.49, 1e7, math.nan])
def test_noise_of_statistics_that_no_accountant_can_price_is_refused(noise: float) -> None:
    with pytest.raises(ConfigurationError, match=r"privacy\.statistics_noise must be a number of 0\.5 or more"):
        replace(PRIVACY, statistics_noise=noise)


@pytest.mark.parametrize("pair", [None, 5, "01", (1.0,), (0.0, 1.0, 2.0), (1.0, 1.0), (1.0, 0.0), (0.0, math.nan),
                                  (0.0, "1"), (-1e200, 1e200), (0.0, 1e-200), (True, 2.0), {0.0: 1.0}])  # fmt: skip
def test_bounds_of_a_column_are_two_numbers_that_can_be_squared(pair: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"dataset\.bounds\.age"):
        replace(PRIVACY, bounds={"age": pair})


@pytest.mark.parametrize("rate", [math.nan, 0.0, -1.0, "1", None, math.inf])
def test_a_rate_that_is_no_factor_ends_the_training_with_its_name(rate: Any) -> None:
    with pytest.raises(ConfigurationError, match="learning_rate"):
        _train(options=FederateOptions(processes=1, schedule=lambda number: rate))


@pytest.mark.parametrize(
    "order",
    [
        lambda seed, client, number: [np.array([0, 99])],
        lambda seed, client, number: [np.array([-1])],
        lambda seed, client, number: [np.array([0.5])],
        lambda seed, client, number: [np.array([], np.int64)],
        lambda seed, client, number: [[True] * 12],
        lambda seed, client, number: "01",
        lambda seed, client, number: None,
        lambda seed, client, number: [3],
    ],
)
def test_an_order_of_what_are_no_rows_is_refused_with_the_client_and_round(order: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"options\.order of client [012] in round 1"):
        _train(options=FederateOptions(processes=1, order=order))


@pytest.mark.parametrize("embedding", [Embedding(-1, 2, 2), Embedding(0, 0, 2), Embedding(0, 2, 1.5), (0, 2, 2), None])
def test_an_embedding_that_is_none_is_refused(embedding: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"embeddings\[0\]"):
        NetworkSpec("mlp", (4,), embeddings=(embedding,))


def test_names_of_schedules_and_compressions_are_words_of_a_list() -> None:
    assert [Schedule(name).name for name in READS] == list(READS)
    with pytest.raises(ConfigurationError, match="did you mean cosine"):
        Schedule("cosin")
    with pytest.raises(ConfigurationError, match="did you mean int8"):
        Compression("int")  # type: ignore[arg-type]
