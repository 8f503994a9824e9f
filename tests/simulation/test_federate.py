"""Federated training on arrays: it learns, it repeats, it refuses what it cannot use."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest

import fedsov
from fedsov.algorithms.catalogue import Algorithm
from fedsov.algorithms.compression import Compression
from fedsov.algorithms.local_steps import LocalSteps, Schedule, client_number, generator, shuffled
from fedsov.algorithms.personalization import PrivateParameters
from fedsov.errors import ConfigurationError, InputError, TrainingFailed
from fedsov.model.embeddings import Embedding
from fedsov.model.metrics import auc, log_loss
from fedsov.model.network import NetworkSpec, initial, register
from fedsov.privacy.mechanism import RecordMechanism
from fedsov.simulation.federate import FederateOptions as Options
from fedsov.training.engine import train_one
from tests.each_algorithm import EACH_ALGORITHM

WEIGHTS = np.linspace(-1.0, 1.0, 6)
STEPS = LocalSteps(learning_rate=0.05, momentum=0.9, batch=32, epochs=2)


def _order(seed: int, client: int, round_number: int, rows: int) -> list[np.ndarray]:
    return shuffled(rows, STEPS, generator(seed, client, round_number))


def _region(seed: int, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 6))
    return X, (X @ WEIGHTS + 0.5 * rng.normal(size=rows) > 0).astype(int)


REGIONS = {"DE": _region(0), "US": _region(1, 900), "GB": _region(2)}


@pytest.mark.parametrize("name", EACH_ALGORITHM)
def test_each_algorithm_learns(name: str) -> None:
    options = {
        "fedprox": {"proximal_mu": 0.1},
        "fedadam": {"eta": 0.05},
        "fedyogi": {"eta": 0.05},
        "fedadagrad": {"eta": 0.1},
    }.get(name, {})
    fitted = fedsov.federate("mlp", REGIONS, rounds=8, steps=STEPS, algorithm=Algorithm(name, options))
    X, y = _region(9)
    found = auc(y, fitted.logits(X, "US"))
    assert found is not None and found > 0.85
    assert len(fitted.rounds) == 8 and set(fitted.rounds[0]) == {"DE", "US", "GB"}


def test_one_round_of_fedavg_is_the_mean_weighted_by_rows() -> None:
    spec = NetworkSpec("logistic")
    start = initial(spec, 6, 0)
    alone = {
        name: train_one(start, X, y, STEPS, spec=spec, batches=_order(0, client_number(name), 1, len(y)))
        for name, (X, y) in REGIONS.items()
    }
    rows = {name: len(y) for name, (_, y) in REGIONS.items()}
    fitted = fedsov.federate("logistic", REGIONS, rounds=1, steps=STEPS)
    equal = fedsov.federate("logistic", REGIONS, rounds=1, steps=STEPS, weighting="equal")
    for key in start:
        mean = sum(alone[name][key] * rows[name] for name in alone) / sum(rows.values())
        np.testing.assert_allclose(fitted.parameters[key], mean, atol=1e-6)
        np.testing.assert_allclose(equal.parameters[key], sum(one[key] for one in alone.values()) / 3, atol=1e-6)


def test_a_fitted_model_is_one_line_and_no_arrays() -> None:
    fitted = fedsov.federate("mlp", REGIONS, rounds=1, steps=STEPS)
    assert repr(fitted) == "Fitted(mlp 32, 3 clients, 1 round)"
    assert repr(replace(fitted, network=NetworkSpec(), rounds=())) == "Fitted(logistic, 0 rounds)"


def test_the_result_is_the_same_bits_with_any_number_of_processes() -> None:
    clients = [_region(place, rows) for place, rows in enumerate((300, 40, 7, 1, 64, 300, 90, 90, 12))]
    runs = [
        fedsov.federate("mlp", clients, rounds=3, steps=STEPS, options=Options(processes=count), algorithm="fedadam")
        for count in (1, 2, 3, 5)
    ]
    for key, value in runs[0].parameters.items():
        assert all(np.array_equal(value, other.parameters[key]) for other in runs[1:])
    assert all(repr(runs[0].rounds) == repr(other.rounds) for other in runs[1:])  # one row has no AUC: nan
    assert set(runs[0].rounds[0]) == set(range(9))


def test_own_batches_and_a_first_state_are_followed_weight_by_weight() -> None:
    spec = NetworkSpec("mlp", (8,))
    clients, start = list(REGIONS.values()), initial(spec, 6, 7)

    def order(seed: int, client: int, round_number: int) -> list[np.ndarray]:
        return [np.arange(client + round_number, client + round_number + 5) * 2, np.arange(3)]

    fitted = fedsov.federate(spec, clients, rounds=2, steps=STEPS, options=Options(order=order, start=start))
    global_model = start
    for number in (1, 2):
        alone = [
            train_one(global_model, X, y, STEPS, spec=spec, batches=order(0, place, number))
            for place, (X, y) in enumerate(clients)
        ]
        rows = [len(y) for _, y in clients]
        global_model = {key: sum(one[key] * n for one, n in zip(alone, rows, strict=True)) / sum(rows) for key in start}
        global_model = {key: value.astype(np.float32) for key, value in global_model.items()}
    for key, value in global_model.items():
        np.testing.assert_allclose(fitted.parameters[key], value, atol=1e-6)


def test_fednova_is_the_normalised_mean_worked_by_hand() -> None:
    spec, start = NetworkSpec(), initial(NetworkSpec(), 6, 3)
    clients = list(REGIONS.values())
    fitted = fedsov.federate(spec, clients, rounds=1, steps=STEPS, start=start, algorithm="fednova")
    rows = np.array([len(y) for _, y in clients])
    taken = [len(_order(0, place, 1, count)) for place, count in enumerate(rows.tolist())]
    far = np.array([sum((1 - 0.9 ** (steps - j)) / (1 - 0.9) for j in range(steps)) for steps in taken])
    moved = [
        train_one(start, X, y, STEPS, spec=spec, batches=_order(0, place, 1, len(y)))["0.weight"] - start["0.weight"]
        for place, (X, y) in enumerate(clients)
    ]
    share = rows / rows.sum()
    normal = sum(share[k] * moved[k] / far[k] for k in range(3))
    np.testing.assert_allclose(fitted.parameters["0.weight"], start["0.weight"] + (share @ far) * normal, atol=1e-6)


def test_scaffold_s_controls_take_the_clients_to_the_common_optimum_where_fedavg_stays_beside_it() -> None:
    rng = np.random.default_rng(0)
    parts = []
    for shift, rows in ((2.0, 100), (-2.0, 100), (0.5, 100)):
        X = rng.normal(size=(rows, 2)) * np.array([1.0 + abs(shift), 1.0])
        parts.append((X, X @ np.array([1.0 + shift, -1.0]) + shift))
    steps = LocalSteps(learning_rate=0.02, momentum=0.0, batch=100, epochs=20, weight_decay=0.0, loss="regression")
    whole = np.concatenate([np.column_stack([X, np.ones(len(X))]) for X, _ in parts])
    best = np.linalg.lstsq(whole, np.concatenate([y for _, y in parts]), rcond=None)[0]
    found = {}
    for name in ("fedavg", "scaffold"):
        fitted = fedsov.federate(
            NetworkSpec(), parts, rounds=150, steps=steps, algorithm=name, options=Options(measures=False)
        )
        got = np.append(fitted.parameters["0.weight"].ravel(), fitted.parameters["0.bias"])
        found[name] = float(np.abs(got - best).max())
    assert found["scaffold"] < 1e-3 < 0.05 < found["fedavg"]


def test_corrections_give_the_same_bits_with_any_number_of_processes() -> None:
    clients = [_region(place, rows) for place, rows in enumerate((300, 40, 7, 64, 90))]
    for name in ("scaffold", "fednova"):
        runs = [
            fedsov.federate("mlp", clients, rounds=3, steps=STEPS, options=Options(processes=count), algorithm=name)
            for count in (1, 3)
        ]
        assert all(np.array_equal(runs[0].parameters[key], runs[1].parameters[key]) for key in runs[0].parameters)


def test_a_schedule_is_followed_round_by_round() -> None:
    still = Options(schedule=lambda number: 1.0 if number == 1 else 1e-9)
    one, three = (fedsov.federate("logistic", REGIONS, rounds=n, steps=STEPS, options=still) for n in (1, 3))
    for key, value in one.parameters.items():
        np.testing.assert_allclose(three.parameters[key], value, atol=1e-6)
    cosine = Schedule("cosine", least=0.1)
    given, own = (
        fedsov.federate("logistic", REGIONS, rounds=3, steps=STEPS, options=Options(schedule=schedule))
        for schedule in (cosine, lambda number: cosine.rate(number, 3))
    )
    assert all(np.array_equal(given.parameters[key], value) for key, value in own.parameters.items())
    with pytest.raises(ConfigurationError, match="learning_rate"):
        fedsov.federate(
            "logistic", REGIONS, rounds=1, steps=STEPS, options=Options(schedule=lambda _: 0.0, processes=1)
        )


def test_training_ends_when_the_loss_stays_and_gives_the_parameters_of_the_least() -> None:
    wild = Options(schedule=lambda number: 1.0 if number < 4 else 200.0, patience=2)
    fitted = fedsov.federate("mlp", REGIONS, rounds=30, steps=STEPS, options=replace(wild, private=("head",)))
    calm = fedsov.federate("mlp", REGIONS, rounds=3, steps=STEPS, private=("head",))
    losses = [np.average([one[name]["loss"] for name in REGIONS], weights=[300, 900, 300]) for one in fitted.rounds]
    assert len(losses) == int(np.argmin(losses)) + 3 < 30
    if int(np.argmin(losses)) == 3:  # the model that round 4 began with
        assert all(np.array_equal(calm.of("US")[key], value) for key, value in fitted.of("US").items())
    assert min(losses) < losses[0]
    with pytest.raises(ConfigurationError, match="measures"):
        Options(patience=2, measures=False)
    for wrong in (0, 1.5, math.nan, True):
        with pytest.raises(ConfigurationError, match="a whole number of 1 or more"):
            Options(patience=wrong)  # type: ignore[arg-type]


def test_training_whose_loss_is_beyond_all_numbers_ends_with_the_parameters_it_began_with() -> None:
    far = {name: (X, np.full(len(X), 1e25)) for name, (X, _) in REGIONS.items()}  # squared: beyond float32
    steps, start = LocalSteps(loss="regression", learning_rate=1e-30), initial(NetworkSpec(), 6, 0)
    fitted = fedsov.federate("logistic", far, rounds=9, steps=steps, options=Options(patience=2, start=start))
    assert len(fitted.rounds) == 3 and fitted.rounds[0]["DE"]["loss"] == math.inf
    assert all(np.array_equal(fitted.parameters[key], value) for key, value in start.items())


def test_a_client_whose_update_is_not_accepted_is_named_and_the_others_go_on() -> None:
    clients = dict(REGIONS) | {"odd": (_region(5)[0] * 1e30, _region(5)[1])}
    with pytest.raises(TrainingFailed, match="odd: its update contains NaN"):
        fedsov.federate("logistic", clients, rounds=2, steps=STEPS)
    fitted = fedsov.federate("logistic", clients, rounds=2, steps=STEPS, options=Options(minimum=3, measures=False))
    assert [list(one) for one in fitted.refused] == [["odd"], ["odd"]]
    apart = {key: value for key, value in clients.items() if key != "odd"}
    same = fedsov.federate("logistic", apart, rounds=2, steps=STEPS, options=Options(measures=False))
    for key, value in same.parameters.items():
        np.testing.assert_allclose(fitted.parameters[key], value, atol=1e-6)
    with pytest.raises(TrainingFailed, match="at most 0.01 is accepted"):
        fedsov.federate("logistic", REGIONS, rounds=1, steps=STEPS, options=Options(max_update_norm=0.01, minimum=0))


def test_the_bound_is_on_what_would_be_sent_and_what_is_private_must_only_be_finite() -> None:
    steps, work = replace(STEPS, learning_rate=1e-4), Options(max_update_norm=0.1, measures=False, minimum=0)
    head = PrivateParameters(("head",), private_only_steps=replace(STEPS, learning_rate=0.5), alternates=True)
    fitted = fedsov.federate("mlp", REGIONS, rounds=1, steps=steps, options=replace(work, private=head))
    assert fitted.refused == ({},)
    start = initial(fitted.network, 6, 0)
    assert np.linalg.norm(fitted.private["DE"]["2.weight"] - start["2.weight"]) > 0.1
    wild = replace(head, private_only_steps=replace(STEPS, learning_rate=1e38))
    steps = replace(steps, epochs=0)
    with pytest.raises(TrainingFailed, match="contains NaN"):  # though nothing of what is sent moved
        fedsov.federate("mlp", REGIONS, rounds=1, steps=steps, options=replace(work, private=wild))


def test_a_class_of_one_s_own_is_federated_under_its_name() -> None:
    import torch

    def build(inputs: int, outputs: int) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.LayerNorm(inputs), torch.nn.Linear(inputs, outputs))

    register("normed-for-a-test", build)
    X, y = _region(3)
    parts = {"DE": (X, y), "US": (X[::2], y[::2])}
    fitted = fedsov.federate(NetworkSpec("normed-for-a-test"), parts, rounds=5, steps=STEPS)
    found = auc(y, fitted.logits(X))
    assert set(fitted.parameters) == {"0.weight", "0.bias", "1.weight", "1.bias"}
    assert found is not None and found > 0.85
    with pytest.raises(ConfigurationError, match="already"):
        register("normed-for-a-test", build)
    register("with-a-buffer", lambda inputs, outputs: torch.nn.BatchNorm1d(inputs))
    with pytest.raises(ConfigurationError, match="buffer"):
        fedsov.federate(NetworkSpec("with-a-buffer"), parts)


def test_what_is_no_network_is_named_before_it_is_trained() -> None:
    import torch

    for name, odd, told in (
        ("of-one-argument", lambda inputs: torch.nn.Linear(inputs, 1), "cannot be made of"),
        ("of-no-module", lambda inputs, outputs: outputs, "is no torch module with parameters, but 1"),
        ("of-no-parameters", lambda inputs, outputs: torch.nn.ReLU(), "is no torch module with parameters"),
        ("of-too-many", lambda inputs, outputs: torch.nn.Linear(inputs, outputs + 1), r"expected \(2, 1\)"),
        ("of-other-rows", lambda inputs, outputs: torch.nn.Linear(inputs + 1, outputs), "answers nothing to rows"),
    ):
        register(name, odd)
        with pytest.raises(ConfigurationError, match=f"network '{name}' .*{told}"):
            fedsov.federate(NetworkSpec(name), REGIONS)


@pytest.mark.parametrize("loss", ["multiclass", "multilabel", "regression"])
def test_other_tasks_are_learned(loss: str) -> None:
    rng = np.random.default_rng(1)
    X, W = rng.normal(size=(600, 6)), rng.normal(size=(6, 3))
    y = {"multiclass": (X @ W).argmax(1), "multilabel": (X @ W > 0).astype(int), "regression": X @ W}[loss]
    parts = {"DE": (X[:200], y[:200]), "US": (X[200:], y[200:])}
    steps = LocalSteps(learning_rate=0.05, batch=32, epochs=2, loss=loss, weight_decay=0.0)
    fitted = fedsov.federate(NetworkSpec(outputs=3), parts, rounds=8, steps=steps)
    losses = [one["DE"]["loss"] for one in fitted.rounds]
    assert losses[-1] < losses[0] / 2 and "auc" not in fitted.rounds[0]["DE"]
    assert fitted.logits(X).shape == (600, 3)


def test_noise_hides_records_and_the_model_still_learns() -> None:
    noise = RecordMechanism(clip=1.0, noise_multiplier=0.7, sampling_rate=0.1, steps=10)
    fitted, again = (fedsov.federate("logistic", REGIONS, rounds=10, steps=STEPS, noise=noise) for _ in range(2))
    X, y = _region(9)
    found = auc(y, fitted.logits(X))
    assert found is not None and found > 0.85
    assert not np.array_equal(fitted.parameters["0.weight"], again.parameters["0.weight"])
    each = {name: replace(noise, noise_multiplier=0.6 + place / 10) for place, name in enumerate(REGIONS)}
    assert fedsov.federate("logistic", REGIONS, rounds=1, steps=STEPS, noise=each).parameters
    with pytest.raises(ConfigurationError, match="GB has none"):
        fedsov.federate("logistic", REGIONS, noise={"DE": noise, "US": noise})
    with pytest.raises(ConfigurationError, match="clips differ"):
        fedsov.federate("logistic", REGIONS, noise={**each, "GB": replace(noise, clip=2.0)})


def test_ten_thousand_clients_need_no_more_memory_than_a_few() -> None:
    rng = np.random.default_rng(0)
    clients = [(rng.normal(size=(5, 6)), rng.integers(0, 2, 5)) for _ in range(10_000)]
    fitted = fedsov.federate("mlp", clients, rounds=1, steps=STEPS, options=Options(measures=False))
    assert np.isfinite(fitted.parameters["0.weight"]).all()


def test_equal_seeds_give_equal_parameters_and_others_do_not() -> None:
    first, again = (fedsov.federate("mlp", REGIONS, rounds=3, seed=4) for _ in range(2))
    other = fedsov.federate("mlp", REGIONS, rounds=3, seed=5)
    for key, value in first.parameters.items():
        assert np.array_equal(value, again.parameters[key])
    assert any(not np.array_equal(value, other.parameters[key]) for key, value in first.parameters.items())
    for wrong in (-1, 2**63):
        with pytest.raises(ConfigurationError, match="seed must be a whole number"):
            fedsov.federate("mlp", REGIONS, steps=STEPS, seed=wrong)


def test_on_round_is_told_every_round_as_it_ends() -> None:
    heard: list[tuple[int, list[str]]] = []
    fedsov.federate("logistic", REGIONS, rounds=3, on_round=lambda n, metrics: heard.append((n, sorted(metrics))))
    assert heard == [(1, ["DE", "GB", "US"]), (2, ["DE", "GB", "US"]), (3, ["DE", "GB", "US"])]


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"model": "forest"}, ConfigurationError, "forest"),
        ({"algorithm": "magic"}, ConfigurationError, "magic"),
        ({"weighting": "size"}, ConfigurationError, "size"),
        ({"regions": {}}, InputError, "no region"),
        ({"regions": {"DE": (np.ones((3, 2)), np.ones(4))}}, InputError, "DE"),
        ({"regions": {"DE": (np.full((3, 2), np.nan), np.ones(3))}}, InputError, "finite"),
        ({"regions": {"DE": (np.ones((3, 2)), np.full(3, 2))}}, InputError, "0 or 1"),
        ({"regions": {"DE": (np.ones((3, 2)), np.ones(3)), "US": (np.ones((3, 3)), np.ones(3))}}, InputError, "2, 3"),
        ({"steps": LocalSteps(learning_rate=1e30)}, TrainingFailed, "contains NaN, infinity"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(change: dict, error: type[Exception], says: str) -> None:
    given = {"model": "mlp", "regions": REGIONS, "rounds": 2, **change}
    with pytest.raises(error, match=says):
        fedsov.federate(given.pop("model"), given.pop("regions"), **given)


SHORT = replace(STEPS, learning_rate=0.01, momentum=0.0, epochs=1)
"""Error feedback is made for short steps: what is kept back of long ones is too much when it is sent."""


@pytest.mark.parametrize("how", [Compression("int8"), Compression("topk", share=0.1)])
def test_compressed_updates_reach_nearly_the_loss_of_whole_ones(how: Compression) -> None:
    X, y = _region(9, 2000)
    whole = fedsov.federate("logistic", REGIONS, rounds=60, steps=SHORT)
    found = fedsov.federate("logistic", REGIONS, rounds=60, steps=SHORT, options=Options(compression=how))
    first = log_loss(y, np.zeros(len(y)))
    reached, asked = log_loss(y, found.logits(X)), log_loss(y, whole.logits(X))
    assert reached < asked + 0.02 * (first - asked)
    assert found.sent == (3 * how.bytes_of(7),) * 60 and whole.sent == (3 * 4 * 7,) * 60


@pytest.mark.parametrize("name", ["fedadam", "fedmedian"])
@pytest.mark.parametrize("how", ["int8", "topk"])
def test_compressed_updates_are_the_same_bits_with_any_number_of_processes(how: str, name: str) -> None:
    clients = [_region(seed, 20) for seed in range(9)]
    one, several = (
        fedsov.federate(
            "mlp",
            clients,
            rounds=3,
            steps=STEPS,
            algorithm=name,
            options=Options(processes=count, compression=Compression(how)),  # type: ignore[arg-type]
        )
        for count in (1, 3)
    )
    for key, array in one.parameters.items():
        np.testing.assert_array_equal(array, several.parameters[key])


def test_what_topk_keeps_back_of_a_client_is_sent_in_later_rounds() -> None:
    """Two clients that disagree about what matters most would never send what they agree about, if it were lost."""
    rng = np.random.default_rng(0)
    X, noise = rng.normal(size=(2, 400, 3)), rng.normal(size=(2, 400))
    clients = [(X[0], X[0] @ [3, 1, 0] + noise[0] > 0), (X[1], X[1] @ [-3, 1, 0] + noise[1] > 0)]
    how = Compression("topk", share=0.1)  # one of four numbers a round
    weights = [
        fedsov.federate("logistic", clients, rounds=60, steps=SHORT, options=Options(compression=one)).parameters[
            "0.weight"
        ]
        for one in (Compression(), how)
    ]
    assert weights[0][0, 1] > 0.5
    np.testing.assert_allclose(weights[1], weights[0], atol=0.05)  # without its residual the second stays 0


def test_a_refused_client_keeps_back_what_it_kept_before_and_others_go_on() -> None:
    X, y = _region(0)
    wild = (1e18 * X, y)
    work = Options(minimum=1, measures=False, compression=Compression("topk"))
    fitted = fedsov.federate("logistic", {"DE": (X, y), "US": wild}, rounds=2, steps=STEPS, options=work)
    assert all(set(one) == {"US"} for one in fitted.refused)
    assert np.isfinite(fitted.parameters["0.weight"]).all()


@pytest.mark.parametrize("how", [Compression(), Compression("int8"), Compression("topk")])
def test_what_is_frozen_stays_as_it_began_and_is_not_sent(how: Compression) -> None:
    spec = NetworkSpec("mlp", (4,))
    start = initial(spec, 6, 3)
    work = Options(frozen=["0.weight"], compression=how)
    fitted = fedsov.federate(spec, REGIONS, rounds=2, steps=STEPS, options=replace(work, start=start))
    np.testing.assert_array_equal(fitted.parameters["0.weight"], start["0.weight"])
    assert (fitted.parameters["2.weight"] != start["2.weight"]).any()
    assert fitted.sent == (3 * how.bytes_of(4 + 4 + 1),) * 2
    with pytest.raises(ConfigurationError, match="no shared parameter '9.weight'"):
        fedsov.federate(spec, REGIONS, rounds=1, options=Options(frozen=["9.weight"]))


def test_private_parameters_are_not_among_what_is_compressed() -> None:
    work = Options(compression=Compression("int8"), private=("intercept",))
    fitted = fedsov.federate("logistic", REGIONS, rounds=3, steps=STEPS, options=work)
    assert fitted.sent == (3 * (6 + 4),) * 3 and set(fitted.private["DE"]) == {"0.bias"}
    assert len({float(one["0.bias"][0]) for one in fitted.private.values()}) == 3


def test_control_variates_are_not_compressed() -> None:
    with pytest.raises(ConfigurationError, match="compression=int8 is not for algorithm=scaffold"):
        fedsov.federate("logistic", REGIONS, algorithm="scaffold", options=Options(compression=Compression("int8")))


@pytest.mark.parametrize("code", [3.0, -1.0, 0.5, np.nan])
def test_a_model_does_not_take_what_is_no_code_of_its_embedding(code: float) -> None:
    spec = NetworkSpec("logistic", embeddings=(Embedding(0, 3, 2),))
    coded = {name: (np.column_stack([np.arange(len(X)) % 3, X]), y) for name, (X, y) in REGIONS.items()}
    fitted = fedsov.federate(spec, coded, rounds=1, steps=STEPS, options=Options(processes=1))
    rows = coded["DE"][0][:4].copy()
    assert fitted.logits(rows).shape == (4,)
    rows[1, 0] = code
    with pytest.raises(InputError, match="input 0 must hold whole numbers from 0 to 2|inputs must be finite"):
        fitted.logits(rows)


def test_one_private_word_may_be_given_by_itself_and_steps_need_something_private() -> None:
    rows = {name: _region(seed, 40) for seed, name in enumerate(("DE", "US"))}
    one, several = (fedsov.federate("logistic", rows, rounds=2, private=said) for said in ("intercept", ["intercept"]))
    assert np.array_equal(one.of("DE")["0.bias"], several.of("DE")["0.bias"]) and set(one.private["DE"]) == {"0.bias"}
    for lone in (
        PrivateParameters((), private_only_steps=LocalSteps()),
        PrivateParameters(("intercept",), private_only_steps=LocalSteps(loss="regression")),
    ):
        with pytest.raises(ConfigurationError, match="by the loss of the other steps"):
            fedsov.federate("logistic", rows, private=lone)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weighting", "equal"),
        ("start", initial(NetworkSpec(), 6, 3)),
        ("private", ("intercept",)),
        ("on_round", lambda number, metrics: None),
    ],
)
def test_a_keyword_that_moved_works_and_names_its_new_place(name: str, value: object) -> None:
    with pytest.warns(DeprecationWarning, match=rf"options=FederateOptions\({name}=...\)"):
        old = fedsov.federate("logistic", REGIONS, rounds=1, **{name: value})  # type: ignore[arg-type]
    new = fedsov.federate("logistic", REGIONS, rounds=1, options=Options(**{name: value}))  # type: ignore[arg-type]
    assert all(np.array_equal(old.of("DE")[key], array) for key, array in new.of("DE").items())


def test_work_is_the_old_name_of_the_options_and_its_fields_are_known() -> None:
    with pytest.warns(DeprecationWarning, match=r"fedsov.Work is now fedsov.FederateOptions; its bound"):
        work = fedsov.Work(bound=9.0, rate=_still, processes=1)  # type: ignore[attr-defined]
    assert (work.max_update_norm, work.schedule, work.processes) == (9.0, _still, 1)
    with pytest.warns(DeprecationWarning, match=r"federate\(work=...\) is deprecated; give options"):
        old = fedsov.federate("logistic", REGIONS, rounds=1, work=work, weighting="equal")
    new = fedsov.federate("logistic", REGIONS, rounds=1, options=replace(work, weighting="equal"))
    assert all(np.array_equal(old.parameters[key], array) for key, array in new.parameters.items())
    with pytest.raises(ConfigurationError, match="not both"), pytest.warns(DeprecationWarning, match="deprecated"):
        fedsov.federate("logistic", REGIONS, work=work, options=Options(processes=1))


@pytest.mark.parametrize("old", [{"weighting": "equal"}, {"private": ()}, {"start": None}])
def test_an_old_keyword_beside_options_is_refused(old: dict) -> None:
    name = next(iter(old))
    with (
        pytest.raises(ConfigurationError, match=rf"options or {name}, which is a field of them.*{name}=.*, not both"),
        pytest.warns(DeprecationWarning, match="is deprecated"),
    ):
        fedsov.federate("logistic", REGIONS, rounds=1, options=Options(weighting="rows"), **old)


@pytest.mark.parametrize("value", [None, {}, Options])
def test_what_are_no_options_is_refused_by_one_line(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^options must be a fedsov\.FederateOptions, got"):
        fedsov.federate("logistic", REGIONS, rounds=1, options=value)  # type: ignore[arg-type]
    with (
        pytest.raises(ConfigurationError, match=r"^work must be a fedsov\.FederateOptions, got"),
        pytest.warns(DeprecationWarning, match="deprecated"),
    ):
        fedsov.federate("logistic", REGIONS, rounds=1, work=value)  # type: ignore[typeddict-item]


def test_work_takes_its_fields_in_their_old_order_and_none_of_them_twice() -> None:
    names = ("processes", "measures", "order", "bound", "minimum", "rate", "patience", "compression", "frozen")
    values = (1, True, None, 9.0, 0, _still, 2, Compression("int8"), {"0.weight"})
    with pytest.warns(DeprecationWarning, match="FederateOptions"):
        work = fedsov.Work(*values)  # type: ignore[attr-defined]
    with pytest.warns(DeprecationWarning, match="FederateOptions"):
        by_name = fedsov.Work(**dict(zip(names, values, strict=True)))  # type: ignore[attr-defined]
    assert all(getattr(work, field.name) == getattr(by_name, field.name) for field in fields(Options))
    assert (work.max_update_norm, work.schedule, work.frozen) == (9.0, _still, {"0.weight"})
    for old in ({"bound": 1, "max_update_norm": 2}, {"rate": _still, "schedule": _still}):
        with pytest.raises(ConfigurationError, match=r"^fedsov\.Work takes .*, its old name, not both$"):
            fedsov.Work(**old)  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="max_update_norm"), pytest.warns(DeprecationWarning, match="fedsov.Work"):
        fedsov.Work(1, True, None, 9.0, bound=9.0)  # type: ignore[attr-defined]


def _still(number: int) -> float:
    return 1.0


@pytest.mark.parametrize(
    ("keyword", "says"),
    [
        ("minimum", r"takes no argument 'minimum'; it is a field of options=FederateOptions"),
        ("speed", "no argument 'speed'"),
    ],
)
def test_a_keyword_that_never_was_is_refused(keyword: str, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        fedsov.federate("logistic", REGIONS, **{keyword: 1})  # type: ignore[arg-type]


def test_a_client_s_rows_are_drawn_by_its_name_whoever_else_takes_part() -> None:
    whole = fedsov.federate("mlp", REGIONS, rounds=1, steps=STEPS, algorithm="ditto")
    fewer = {name: REGIONS[name] for name in ("GB", "DE")}
    part = fedsov.federate("mlp", fewer, rounds=1, steps=STEPS, algorithm="ditto")
    for name in fewer:
        for key, value in part.of(name).items():
            np.testing.assert_allclose(whole.of(name)[key], value, atol=1e-6)
