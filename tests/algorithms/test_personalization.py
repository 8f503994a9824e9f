"""What clients keep to themselves: trained as the papers say, in no update, and begun anew as it was kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

import fedsov
from fedsov.algorithms.catalogue import Algorithm
from fedsov.algorithms.local_steps import LocalSteps, Stream, client_number, generator, shuffled
from fedsov.algorithms.personalization import PrivateParameters
from fedsov.algorithms.recipe import Recipe
from fedsov.algorithms.training_spec import TrainingSpec, personalization_of
from fedsov.errors import ConfigurationError, InputError, TrainingFailed
from fedsov.model.metrics import log_loss
from fedsov.model.network import NetworkSpec, initial, shapes
from fedsov.model.parameters import flat, private_names, private_part, shared
from fedsov.model.targets import TargetRule
from fedsov.privacy.mechanism import RecordMechanism
from fedsov.protocol.job import TrainingJob
from fedsov.serialization import from_plain, to_plain
from fedsov.simulation.federate import FederateOptions as Options
from fedsov.simulation.pool import ClientPool
from fedsov.simulation.worker import ClientPoolJob
from fedsov.training.engine import train_one
from tests.training.one_client import one_round

MLP = NetworkSpec("mlp", (4,))
STEPS = LocalSteps(learning_rate=0.1, momentum=0.0, batch=20, epochs=2, weight_decay=0.0)


def _client(seed: int, rows: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 3)).astype(np.float32)
    return X, (X @ np.array([1.0, -1.0, 0.5]) + shift > rng.normal(size=rows)).astype(np.float32)


NOTHING = PrivateParameters()
FIRST = LocalSteps(learning_rate=0.5, momentum=0.0, batch=1000, epochs=5)
CLIENTS = {"DE": _client(0, 40, 2.0), "US": _client(1, 70, -1.0), "GB": _client(2, 50)}


def _same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


# ------------------------------------------------------------------ the algorithms


def _spec(algorithm: str, private: PrivateParameters = NOTHING, steps: LocalSteps = STEPS) -> TrainingSpec:
    chosen = Algorithm(algorithm, {"head_epochs": 3} if algorithm == "fedrep" else {})
    return TrainingSpec(MLP, steps, chosen, rounds=4, personalization=chosen.personalization(private, steps))


def _kept(training: TrainingSpec, whole: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    own = private_part(dict(whole), training.personalization.names(MLP))
    return {f"private/{name}": array for name, array in own.items()}


def test_fedrep_trains_the_head_alone_and_then_the_body_alone() -> None:
    training = _spec("fedrep")
    private, head, body = training.personalization.private, {"2.weight", "2.bias"}, {"0.weight", "0.bias"}
    assert training.personalization.names(MLP) == head and private.private_only_steps == replace(STEPS, epochs=3)
    whole, rows = initial(MLP, 3, 1), CLIENTS["DE"]
    incoming, kept = shared(whole, head), _kept(training, whole)
    sent, stays = one_round(training, incoming, kept, rows, 4)
    alone = shuffled(40, replace(STEPS, epochs=3), generator(0, 0, 4, Stream.PRIVATE_ONLY_STEPS))
    first = train_one(whole, *rows, replace(STEPS, epochs=3), spec=MLP, frozen=body, batches=alone)
    second = train_one(first, *rows, STEPS, spec=MLP, frozen=head, batches=shuffled(40, STEPS, generator(0, 0, 4)))
    assert _same(sent, shared(second, head)) and _same(stays, _kept(training, first))
    assert all((sent[name] != incoming[name]).any() for name in body)


@pytest.mark.parametrize("name", ["fedper", "fedrep"])
def test_federate_keeps_each_client_s_head_and_means_the_rest(name: str) -> None:
    training, whole = _spec(name), initial(MLP, 3, 0)
    global_model = shared(whole, training.personalization.names(MLP))
    kept = dict.fromkeys(CLIENTS, _kept(training, whole))
    for number in (1, 2):
        sent = {}
        for client, rows in CLIENTS.items():
            sent[client], kept[client] = one_round(training, global_model, kept[client], rows, number, client=client)
        global_model = {
            key: np.average([one[key] for one in sent.values()], axis=0, weights=[40, 70, 50]).astype(np.float32)
            for key in global_model
        }
    fitted = fedsov.federate(MLP, CLIENTS, rounds=2, steps=STEPS, algorithm=training.algorithm)
    assert fitted.parameters.keys() == global_model.keys()
    for client in CLIENTS:
        own = {key.removeprefix("private/"): value for key, value in kept[client].items()}
        for key, value in {**global_model, **own}.items():
            np.testing.assert_allclose(fitted.of(client)[key], value, atol=1e-5)


def _ditto(rounds: int, weight: float, lr: float) -> dict[str, np.ndarray]:
    """(4,) personal weights and bias of each client's logistic regression, in numpy alone, a step an epoch."""
    x, copies = np.zeros(4), {name: np.zeros(4) for name in CLIENTS}
    for _ in range(rounds):
        ends = {}
        for name, (X, y) in CLIENTS.items():
            whole = np.column_stack([X, np.ones(len(X))]).astype(np.float64)
            w, v = x.copy(), copies[name].copy()
            for _ in range(3):
                w = w - lr * whole.T @ (1 / (1 + np.exp(-whole @ w)) - y) / len(y)
                v = v - lr * (whole.T @ (1 / (1 + np.exp(-whole @ v)) - y) / len(y) + weight * (v - x))
            ends[name], copies[name] = w, v
        x = np.average([*ends.values()], axis=0, weights=[len(y) for _, y in CLIENTS.values()])
    return {**copies, "global_model": x}


