"""One federated training: the regions agree on features, train round by round, and end with a global model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from flwr.app import Context, RecordDict

from fedsov.algorithms.rounds import RoundRecord
from fedsov.errors import TrainingFailed
from fedsov.hub.checkpoints import Checkpoint
from fedsov.hub.decode_updates import expanded
from fedsov.hub.planning.plan_values import Profile
from fedsov.hub.progress_lines import round_line
from fedsov.hub.region_queries import ask, price_privacy, reply_json
from fedsov.hub.run import HubRun, first_model
from fedsov.hub.secure_sum import summed
from fedsov.hub.server_app import (
    RoundSettings,
    TrainingOutput,
    TrainingState,
    UpdateCollector,
    each_by_itself,
    server_app,
)
from fedsov.label import PUBLIC, Label, join
from fedsov.ledger import known_keys
from fedsov.model.features import Features, Statistics
from fedsov.model.network import Parameters

if TYPE_CHECKING:
    from fedsov.hub.membership import Membership


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


def agree_on_features(scene: HubRun, regions: Sequence[str], scope: str) -> Features:
    """Features fitted to the sum of the regions' statistics; no row is pooled.

    Raises TrainingFailed where no region could say anything.
    """
    answers = ask(scene, regions, "query.statistics", {"scope": scope})
    described = [
        Statistics.from_json(reply_json(reply, "statistics")) for reply in answers.values() if reply.has_content()
    ]
    if not described:
        raise TrainingFailed(f"no region of {', '.join(regions)} could send its feature statistics; see the refusals")
    return Features.fit(reduce(add, described))


def train_together(
    scene: HubRun,
    found: Iterable[Profile],
    scope: str,
    *,
    what: str,
    minimum: int,
    examination: Membership | None = None,
) -> GlobalModel:
    """Federated training over the regions of these profiles, on the rows of a scope; from its checkpoint on, if any.

    Args:
        examination: asked before each round who may still take part; none is needed for a public model.

    Raises TrainingFailed where too few regions may take part or send an update in some round.
    """
    members = list(found)
    regions = [profile.region for profile in members]
    label = PUBLIC if scope == "public" else join(profile.label for profile in members)
    people = sum(_volume(profile, scope) for profile in members)
    settings = scene.settings
    if settings.privacy and scope != "public":
        price_privacy(scene, regions)
    held = scene.checkpoints.last(scope)
    if held is None:
        features = agree_on_features(scene, regions, scope)
        held = Checkpoint(scope, label, people, features, TrainingState(first_model(settings, features.inputs, scope)))
        scene.checkpoints.keep(held)
    else:
        scene.say(f"resume: {what} goes on after round {held.round}/{settings.rounds}")
    if examination and held.examination is not None:
        examination.remind(held.examination)
    features, label = held.features, held.label
    config = {"scope": scope, "features": json.dumps(features.to_json())}
    names = {scene.nodes[name]: name for name in regions}
    training = settings.training.without_personalization() if scope == "public" else settings.training
    round_settings = RoundSettings(training, config, minimum, settings.timeout, names)
    grid, outcome = scene.grid(regions, label=label, people=people), TrainingOutput()

    def on_round(seen: RoundRecord) -> None:
        scene.say(round_line(scene, seen, what))
        if examination:
            examination.after(seen)

    def keep(reached: TrainingState) -> None:
        state = examination.state() if examination else None
        scene.checkpoints.keep(Checkpoint(scope, grid.label, people, features, reached, state))

    def examine(number: int) -> Mapping[int, str]:
        return examination.before(number, grid.label, people) if examination else {}

    frozen = settings.recipe.frozen
    gather: UpdateCollector = expanded(each_by_itself, settings.compression, frozen=frozen)
    if settings.sums is not None and scope != "public":
        keys = known_keys.read_keys(scene.workspace.hub)
        gather = summed(names, bounds=settings.sums, run=scene.run, frozen=frozen, directory=keys)
    app = server_app(
        round_settings, held.reached, outcome, on_round=on_round, keep=keep, examine=examine, gather=gather
    )
    app(grid, Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config={}))
    seen, stopped, learned = tuple(outcome.rounds), outcome.stopped, outcome.learned
    return GlobalModel(outcome.parameters, features, grid.label, people, seen, stopped, learned)


def _volume(profile: Profile, scope: str) -> int:
    if scope == "public":
        return profile.public_rows
    return profile.shareable_rows if profile.shareable_rows is not None else profile.rows or 0
