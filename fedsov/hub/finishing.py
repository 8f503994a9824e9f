"""From the global models to every region's own: each strategy beside local training, synthetic rows on their way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flwr.app import ConfigRecord, Message

from fedsov.artifact import BASE_MODEL, TRAINING, Artifact, Kind
from fedsov.errors import TrainingFailed
from fedsov.hub import federated_training
from fedsov.hub.federated_training import GlobalModel
from fedsov.hub.membership import Membership
from fedsov.hub.planning.plan_values import Plan, Profile, RegionPlan
from fedsov.hub.region_queries import answer_seconds, error_of, question, reply_json
from fedsov.hub.run import HubRun
from fedsov.hub.server_app import SILENT
from fedsov.label import PUBLIC, Scope
from fedsov.protocol import SEALED_ROWS
from fedsov.protocol.flower_messages import DECISION_ROUND, LOST, REFUSED, error_reply, reason_of
from fedsov.protocol.message_types import FINISH, SYNTHESISE

PUBLIC_START, CONSENTED_START = "pre-training on public rows", "base model of consented rows"
"""What the two kinds of transfer learning's start model are called."""


@dataclass(slots=True)
class RunOutputs:
    """What a run has made so far: models, sealed synthetic rows, each region's result.

    `withheld` are regions that trained and whose scores stayed at home.
    """

    global_model: GlobalModel | None = None
    public: GlobalModel | None = None
    base: GlobalModel | None = None
    parcels: dict[str, bytes] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    withheld: list[str] = field(default_factory=list)

    @property
    def start_model(self) -> GlobalModel | None:
        """What regions of transfer learning begin with: of public rows, or of rows whose people consented."""
        return self.public or self.base


def order_synthetic(run: HubRun, regions: Iterable[RegionPlan], *, decision_round: int = 1) -> dict[str, list[str]]:
    """Asks each donor, in a second process of its own, for synthetic rows; message id to recipients."""
    recipients: dict[str, list[str]] = {}
    for region in regions:
        if region.strategy == "synthetic" and region.donor:
            recipients.setdefault(region.donor, []).append(region.region)
    waiting = {}
    for donor, names in recipients.items():
        node = run.connect_second(donor)
        config = {"recipients": json.dumps(names), DECISION_ROUND: decision_round}
        (message_id,) = run.grid([node]).push_messages([question(node, SYNTHESISE, config)])
        waiting[message_id] = names
        run.progress(f"synthetic rows: {donor} makes {run.settings.synthetic_rows:,} for {', '.join(names)}")
    return waiting


def receive_synthetic(run: HubRun, waiting: Mapping[str, list[str]], outputs: RunOutputs) -> None:
    """Takes the sealed rows as they come; a recipient that gets none is told why in `outputs.failures`."""
    grid, seconds = run.grid([]), answer_seconds(run)
    unanswered, until = dict(waiting), time.monotonic() + seconds
    while unanswered and time.monotonic() < until:
        run.connected.poll(1.0)
        for message_id in list(unanswered):
            for reply in grid.pull_messages([message_id]):
                _take_sealed_rows(reply, unanswered.pop(message_id), outputs)
    run.connected.give_up(unanswered, seconds)
    for names in unanswered.values():
        outputs.failures |= dict.fromkeys(names, f"no synthetic rows came ({SILENT})")


def _take_sealed_rows(reply: Message, recipients: Sequence[str], outputs: RunOutputs) -> None:
    if reply.has_error():
        outputs.failures |= dict.fromkeys(recipients, f"no synthetic rows came ({reason_of(reply)})")
        return
    sealed = reply.content.config_records[SEALED_ROWS]
    for name in recipients:
        if name in sealed:
            outputs.parcels[name] = bytes(sealed[name])  # type: ignore[arg-type]
        else:
            outputs.failures[name] = "the donor's gate refused to send synthetic rows"


def finish(run: HubRun, plan: Plan, regions: Sequence[str], outputs: RunOutputs) -> None:
    """Has each region run its strategy beside local training and keep the better; results go to `outputs`."""
    seconds = answer_seconds(run)
    for strategy, model in (
        ("federated", outputs.global_model),
        ("transfer_learning", outputs.start_model),
        ("", None),
    ):
        names = [name for name in regions if _served_by(plan.region(name), outputs) == strategy]
        if not names:
            continue
        label, people = (model.label, model.people) if model else (PUBLIC, 0)
        purpose = BASE_MODEL if strategy == "transfer_learning" and not label.is_public else TRAINING
        nodes = run.nodes_of(names)
        grid = run.grid(nodes, label=label, people=people, decision_round=run.afterwards, purpose=purpose)
        messages = [_finish_message(run, plan.region(name), outputs, model) for name in names]
        replies = {reply.metadata.src_node_id: reply for reply in grid.send_and_receive(messages, timeout=seconds)}
        for message in messages:
            silent = error_reply(message, LOST, SILENT)
            _note_result(run, replies.get(message.metadata.dst_node_id, silent), outputs)


def _served_by(region: RegionPlan, outputs: RunOutputs) -> str:
    """The kind of model a region is to start from: "" for none (synthetic rows, or nothing)."""
    available = {"federated": outputs.global_model, "transfer_learning": outputs.start_model}
    return region.strategy if available.get(region.strategy) else ""