def test_ditto_s_personal_models_are_as_plain_numpy_has_them() -> None:
    steps, spec = LocalSteps(0.3, 0.0, batch=100, epochs=3, weight_decay=0.0), NetworkSpec()
    by_hand = _ditto(4, 0.5, 0.3)
    ditto = fedsov.Algorithm("ditto", {"ditto_lambda": 0.5})
    fitted = fedsov.federate(spec, CLIENTS, rounds=4, steps=steps, algorithm=ditto)
    own = {name: fitted.of(name) for name in CLIENTS} | {"global_model": fitted.of()}
    for name, arrays in own.items():
        found = np.append(arrays["0.weight"].ravel(), arrays["0.bias"])
        np.testing.assert_allclose(found, by_hand[name], atol=1e-6)
    plain = fedsov.federate(spec, CLIENTS, rounds=4, steps=steps)
    assert _same(plain.parameters, fitted.parameters)  # copies are in no sum
    with pytest.raises(InputError, match="'FR' has no personal copy"):
        fitted.of("FR")


def test_copies_are_the_same_beside_noise_which_they_have_none_of() -> None:
    noise = RecordMechanism(clip=1.0, noise_multiplier=1.0, sampling_rate=0.02, steps=200)  # empty steps, and long ones
    noisy, calm = (
        fedsov.federate(MLP, CLIENTS, rounds=1, steps=STEPS, algorithm="ditto", noise=mechanism)
        for mechanism in (noise, None)
    )
    for client in CLIENTS:
        for key, value in calm.of(client).items():  # noisy clients are stacked otherwise: not always the same bits
            np.testing.assert_allclose(noisy.of(client)[key], value, atol=1e-6)
    assert not _same(noisy.of(), calm.of())


def test_a_client_whose_copy_goes_astray_is_refused_by_name_and_the_others_go_on() -> None:
    clients, ditto = CLIENTS | {"odd": _client(7, 4000)}, fedsov.Algorithm("ditto", {"ditto_lambda": 30.0})
    with pytest.raises(TrainingFailed, match="odd: its update contains NaN"):
        fedsov.federate(MLP, clients, rounds=2, steps=STEPS, algorithm=ditto)
    few = Options(minimum=3)
    fitted = fedsov.federate(MLP, clients, rounds=2, steps=STEPS, algorithm=ditto, options=few)
    assert [list(one) for one in fitted.refused] == [["odd"], ["odd"]]
    without = fedsov.federate(MLP, CLIENTS, rounds=2, steps=STEPS, algorithm=ditto, options=few)
    for client in CLIENTS:
        for key, value in without.of(client).items():
            np.testing.assert_allclose(fitted.of(client)[key], value, rtol=1e-5, atol=1e-5)


def test_a_copy_is_trained_as_beside_the_model_of_one_region() -> None:
    steps, rows = replace(STEPS, batch=100), CLIENTS["DE"]
    training, global_model, kept = _spec("ditto", steps=steps), initial(MLP, 3, 0), dict[str, np.ndarray]()
    for number in (1, 2, 3):
        global_model, kept = one_round(training, global_model, kept, rows, number, client="DE")
    fitted = fedsov.federate(MLP, {"DE": rows}, rounds=3, steps=steps, algorithm="ditto")
    for key, value in global_model.items():
        np.testing.assert_allclose(fitted.of("DE")[key], kept[f"personal/{key}"], atol=1e-5)
        np.testing.assert_allclose(fitted.of()[key], value, atol=1e-5)
        assert np.abs(kept[f"personal/{key}"] - value).max() > 1e-4


def test_personal_models_have_the_same_bits_with_any_number_of_processes() -> None:
    clients = [_client(place, rows) for place, rows in enumerate((300, 40, 7, 64, 90))]
    for name in ("ditto", "fedrep"):
        runs = [
            fedsov.federate("mlp", clients, rounds=3, algorithm=name, options=Options(processes=count))
            for count in (1, 3)
        ]
        assert all(_same(runs[0].of(client), runs[1].of(client)) for client in range(5))


