"""What regions keep to themselves: trained as the papers say, in no update, and begun anew as it was kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

import fedsov
from fedsov.errors import ConfigurationError, InputError, TrainingFailed
from fedsov.federation.laboratory import Work as Laboratory
from fedsov.label import Label
from fedsov.model.features import Features, Statistics
from fedsov.model.network import NetworkSpec, initial
from fedsov.model.targets import TargetRule
from fedsov.partition.records import Records
from fedsov.privacy.mechanism import RecordMechanism
from fedsov.protocol import payloads
from fedsov.protocol.flower_messages import parameters_of
from fedsov.protocol.job import TrainingJob
from fedsov.region.session import Session
from fedsov.region.strategies.candidates import Candidate, StartingPoint
from fedsov.training import apart, client_app, federated, personal
from fedsov.training.apart import Apart
from fedsov.training.engine import train_one
from fedsov.training.own_state import InMemory, part, replaced
from fedsov.training.personal import Course, Private
from fedsov.training.schedule import Schedule
from fedsov.training.steps import LocalSteps, Recipe, shuffled

MLP = NetworkSpec("mlp", (4,))
STEPS = LocalSteps(learning_rate=0.1, momentum=0.0, batch=20, epochs=2, weight_decay=0.0)


def _client(seed: int, rows: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 3)).astype(np.float32)
    return X, (X @ np.array([1.0, -1.0, 0.5]) + shift > rng.normal(size=rows)).astype(np.float32)


CLIENTS = {"DE": _client(0, 40, 2.0), "US": _client(1, 70, -1.0), "GB": _client(2, 50)}


def _same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


# ------------------------------------------------------------------ the algorithms


def test_fedrep_trains_the_head_alone_and_then_the_body_alone() -> None:
    keeps = apart.chosen("fedrep", {"head_epochs": 3}, Private(), STEPS)
    head, body = {"2.weight", "2.bias"}, {"0.weight", "0.bias"}
    assert keeps.names(MLP) == head and keeps.private.first == replace(STEPS, epochs=3)
    whole, rows = initial(MLP, 3, 1), CLIENTS["DE"]
    incoming, kept = personal.shared(whole, head), personal.own(whole, head)
    sent, stays = personal.update(incoming, kept, rows, Course(MLP, STEPS, keeps.private), round=4)
    first = train_one(whole, *rows, replace(STEPS, epochs=3), spec=MLP, frozen=body)
    second = train_one(first, *rows, replace(STEPS, seed=4), spec=MLP, frozen=head)
    assert _same(sent, personal.shared(second, head)) and _same(stays, personal.own(first, head))
    assert all((sent[name] != incoming[name]).any() for name in body)


@pytest.mark.parametrize("name", ["fedper", "fedrep"])
def test_federate_keeps_each_client_s_head_and_means_the_rest(name: str) -> None:
    keeps = apart.chosen(name, {}, Private(), STEPS)
    order = Laboratory(
        order=lambda _, client, number: shuffled([40, 70, 50][client], STEPS, np.random.default_rng(number)),
        measures=False,
    )
    whole = initial(MLP, 3, 0)
    names = keeps.names(MLP)
    joint, kept = personal.shared(whole, names), {client: personal.own(whole, names) for client in CLIENTS}
    for number in (1, 2):
        course, sent = Course(MLP, STEPS, keeps.private), {}
        for client, rows in CLIENTS.items():
            sent[client], kept[client] = personal.update(joint, kept[client], rows, course, round=number)
        joint = {
            key: np.average([one[key] for one in sent.values()], axis=0, weights=[40, 70, 50]).astype(np.float32)
            for key in joint
        }
    fitted = fedsov.federate(MLP, CLIENTS, rounds=2, steps=STEPS, algorithm=name, work=order)
    assert fitted.parameters.keys() == joint.keys()
    for client in CLIENTS:
        for key, value in {**joint, **kept[client]}.items():
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
    return {**copies, "joint": x}


def test_ditto_s_personal_models_are_as_plain_numpy_has_them() -> None:
    steps, spec = LocalSteps(0.3, 0.0, batch=100, epochs=3, weight_decay=0.0), NetworkSpec()
    by_hand = _ditto(4, 0.5, 0.3)
    ditto = fedsov.Algorithm("ditto", {"ditto_lambda": 0.5})
    fitted = fedsov.federate(spec, CLIENTS, rounds=4, steps=steps, algorithm=ditto)
    own = {name: fitted.of(name) for name in CLIENTS} | {"joint": fitted.of()}
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
    assert all(_same(noisy.of(client), calm.of(client)) for client in CLIENTS)
    assert not _same(noisy.of(), calm.of())


def test_a_client_whose_copy_goes_astray_is_refused_by_name_and_the_others_go_on() -> None:
    clients, ditto = CLIENTS | {"odd": _client(7, 4000)}, fedsov.Algorithm("ditto", {"ditto_lambda": 30.0})
    with pytest.raises(TrainingFailed, match="odd: its update is not finite"):
        fedsov.federate(MLP, clients, rounds=2, steps=STEPS, algorithm=ditto)
    few = Laboratory(minimum=3)
    fitted = fedsov.federate(MLP, clients, rounds=2, steps=STEPS, algorithm=ditto, work=few)
    assert [list(one) for one in fitted.refused] == [["odd"], ["odd"]]
    without = fedsov.federate(MLP, CLIENTS, rounds=2, steps=STEPS, algorithm=ditto, work=few)
    for client in CLIENTS:
        for key, value in without.of(client).items():
            np.testing.assert_allclose(fitted.of(client)[key], value, atol=1e-6)


def test_a_region_s_copy_is_as_a_virtual_client_s() -> None:
    steps, keeps = replace(STEPS, batch=100), apart.chosen("ditto", {}, Private(), STEPS)
    joint, copy, rows = initial(MLP, 3, 0), initial(MLP, 3, 0), CLIENTS["DE"]
    for number in (1, 2, 3):
        course, weight = Course(MLP, steps), keeps.ditto_lambda or 0.0
        copy = personal.beside(copy, joint, rows, course, weight=weight, round=number)
        joint, _ = personal.update(joint, {}, rows, course, round=number)
    fitted = fedsov.federate(MLP, {"DE": rows}, rounds=3, steps=steps, algorithm="ditto")
    for key, value in copy.items():
        np.testing.assert_allclose(fitted.of("DE")[key], value, atol=1e-5)
        np.testing.assert_allclose(fitted.of()[key], joint[key], atol=1e-5)
        assert np.abs(value - joint[key]).max() > 1e-4


def test_personal_models_have_the_same_bits_with_any_number_of_processes() -> None:
    clients = [_client(place, rows) for place, rows in enumerate((300, 40, 7, 64, 90))]
    for name in ("ditto", "fedrep"):
        runs = [
            fedsov.federate("mlp", clients, rounds=3, algorithm=name, work=Laboratory(processes=count))
            for count in (1, 3)
        ]
        assert all(_same(runs[0].of(client), runs[1].of(client)) for client in range(5))


def test_training_that_ends_early_gives_the_copies_of_the_least_loss() -> None:
    wild = Laboratory(rate=lambda round: 1.0 if round < 4 else 100.0, patience=2)
    fitted = fedsov.federate("mlp", CLIENTS, rounds=30, steps=STEPS, work=wild, algorithm="ditto")
    losses = [np.average([one[name]["loss"] for name in CLIENTS], weights=[40, 70, 50]) for one in fitted.rounds]
    rounds = int(np.argmin(losses))
    calm = fedsov.federate("mlp", CLIENTS, rounds=rounds, steps=STEPS, algorithm="ditto")
    assert rounds == 3 and all(_same(calm.of(name), fitted.of(name)) for name in CLIENTS)


# ------------------------------------------------------------------ a region's rounds


def _session(keeps: Apart) -> Session:
    rng, rows = np.random.default_rng(0), 400
    age = rng.normal(size=rows)
    records = Records(
        region="DE",
        columns={"age": age, "visits": rng.normal(size=rows)},
        kinds={"age": "numeric", "visits": "numeric"},
        target=(age > 0).astype(float),
        subjects=np.array([f"{row:032x}" for row in range(rows)]),
        labels=(Label(frozenset({"DE"})),),
        label_of=np.zeros(rows, int),
    )
    recipe = Recipe(network=MLP)
    return Session(records, TrainingJob("people", TargetRule("ill"), recipe, rounds=4, apart=keeps), Path("."))


def _features(session: Session) -> Features:
    rows = session.divided("shareable").train
    return Features.fit(Statistics.from_records(rows.columns, rows.kinds))


def _asked(session: Session, number: int, model: Mapping[str, np.ndarray], **more: ArrayRecord) -> Message:
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
    said = {"scope": "shareable", "server-round": number, "features": json.dumps(_features(session).to_json())}
    arrays = ArrayRecord({name: Array(value) for name, value in model.items()})
    return Message(RecordDict({"arrays": arrays, "config": ConfigRecord(said), **more}), 2, "train")


def _trained(session: Session, number: int, model: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    message = _asked(session, number, model)
    answer = client_app.train(session, message)
    return {name: array.numpy() for name, array in answer.array_records["arrays"].items()}


PRIVATE = Apart(Private(("intercept",)), ditto_lambda=0.3)


def _shared(session: Session) -> dict[str, np.ndarray]:
    return personal.shared(initial(MLP, _features(session).inputs, 0), {"2.bias"})


def test_an_update_lacks_what_is_private_and_a_round_asked_for_again_is_answered_alike() -> None:
    session = _session(PRIVATE)
    shared = _shared(session)
    first = _trained(session, 1, shared)
    assert list(first) == ["0.weight", "0.bias", "2.weight"]
    second, again = _trained(session, 2, first), _trained(session, 2, first)
    assert _same(second, again)
    own = session.own.of("shareable", 3)
    assert set(own) == {"private/2.bias", *(f"personal/{name}" for name in initial(MLP, 2, 0))}
    assert not _same(part(own, "private/"), part(session.own.of("shareable", 2), "private/"))


def test_a_region_that_missed_a_round_goes_on_from_what_it_kept() -> None:
    one, other = _session(PRIVATE), _session(PRIVATE)
    model = _trained(one, 1, _shared(one))
    _trained(other, 1, _shared(other))
    other.own.keep("shareable", 3, other.own.of("shareable", 2))  # as if round 2 had changed nothing
    assert _same(_trained(one, 3, model), _trained(other, 3, model))
    assert _same(one.own.of("shareable", 4), other.own.of("shareable", 4))
    assert not _same(_trained(_session(PRIVATE), 3, model), _trained(one, 3, model))


def test_a_schedule_slows_the_steps_of_private_parameters_too() -> None:
    halved = {occasion: replace(STEPS, learning_rate=STEPS.learning_rate / 2**occasion) for occasion in (0, 1)}
    federated_alike = [
        fedsov.federate(MLP, CLIENTS, rounds=1, steps=halved[1 - slow], algorithm="fedrep", work=Laboratory(rate=rate))
        for slow, rate in enumerate((lambda _: 1.0, lambda _: 0.5))
    ]
    assert all(_same(federated_alike[0].of(client), federated_alike[1].of(client)) for client in CLIENTS)
    keeps = [apart.chosen("fedrep", {}, Private(), halved[occasion]) for occasion in (0, 1)]
    slowed, slow = _session(keeps[0]), _session(keeps[1])
    slowed.work = replace(slowed.work, schedule=Schedule("step", every=1, by=0.5), recipe=Recipe(MLP, update=halved[0]))
    slow.work = replace(slow.work, recipe=Recipe(MLP, update=halved[1]))
    model = personal.shared(initial(MLP, 2, 0), {"2.weight", "2.bias"})
    assert _same(_trained(slowed, 2, model), _trained(slow, 2, model))
    assert _same(slowed.own.of("shareable", 3), slow.own.of("shareable", 3))


@pytest.mark.parametrize(("first", "then"), [((1.0, 5.0), ()), ((), (1.0, 5.0))])
def test_steps_of_private_parameters_count_classes_as_they_say_in_federate_too(first: tuple, then: tuple) -> None:
    steps, rows = replace(STEPS, batch=100, class_weights=then), CLIENTS["DE"]
    private = Private(("intercept",), first=replace(steps, class_weights=first))
    whole = initial(MLP, 3, 0)
    joint, kept = personal.shared(whole, {"2.bias"}), personal.own(whole, {"2.bias"})
    sent, stays = personal.update(joint, kept, rows, Course(MLP, steps, private), round=1)
    fitted = fedsov.federate(MLP, {"DE": rows}, rounds=1, steps=steps, private=private)
    for key, value in {**sent, **stays}.items():
        np.testing.assert_allclose(fitted.of("DE")[key], value, atol=1e-6)


def test_what_others_keep_in_the_same_place_stays() -> None:
    session = _session(PRIVATE)
    session.own.keep("shareable", 2, {"residual/change": np.float32([7.0])})
    _trained(session, 2, _shared(session))
    assert session.own.of("shareable", 3)["residual/change"].tolist() == [7.0]
    assert set(replaced({"a/x": np.ones(1), "b/y": np.ones(1)}, "a/", {"z": np.ones(1)})) == {"a/z", "b/y"}


def test_a_private_parameter_from_outside_or_one_that_is_nowhere_is_refused() -> None:
    session = _session(PRIVATE)
    whole = initial(MLP, 2, 0)
    with pytest.raises(TrainingFailed, match=r"'2.bias' is private, and came in from outside"):
        _trained(session, 1, whole)
    with pytest.raises(TrainingFailed, match=r"'0.bias' is neither shared nor the region's own"):
        _trained(session, 1, personal.shared(whole, {"2.bias", "0.bias"}))


@pytest.mark.parametrize(
    ("name", "value", "why"), [("0.weight", np.nan, "not finite"), ("0.odd", 0.0, "not of the shared")]
)
def test_a_drift_that_cannot_be_is_refused(name: str, value: float, why: str) -> None:
    session = _session(Apart())
    whole = initial(MLP, 2, 0)
    drift = {f"drift/{one}": Array(np.zeros_like(array)) for one, array in whole.items()}
    drift[f"drift/{name}"] = Array(np.full_like(whole["0.weight"], value))
    with pytest.raises(TrainingFailed, match=why):
        client_app.train(session, _asked(session, 1, whole, drift=ArrayRecord(drift)))


def test_the_model_of_public_rows_is_whole_and_nothing_is_kept_beside_it() -> None:
    session = _session(PRIVATE)
    session.records = replace(session.records, labels=(Label(frozenset()),))
    message = _asked(session, 1, initial(MLP, 2, 0))
    message.content.config_records["config"]["scope"] = "public"
    assert len(client_app.train(session, message).array_records["arrays"]) == 4
    assert isinstance(session.own, InMemory) and not session.own.kept


def test_the_region_s_model_is_made_whole_and_its_copy_stands_for_choice() -> None:
    session = _session(PRIVATE)
    model = _shared(session)
    for number in (1, 2):
        model = _trained(session, number, model)
    said = {"strategy": "federated", "rounds": 2, "features": json.dumps(_features(session).to_json())}
    arrays = ArrayRecord({name: Array(value) for name, value in model.items()})
    message = Message(RecordDict({"arrays": arrays, "config": ConfigRecord(said)}), 2, "query.finish")
    received, copy = client_app._received(session, message, said)
    assert received is not None and copy is not None
    own = session.own.of("shareable", 3)
    assert _same(
        received.parameters, {**{name: model.get(name, own.get(f"private/{name}")) for name in copy.parameters}}
    )
    assert _same(copy.parameters, part(own, "personal/")) and _same(parameters_of(message), model)
    client_app.finish(session, message, lambda sealed: (Label(frozenset()), sealed))
    assert session.finished is not None and set(session.finished.parameters) == set(initial(MLP, 2, 0))


def test_a_personal_copy_is_kept_where_it_is_better_and_its_name_may_be_told() -> None:
    session = _session(PRIVATE)
    rows, spec, features = session.divided("all"), NetworkSpec(), _features(session)
    wrong = {"0.weight": np.float32([[-9.0, 0.0]]), "0.bias": np.zeros(1, np.float32)}
    right = {"0.weight": np.float32([[9.0, 0.0]]), "0.bias": np.zeros(1, np.float32)}
    joint, copy = (Candidate("received", spec, features, arrays) for arrays in (wrong, right))
    recipe = Recipe(network=spec, tune=LocalSteps(epochs=0))
    assert federated.train(rows, StartingPoint(joint, personal=copy), recipe).name == "federated, personal"
    assert federated.train(rows, StartingPoint(copy, personal=joint), recipe).name == "federated"
    said = dict.fromkeys(payloads.SCORES) | {"test_rows": 80, "kept": "federated, personal"}
    assert payloads.outcome(said)["kept"] == "federated, personal"


# ------------------------------------------------------------------ settings


def test_what_regions_keep_travels_with_their_work() -> None:
    keeps = apart.chosen("fedrep", {}, Private(("intercept",)), STEPS)
    work = TrainingJob("people", TargetRule("ill"), apart=keeps)
    assert TrainingJob.from_json(json.loads(json.dumps(asdict(work)))).apart == keeps


@pytest.mark.parametrize(
    ("plain", "algorithm", "options", "says"),
    [
        ({"private": "intercept"}, "fedavg", {}, "must be a list"),
        ({"private": ["tail"]}, "fedavg", {}, "no part of network"),
        ({"private_first": {"epochs": 5}}, "fedavg", {}, "model.private names none"),
        ({}, "fedrep", {"head_epochs": 0.5}, "head_epochs must be a whole number"),
    ],
)
def test_what_cannot_be_kept_apart_is_refused(plain: dict, algorithm: str, options: dict, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        apart.from_settings(plain, algorithm, options, Recipe(network=MLP))


def test_a_head_that_a_network_has_not_is_refused_and_not_ignored() -> None:
    with pytest.raises(ConfigurationError, match="leaves no parameter to share"):
        apart.from_settings({}, "fedrep", {}, Recipe(network=NetworkSpec()))
    with pytest.raises(ConfigurationError, match="'head' is no part of network ft_transformer"):
        apart.from_settings({}, "fedper", {}, Recipe(network=NetworkSpec("ft_transformer", (8, 1))))
    with pytest.raises(ConfigurationError, match="'first.bias' is no part of network ft_transformer; choose of bias"):
        apart.from_settings(
            {"private": ["first.bias"]}, "fedavg", {}, Recipe(network=NetworkSpec("ft_transformer", (8, 1)))
        )


def test_private_steps_without_noise_are_not_mixed_with_noise() -> None:
    noise = RecordMechanism(clip=1.0, noise_multiplier=1.0, sampling_rate=0.2, steps=5)
    for algorithm, private in (("fedrep", ()), ("fedavg", Private(("intercept",), first=STEPS))):
        with pytest.raises(ConfigurationError, match="step alone do so without noise"):
            fedsov.federate("mlp", CLIENTS, rounds=1, algorithm=algorithm, private=private, noise=noise)
    assert fedsov.federate("mlp", CLIENTS, rounds=1, algorithm="fedper", noise=noise).private.keys() == CLIENTS.keys()