def _finish_message(run: HubRun, region: RegionPlan, outputs: RunOutputs, model: GlobalModel | None) -> Message:
    strategy = region.strategy
    if (strategy == "synthetic" and region.region not in outputs.parcels) or (strategy != "synthetic" and not model):
        strategy = "local"
    config: dict[str, Any] = {
        "strategy": strategy,
        "reason": " ".join(region.reasons),
        DECISION_ROUND: run.afterwards,
    }
    if model:
        config |= {"features": json.dumps(model.features.to_json()), "rounds": model.learned}
    message = question(run.nodes[region.region], FINISH, config, model.parameters if model else None)
    if strategy == "synthetic":
        message.content[SEALED_ROWS] = ConfigRecord({region.region: outputs.parcels[region.region]})
    return message


def _note_result(run: HubRun, reply: Message, outputs: RunOutputs) -> None:
    name = run.name_of(reply.metadata.src_node_id)
    if reply.has_content():
        outputs.results[name] = reply_json(reply, "metrics")
        return
    if reply.error.code == REFUSED:
        outputs.withheld.append(name)
        outputs.failures[name] = "trained; its gate holds back its scores (fewer people than may be reported on)"
    else:
        outputs.failures[name] = str(error_of(run, name, reply))


def train_regions(run: HubRun, plan: Plan, profiles: Sequence[Profile]) -> tuple[RunOutputs, Plan]:
    """What the regions made, and the plan as it was amended on the way."""
    outputs, by_name = RunOutputs(), {profile.region: profile for profile in profiles}
    waiting = order_synthetic(run, plan.regions)
    if plan.following("transfer_learning"):
        contributors = [by_name[name] for name in plan.contributors]
        if plan.start_rows == Scope.PUBLIC:
            outputs.public = federated_training.train_together(
                run, contributors, Scope.PUBLIC, what=PUBLIC_START, minimum=1
            )
        else:
            outputs.base = _train_base(run, contributors)
    if members := plan.following("federated"):
        membership = _train_global(run, Membership(run, [by_name[name] for name in members]), outputs)
        plan = membership.amended(plan, profiles, start_model=outputs.public is not None)
        late = [plan.region(name) for name in membership.out]
        waiting |= order_synthetic(run, late, decision_round=run.afterwards)
    plan = _begun(run, plan, outputs.base)
    working = [region.region for region in plan.regions if region.strategy != "none"]
    early = [name for name in working if plan.region(name).strategy != "synthetic"]
    run.progress(f"finish: {', '.join(early) or 'none'}: each strategy beside local training")
    finish(run, plan, early, outputs)
    receive_synthetic(run, waiting, outputs)
    finish(run, plan, [name for name in working if name not in early], outputs)
    return outputs, plan


def _train_base(run: HubRun, contributors: Sequence[Profile]) -> GlobalModel | None:
    """A base model of consenting people's rows; None, and a line, where nothing came of it: the others go on."""
    try:
        return federated_training.train_together(run, contributors, Scope.CONSENTED, what=CONSENTED_START, minimum=1)
    except TrainingFailed as why:
        run.progress(f"{CONSENTED_START}: {why}")
        return None


def _begun(run: HubRun, plan: Plan, base: GlobalModel | None) -> Plan:
    """The plan, amended for regions that have no base model to begin with after all: they train alone."""
    if plan.start_rows == Scope.PUBLIC:
        return plan
    regions = []
    for region in plan.regions:
        why = _why_not(run, region.region, base) if region.strategy == "transfer_learning" else ""
        if why:
            run.progress(f"plan amended: {region.region} trains alone: {why}")
            region = replace(region, strategy="local", reasons=(*region.reasons, why))
        regions.append(region)
    return replace(plan, regions=tuple(regions))


def _why_not(run: HubRun, name: str, base: GlobalModel | None) -> str:
    """Why a region gets no base model; a refusal is written down. Empty where it may have it."""
    if base is None:
        return "Nothing came of the base model."
    gate = run.calendar.at(replace(run.gate, purpose=BASE_MODEL), run.afterwards)
    artifact = Artifact(Kind.MODEL, base.label, count=base.people, name="base model")
    decision = gate.refuse(artifact, run.party(name))
    if decision.verdict == "permit":
        return ""
    return f"The base model may no longer go to it: {decision.reason} {decision.remedy}".rstrip()


def _train_global(run: HubRun, membership: Membership, outputs: RunOutputs) -> Membership:
    """Trains the global model, its members examined before each round and once more before it is handed out."""
    members, least = membership.members, run.settings.strategy.federated_min_regions
    outputs.global_model = federated_training.train_together(
        run,
        members,
        Scope.SHAREABLE,
        what="global model",
        minimum=min(least, len(members)),
        membership=membership,
    )
    if outputs.global_model.stopped:
        run.stopped_after = len(outputs.global_model.rounds)
        total = run.settings.training.spec.rounds
        run.progress(f"global model: stopped after round {run.stopped_after}/{total}: {outputs.global_model.stopped}")
    membership.before(run.afterwards, outputs.global_model.label, outputs.global_model.people)
    return membership