def test_training_that_ends_early_gives_the_copies_of_the_least_loss() -> None:
    wild = Options(schedule=lambda number: 1.0 if number < 4 else 100.0, patience=2)
    fitted = fedsov.federate("mlp", CLIENTS, rounds=30, steps=STEPS, options=wild, algorithm="ditto")
    losses = [np.average([one[name]["loss"] for name in CLIENTS], weights=[40, 70, 50]) for one in fitted.rounds]
    rounds = int(np.argmin(losses))
    calm = fedsov.federate("mlp", CLIENTS, rounds=rounds, steps=STEPS, algorithm="ditto")
    assert rounds == 3 and all(_same(calm.of(name), fitted.of(name)) for name in CLIENTS)


def test_a_schedule_slows_the_steps_of_private_parameters_too() -> None:
    halved = {slow: replace(STEPS, learning_rate=STEPS.learning_rate / 2**slow) for slow in (0, 1)}
    alike = [
        fedsov.federate(
            MLP, CLIENTS, rounds=1, steps=halved[1 - slow], algorithm="fedrep", options=Options(schedule=rate)
        )
        for slow, rate in enumerate((lambda _: 1.0, lambda _: 0.5))
    ]
    assert all(_same(alike[0].of(client), alike[1].of(client)) for client in CLIENTS)


@pytest.mark.parametrize(("first", "then"), [((1.0, 5.0), ()), ((), (1.0, 5.0))])
def test_steps_of_private_parameters_count_classes_as_they_say(first: tuple, then: tuple) -> None:
    steps, rows = replace(STEPS, batch=100, class_weights=then), CLIENTS["DE"]
    only = replace(steps, class_weights=first)
    private, whole = PrivateParameters(("intercept",), private_only_steps=only), initial(MLP, 3, 0)
    alone, body = shuffled(40, only, generator(0, 0, 1, Stream.PRIVATE_ONLY_STEPS)), whole.keys() - {"2.bias"}
    by_hand = train_one(whole, *rows, only, spec=MLP, frozen=body, batches=alone)
    by_hand = train_one(by_hand, *rows, steps, spec=MLP, batches=shuffled(40, steps, generator(0, 0, 1)))
    fitted = fedsov.federate(MLP, [rows], rounds=1, steps=steps, options=Options(private=private))
    for key, value in by_hand.items():
        np.testing.assert_allclose(fitted.of(0)[key], value, atol=1e-6)


@pytest.mark.parametrize("words", [("intercept",), ("head",), ("first.bias",), ("bias",)])
@pytest.mark.parametrize("first", [None, FIRST])
def test_private_parameters_are_in_no_sum_and_in_no_update(words: tuple[str, ...], first: LocalSteps | None) -> None:
    training = _spec("fedavg", PrivateParameters(words, private_only_steps=first))
    job = ClientPoolJob(list(CLIENTS.values()), np.ones(3), training, range(3))
    start = flat(initial(MLP, 3, 0), shapes(MLP, 3))
    with ClientPool(job, start, keeps_updates=True) as pool:
        found = pool.round(2, pool.round(1, start).mean)
        kept = pool.private
    own = job.layout.private
    shared_places = np.setdiff1d(np.arange(len(start)), own)
    assert found.updates is not None
    assert np.array_equal(found.mean[own], start[own]) and (found.updates[:, own] == start[own]).all()
    assert (found.mean[shared_places] != start[shared_places]).all()
    assert len({row.tobytes() for row in kept}) == 3 and (kept != start[own]).all()


def test_what_is_private_is_told_apart_by_client() -> None:
    fitted = fedsov.federate(MLP, CLIENTS, rounds=2, steps=STEPS, private=("head",))
    stay = private_names(MLP, ("head",))
    assert set(fitted.parameters) == set(shapes(MLP, 3)) - stay
    assert {name: set(kept) for name, kept in fitted.private.items()} == dict.fromkeys(CLIENTS, stay)


def test_a_region_alone_learns_what_it_would_have_learned_with_nothing_private() -> None:
    alone = {"DE": CLIENTS["DE"]}
    private = fedsov.federate(MLP, alone, rounds=3, steps=STEPS, private=("head",), seed=5)
    plain = fedsov.federate(MLP, alone, rounds=3, steps=STEPS, seed=5)
    by_hand = initial(MLP, 3, 5)
    for number in (1, 2, 3):
        batches = shuffled(40, STEPS, generator(5, client_number("DE"), number))
        by_hand = train_one(by_hand, *CLIENTS["DE"], STEPS, spec=MLP, batches=batches)
    for name, value in by_hand.items():
        np.testing.assert_allclose(private.of("DE")[name], value, atol=1e-6)
        np.testing.assert_allclose(plain.parameters[name], value, atol=1e-6)


