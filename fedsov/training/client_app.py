"""The ClientApp of a region: Flower's messages in, training functions called, Flower's records out.

It answers ``train`` and four queries. It decides nothing about what may leave: the region's worker takes every reply
to the region's gate (`fedsov.region.worker`).

    query.profile      how many rows, how many of them public, how many classes
    query.statistics   sums and counts of the columns, over the training rows of a scope
    query.synthesise   a synthetic table for each recipient, after the release check
    train              one round from the parameters that came in
    query.finish       the planned strategy beside local training; writes the region's model
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedsov.label import Label
from fedsov.model.features import Features, Statistics
from fedsov.model.metrics import MEASURES
from fedsov.model.network import Parameters
from fedsov.model.targets import in_words, outcome
from fedsov.protocol import SEALED_ROWS
from fedsov.protocol.flower_messages import (
    config_of,
    drift_of,
    parameters_of,
    question_digest,
    record_of,
    with_proximal,
)
from fedsov.region.private_run import WITHHELD
from fedsov.region.session import Session
from fedsov.region.strategies import selection, synthetic
from fedsov.region.strategies.candidates import Candidate, StartingPoint
from fedsov.training import apart, compression, engine, federated, personal
from fedsov.training.apart import Apart
from fedsov.training.own_state import Arrays
from fedsov.training.personal import Course
from fedsov.training.rows import Rows
from fedsov.training.steps import LocalSteps

RESIDUAL = "residual/change"
"""What compression kept back, among what stays with a region from round to round."""
OpenParcel = Callable[[bytes], tuple[Label, bytes]]


def client_app(session: Session, open_parcel: OpenParcel) -> ClientApp:
    """The app of one region.

    Args:
        session: its records and its work.
        open_parcel: opens what another region sealed for this one; gives the rows' label and bytes.
    """
    app = ClientApp()
    answers: Mapping[str, Callable[[Message], RecordDict]] = {
        "profile": lambda _: profile(session),
        "statistics": lambda message: statistics(session, config_of(message)),
        "synthesise": lambda message: synthesise(session, config_of(message)),
        "finish": lambda message: finish(session, message, open_parcel),
    }
    for name, answer in answers.items():
        app.query(name)(_replying(answer))
    app.train()(_replying(lambda message: train(session, message)))
    return app


def _replying(answer: Callable[[Message], RecordDict]) -> Callable[[Message, Context], Message]:
    return lambda message, context: Message(answer(message), reply_to=message)


def profile(session: Session) -> RecordDict:
    """Counts for the plan (see `Session.counts`), and the shareable rows' label."""
    said = {**session.counts(), "label": session.label("shareable").to_json()}
    return RecordDict({"profile": ConfigRecord({"json": json.dumps(said)})})


def statistics(session: Session, config: Mapping[str, Any]) -> RecordDict:
    """The column statistics of the scope's training rows; see `fedsov.model.features.Statistics`."""
    scope = str(config["scope"])
    private = session.private_in(scope)
    rows = session.divided(scope).train
    described = (
        private.statistics(rows) if private else Statistics.from_records(rows.columns, rows.kinds, persons=rows.persons)
    )
    return RecordDict({"statistics": ConfigRecord({"json": json.dumps(described.to_json())})})


def synthesise(session: Session, config: Mapping[str, Any]) -> RecordDict:
    """One synthetic table, given to each recipient; the worker decides about each and seals it."""
    if session.private:
        raise synthetic.SyntheticRefused(("they have no privacy guarantee, and privacy=record asks for one",))
    records = session.training_records("shareable")
    made = synthetic.synthesise(
        replace(records, target=in_words(records.target, session.work.target)),
        rows=session.work.synthetic_rows,
        seed=session.work.seed,
        synthesizer=session.work.synthesizer,
    )
    content = synthetic.to_bytes(made)
    recipients = [str(name) for name in json.loads(str(config["recipients"]))]
    return RecordDict({SEALED_ROWS: ConfigRecord(dict.fromkeys(recipients, content))})


def train(session: Session, message: Message) -> RecordDict:
    """One round: the incoming model is scored on the validation rows, then trained on the training rows."""
    config = config_of(message)
    features = Features.from_json(json.loads(str(config["features"])))
    scope, number, work = str(config["scope"]), int(config["server-round"]), session.work
    rows, incoming, spec = session.divided(scope), parameters_of(message), work.recipe.network
    inputs, keeps = features.encode(rows.train.columns), _keeps(session, scope)
    remembers = keeps.remembers or work.compression.remembers
    own = session.own.of(scope, number) if remembers else {}
    private = apart.begun(keeps, own, spec=spec, inputs=inputs.shape[1], seed=work.seed)
    whole, lesson = personal.joined(incoming, private, spec), (inputs, rows.train.y)
    scores = _scores(Candidate("incoming", spec, features, whole), rows.validation, work.recipe.update)
    steps, factor = with_proximal(work.steps_of(number), config), work.schedule.rate(number, work.rounds)
    course = Course(spec, steps, keeps.private.at(factor), drift_of(message), work.recipe.frozen)
    updated, after = _updated(session, message, incoming, private, lesson, course)
    copy = None
    if keeps.ditto_lambda is not None:
        before = apart.copied(own, whole)
        copy = personal.beside(before, whole, lesson, course, weight=keeps.ditto_lambda, round=number)
    sent, kept = _sent(session, config, incoming, updated, own)
    if remembers:
        session.own.keep(scope, number + 1, apart.after(kept, after, copy))
    model_name = "public_model" if scope == "public" else "joint_model"
    called = MEASURES[work.recipe.update.loss].called
    session.rounds += [(called(f"{model_name}_validation_{name}"), value, number - 1) for name, value in scores.items()]
    told = dict.fromkeys(scores, math.nan) if session.private_in(scope) else scores
    metrics = MetricRecord({"num-examples": len(rows.train), **told})
    return RecordDict({"arrays": record_of(sent), "metrics": metrics})


