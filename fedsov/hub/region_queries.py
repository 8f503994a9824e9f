"""Every question that the hub asks regions, and its answer as a value.

Every question is a Flower message; every answer has passed the region's gate.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

from fedsov.artifact import BASE_MODEL, TRAINING, Artifact
from fedsov.errors import (
    AnswerWithheld,
    BudgetExceeded,
    ConfigurationError,
    FedsovError,
    HubRestored,
    LedgerBroken,
    LedgerRestored,
)
from fedsov.hub.kept import recorded_profiles
from fedsov.hub.planning.plan import make_plan
from fedsov.hub.planning.plan_values import Plan, PlannedCrossing, Profile
from fedsov.hub.progress_lines import privacy_line
from fedsov.hub.region_errors import WAYS_OUT, region_error
from fedsov.hub.run import HubRun
from fedsov.hub.server_app import SILENT
from fedsov.label import PUBLIC, Label, join
from fedsov.ledger.proofs import accepted, continuations
from fedsov.protocol.flower_messages import DECISION_ROUND, LOST, OTHER_VERSION, REFUSED, error_reply, reason_of
from fedsov.protocol.message_types import LEDGER, PRIVACY, PROFILE, PROPOSE, READY
from fedsov.storage.deployment_folder import DeploymentFolder

if TYPE_CHECKING:
    from fedsov.model.network import Parameters


LEAST_SECONDS = 600.0
"""Seconds that a region may take to answer a question at least: it may have stores to open, or a model to train."""


def question(
    node: int, kind: str, config: Mapping[str, Any] | None = None, arrays: Parameters | None = None
) -> Message:
    """A message to one node: its configuration, and parameters where there are any."""
    content = RecordDict({"config": ConfigRecord(dict(config or {}))})
    if arrays is not None:
        content["arrays"] = ArrayRecord({name: Array(value) for name, value in arrays.items()})
    return Message(content, node, kind)


def ask(
    run: HubRun,
    regions: Sequence[str],
    kind: str,
    config: Mapping[str, Any] | None = None,
    *,
    decision_round: int = 1,
) -> dict[str, Message]:
    """One question to several regions, decided on the day of a round; the replies in their order, errors among them.

    A region that does not answer in time has an error in the place of its reply.
    """
    nodes, settings = run.nodes_of(regions), {**(config or {}), DECISION_ROUND: decision_round}
    grid = run.grid(nodes, decision_round=decision_round)
    messages = [question(node, kind, settings) for node in nodes]
    replies = {
        run.name_of(reply.metadata.src_node_id): reply
        for reply in grid.send_and_receive(messages, timeout=answer_seconds(run))
    }
    asked = zip(regions, messages, strict=True)
    return {name: replies.get(name) or error_reply(message, LOST, SILENT) for name, message in asked}


def answer_seconds(run: HubRun) -> float:
    """How long a region may take to answer a question outside rounds: a round's time, and at least ten minutes."""
    return max(run.settings.training.timeout, LEAST_SECONDS)


def reply_json(reply: Message, record: str) -> Any:
    """The JSON value that a reply holds under a record's name."""
    return json.loads(str(reply.content.config_records[record]["json"]))


def check_ready(run: HubRun) -> None:
    """Raises the error of the first region that could not be opened; notes which decide by rules of their own besides.

    One that is lost (its process ended, or nothing that it sends can be read) is told, and costs the others nothing.
    """
    for name, reply in ask(run, list(run.nodes), READY).items():
        if reply.has_content() and "law" in reply.content.config_records:
            run.own_rules[name] = reply_json(reply, "law")
        if is_lost(reply):
            run.progress(f"{error_of(run, name, reply)}; the others go on without it")
        elif reply.has_error():
            raise error_of(run, name, reply)


def profiles(run: HubRun) -> list[Profile]:
    """What every region says of itself; a region whose gate holds back its counts, or that is lost, has None for rows.

    Raises the error of the first region that could not be opened.
    """
    check_ready(run)
    replies = ask(run, list(run.nodes), PROFILE)
    described = [_profile(run, name, replies[name]) for name in run.nodes]
    if not _hides_rows(run):
        return described
    if any(profile.consented_rows for profile in described):
        run.progress(
            "no base model is made of consenting people's rows: their updates would leave without the noise or the "
            "sums that this run asks for (privacy, secure_aggregation)"
        )
    return [replace(profile, consented_rows=0) for profile in described]


def _profile(run: HubRun, name: str, reply: Message) -> Profile:
    if reply.has_error():
        if reply.error.code == REFUSED:
            return Profile(name, None, 0, PUBLIC, 0)
        if is_lost(reply):
            return Profile(name, None, 0, PUBLIC, 0, lost=reason_of(reply))
        if reason_of(reply) == AnswerWithheld.__name__:  # its own rule, and no fault: the others go on
            why = str(error_of(run, name, reply))
            run.progress(f"{why}; the others go on without it")
            return Profile(name, None, 0, PUBLIC, 0, lost=why)
        raise error_of(run, name, reply)
    counts = reply_json(reply, "profile")
    label = Label.from_json(counts["label"])
    consented, shareable = counts.get("consented", 0), counts["shareable"]
    return Profile(
        name, counts["rows"], counts["public"], label, counts["classes"], shareable, consented_rows=consented
    )


