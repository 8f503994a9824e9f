"""A region's session over 400 rows, and the questions that a hub asks it, for tests of benches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.recipe import Recipe
from fedsov.label import Label
from fedsov.model.features import Features, Statistics
from fedsov.model.network import NetworkSpec, initial
from fedsov.model.parameters import private_names
from fedsov.model.targets import TargetRule
from fedsov.partition.records import Records
from fedsov.protocol import SEALED_ROWS
from fedsov.protocol.job import TrainingJob
from fedsov.region import client_app
from fedsov.region.session import Session
from fedsov.region.settings import OwnDataset
from tests.own_settings import CLOSED, EXAMPLES, SECRET
from tests.region.world import remembering

MLP = NetworkSpec("mlp", (4,))
STEPS = LocalSteps(learning_rate=0.1, batch=20, epochs=2)
OF_EXAMPLES = replace(CLOSED, datasets={"people": OwnDataset(examples=True, document=EXAMPLES)})
Arrays = Mapping[str, np.ndarray]


def records(rows: int = 400) -> Records:
    """Rows of a region of Germany: two numbers, a level, and an outcome that depends on them."""
    rng = np.random.default_rng(0)
    age, ward = rng.normal(size=rows), np.where(rng.random(rows) < 0.5, "A", "B").astype(object)
    return Records(
        region="DE",
        columns={"age": age, "visits": rng.normal(size=rows), "ward": ward},
        kinds={"age": "numeric", "visits": "numeric", "ward": "categorical"},
        target=(age + (ward == "A") + rng.normal(size=rows) > 0.5).astype(float),
        subjects=np.array([f"{row:032x}" for row in range(rows)]),
        labels=(Label(frozenset({"DE"})),),
        label_of=np.zeros(rows, int),
    )


def session_of(
    network: NetworkSpec = MLP, *, people: Path | None = None, recipe: Recipe | None = None, **job: Any
) -> Session:
    """A session over example rows, or over people's, whose answers are remembered in a folder."""
    asked = recipe or Recipe(network=network, round=STEPS, from_scratch=STEPS, fine_tune=STEPS)
    work = TrainingJob("people", TargetRule("ill"), asked, rounds=4, calls_examples=people is None, **job)
    if people is None:
        return Session(records(), work, Path("."), settings=OF_EXAMPLES)
    session = remembering(Session(records(), work, people, settings=CLOSED, secret=SECRET), people)
    client_app.statistics(session, {"scope": "shareable"})
    return session


def features(session: Session) -> Features:
    """What a hub would have made of the region's statistics."""
    rows = session.divided("shareable").train
    return Features.fit(Statistics.from_records(rows.columns, rows.kinds))


def first_model(session: Session, inputs: int | None = None) -> dict[str, np.ndarray]:
    """The first global model."""
    training = session.work.training
    whole = initial(training.network, inputs or features(session).inputs, 0)
    private = private_names(training.network, training.personalization.private.names)
    return {name: array for name, array in whole.items() if name not in private}


def asked(session: Session, number: int, model: Arrays, drift: Arrays | None = None) -> Message:
    """The question of a round, as it arrives."""
    said = {"scope": "shareable", "server-round": number, "features": json.dumps(features(session).to_json())}
    return _message("train", said, model, drift)


def asked_to_finish(session: Session, strategy: str, model: Arrays | None, sealed: bytes | None = None) -> Message:
    """The question at a run's end."""
    said = {"strategy": strategy, "rounds": 2, "features": json.dumps(features(session).to_json())}
    message = _message("query.finish", said, model)
    if sealed is not None:
        message.content[SEALED_ROWS] = ConfigRecord({"DE": sealed})
    return message


def _message(kind: str, said: dict[str, Any], model: Arrays | None, drift: Arrays | None = None) -> Message:
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
    content = RecordDict({"config": ConfigRecord(said)})
    if model is not None:
        content["arrays"] = ArrayRecord({name: Array(value) for name, value in model.items()})
    if drift is not None:
        content["drift"] = ArrayRecord({f"drift/{name}": Array(value) for name, value in drift.items()})
    return Message(content, 2, kind)


def trained(session: Session, number: int, model: Arrays, drift: Arrays | None = None) -> dict[str, np.ndarray]:
    """What goes up of a round."""
    answer = client_app.train(session, asked(session, number, model, drift))
    return {name: array.numpy() for name, array in answer.array_records["arrays"].items()}


def same(one: Arrays, other: Arrays) -> bool:
    """Equal names and equal bits."""
    return list(one) == list(other) and all(
        one[name].dtype == other[name].dtype and one[name].tobytes() == other[name].tobytes() for name in one
    )


OWN_PARAMETERS = {"last.weight": np.zeros((1, 4), np.float32), "last.bias": np.zeros(1, np.float32)}
"""Of one linear layer, `last`, over these rows."""
