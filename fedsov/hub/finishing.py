"""From the global models to every region's own: each strategy beside local training, synthetic rows on their way."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flwr.app import ConfigRecord, Message

from fedsov.hub import federated_training
from fedsov.hub.federated_training import GlobalModel
from fedsov.hub.gated_grid import GatedGrid
from fedsov.hub.membership import Membership
from fedsov.hub.planning.plan_values import Plan, Profile, RegionPlan
from fedsov.hub.region_queries import _of_region, question, reply_json
from fedsov.hub.run import HubRun
from fedsov.label import PUBLIC
from fedsov.protocol.flower_messages import DECISION_ROUND, REFUSED, reason_of
from fedsov.protocol.job import SEALED_ROWS
from fedsov.runtimes.in_process import start_region

if TYPE_CHECKING:
    from fedsov.hub.membership import Membership


SECOND_PROCESS = 100_000
"""Added to a region's node id for its second process, which makes synthetic rows while the first trains."""


@dataclass(slots=True)
class RunOutputs:
    """What a run has made so far: models, sealed synthetic rows, each region's result.

    `withheld` are regions that trained and whose scores stayed at home.
    """

    joint: GlobalModel | None = None
    public: GlobalModel | None = None
    parcels: dict[str, bytes] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    withheld: list[str] = field(default_factory=list)


def order_synthetic(scene: HubRun, regions: Iterable[RegionPlan], *, standing_by: int = 1) -> dict[str, list[str]]:
    """Asks each donor, in a second process of its own, for synthetic rows; message id to recipients."""
    recipients: dict[str, list[str]] = {}
    for region in regions:
        if region.strategy == "synthetic" and region.donor:
            recipients.setdefault(region.donor, []).append(region.region)
    waiting = {}
    for donor, names in recipients.items():
        node = scene.nodes[donor] + SECOND_PROCESS
        if node not in scene.board.lines:
            scene.board.lines[node] = start_region(scene, donor, node)
        grid = GatedGrid(scene.board, [node], scene.gate)
        said = {"recipients": json.dumps(names), DECISION_ROUND: standing_by}
        message = question(node, "query.synthesise", said)
        (identifier,) = grid.push_messages([message])
        waiting[identifier] = names
        scene.say(f"synthetic rows: {donor} makes {scene.settings.synthetic.rows:,} for {', '.join(names)}")
    return waiting


def receive_synthetic(scene: HubRun, waiting: Mapping[str, list[str]], made: RunOutputs) -> None:
    """Takes the sealed rows as they come; a recipient that gets none is told why in `made.failures`."""
    grid = scene.grid([])
    open_ids = dict(waiting)
    while open_ids:
        scene.board.turn(1.0)
        for identifier in list(open_ids):
            for reply in grid.pull_messages([identifier]):
                _take_parcels(reply, open_ids.pop(identifier), made)


def _take_parcels(reply: Message, recipients: Sequence[str], made: RunOutputs) -> None:
    if reply.has_error():
        made.failures |= dict.fromkeys(recipients, f"no synthetic rows came ({reason_of(reply)})")
        return
    parcels = reply.content.config_records[SEALED_ROWS]
    for name in recipients:
        if name in parcels:
            made.parcels[name] = bytes(parcels[name])  # type: ignore[arg-type]
        else:
            made.failures[name] = "the donor's gate refused to send synthetic rows"


def finish(scene: HubRun, plan: Plan, regions: Sequence[str], made: RunOutputs) -> None:
    """Has each region run its strategy beside local training and keep the better; results go to `made`."""
    for strategy, trained in (("federated", made.joint), ("transfer_learning", made.public), ("", None)):
        names = [name for name in regions if _served_by(plan.region(name), made) == strategy]
        if not names:
            continue
        label, people = (trained.label, trained.people) if trained else (PUBLIC, 0)
        grid = scene.grid(names, label=label, people=people, standing_by=scene.afterwards)
        for reply in grid.send_and_receive([_finishing(scene, plan.region(name), made, trained) for name in names]):
            _note(scene, reply, made)


def _served_by(region: RegionPlan, made: RunOutputs) -> str:
    """The kind of model a region is to start from: "" for none (synthetic rows, or nothing)."""
    available = {"federated": made.joint, "transfer_learning": made.public}
    return region.strategy if available.get(region.strategy) else ""


def _finishing(scene: HubRun, region: RegionPlan, made: RunOutputs, trained: GlobalModel | None) -> Message:
    strategy = region.strategy
    if (strategy == "synthetic" and region.region not in made.parcels) or (strategy != "synthetic" and not trained):
        strategy = "local"
    config: dict[str, Any] = {
        "strategy": strategy,
        "reason": " ".join(region.reasons),
        DECISION_ROUND: scene.afterwards,
    }
    if trained:
        config |= {"features": json.dumps(trained.features.to_json()), "rounds": trained.learned}
    message = question(scene.nodes[region.region], "query.finish", config, trained.parameters if trained else None)
    if strategy == "synthetic":
        message.content[SEALED_ROWS] = ConfigRecord({region.region: made.parcels[region.region]})
    return message


def _note(scene: HubRun, reply: Message, made: RunOutputs) -> None:
    name = scene.name_of(reply.metadata.src_node_id)
    if reply.has_content():
        made.results[name] = reply_json(reply, "metrics")
        return
    if reply.error.code == REFUSED:
        made.withheld.append(name)
        made.failures[name] = "trained; its gate holds back its scores (fewer people than may be reported on)"
    else:
        made.failures[name] = str(_of_region(scene, name, reply))


def train_regions(scene: HubRun, found: Plan, known: Sequence[Profile]) -> tuple[RunOutputs, Plan]:
    """What the regions made, and the plan as it was amended on the way."""
    made, by_name = RunOutputs(), {profile.region: profile for profile in known}
    waiting = order_synthetic(scene, found.regions)
    if found.following("transfer_learning"):
        made.public = federated_training.train_together(
            scene,
            [by_name[name] for name in found.contributors],
            "public",
            what="start model on public rows",
            minimum=1,
        )
    if members := found.following("federated"):
        left = _train_joint(scene, Membership(scene, [by_name[name] for name in members]), made)
        found = left.amended(found, known, start_model=made.public is not None)
        late = [found.region(name) for name in left.out]
        waiting |= order_synthetic(scene, late, standing_by=scene.afterwards)
    working = [region.region for region in found.regions if region.strategy != "none"]
    early = [name for name in working if found.region(name).strategy != "synthetic"]
    scene.say(f"finish: {', '.join(early) or 'none'}: each strategy beside local training")
    finish(scene, found, early, made)
    receive_synthetic(scene, waiting, made)
    finish(scene, found, [name for name in working if name not in early], made)
    return made, found


def _train_joint(scene: HubRun, examination: Membership, made: RunOutputs) -> Membership:
    """Trains the joint model, its members examined before each round and once more before it is handed out."""
    members, least = examination.members, scene.settings.strategy.federated_min_regions
    made.joint = federated_training.train_together(
        scene,
        members,
        "shareable",
        what="joint model",
        minimum=min(least, len(members)),
        examination=examination,
    )
    if made.joint.stopped:
        scene.ended = len(made.joint.rounds)
        scene.say(f"joint model: stopped after round {scene.ended}/{scene.settings.rounds}: {made.joint.stopped}")
    examination.before(scene.afterwards, made.joint.label, made.joint.people)
    return examination
