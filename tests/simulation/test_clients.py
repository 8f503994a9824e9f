"""What `fedsov.federate` is given, and what is scored afterwards: taken as it is meant, or refused by one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import fedsov
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.personalization import PrivateParameters
from fedsov.errors import ConfigurationError, InputError, TrainingFailed
from fedsov.model.embeddings import Embedding
from fedsov.model.network import NetworkSpec, initial
from fedsov.privacy.mechanism import RecordMechanism
from fedsov.simulation.clients import clients_of, mechanisms_of, network_of, private_of, start_of
from fedsov.simulation.federate import FederateOptions

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)), np.arange(40) % 2
GOOD = (X[:20], Y[:20])
STEPS = LocalSteps(batch=8, epochs=1)
MECHANISM = RecordMechanism(clip=1.0, noise_multiplier=1.0, sampling_rate=0.5, steps=2)


def _fitted(*pairs: Any, model: Any = "logistic", steps: LocalSteps = STEPS, **more: Any) -> fedsov.Fitted:
    regions = dict(zip(("DE", "US", "GB"), pairs, strict=False))
    return fedsov.federate(model, regions, rounds=1, steps=steps, options=FederateOptions(processes=1, **more))


SAME = {
    "tensors": lambda X, y: (torch.tensor(X, requires_grad=True), torch.tensor(y)),
    "tables": lambda X, y: (pd.DataFrame(X, columns=["a", "b", "c"]), pd.Series(y)),
    "lists": lambda X, y: (X.tolist(), y.tolist()),
    "truth values": lambda X, y: (X, y == 1),
    "a list of two": lambda X, y: [X, y],
    "objects": lambda X, y: (X.astype(object), y.astype(object)),
    "big-endian numbers": lambda X, y: (X.astype(">f8"), y.astype(">i4")),
    "a reversed view": lambda X, y: (X[::-1][::-1], y[::-1][::-1]),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_numbers_train_the_same_model_whoever_holds_them(name: str) -> None:
    halves = [(X[:20], Y[:20]), (X[20:], Y[20:])]
    plain, other = _fitted(*halves), _fitted(*(SAME[name](*half) for half in halves))
    for key, value in plain.parameters.items():
        assert np.array_equal(value, other.parameters[key])
    rows = SAME[name](X, Y)[0]
    assert np.array_equal(plain.logits(X), other.logits(rows))


MASKED = np.ma.masked_array(X[20:], X[20:] > 0)
DATES = np.array(["2024-01-01", "NaT"] * 10, "datetime64[D]")
NOT_INPUTS: dict[str, tuple[Any, str]] = {
    "masked": (MASKED, "inputs are a masked array"),
    "complex": (X[20:] + 1j, "inputs are complex"),
    "dates": (np.repeat(DATES[:, None], 3, 1), "inputs are dates"),
    "text": (X[20:].astype(str), "inputs are text"),
    "a column": (X[20:, 0], r"\(20,\).*reshape\(-1, 1\)"),
    "pictures": (np.zeros((20, 2, 2)), r"\(20, 2, 2\).*reshape\(len\(X\), -1\)"),
    "no rows": (X[:0], r"N and D of 1 or more, got \(0, 3\)"),
    "no columns": (X[20:, :0], r"N and D of 1 or more, got \(20, 0\)"),
    "too few rows": (X[20:39], r"got \(19, 3\) and \(20,\)"),
    "NaN": (np.where(X[20:] > 1, np.nan, X[20:]), "inputs must be finite, 12 are missing or infinite"),
    "infinite": (np.where(X[20:] > 1, np.inf, X[20:]), "inputs must be finite, 12 are missing or infinite"),
    "beyond float32": (np.where(X[20:] > 1, 1e39, X[20:]), "inputs must be finite in float32, 12 are beyond"),
    "nothing": (None, "inputs are of type NoneType"),
    "a file's name": ("people.csv", "inputs are of type str"),
}
NOT_OUTCOMES: dict[str, tuple[Any, str]] = {
    "masked": (np.ma.masked_array(Y[20:], Y[20:] > 0), "outcomes are a masked array"),
    "complex": (Y[20:] + 0j, "outcomes are complex"),
    "dates": (DATES, "outcomes are dates"),
    "text": (np.where(Y[20:] > 0, "yes", "no"), "outcomes are text"),
    "another number": (Y[20:39], r"got \(20, 3\) and \(19,\)"),
    "one for all": (1, r"got \(20, 3\) and \(\)"),
    "a column": (Y[20:, None], r"outcomes must be 0 or 1.*give outcomes.ravel\(\)"),
    "NaN": (np.where(Y[20:] > 0, np.nan, 0.0), "outcomes must be finite, 10 are missing"),
    "-1 and 1": (2 * Y[20:] - 1, "outcomes must be 0 or 1"),
    "nearly 1": (np.where(Y[20:] > 0, 1.0 - 1e-12, 0.0), "outcomes must be 0 or 1"),  # which float32 would make 1
}


@pytest.mark.parametrize("name", NOT_INPUTS)
def test_inputs_that_are_none_are_refused_with_their_region(name: str) -> None:
    inputs, says = NOT_INPUTS[name]
    with pytest.raises(InputError, match=f"region US: .*{says}") as refused:
        _fitted(GOOD, (inputs, Y[20:]))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", NOT_OUTCOMES)
def test_outcomes_that_are_none_are_refused_with_their_region(name: str) -> None:
    outcomes, says = NOT_OUTCOMES[name]
    with pytest.raises(InputError, match=f"region US: .*{says}") as refused:
        _fitted(GOOD, (X[20:], outcomes))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("pair", [None, 5, X, "ab", (X,), (X, Y, Y), {"X": X, "y": Y}])
def test_a_region_that_is_no_pair_is_refused_by_name(pair: Any) -> None:
    with pytest.raises(InputError, match=r"region US: expected a pair \(inputs, outcomes\)"):
        _fitted(GOOD, pair)


@pytest.mark.parametrize("regions", [None, 5, "DE", X, b"DE"])
def test_regions_that_are_none_are_refused(regions: Any) -> None:
    with pytest.raises(InputError, match="regions must map names to pairs"):
        fedsov.federate("logistic", regions, rounds=1)


@pytest.mark.parametrize("regions", [{}, [], ()])
def test_without_any_region_nothing_is_trained(regions: Any) -> None:
    with pytest.raises(InputError, match="no region"):
        fedsov.federate("logistic", regions, rounds=1)


def test_regions_of_other_columns_are_refused() -> None:
    with pytest.raises(InputError, match=r"the same number of inputs, got \[2, 3\]"):
        _fitted(GOOD, (X[20:, :2], Y[20:]))
    tables = [pd.DataFrame(X[:20], columns=list(names)) for names in ("abc", "acb")]
    with pytest.raises(InputError, match="regions DE and US name their columns differently"):
        _fitted(*((table, Y[:20]) for table in tables))
    beside = _fitted((tables[0], Y[:20]), (X[20:], Y[20:]))  # an array has no names to compare
    assert beside.parameters["0.weight"].shape == (1, 3)


def test_a_unix_time_beside_other_columns_is_refused_with_the_way_to_mend_it() -> None:
    times = np.column_stack([X, 1.7e9 + 150.0 * RNG.random(40)])
    with pytest.raises(InputError, match="cannot tell the values of column 3 apart; subtract its mean"):
        _fitted((times[:20], Y[:20]), (times[20:], Y[20:]))
    table = pd.DataFrame(times, columns=["a", "b", "c", "signup"])
    with pytest.raises(InputError, match=r"column 3 \('signup'\)"):
        _fitted((table[:20], Y[:20]), (table[20:], Y[20:]))
    times[:, 3] = (times[:, 3] - times[:, 3].mean()) / times[:, 3].std()
    _fitted((times[:20], Y[:20]), (times[20:], Y[20:]))


def test_numbers_to_predict_that_float32_makes_one_of_are_refused() -> None:
    steps = LocalSteps(batch=8, epochs=1, loss="regression", learning_rate=1e-3)
    with pytest.raises(InputError, match="outcomes: float32 cannot tell the values of column 0 apart"):
        _fitted((X[:20], 1.7e9 + Y[:20]), (X[20:], 1.7e9 + Y[20:]), steps=steps)
    _fitted((X[:20], Y[:20]), (X[20:], Y[20:]), steps=steps)


def test_codes_of_an_embedding_are_judged_as_they_were_given() -> None:
    spec = NetworkSpec("mlp", (4,), embeddings=(Embedding(0, 3, 2),))
    coded = np.column_stack([np.arange(40) % 3, X])
    fitted = _fitted((coded[:20], Y[:20]), (coded[20:], Y[20:]), model=spec)
    assert fitted.logits(coded).shape == (40,)
    coded[3, 0] = 1.0 + 1e-12  # which float32 would make 1
    with pytest.raises(InputError, match="region DE: input 0 must hold whole numbers from 0 to 2"):
        _fitted((coded[:20], Y[:20]), (coded[20:], Y[20:]), model=spec)


@pytest.mark.parametrize("name", [name for name in NOT_INPUTS if name not in ("no rows", "too few rows")])
def test_rows_to_score_that_are_none_are_refused_like_those_of_a_training(name: str) -> None:
    fitted = _fitted(GOOD, (X[20:], Y[20:]))
    with pytest.raises(InputError, match="inputs|another number of inputs"):
        fitted.logits(NOT_INPUTS[name][0])


def test_rows_to_score_may_be_none_at_all_and_have_the_columns_that_were_learned() -> None:
    fitted = _fitted(GOOD, (X[20:], Y[20:]))
    assert fitted.logits(X[:0]).shape == (0,)
    with pytest.raises(InputError, match="takes another number of inputs than 2"):
        fitted.logits(X[:, :2])


@pytest.mark.parametrize("start", [5, [X], "zeros"])
def test_first_parameters_that_are_no_mapping_are_refused(start: Any) -> None:
    with pytest.raises(ConfigurationError, match="start must be a mapping"):
        _fitted(GOOD, start=start)


def test_first_parameters_are_taken_as_numbers_and_checked() -> None:
    first = initial(NetworkSpec(), 3, seed=1)
    tensors = {name: torch.tensor(value) for name, value in first.items()}
    for key, value in _fitted(GOOD, start=first).parameters.items():
        assert np.array_equal(value, _fitted(GOOD, start=tensors).parameters[key])
    with pytest.raises(InputError, match=r"start: 0\.bias are complex"):
        start_of({**first, "0.bias": np.array([1j])}, NetworkSpec(), 3, 0)
    with pytest.raises(TrainingFailed, match="'0.bias' is not finite"):
        start_of({**first, "0.bias": [np.nan]}, NetworkSpec(), 3, 0)
    with pytest.raises(TrainingFailed, match="'0.bias'"):
        start_of({"0.weight": first["0.weight"]}, NetworkSpec(), 3, 0)


@pytest.mark.parametrize(
    ("noise", "says"),
    [
        (1.0, "noise must be a RecordMechanism"),
        ({"DE": MECHANISM}, "noise is given for some clients only; US has none"),
        ({"DE": MECHANISM, "US": MECHANISM, "FR": MECHANISM}, "noise is given for 'FR', which is no client"),
        ({"DE": MECHANISM, "US": 1.0}, "noise of US must be a RecordMechanism, got 1.0"),
        ({"DE": MECHANISM, "US": None}, "noise of US must be a RecordMechanism, got None"),
    ],
)
def test_noise_that_would_protect_some_or_nobody_is_refused(noise: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        mechanisms_of(noise, ["DE", "US"])


def test_a_network_is_named_or_described() -> None:
    assert network_of("mlp") == NetworkSpec("mlp", (32,)) and network_of(NetworkSpec()) == NetworkSpec()
    with pytest.raises(ConfigurationError, match=r"model must be the name of a network.*fedsov\.register"):
        network_of(torch.nn.Linear(3, 1))


def test_private_parameters_are_named_by_a_word_or_several() -> None:
    assert private_of("head") == private_of(["head"]) == PrivateParameters(("head",))
    with pytest.raises(ConfigurationError, match="private must be a list of names, got 5"):
        private_of(5)
    with pytest.raises(ConfigurationError, match=r"private_only_steps must be a LocalSteps"):
        PrivateParameters(("head",), private_only_steps=3)  # type: ignore[arg-type]


def test_clients_keep_their_names_and_numbers() -> None:
    names, rows = clients_of(((X[:9], Y[:9]), (X[9:], Y[9:])), NetworkSpec(), STEPS)
    assert names == [0, 1] and [len(outcomes) for _, outcomes in rows] == [9, 31]
    assert all(array.dtype == np.float32 for pair in rows for array in pair)
    named, _ = clients_of(iter([GOOD]), NetworkSpec(), STEPS)
    assert named == [0]


def test_what_a_caller_gave_is_as_it_was() -> None:
    inputs, outcomes = X.astype(np.float32), Y.astype(np.float32)
    before = inputs.copy(), outcomes.copy()
    _fitted((inputs, outcomes))
    assert np.array_equal(inputs, before[0]) and np.array_equal(outcomes, before[1])