def _hides_rows(run: HubRun) -> bool:
    """Whether regions add noise or send sums alone: their updates to a base model would leave without either."""
    return run.settings.training.adds_noise or run.settings.training.secure_sum is not None


def planned(run: HubRun) -> tuple[Plan, list[Profile]]:
    """The plan for what the regions hold and the border permits, and the profiles that it was made of."""
    described = profiles(run)
    recorded_profiles.record(run, described)
    return plan_of(run, described), described


def plan_of(run: HubRun, described: Sequence[Profile]) -> Plan:
    """The plan for these profiles, by the law and documents of this moment; nothing is recorded."""
    plan = make_plan(
        described,
        run.settings.strategy,
        hub=run.gate.owner.name,
        judge=run.judge,
        base_judge=partial(run.judge, purpose=BASE_MODEL),
        unsafe=run.settings.border.unsafe_open,
    )
    return replace(plan, marks=run.marks)


def record_refusals(run: HubRun, plan: Plan) -> None:
    """Writes each refused crossing of the plan into its sender's ledger, once for each purpose."""
    proposed: dict[tuple[str, str], list[PlannedCrossing]] = {}
    written = set()
    for blocked in (crossing for region in plan.regions for crossing in region.blocked):
        if (crossing_key := (blocked.source, str(blocked.kind), blocked.target, blocked.purpose)) in written:
            continue
        written.add(crossing_key)
        if blocked.source == run.gate.owner.name:
            artifact = Artifact(blocked.kind, blocked.label, count=blocked.count, name=f"planned {blocked.kind}")
            replace(run.gate, purpose=blocked.purpose).refuse(artifact, run.party(blocked.target))
        else:
            proposed.setdefault((blocked.source, blocked.purpose), []).append(blocked)
    for (source, purpose), crossings in proposed.items():
        asked = {"crossings": json.dumps([(str(crossing.kind), crossing.target) for crossing in crossings])}
        if purpose != TRAINING:
            asked |= {"purpose": purpose, "label": json.dumps(join(each.label for each in crossings).to_json())}
        ask(run, [source], PROPOSE, asked)


def price_privacy(run: HubRun, regions: Sequence[str]) -> None:
    """Asks each region what the run would cost of its privacy budget, and says so; nothing is spent.

    Raises BudgetExceeded, before any row was touched, where it does not fit in some region: what is left, what would.
    """
    replies = ask(run, regions, PRIVACY)
    for name, reply in replies.items():
        if is_lost(reply):
            run.progress(f"privacy: what it costs {name} is not known ({reason_of(reply)})")
        elif reply.has_error():
            raise error_of(run, name, reply)
    prices = {name: reply_json(reply, "privacy") for name, reply in replies.items() if reply.has_content()}
    if excess := [f"{name}: {price.get('why', 'too much')}" for name, price in prices.items() if not price["fits"]]:
        raise BudgetExceeded(f"{'; '.join(excess)}; privacy.epsilon=null takes what is left")
    run.privacy = [privacy_line(name, price) for name, price in sorted(prices.items())]
    for line in run.privacy:
        run.progress(f"privacy: {line}")


def is_lost(reply: Message) -> bool:
    """True where a region gave no answer that can be read: its process ended, is silent, or sent something else."""
    return reply.has_error() and reply.error.code == LOST


def error_of(run: HubRun, name: str, reply: Message) -> FedsovError:
    """The error to show for a region's error reply."""
    folder = run.workspace.region(name)
    is_here = folder.is_dir() or not DeploymentFolder(run.workspace.root).party.exists()
    if reply.error.code == OTHER_VERSION:
        return ConfigurationError(reason_of(reply))
    if is_lost(reply) and reason_of(reply) not in WAYS_OUT:
        log = folder / "worker.log" if is_here else f"regions/{name}/worker.log in its home"
        return FedsovError(f"region {name}: no answer came that could be read: {reason_of(reply)} (log: {log})")
    dataset = run.settings.dataset
    return region_error(name, reason_of(reply), folder=folder, dataset=dataset, is_here=is_here)


_NOT_THE_SAME = tuple(kind.__name__ for kind in (LedgerBroken, LedgerRestored, HubRestored))
"""Why a region tells nothing of its ledger where one of the two ledgers is not the one that was noted."""


def ledgers(run: HubRun) -> dict[str, dict[str, Any]]:
    """Each region's ledger head and what it says of the run's crossings; each side notes the other's head.

    Raises LedgerBroken where a head is not of the ledger that was noted before: here, or in a region of the hub's.
    """
    run.gate.note({"told": list(run.nodes)})
    replies = ask(run, list(run.nodes), LEDGER, continuations(run.gate.ledger), decision_round=run.afterwards)
    for name, reply in replies.items():
        if is_lost(reply):
            run.progress(f"ledgers: {error_of(run, name, reply)}; its head is not noted")
        elif reply.has_error() and reason_of(reply) in _NOT_THE_SAME:
            raise error_of(run, name, reply)
        elif reply.has_error():
            run.progress(f"ledgers: region {name} told nothing of its own: {error_of(run, name, reply)}")
    summaries = {name: reply_json(reply, "ledger") for name, reply in replies.items() if reply.has_content()}
    heads = {
        name: accepted(summary["head"], run.last_known_heads.get(name), path=summary["path"])
        for name, summary in summaries.items()
    }
    run.gate.note({"heads": {name: head.to_json() for name, head in heads.items()}})
    return summaries