def test_equal_seeds_give_equal_private_parameters() -> None:
    private = PrivateParameters(("bias",), private_only_steps=FIRST)
    first, again = (fedsov.federate(MLP, CLIENTS, rounds=2, steps=STEPS, private=private, seed=3) for _ in range(2))
    assert all(_same(first.of(name), again.of(name)) for name in CLIENTS)
    assert not np.array_equal(first.private["DE"]["2.bias"], first.private["US"]["2.bias"])


def test_an_intercept_of_its_own_fits_regions_whose_base_rates_differ() -> None:
    global_model = fedsov.federate("logistic", CLIENTS, rounds=10, steps=STEPS)
    own = fedsov.federate("logistic", CLIENTS, rounds=10, steps=STEPS, private=("intercept",))
    for name in ("DE", "US"):
        X, y = _client(9, 1000, shift=2.0 if name == "DE" else -2.0)
        assert log_loss(y, own.logits(X, name)) < log_loss(y, global_model.logits(X)) - 0.1
    assert own.private["DE"]["0.bias"] > 0 > own.private["US"]["0.bias"]


def test_a_model_with_private_parts_answers_only_for_a_region_that_took_part() -> None:
    fitted = fedsov.federate(MLP, CLIENTS, rounds=1, steps=STEPS, private=("head",))
    for region in (None, "FR"):
        with pytest.raises(InputError, match="name a region of DE, US, GB"):
            fitted.logits(CLIENTS["DE"][0], region)


def test_a_round_moves_both_halves_and_changes_no_argument() -> None:
    training, whole = _spec("fedper", PrivateParameters(("head",), private_only_steps=FIRST)), initial(MLP, 3, 0)
    incoming, kept = shared(whole, {"2.weight", "2.bias"}), _kept(training, whole)
    before = {name: value.copy() for name, value in {**incoming, **kept}.items()}
    sent, stays = one_round(training, incoming, kept, CLIENTS["DE"], 1)
    assert sent.keys() == incoming.keys() and stays.keys() == kept.keys()
    assert _same({**incoming, **kept}, before)
    assert not any(np.array_equal(value, before[name]) for name, value in {**sent, **stays}.items())


# ------------------------------------------------------------------ settings


def test_what_regions_keep_travels_with_their_work() -> None:
    keeps = Algorithm("fedrep").personalization(PrivateParameters(("intercept",)), STEPS)
    work = TrainingJob("people", TargetRule("ill"), personalization=keeps, algorithm=Algorithm("fedrep"))
    assert from_plain(TrainingJob, json.loads(json.dumps(to_plain(work)))).personalization == keeps


@pytest.mark.parametrize(
    ("plain", "algorithm", "options", "says"),
    [
        ({"private": "intercept"}, "fedavg", {}, "must be a list"),
        ({"private": ["tail"]}, "fedavg", {}, "no part of network"),
        ({"private_only_steps": {"epochs": 5}}, "fedavg", {}, "model.private names none"),
        ({}, "fedrep", {"head_epochs": 0.5}, "head_epochs must be a whole number"),
    ],
)
def test_what_cannot_be_kept_apart_is_refused(plain: dict, algorithm: str, options: dict, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        personalization_of(plain, Algorithm(algorithm, options), Recipe(network=MLP))


def test_a_head_that_a_network_has_not_is_refused_and_not_ignored() -> None:
    with pytest.raises(ConfigurationError, match="leaves no parameter to share"):
        personalization_of({}, Algorithm("fedrep"), Recipe(network=NetworkSpec()))
    with pytest.raises(ConfigurationError, match="'head' is no part of network ft_transformer"):
        personalization_of({}, Algorithm("fedper"), Recipe(network=NetworkSpec("ft_transformer", (8, 1))))
    with pytest.raises(ConfigurationError, match="'first.bias' is no part of network ft_transformer; choose of bias"):
        personalization_of(
            {"private": ["first.bias"]}, Algorithm(), Recipe(network=NetworkSpec("ft_transformer", (8, 1)))
        )


def test_private_steps_without_noise_are_not_mixed_with_noise() -> None:
    noise = RecordMechanism(clip=1.0, noise_multiplier=1.0, sampling_rate=0.2, steps=5)
    for algorithm, private in (("fedrep", ()), ("fedavg", PrivateParameters(("intercept",), private_only_steps=STEPS))):
        with pytest.raises(ConfigurationError, match="step alone do so without noise"):
            fedsov.federate("mlp", CLIENTS, rounds=1, algorithm=algorithm, private=private, noise=noise)
    assert fedsov.federate("mlp", CLIENTS, rounds=1, algorithm="fedper", noise=noise).private.keys() == CLIENTS.keys()