def _sent(
    session: Session, config: Mapping[str, Any], incoming: Parameters, updated: Parameters, own: Arrays
) -> tuple[Parameters, Arrays]:
    """What goes up of a round; and what stays with the region, what compression kept back in its place.

    Under privacy this comes after the noise: whatever is made of a noisy update tells no more than that did.
    """
    work, scope, number = session.work, str(config["scope"]), int(config["server-round"])
    client = compression.number_of(f"{session.records.region}/{scope}")
    found = compression.sent(
        incoming,
        updated,
        work.compression,
        rng=compression.chance(work.seed, client=client, round=number),
        frozen=work.recipe.frozen,
        residual=own.get(RESIDUAL),
    )
    return found.arrays, {**own, RESIDUAL: found.residual} if work.compression.remembers else own


def _keeps(session: Session, scope: str) -> Apart:
    """What the region keeps to itself of a training; nothing of the start model, which is to be whole for others."""
    return session.work.apart if scope == "shareable" else Apart()


def _updated(
    session: Session, message: Message, incoming: Parameters, private: Parameters, rows: engine.Rows, course: Course
) -> tuple[Parameters, Parameters]:
    """What leaves of a round and what stays, under the private run's noise where there is one: then both are noisy."""
    config = config_of(message)
    run = session.private_in(str(config["scope"]))
    if run is None:
        return personal.update(incoming, private, rows, course, round=int(config["server-round"]))
    whole, spec, steps = personal.joined(incoming, private, course.spec), course.spec, course.steps
    noisy = run.answer(
        question_digest(message),
        lambda: federated.private_update(whole, *rows, steps, spec=spec, run=run, frozen=course.frozen),
    )
    return personal.shared(noisy, private), personal.own(noisy, private)


def finish(session: Session, message: Message, open_parcel: OpenParcel) -> RecordDict:
    """The planned strategy and local training side by side; the better one by validation is the region's model."""
    config = config_of(message)
    strategy = str(config["strategy"])
    rows = session.divided("all")
    model, copy = _received(session, message, config)
    start = StartingPoint(model=model, rows=_beside(session, message, open_parcel), personal=copy)
    session.finished = selection.train(strategy, rows, start, session.work.recipe)
    said = {
        key: value
        for key, value in asdict(session.finished).items()
        if key not in ("parameters", "features", "network", "note")
    }
    if session.private:  # means over rows: they stay in the region's registry
        said = {**dict.fromkeys(said), "test_rows": said["test_rows"], "kept": WITHHELD}
    return RecordDict({"metrics": ConfigRecord({"json": json.dumps(said)})})


def _scores(model: Candidate, rows: Rows, steps: LocalSteps) -> dict[str, float]:
    if not len(rows):
        return {"loss": math.nan, "score": math.nan}
    measure, logits = MEASURES[steps.loss], model.logits(rows)
    found = measure.score(rows.y, logits)
    return {"loss": measure.loss(rows.y, logits, steps.class_weights), "score": math.nan if found is None else found}


def _received(
    session: Session, message: Message, config: Mapping[str, Any]
) -> tuple[Candidate | None, Candidate | None]:
    """The model that came, made whole by what the region kept apart for it; and the region's own copy of it."""
    if not message.content.array_records:
        return None, None
    features = Features.from_json(json.loads(str(config["features"])))
    came, spec, keeps = parameters_of(message), session.work.recipe.network, Apart()
    if config["strategy"] == "federated":
        keeps = _keeps(session, "shareable")
    own = session.own.of("shareable", int(config["rounds"]) + 1) if keeps.remembers else {}
    private = apart.begun(keeps, own, spec=spec, inputs=features.inputs, seed=session.work.seed)
    whole = personal.joined(came, private, spec)
    copy = None if keeps.ditto_lambda is None else Candidate("personal", spec, features, apart.copied(own, whole))
    return Candidate("received", spec, features, whole), copy


def _beside(session: Session, message: Message, open_parcel: OpenParcel) -> Rows | None:
    """Synthetic rows that came with the message. Their label joins the session's: the model is made from them too."""
    parcels = message.content.config_records.get(SEALED_ROWS)
    if not parcels:
        return None
    label, content = open_parcel(bytes(next(iter(parcels.values()))))  # type: ignore[arg-type]
    rows = synthetic.from_bytes(content, region=session.records.region, label=label)
    session.received |= label
    return Rows(rows.columns, rows.kinds, outcome(rows.target, session.work.target))
