"""The ClientApp of a region: Flower's messages in, training functions called, Flower's records out.

It answers ``train`` and four queries. It decides nothing about what may leave: the region's worker takes every reply
to the region's gate (`fedsov.region.worker`). A round is `fedsov.training.client_round` with one client. Whatever runs
the code of a network or of a synthesizer runs on the session's bench (`fedsov.region.bench`); here is what decides.

    query.profile      how many rows, how many of them public, how many classes
    query.statistics   sums and counts of the columns, over the training rows of a scope
    query.synthesise   a synthetic table for each recipient, after the release check
    train              one round from the parameters that came in
    query.finish       the planned strategy beside local training; writes the region's model
"""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedsov.algorithms.local_steps import LocalSteps, Stream, client_number
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.errors import TrainingFailed
from fedsov.label import Label, Scope
from fedsov.model.column_statistics import Statistics
from fedsov.model.features import Features
from fedsov.model.metrics import MEASURES
from fedsov.model.network import Parameters, check_shapes
from fedsov.model.parameters import flat, joined, named
from fedsov.model.targets import in_words, outcome
from fedsov.partition.told_counts import FEWEST, in_tens
from fedsov.protocol import NOT_DISCLOSED, SEALED_ROWS
from fedsov.protocol.flower_messages import (
    config_of,
    drift_of,
    parameters_of,
    question_digest,
    record_of,
    with_proximal,
)
from fedsov.protocol.payloads import SCORES
from fedsov.region.answers import people_rows, steep_models, synthetic_rows
from fedsov.region.answers.people_steps import cut_for
from fedsov.region.answers.told_scores import Telling, told_result, told_scores
from fedsov.region.bench.rounds import NetworkParts, NoisySteps, Outline, RoundAnswer, RoundTask
from fedsov.region.session import Session
from fedsov.region.strategies import selection, synthetic
from fedsov.region.strategies.candidates import Candidate, StartingPoint
from fedsov.region.strategies.selection import RegionModel
from fedsov.training.client_round import Cut
from fedsov.training.client_state import PERSONAL, PRIVATE, Arrays, ClientState, Layout, from_arrays, part
from fedsov.training.engine import NO_ROWS
from fedsov.training.rows import DataSplit, Rows

OpenSealedRows = Callable[[bytes], tuple[Label, bytes]]


def client_app(session: Session, open_sealed_rows: OpenSealedRows) -> ClientApp:
    """The app of one region.

    Args:
        session: its records and its work.
        open_sealed_rows: opens what another region sealed for this one; gives the rows' label and bytes.
    """
    app = ClientApp()
    questions: Mapping[str, Callable[[Message], RecordDict]] = {
        "profile": lambda _: profile(session),
        "statistics": lambda message: statistics(session, config_of(message)),
        "synthesise": lambda message: synthesise(session, config_of(message)),
        "finish": lambda message: finish(session, message, open_sealed_rows),
    }
    for name, answer in questions.items():
        app.query(name)(_replying(session, answer))
    app.train()(_replying(session, lambda message: train(session, message)))
    return app


def _replying(session: Session, answer: Callable[[Message], RecordDict]) -> Callable[[Message, Context], Message]:
    def reply(message: Message, context: Context) -> Message:
        people_rows.count_question(session)
        return Message(answer(message), reply_to=message)

    return reply


def profile(session: Session) -> RecordDict:
    """Counts for the plan, and the shareable rows' label.

    Of people's rows there is one answer a version: rows rounded down to tens, and only those classes that enough people
    have. The label is today's and whole, for the law is asked by it; rows of an origin that few people share are not
    among the session's (`fedsov.region.answers.rare_origins`).
    """
    counts = session.counts() if session.examples else people_rows.counts(session)
    label = session.label(Scope.SHAREABLE).to_json()
    return RecordDict({"profile": ConfigRecord({"json": json.dumps({**counts, "label": label})})})


def statistics(session: Session, config: Mapping[str, Any]) -> RecordDict:
    """The column statistics of the scope's training rows; see `fedsov.model.column_statistics.Statistics`.

    Of people's rows there is one answer a version (`fedsov.region.answers`); under privacy one a run, with noise.
    """
    scope = str(config["scope"])
    rows, private = session.divided(scope).train, session.private_in(scope)
    if private:
        described = private.statistics(rows).to_json()
    elif session.examples:
        described = Statistics.from_records(rows.columns, rows.kinds, persons=rows.persons).to_json()
    else:
        described = people_rows.statistics(session, scope)
    return RecordDict({"statistics": ConfigRecord({"json": json.dumps(described)})})


