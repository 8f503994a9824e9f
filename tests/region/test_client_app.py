"""A region's rounds: the answers to messages, and what the region keeps between them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from fedsov.algorithms.catalogue import Algorithm
from fedsov.algorithms.local_steps import LocalSteps, Schedule
from fedsov.algorithms.personalization import Personalization, PrivateParameters
from fedsov.algorithms.recipe import Recipe
from fedsov.errors import TrainingFailed
from fedsov.label import Label
from fedsov.model.features import Features, Statistics
from fedsov.model.network import NetworkSpec, initial
from fedsov.model.parameters import shared
from fedsov.model.targets import TargetRule
from fedsov.partition.records import Records
from fedsov.protocol import payloads
from fedsov.protocol.flower_messages import parameters_of
from fedsov.protocol.job import TrainingJob
from fedsov.region import client_app
from fedsov.region.session import Session
from fedsov.region.settings import OwnDataset
from fedsov.region.strategies import federated
from fedsov.region.strategies.candidates import Candidate, StartingPoint
from fedsov.training.client_state import InMemoryStates, part
from tests.own_settings import CLOSED, EXAMPLES

MLP = NetworkSpec("mlp", (4,))
OF_EXAMPLES = replace(CLOSED, datasets={"people": OwnDataset(examples=True, document=EXAMPLES)})
STEPS = LocalSteps(learning_rate=0.1, momentum=0.0, batch=20, epochs=2, weight_decay=0.0)


def _same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def _session(keeps: Personalization) -> Session:
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
    job = TrainingJob("people", TargetRule("ill"), recipe, rounds=4, personalization=keeps, calls_examples=True)
    return Session(records, job, Path("."), settings=OF_EXAMPLES)


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


PRIVATE = Personalization(PrivateParameters(("intercept",)), ditto_lambda=0.3)


def _shared(session: Session) -> dict[str, np.ndarray]:
    return shared(initial(MLP, _features(session).inputs, 0), {"2.bias"})


def test_an_update_lacks_what_is_private_and_a_round_asked_for_again_is_answered_alike() -> None:
    session = _session(PRIVATE)
    shared = _shared(session)
    first = _trained(session, 1, shared)
    assert list(first) == ["0.weight", "0.bias", "2.weight"]
    second, again = _trained(session, 2, first), _trained(session, 2, first)
    assert _same(second, again)
    own = session.own.load("shareable", 3)
    assert set(own) == {"private/2.bias", *(f"personal/{name}" for name in initial(MLP, 2, 0))}
    assert not _same(part(own, "private/"), part(session.own.load("shareable", 2), "private/"))


def test_a_region_that_missed_a_round_goes_on_from_what_it_kept() -> None:
    one, other = _session(PRIVATE), _session(PRIVATE)
    model = _trained(one, 1, _shared(one))
    _trained(other, 1, _shared(other))
    other.own.save("shareable", 3, other.own.load("shareable", 2))  # as if round 2 had changed nothing
    assert _same(_trained(one, 3, model), _trained(other, 3, model))
    assert _same(one.own.load("shareable", 4), other.own.load("shareable", 4))
    assert not _same(_trained(_session(PRIVATE), 3, model), _trained(one, 3, model))


def test_a_schedule_slows_the_steps_of_private_parameters_too() -> None:
    halved = {slow: replace(STEPS, learning_rate=STEPS.learning_rate / 2**slow) for slow in (0, 1)}
    nothing = PrivateParameters()
    slowed, slow = (_session(Algorithm("fedrep").personalization(nothing, halved[which])) for which in (0, 1))
    slowed.work = replace(slowed.work, schedule=Schedule("step", every=1, by=0.5), recipe=Recipe(MLP, round=halved[0]))
    slow.work = replace(slow.work, recipe=Recipe(MLP, round=halved[1]))
    model = shared(initial(MLP, 2, 0), {"2.weight", "2.bias"})
    assert _same(_trained(slowed, 2, model), _trained(slow, 2, model))
    assert _same(slowed.own.load("shareable", 3), slow.own.load("shareable", 3))


def test_what_others_keep_in_the_same_place_stays() -> None:
    session = _session(PRIVATE)
    session.own.save("shareable", 2, {"residual/change": np.float32([7.0])})
    _trained(session, 2, _shared(session))
    assert session.own.load("shareable", 3)["residual/change"].tolist() == [7.0]


def test_a_private_parameter_from_outside_or_one_that_is_nowhere_is_refused() -> None:
    session = _session(PRIVATE)
    whole = initial(MLP, 2, 0)
    with pytest.raises(TrainingFailed, match=r"'2.bias' is private, and came in from outside"):
        _trained(session, 1, whole)
    with pytest.raises(TrainingFailed, match=r"'0.bias' is neither shared nor the region's own"):
        _trained(session, 1, shared(whole, {"2.bias", "0.bias"}))


@pytest.mark.parametrize(
    ("name", "value", "why"), [("0.weight", np.nan, "not finite"), ("0.odd", 0.0, "not of the shared")]
)
def test_a_drift_that_cannot_be_is_refused(name: str, value: float, why: str) -> None:
    session = _session(Personalization())
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
    assert isinstance(session.own, InMemoryStates) and not session.own.states


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
    own = session.own.load("shareable", 3)
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
    global_model, copy = (Candidate("received", spec, features, arrays) for arrays in (wrong, right))
    recipe = Recipe(network=spec, fine_tune=LocalSteps(epochs=0))
    assert federated.train(rows, StartingPoint(global_model, personal=copy), recipe).name == "federated, personal"
    assert federated.train(rows, StartingPoint(copy, personal=global_model), recipe).name == "federated"
    said = dict.fromkeys(payloads.SCORES) | {"test_rows": 80, "selected": "federated, personal"}
    assert payloads.outcome(said)["selected"] == "federated, personal"
