"""The steps of a run, each a few questions to some regions and what follows from the answers.

profile → plan → statistics → start model on public rows → joint model → synthetic rows → finish → ledgers. Every
question is a Flower message, every answer has passed the region's gate.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict

from fedsov.artifact import Artifact
from fedsov.border.proofs import accepted, continuations
from fedsov.control_plane.server_app import (
    Federation,
    Gather,
    Outcome,
    Reached,
    Round,
    each_by_itself,
    server_app,
)
from fedsov.errors import BudgetExceeded, FedsovError, LedgerBroken, TrainingFailed
from fedsov.federation import directory
from fedsov.federation.checkpoint import Checkpoint
from fedsov.federation.expansion import expanded
from fedsov.federation.failures import of_region
from fedsov.federation.in_process import REFUSED, InProcessGrid
from fedsov.federation.report import privacy_line, round_line
from fedsov.federation.scene import Scene, first_model, pace_of, start_region
from fedsov.federation.secure_hub import summed
from fedsov.federation.wire import STANDING_BY, reason_of
from fedsov.label import PUBLIC, Label, join
from fedsov.model.features import Features, Statistics
from fedsov.model.network import Parameters
from fedsov.training.plan import Plan, Profile, RegionPlan, make_plan
from fedsov.training.work import PARCELS

if TYPE_CHECKING:
    from fedsov.federation.examination import Examination

SECOND_PROCESS = 100_000
"""Added to a region's node id for its second process, which makes synthetic rows while the first trains."""


@dataclass(frozen=True, slots=True)
class Trained:
    """Parameters made by several regions, the features they are for, and the label that binds them.

    `stopped` is why the training ended before its last round; empty where it did not. `learned` rounds made them.
    """

    parameters: Parameters
    features: Features
    label: Label
    people: int
    rounds: tuple[Round, ...] = ()
    stopped: str = ""
    learned: int = 0


@dataclass(slots=True)
class Made:
    """What a run has made so far: models, sealed synthetic rows, each region's result.

    `withheld` are regions that trained and whose scores stayed at home.
    """

    joint: Trained | None = None
    public: Trained | None = None
    parcels: dict[str, bytes] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    withheld: list[str] = field(default_factory=list)


def question(
    node: int, kind: str, config: Mapping[str, Any] | None = None, arrays: Parameters | None = None
) -> Message:
    """A message to one node: its configuration, and parameters where there are any."""
    content = RecordDict({"config": ConfigRecord(dict(config or {}))})
    if arrays is not None:
        content["arrays"] = ArrayRecord({name: Array(value) for name, value in arrays.items()})
    return Message(content, node, kind)


def ask(
    scene: Scene,
    regions: Sequence[str],
    kind: str,
    config: Mapping[str, Any] | None = None,
    *,
    standing_by: int = 1,
) -> dict[str, Message]:
    """One question to several regions, decided on the day of a round; the answers by region, errors among them."""
    grid, said = scene.grid(list(regions), standing_by=standing_by), {**(config or {}), STANDING_BY: standing_by}
    replies = grid.send_and_receive([question(scene.nodes[name], kind, said) for name in regions])
    return {scene.name_of(reply.metadata.src_node_id): reply for reply in replies}


def told(reply: Message, record: str) -> Any:
    """The JSON value that an answer holds under a record's name."""
    return json.loads(str(reply.content.config_records[record]["json"]))


def check_ready(scene: Scene) -> None:
    """Raises the error of the first region that could not be opened, before anything crosses and is recorded."""
    for name, reply in ask(scene, list(scene.nodes), "query.ready").items():
        if reply.has_error():
            raise _of_region(scene, name, reply)


def profiles(scene: Scene) -> list[Profile]:
    """What every region says of itself; a region whose gate holds back its counts has None for rows.

    Raises the error of the first region that could not be opened.
    """
    check_ready(scene)
    answers = ask(scene, list(scene.nodes), "query.profile")
    return [_profile(scene, name, answers[name]) for name in scene.nodes]


def _profile(scene: Scene, name: str, reply: Message) -> Profile:
    if reply.has_error():
        if reply.error.code == REFUSED:
            return Profile(name, None, 0, PUBLIC, 0)
        raise _of_region(scene, name, reply)
    said = told(reply, "profile")
    label = Label.from_json(said["label"])
    return Profile(name, said["rows"], said["public"], label, said["classes"], said["shareable"])


def planned(scene: Scene) -> tuple[Plan, list[Profile]]:
    """The plan for what the regions hold and the border permits; refusals among its reasons go to the ledgers."""
    found = profiles(scene)
    return plan_of(scene, found), found