def synthesise(session: Session, config: Mapping[str, Any]) -> RecordDict:
    """One synthetic table, given to each recipient; the worker decides about each and seals it.

    Of people's rows there is one a version (`fedsov.region.answers.synthetic_rows`).
    """
    if session.private:
        raise synthetic.SyntheticRefused(("they have no privacy guarantee, and privacy=record asks for one",))
    if session.examples:
        content = _synthetic_table(session)
    else:
        key = synthetic_rows.division_key(session)
        content = synthetic_rows.table(session, lambda: _synthetic_table(session, key))
    recipients = [str(name) for name in json.loads(str(config["recipients"]))]
    return RecordDict({SEALED_ROWS: ConfigRecord(dict.fromkeys(recipients, content))})


def _synthetic_table(session: Session, key: bytes | None = None) -> bytes:
    """A table from the shareable training rows, whose people the key divides, or the job's seed where there is none."""
    records = session.training_records(Scope.SHAREABLE)
    table = synthetic.synthesise(
        replace(records, target=in_words(records.target, session.work.target)),
        rows=session.work.synthetic_rows,
        divided_by=session.work.seed if key is None else key,
        synthesizer=session.work.synthesizer,
        least=session.settings.limits.least_people,
        bench=session.bench,
    )
    return synthetic.to_bytes(table)


def train(session: Session, message: Message) -> RecordDict:
    """One round: the incoming model is scored on the validation rows, then trained on the training rows.

    Of people's rows only those inputs are looked at that enough of them differ in (`fedsov.model.held_inputs`).

    Raises TrainingFailed for a model or a drift that is not of this training, no rows, or an update that is refused;
    LimitExceeded for more than the region's limits; AnswerWithheld where it answered no statistics of these rows.
    """
    config = config_of(message)
    scope, number = str(config["scope"]), int(config["server-round"])
    rows, incoming = people_rows.rows_of_answer(session, scope), parameters_of(message)
    training = _training(session, scope, config)
    asked = replace(training, rounds=max(training.rounds, number))
    many, most = len(rows.train), _told_size(session, rows)
    cut = cut_for(session, scope, rows.train, number)
    session.settings.limits.check(session.records.region, asked, rows=most, people=cut is not None)
    features, scored = people_rows.looked_at(session, scope, Features.from_json(json.loads(str(config["features"]))))
    shaped, private = _parts(session, training, features.inputs)
    layout = Layout.laid_out(training, shaped, private)
    own = session.own.load(scope, number) if training.keeps_state else {}
    whole = joined(incoming, part(own, PRIVATE) or private, training.network)
    drift = drift_of(message)
    if cut is not None:
        steep_models.check_model(session, scope, training.network, whole, features)
        steep_models.check_drift(session, scope, training, whole, drift, features, number=number, rows=most)
    if not many:
        raise TrainingFailed(NO_ROWS)
    check_shapes(training.network.name, shaped, whole)
    telling = _telling(session)
    task = RoundTask(
        training,
        number,
        client=_number(session, scope),
        rows=(features.encode(rows.train.columns), rows.train.y),
        scored=scored.encode(rows.validation.columns),
        whole=whole,
        state=from_arrays(own, ClientState.first(training, layout, flat(whole, shaped), 1), layout),
        layout=layout,
        drift=_drift(drift, incoming, whole),
        cuts=None if cut is None else _cuts(cut, training, layout, number),
    )
    result = _taken(session, message, scope, task)
    if training.keeps_state:
        session.own.save(scope, number + 1, {**own, **result.state})
    scores, leaving = _scores(rows.validation, result.logits, training.steps, telling)
    model_name = {Scope.PUBLIC: "public_model", Scope.CONSENTED: "base_model"}.get(Scope(scope), "global_model")
    called = MEASURES[training.steps.loss].called
    session.rounds += [(called(f"{model_name}_validation_{name}"), value, number - 1) for name, value in scores.items()]
    reported = dict.fromkeys(scores, math.nan) if session.private_in(scope) else leaving
    weight = many if session.examples else in_tens(many, least=1)
    metrics = MetricRecord({"num-examples": weight, **reported})
    return RecordDict({"arrays": record_of(result.sent), "metrics": metrics})


