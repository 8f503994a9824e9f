"""One federated training: the regions agree on features, train round by round, and end with a global model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flwr.app import Context, RecordDict

from fedsov.algorithms.rounds import RoundRecord
from fedsov.artifact import BASE_MODEL, TRAINING
from fedsov.errors import TrainingFailed, counted
from fedsov.hub.decode_updates import expanded
from fedsov.hub.kept.checkpoints import Checkpoint
from fedsov.hub.planning.plan_values import Profile
from fedsov.hub.progress_lines import round_line
from fedsov.hub.region_queries import ask, error_of, is_lost, price_privacy, reply_json
from fedsov.hub.run import HubRun
from fedsov.hub.secure_sum import summed
from fedsov.hub.server_app import (
    SILENT,
    RoundSettings,
    TrainingOutput,
    TrainingState,
    UpdateCollector,
    each_by_itself,
    server_app,
)
from fedsov.label import PUBLIC, Label, Scope, join
from fedsov.ledger import known_keys
from fedsov.model.column_statistics import Statistics
from fedsov.model.features import TOO_FEW, Features
from fedsov.protocol.flower_messages import FAILED, HUB_NODE, RUN_ID, reason_of
from fedsov.protocol.ingestion_report import unused_line
from fedsov.protocol.message_types import STATISTICS

if TYPE_CHECKING:
    from fedsov.hub.membership import Membership
    from fedsov.model.network import Parameters


NOISE = 1000
"""Rows by which noisy counts may be beyond the true ones."""


@dataclass(frozen=True, slots=True)
class GlobalModel:
    """Parameters made by several regions, the features they are for, and the label that binds them.

    `stopped` is why the training ended before its last round; empty where it did not. `learned` rounds made them.
    """

    parameters: Parameters
    features: Features
    label: Label
    people: int
    rounds: tuple[RoundRecord, ...] = ()
    stopped: str = ""
    learned: int = 0


def agree_on_features(
    run: HubRun, regions: Sequence[str], scope: str, rows: Mapping[str, int] | None = None
) -> Features:
    """Features fitted to the sum of the regions' statistics; no row is pooled.

    Args:
        rows: by region, how many it told before the plan. Statistics of many more are not believed.

    Raises TrainingFailed where no region could say anything.
    """
    replies = ask(run, regions, STATISTICS, {"scope": str(scope)})
    for name in (name for name, reply in replies.items() if is_lost(reply)):
        run.progress(f"features are agreed on without {name} ({reason_of(replies[name])})")
    for name in (name for name, reply in replies.items() if reply.has_error() and reply.error.code == FAILED):
        run.progress(f"features are agreed on without {name}: {error_of(run, name, replies[name])}")
    answered = {name: reply for name, reply in replies.items() if reply.has_content()}
    described = {name: Statistics.from_json(reply_json(reply, "statistics")) for name, reply in answered.items()}
    doubts = {name: _strangers(run, own) or _inflated(own, (rows or {}).get(name)) for name, own in described.items()}
    for name, doubt in doubts.items():
        if doubt:
            run.progress(f"features are agreed on without {name}: it describes {doubt}")
    statistics = [own for name, own in described.items() if not doubts[name]]
    if not statistics:
        raise TrainingFailed(f"no region of {', '.join(regions)} could send its feature statistics; see the refusals")
    features = Features.fit(Statistics.pooled(statistics), _undescribed(run, scope))
    job, has_noise = run.settings.job, run.settings.training.adds_noise and scope != Scope.PUBLIC
    bounds = {} if job.calls_examples and not has_noise else job.bounds  # plain sums of examples are not drawn in
    return replace(features, unused=within_bounds(features.unused, bounds))


def _strangers(run: HubRun, described: Statistics) -> str:
    """What a region describes that the ingestion does not know, or knows as of another kind; or nothing."""
    kinds = run.ingested.kinds if run.ingested else {}
    by_kind = {"numeric": described.numeric, "categorical": described.categorical}
    several = sum(kinds.get(name) != kind for kind, columns in by_kind.items() for name in columns)
    return f"{counted(several, 'column')} that nothing is learned from" if several else ""


def _inflated(described: Statistics, rows: int | None) -> str:
    """What a region describes beyond the rows that it told; or nothing. Twice as many and 1000 may be noise."""
    if rows is None:
        return ""
    counts = [moments.n + moments.missing for moments in described.numeric.values()]
    counts += [sum(part.levels.values()) + part.other + part.missing for part in described.categorical.values()]
    levels = [len(part.levels) for part in described.categorical.values()]
    is_beyond = max(counts, default=0) > 2 * rows + NOISE or max(levels, default=0) > rows + NOISE
    return f"far more than the {counted(rows, 'row')} that it told before the plan" if is_beyond else ""


def within_bounds(unused: Mapping[str, str], bounds: Mapping[str, Sequence[float]]) -> dict[str, str]:
    """Why columns are not used, with the declared bounds of those in which too few people differ."""
    return {
        name: f"too few people differ within dataset.bounds.{name}=[{bounds[name][0]:g}, {bounds[name][1]:g}]; "
        "wider ones are each region's to set, by `fedsov region set --all 'datasets.NAME.bounds=…'`"
        if why == TOO_FEW and name in bounds
        else why
        for name, why in unused.items()
    }


def _undescribed(run: HubRun, scope: str) -> dict[str, str]:
    """The columns that are learned from, and what to say of one that no region describes."""
    kinds = run.ingested.kinds if run.ingested else {}
    reasons = {name: "no region describes it" for name, kind in kinds.items() if kind in ("numeric", "categorical")}
    return reasons if scope == Scope.PUBLIC else reasons | _needing_bounds(run)


def beyond_noise(run: HubRun) -> dict[str, str]:
    """The columns without declared bounds, which no answer under noise describes, and why; known before any."""
    privacy = run.settings.job.privacy
    declared = {} if privacy is None else privacy.bounds
    return {name: why for name, why in _needing_bounds(run).items() if name not in declared}


def _needing_bounds(run: HubRun) -> dict[str, str]:
    """What to say of each column of numbers that noise has no bounds of; nothing of a run without noise."""
    kinds = run.ingested.kinds if run.ingested and run.settings.training.adds_noise else {}
    numeric = [name for name, kind in kinds.items() if kind == "numeric"]
    return {name: f"noise needs its bounds; set dataset.bounds.{name}=[LOW,HIGH]" for name in numeric}


def train_together(
    run: HubRun,
    profiles: Iterable[Profile],
    scope: str,
    *,
    what: str,
    minimum: int,
    membership: Membership | None = None,
) -> GlobalModel:
    """Federated training over the regions of these profiles, on the rows of a scope; from its checkpoint on, if any.

    Args:
        what: what is trained, for the lines of progress.
        minimum: updates without which a round is a failure.
        membership: asked before each round who may still take part; none is needed for a start model.

    Raises TrainingFailed where too few regions may take part or send an update in some round.
    """
    members = list(profiles)
    regions, training = [profile.region for profile in members], run.settings.training
    if training.adds_noise and scope != Scope.PUBLIC:
        price_privacy(run, regions)
    checkpoint = _beginning(run, members, scope, what)
    if membership and checkpoint.examination is not None:
        membership.remind(checkpoint.examination)
    features, people = checkpoint.features, sum(_volume(profile, scope) for profile in members)
    names = {run.nodes[name]: name for name in regions}
    known = {} if scope == Scope.PUBLIC else {run.nodes[profile.region]: profile.label for profile in members}
    purpose = BASE_MODEL if scope == Scope.CONSENTED else TRAINING
    grid = run.grid(list(names), label=checkpoint.label, people=people, known=known, purpose=purpose)
    outcome = TrainingOutput()

    def on_round(record: RoundRecord) -> None:
        run.progress(round_line(run, record, what))
        if membership:
            membership.after(record)

    def keep(reached: TrainingState) -> None:
        state = membership.state() if membership else None
        run.checkpoints.keep(Checkpoint(scope, grid.label, people, features, reached, state))

    def examine(number: int) -> Mapping[int, str]:
        silent = {node: f"{names[node]}: {SILENT}" for node in sorted(run.connected.silent & set(names))}
        return silent | (membership.before(number, grid.label, people) if membership else {})

    app = server_app(
        replace(
            _round_settings(run, scope, features, names, minimum),
            rows={run.nodes[profile.region]: _volume(profile, scope) for profile in members},
        ),
        checkpoint.reached,
        outcome,
        on_round=on_round,
        keep=keep,
        examine=examine,
        say=lambda line: run.progress(f"{what}: {line}"),
        gather=_gather(run, scope, names),
    )
    app(grid, Context(run_id=RUN_ID, node_id=HUB_NODE, node_config={}, state=RecordDict(), run_config={}))
    rounds, stopped, learned = tuple(outcome.rounds), outcome.stopped, outcome.learned
    return GlobalModel(outcome.parameters, features, grid.label, people, rounds, stopped, learned)


def _beginning(run: HubRun, members: Sequence[Profile], scope: str, what: str) -> Checkpoint:
    """The last checkpoint of this training, or its first: the seed's parameters for features that are agreed on now.

    Whatever a checkpoint says of its label, the labels of the plan's members are joined to it.
    """
    label = PUBLIC if scope == Scope.PUBLIC else join(profile.label for profile in members)
    checkpoint = run.checkpoints.last(scope, say=lambda line: run.progress(f"resume: {what}: {line}"))
    if checkpoint is not None:
        run.gate.note({"resumed": run.name, "from": f"{scope}-{checkpoint.round:04d}"})
        run.progress(f"resume: {what} goes on after round {checkpoint.round}/{run.settings.training.spec.rounds}")
        return replace(checkpoint, label=checkpoint.label | label)
    people = sum(_volume(profile, scope) for profile in members)
    volumes = {profile.region: _volume(profile, scope) for profile in members}
    features = agree_on_features(run, list(volumes), scope, volumes)
    if features.unused:
        run.progress(f"{what}, unused columns: {unused_line(features.unused)}")
    first = TrainingState(run.settings.training.first_parameters(features.inputs, scope))
    checkpoint = Checkpoint(scope, label, people, features, first)
    run.checkpoints.keep(checkpoint)
    return checkpoint


def _round_settings(
    run: HubRun, scope: str, features: Features, names: Mapping[int, str], minimum: int
) -> RoundSettings:
    training = run.settings.training
    spec = training.spec if scope == Scope.SHAREABLE else training.spec.without_personalization()
    config = {"scope": str(scope), "features": json.dumps(features.to_json())}
    return RoundSettings(spec, config, minimum, training.timeout, names)


def _gather(run: HubRun, scope: str, names: Mapping[int, str]) -> UpdateCollector:
    """How updates are had: each by itself, made whole; or as one sum, where the regions ask for that."""
    training = run.settings.training
    if training.secure_sum is None or scope == Scope.PUBLIC:
        return expanded(each_by_itself, training.spec.compression, frozen=training.spec.frozen)
    directory = known_keys.believed_keys(run.workspace.hub, run.last_known_heads)
    return summed(
        names,
        bounds=training.secure_sum,
        run=run.name,
        frozen=training.spec.frozen,
        directory=directory,
        say=run.progress,
    )


def _volume(profile: Profile, scope: str) -> int:
    if scope == Scope.PUBLIC:
        return profile.public_rows
    if scope == Scope.CONSENTED:
        return profile.consented_rows
    return profile.shareable_rows if profile.shareable_rows is not None else profile.rows or 0