def plan_of(scene: Scene, found: Sequence[Profile]) -> Plan:
    """The plan for these profiles, by the law and documents of this moment; nothing is recorded."""
    return make_plan(
        found,
        scene.settings.strategy,
        hub=scene.gate.owner.name,
        judge=scene.judge,
        unsafe=scene.settings.border.unsafe_open,
    )


def record_refusals(scene: Scene, plan: Plan) -> None:
    """Writes each refused crossing of the plan into its sender's ledger, once."""
    proposed: dict[str, list[tuple[str, str]]] = {}
    seen = set()
    for blocked in (crossing for region in plan.regions for crossing in region.blocked):
        if (what := (blocked.source, str(blocked.kind), blocked.target)) in seen:
            continue
        seen.add(what)
        if blocked.source == scene.gate.owner.name:
            artifact = Artifact(blocked.kind, blocked.label, count=blocked.count, name=f"planned {blocked.kind}")
            scene.gate.refuse(artifact, scene.party(blocked.target))
        else:
            proposed.setdefault(blocked.source, []).append((str(blocked.kind), blocked.target))
    for source, crossings in proposed.items():
        ask(scene, [source], "query.propose", {"crossings": json.dumps(crossings)})


def agree_on_features(scene: Scene, regions: Sequence[str], scope: str) -> Features:
    """Features fitted to the sum of the regions' statistics; no row is pooled.

    Raises TrainingFailed where no region could say anything.
    """
    answers = ask(scene, regions, "query.statistics", {"scope": scope})
    described = [Statistics.from_json(told(reply, "statistics")) for reply in answers.values() if reply.has_content()]
    if not described:
        raise TrainingFailed(f"no region of {', '.join(regions)} could send its feature statistics; see the refusals")
    return Features.fit(reduce(add, described))


def train_together(
    scene: Scene,
    found: Iterable[Profile],
    scope: str,
    *,
    what: str,
    minimum: int,
    examination: Examination | None = None,
) -> Trained:
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
        held = Checkpoint(scope, label, people, features, Reached(first_model(settings, features.inputs, scope)))
        scene.checkpoints.keep(held)
    else:
        scene.say(f"resume: {what} goes on after round {held.round}/{settings.rounds}")
    if examination and held.examination is not None:
        examination.remind(held.examination)
    features, label = held.features, held.label
    config = {"scope": scope, "features": json.dumps(features.to_json())}
    names = {scene.nodes[name]: name for name in regions}
    patience, pace, rounds = None if scope == "public" else settings.patience, pace_of(settings), settings.rounds
    federation = Federation(
        settings.algorithm, rounds, config, minimum, settings.timeout, names, patience, pace, settings.bound
    )
    grid, outcome = scene.grid(regions, label=label, people=people), Outcome()

    def on_round(seen: Round) -> None:
        scene.say(round_line(scene, seen, what))
        if examination:
            examination.after(seen)

    def keep(reached: Reached) -> None:
        state = examination.state() if examination else None
        scene.checkpoints.keep(Checkpoint(scope, grid.label, people, features, reached, state))

    def examine(number: int) -> Mapping[int, str]:
        return examination.before(number, grid.label, people) if examination else {}

    frozen = settings.recipe.frozen
    gather: Gather = expanded(each_by_itself, settings.compression, frozen=frozen)
    if settings.sums is not None and scope != "public":
        keys = directory.read(scene.workspace.hub)
        gather = summed(names, bounds=settings.sums, run=scene.run, frozen=frozen, directory=keys)
    app = server_app(federation, held.reached, outcome, on_round=on_round, keep=keep, examine=examine, gather=gather)
    app(grid, Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config={}))
    seen, stopped, learned = tuple(outcome.rounds), outcome.stopped, outcome.learned
    return Trained(outcome.parameters, features, grid.label, people, seen, stopped, learned)


def price_privacy(scene: Scene, regions: Sequence[str]) -> None:
    """Asks each region what the run would cost of its privacy budget, and says so; nothing is spent.

    Raises BudgetExceeded, before any row was touched, where it does not fit in some region: what is left, what would.
    """
    answers = ask(scene, regions, "query.privacy")
    for name, reply in answers.items():
        if reply.has_error():
            raise _of_region(scene, name, reply)
    said = {name: told(reply, "privacy") for name, reply in answers.items()}
    if over := [f"{name}: {one['why']}" for name, one in said.items() if not one["fits"]]:
        raise BudgetExceeded(f"{'; '.join(over)}; privacy.epsilon=null takes what is left")
    scene.privacy = [privacy_line(name, one) for name, one in sorted(said.items())]
    for line in scene.privacy:
        scene.say(f"privacy: {line}")


def _volume(profile: Profile, scope: str) -> int:
    if scope == "public":
        return profile.public_rows
    return profile.shareable_rows if profile.shareable_rows is not None else profile.rows or 0