def _told_size(session: Session, rows: DataSplit) -> int:
    """How many training rows limits are asked of: of people's rows in tens, for which jobs are refused is told."""
    return len(rows.train) if session.examples else in_tens(len(rows.train) + FEWEST - 1)


def _training(session: Session, scope: str, config: Mapping[str, Any]) -> TrainingSpec:
    """The training that a round is of; of the start model nothing is kept here, for it is to be whole for others."""
    training = session.work.training
    training = replace(training, steps=with_proximal(training.steps, config))
    return training if scope == Scope.SHAREABLE else training.without_personalization()


def _number(session: Session, scope: str) -> int:
    """What keys this region's chance: its name, and for rows of another scope that too."""
    region = session.records.region
    return client_number(region if scope == Scope.SHAREABLE else f"{region}/{scope}")


def _parts(session: Session, training: TrainingSpec, inputs: int) -> NetworkParts:
    """The training's parameters; asked of the bench once in a session, for the network may be somebody's own."""
    key = training.personalization.private.names, inputs
    if key not in session.parts:
        session.parts[key] = session.bench.do(Outline(training, inputs, session.work.seed))
    return session.parts[key]


def _private(session: Session, own: Arrays, training: TrainingSpec, inputs: int) -> Parameters:
    """The private parameters that a model is made whole with: those kept, or at first the seed's."""
    if not training.personalization.private.names:
        return {}
    return part(own, PRIVATE) or _parts(session, training, inputs).private


def _drift(drift: Parameters, incoming: Parameters, whole: Parameters) -> np.ndarray | None:
    """(P,) what is added to gradients; nothing on what is private. Raises TrainingFailed."""
    if not drift:
        return None
    if {name: array.shape for name, array in drift.items()} != {name: array.shape for name, array in incoming.items()}:
        raise TrainingFailed("the drift that came in is not of the shared parameters")
    if not all(np.isfinite(array).all() for array in drift.values()):
        raise TrainingFailed("the drift that came in is not finite")
    return flat({name: drift.get(name, np.zeros_like(array)) for name, array in whole.items()}, whole)


def _cuts(cut: Cut, training: TrainingSpec, layout: Layout, number: int) -> dict[Stream, Sequence[np.ndarray]]:
    """The rows of each step that the round takes, cut here: by the region's secret, which the bench has not."""
    cuts, only = {Stream.ORDER: cut(0, training.steps, Stream.ORDER)}, training.private_of(number).private_only_steps
    if only is not None and layout.private_names:
        cuts[Stream.PRIVATE_ONLY_STEPS] = cut(0, only, Stream.PRIVATE_ONLY_STEPS)
    return cuts


def _taken(session: Session, message: Message, scope: str, task: RoundTask) -> RoundAnswer:
    """The round, taken on the bench; under privacy as one more of the private run's.

    Its noisy steps are drawn from a seed that was kept, and kept before they leave; asked again, they are given again.
    """
    run, shaped = session.private_in(scope), task.layout.shaped
    if run is None:
        return session.bench.do(task)
    answers: list[RoundAnswer] = []

    def steps() -> Parameters:
        noise = NoisySteps(run.mechanism(), (run.chance(), run.chance()))
        answers.append(session.bench.do(replace(task, noise=noise)))
        return named(cast(np.ndarray, answers[0].steps)[0], shaped)

    taken = flat(run.answer(question_digest(message), steps), shaped)[None]
    return answers[0] if answers else session.bench.do(replace(task, noise=NoisySteps(run.mechanism(), taken=taken)))


def finish(session: Session, message: Message, open_sealed_rows: OpenSealedRows) -> RecordDict:
    """The planned strategy and local training side by side; the better one by validation is the region's model."""
    config = config_of(message)
    strategy = str(config["strategy"])
    rows, recipe = people_rows.rows_at_home(session), session.work.recipe
    session.settings.limits.check_at_home(session.records.region, recipe, rows=_told_size(session, rows))
    leaves = not session.private and people_rows.scores_may_leave(session, rows)
    telling = _telling(session)
    loss = _told_loss(recipe.fine_tune, telling) if telling and leaves else None
    model, copy = _received(session, message, config)
    if SEALED_ROWS in message.content.config_records:
        session.finished = _with_synthetic_rows(session, message, open_sealed_rows, rows, loss)
    else:
        start = StartingPoint(model=model, personal=copy)
        session.finished = selection.train(strategy, rows, start, recipe, loss=loss, bench=session.bench)
    finished = session.finished
    outcome = {key: getattr(finished, key) for key in ("selected", *SCORES, "test_rows")}
    if telling:
        strategy_of = finished.selected.split(",")[0]  # how it was tuned is chosen by exact losses, and not told
        scores = told_result(finished, rows, recipe.fine_tune, telling)
        outcome |= {**scores, "selected": strategy_of, "test_rows": in_tens(finished.test_rows)}
    if not leaves:  # means over rows: its registry has them
        outcome = {**dict.fromkeys(outcome), "test_rows": outcome["test_rows"], "selected": NOT_DISCLOSED}
    return RecordDict({"metrics": ConfigRecord({"json": json.dumps(outcome)})})


