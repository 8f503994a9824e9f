"""A region of 200 people with its real gate, ledger and way out, whose app answers as a test says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedsov.artifact import Party
from fedsov.border.evidence.register import Register
from fedsov.border.gate import Gate
from fedsov.border.law.bundle_loader import load_bundle, unsafe_open
from fedsov.label import PUBLIC, Label
from fedsov.ledger.ledger import Ledger
from fedsov.model.targets import TargetRule
from fedsov.partition.records import Records
from fedsov.protocol.flower_messages import identify, new_id, pack, unpack, with_version
from fedsov.protocol.job import Asked, RegionStart, TrainingJob
from fedsov.protocol.message_types import VERSION
from fedsov.region.answers.memory import Answers
from fedsov.region.outbound import Outbound
from fedsov.region.session import Session
from fedsov.region.worker import OpenRegion, answer
from tests.own_settings import CLOSED, SECRET

BOUND = Label(frozenset({"DE"}), frozenset({"health"}))
HUBS = {place: Party("hub", place, "Example Holding") for place in ("IE", "CN")}
Answer = Callable[[Message], RecordDict]


def region(folder: Path, app_answer: Answer, *, hub: str = "IE", people: int = 200) -> OpenRegion:
    """A region of Germany whose hub is at this place."""
    rng = np.random.default_rng(0)
    records = Records(
        region="DE",
        columns={"age": rng.normal(size=people)},
        kinds={"age": "numeric"},
        target=rng.integers(0, 2, people).astype(float),
        subjects=np.array([f"{row:032x}" for row in range(people)]),
        labels=(BOUND,),
        label_of=np.zeros(people, int),
    )
    job, party = TrainingJob("people", TargetRule("ill")), Party("DE", "DE", "Example Deutschland")
    start = RegionStart(party, HUBS[hub], folder, "run", job, Asked(today=date(2026, 11, 23)))
    ledger, register = Ledger(folder / "ledger.sqlite", "DE"), Register(())
    gate = Gate(
        party, bundle=load_bundle(), evidence=register, ledger=ledger, run="run", today=start.asked.calendar().day
    )
    app = ClientApp()
    app.train()(lambda message, context: Message(app_answer(message), reply_to=message))
    context = Context(run_id=1, node_id=2, node_config={}, state=RecordDict(), run_config={})
    return OpenRegion(
        start, Outbound(start, gate, Session(records, job, folder, settings=CLOSED, secret=SECRET)), app, context
    )


def remembering(session: Session, folder: Path) -> Session:
    """The session with a memory of its answers in this folder, and a ledger that notes them."""
    gate = Gate(
        Party("DE", "DE", "Example Deutschland"),
        bundle=unsafe_open(),
        evidence=Register(()),
        ledger=Ledger(folder / "ledger.sqlite", "DE"),
        run="r",
        today=lambda: date(2026, 11, 29),
    )
    session.answers = Answers.open(folder, gate, session.settings.limits, SECRET)
    return session


def with_start(opened: OpenRegion, **changes: Any) -> OpenRegion:
    """The same region, started with something changed."""
    start = replace(opened.start, **changes)
    return replace(opened, start=start, outbound=replace(opened.outbound, start=start))


def question(kind: str, config: dict[str, Any], model: np.ndarray | None = None) -> Message:
    """A message of the hub's as it arrives."""
    content = RecordDict({"config": ConfigRecord(config)})
    if model is not None:
        content["arrays"] = ArrayRecord({"w": Array(model)})
    message = Message(content, 2, kind)
    with_version(message, VERSION)
    identify(message, new_id())
    return unpack(pack(message))


def ask(opened: OpenRegion, incoming: Label = PUBLIC, scope: str = "shareable") -> tuple[Message, Label]:
    """The answer to a third round over a model of three numbers, and what binds it."""
    message = question("train", {"scope": scope, "server-round": 3}, np.zeros(3, np.float32))
    reply, label = answer(opened, message, incoming)
    return unpack(pack(reply)), label


def update(_: Message) -> RecordDict:
    """What a well-behaved app answers a round with."""
    arrays = ArrayRecord({"w": Array(np.ones(3, np.float32))})
    return RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": 120, "loss": 0.5, "score": 0.7})})