def order_synthetic(scene: Scene, regions: Iterable[RegionPlan], *, standing_by: int = 1) -> dict[str, list[str]]:
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
        grid = InProcessGrid(scene.board, [node], scene.gate)
        said = {"recipients": json.dumps(names), STANDING_BY: standing_by}
        message = question(node, "query.synthesise", said)
        (identifier,) = grid.push_messages([message])
        waiting[identifier] = names
        scene.say(f"synthetic rows: {donor} makes {scene.settings.synthetic.rows:,} for {', '.join(names)}")
    return waiting


def receive_synthetic(scene: Scene, waiting: Mapping[str, list[str]], made: Made) -> None:
    """Takes the sealed rows as they come; a recipient that gets none is told why in `made.failures`."""
    grid = scene.grid([])
    open_ids = dict(waiting)
    while open_ids:
        scene.board.turn(1.0)
        for identifier in list(open_ids):
            for reply in grid.pull_messages([identifier]):
                _take_parcels(reply, open_ids.pop(identifier), made)


def _take_parcels(reply: Message, recipients: Sequence[str], made: Made) -> None:
    if reply.has_error():
        made.failures |= dict.fromkeys(recipients, f"no synthetic rows came ({reason_of(reply)})")
        return
    parcels = reply.content.config_records[PARCELS]
    for name in recipients:
        if name in parcels:
            made.parcels[name] = bytes(parcels[name])  # type: ignore[arg-type]
        else:
            made.failures[name] = "the donor's gate refused to send synthetic rows"


def finish(scene: Scene, plan: Plan, regions: Sequence[str], made: Made) -> None:
    """Has each region run its strategy beside local training and keep the better; results go to `made`."""
    for strategy, trained in (("federated", made.joint), ("transfer_learning", made.public), ("", None)):
        names = [name for name in regions if _served_by(plan.of(name), made) == strategy]
        if not names:
            continue
        label, people = (trained.label, trained.people) if trained else (PUBLIC, 0)
        grid = scene.grid(names, label=label, people=people, standing_by=scene.afterwards)
        for reply in grid.send_and_receive([_finishing(scene, plan.of(name), made, trained) for name in names]):
            _note(scene, reply, made)


def _served_by(region: RegionPlan, made: Made) -> str:
    """The kind of model a region is to start from: "" for none (synthetic rows, or nothing)."""
    available = {"federated": made.joint, "transfer_learning": made.public}
    return region.strategy if available.get(region.strategy) else ""


def _finishing(scene: Scene, region: RegionPlan, made: Made, trained: Trained | None) -> Message:
    strategy = region.strategy
    if (strategy == "synthetic" and region.region not in made.parcels) or (strategy != "synthetic" and not trained):
        strategy = "local"
    config: dict[str, Any] = {
        "strategy": strategy,
        "reason": " ".join(region.reasons),
        STANDING_BY: scene.afterwards,
    }
    if trained:
        config |= {"features": json.dumps(trained.features.to_json()), "rounds": trained.learned}
    message = question(scene.nodes[region.region], "query.finish", config, trained.parameters if trained else None)
    if strategy == "synthetic":
        message.content[PARCELS] = ConfigRecord({region.region: made.parcels[region.region]})
    return message


def _note(scene: Scene, reply: Message, made: Made) -> None:
    name = scene.name_of(reply.metadata.src_node_id)
    if reply.has_content():
        made.results[name] = told(reply, "metrics")
        return
    if reply.error.code == REFUSED:
        made.withheld.append(name)
        made.failures[name] = "trained; its gate holds back its scores (fewer people than may be reported on)"
    else:
        made.failures[name] = str(_of_region(scene, name, reply))


def _of_region(scene: Scene, name: str, reply: Message) -> FedsovError:
    folder, dataset = scene.workspace.region(name), scene.settings.dataset.name
    return of_region(name, reason_of(reply), folder=folder, dataset=dataset)


def ledgers(scene: Scene) -> dict[str, dict[str, Any]]:
    """Each region's ledger head and what it says of the run's crossings; each side notes the other's head.

    Raises LedgerBroken where a head is not of the ledger that was noted before: here, or in a region of the hub's.
    """
    scene.gate.note({"told": list(scene.nodes)})
    answers = ask(
        scene, list(scene.nodes), "query.ledger", continuations(scene.gate.ledger), standing_by=scene.afterwards
    )
    for name, reply in answers.items():
        if reply.has_error() and reason_of(reply) == LedgerBroken.__name__:
            raise _of_region(scene, name, reply)
    said = {name: told(reply, "ledger") for name, reply in answers.items() if reply.has_content()}
    heads = {name: accepted(one["head"], scene.noted.get(name), path=one["path"]) for name, one in said.items()}
    scene.gate.note({"heads": {name: head.to_json() for name, head in heads.items()}})
    return said