def _telling(session: Session) -> Telling | None:
    """How scores over people's rows are told; None of example rows, whose scores are told as they are."""
    if session.examples:
        return None
    return Telling(session.settings.limits.least_people, people_rows.answers_of(session).key("scores"))


def _told_loss(steps: LocalSteps, telling: Telling) -> selection.Loss:
    """The loss as it would be told: which of two models was chosen by it tells no more than both."""
    return lambda rows, logits: told_scores(rows, logits, steps, telling)["loss"]


def _scores(
    rows: Rows, logits: np.ndarray | None, steps: LocalSteps, telling: Telling | None
) -> tuple[dict[str, float], dict[str, float]]:
    """The loss and the score for the region's own registry, and as they leave: the same, unless people are told of."""
    if logits is None:
        nothing = {"loss": math.nan, "score": math.nan}
        return nothing, nothing
    measure = MEASURES[steps.loss]
    score = measure.score(rows.y, logits)
    exact = {"loss": measure.loss(rows.y, logits, steps.class_weights), "score": math.nan if score is None else score}
    return exact, exact if telling is None else told_scores(rows, logits, steps, telling)


def _received(
    session: Session, message: Message, config: Mapping[str, Any]
) -> tuple[Candidate | None, Candidate | None]:
    """The model that came, made whole by what the region kept apart for it; and the region's own copy of it."""
    if not message.content.array_records:
        return None, None
    features = Features.from_json(json.loads(str(config["features"])))
    features = people_rows.looked_at_home(session, features)
    training = session.work.training
    if config["strategy"] != "federated":
        training = training.without_personalization()
    keeps = training.personalization
    own = session.own.load(Scope.SHAREABLE, int(config["rounds"]) + 1) if keeps.keeps_state else {}
    private = _private(session, own, training, features.inputs)
    whole, spec = joined(parameters_of(message), private, training.network), training.network
    if not (session.examples or session.private):
        steep_models.check_model(session, Scope.SHAREABLE, spec, whole, features)
    copy = part(own, PERSONAL) or whole
    personal = None if keeps.ditto_lambda is None else Candidate("personal", spec, features, copy)
    return Candidate("received", spec, features, whole), personal


def _with_synthetic_rows(
    session: Session, message: Message, open_sealed_rows: OpenSealedRows, rows: DataSplit, loss: selection.Loss | None
) -> RegionModel:
    """The model beside the synthetic rows that came, or one trained alone where they are of no use."""
    received = session.received
    recipe, bench = session.work.recipe, session.bench
    try:
        start = StartingPoint(rows=_beside(session, message, open_sealed_rows))
        return selection.train(str(config_of(message)["strategy"]), rows, start, recipe, loss=loss, bench=bench)
    except Exception as problem:  # boundary: what another region made must not cost this one its own training
        traceback.print_exception(problem)
        session.received = received
        alone = selection.train("local", rows, StartingPoint(), recipe, bench=bench)
        return replace(alone, note=f"the synthetic rows that came are of no use ({type(problem).__name__})")


def _beside(session: Session, message: Message, open_sealed_rows: OpenSealedRows) -> Rows | None:
    """Synthetic rows that came with the message. Their label joins the session's: the model is made from them too."""
    sealed = message.content.config_records.get(SEALED_ROWS)
    if not sealed:
        return None
    label, content = open_sealed_rows(bytes(next(iter(sealed.values()))))  # type: ignore[arg-type]
    rows = synthetic.from_bytes(content, region=session.records.region, label=label)
    session.received |= label
    return Rows(rows.columns, rows.kinds, outcome(rows.target, session.work.target))
