"""Every question that the hub asks regions, and its answer as a value.

Every question is a Flower message; every answer has passed the region's gate.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

from fedsov.artifact import Artifact
from fedsov.errors import BudgetExceeded, ConfigurationError, FedsovError, LedgerBroken
from fedsov.hub.planning.plan import make_plan
from fedsov.hub.planning.plan_values import Plan, Profile
from fedsov.hub.progress_lines import privacy_line
from fedsov.hub.region_errors import region_error
from fedsov.hub.run import HubRun
from fedsov.label import PUBLIC, Label
from fedsov.ledger.proofs import accepted, continuations
from fedsov.model.network import Parameters
from fedsov.protocol.flower_messages import DECISION_ROUND, OTHER_VERSION, REFUSED, reason_of

if TYPE_CHECKING:
    pass


def question(
    node: int, kind: str, config: Mapping[str, Any] | None = None, arrays: Parameters | None = None
) -> Message:
    """A message to one node: its configuration, and parameters where there are any."""
    content = RecordDict({"config": ConfigRecord(dict(config or {}))})
    if arrays is not None:
        content["arrays"] = ArrayRecord({name: Array(value) for name, value in arrays.items()})
    return Message(content, node, kind)


def ask(
    scene: HubRun,
    regions: Sequence[str],
    kind: str,
    config: Mapping[str, Any] | None = None,
    *,
    standing_by: int = 1,
) -> dict[str, Message]:
    """One question to several regions, decided on the day of a round; the answers by region, errors among them."""
    grid, said = scene.grid(list(regions), standing_by=standing_by), {**(config or {}), DECISION_ROUND: standing_by}
    replies = grid.send_and_receive([question(scene.nodes[name], kind, said) for name in regions])
    return {scene.name_of(reply.metadata.src_node_id): reply for reply in replies}


def reply_json(reply: Message, record: str) -> Any:
    """The JSON value that an answer holds under a record's name."""
    return json.loads(str(reply.content.config_records[record]["json"]))


def check_ready(scene: HubRun) -> None:
    """Raises the error of the first region that could not be opened, before anything crosses and is recorded."""
    for name, reply in ask(scene, list(scene.nodes), "query.ready").items():
        if reply.has_error():
            raise _of_region(scene, name, reply)


def profiles(scene: HubRun) -> list[Profile]:
    """What every region says of itself; a region whose gate holds back its counts has None for rows.

    Raises the error of the first region that could not be opened.
    """
    check_ready(scene)
    answers = ask(scene, list(scene.nodes), "query.profile")
    return [_profile(scene, name, answers[name]) for name in scene.nodes]


def _profile(scene: HubRun, name: str, reply: Message) -> Profile:
    if reply.has_error():
        if reply.error.code == REFUSED:
            return Profile(name, None, 0, PUBLIC, 0)
        raise _of_region(scene, name, reply)
    said = reply_json(reply, "profile")
    label = Label.from_json(said["label"])
    return Profile(name, said["rows"], said["public"], label, said["classes"], said["shareable"])


def planned(scene: HubRun) -> tuple[Plan, list[Profile]]:
    """The plan for what the regions hold and the border permits; refusals among its reasons go to the ledgers."""
    found = profiles(scene)
    return plan_of(scene, found), found


def plan_of(scene: HubRun, found: Sequence[Profile]) -> Plan:
    """The plan for these profiles, by the law and documents of this moment; nothing is recorded."""
    return make_plan(
        found,
        scene.settings.strategy,
        hub=scene.gate.owner.name,
        judge=scene.judge,
        unsafe=scene.settings.border.unsafe_open,
    )


def record_refusals(scene: HubRun, plan: Plan) -> None:
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


def price_privacy(scene: HubRun, regions: Sequence[str]) -> None:
    """Asks each region what the run would cost of its privacy budget, and says so; nothing is spent.

    Raises BudgetExceeded, before any row was touched, where it does not fit in some region: what is left, what would.
    """
    answers = ask(scene, regions, "query.privacy")
    for name, reply in answers.items():
        if reply.has_error():
            raise _of_region(scene, name, reply)
    said = {name: reply_json(reply, "privacy") for name, reply in answers.items()}
    if over := [f"{name}: {one['why']}" for name, one in said.items() if not one["fits"]]:
        raise BudgetExceeded(f"{'; '.join(over)}; privacy.epsilon=null takes what is left")
    scene.privacy = [privacy_line(name, one) for name, one in sorted(said.items())]
    for line in scene.privacy:
        scene.say(f"privacy: {line}")


def _of_region(scene: HubRun, name: str, reply: Message) -> FedsovError:
    if reply.error.code == OTHER_VERSION:
        return ConfigurationError(reason_of(reply))
    folder, dataset = scene.workspace.region(name), scene.settings.dataset.name
    return region_error(name, reason_of(reply), folder=folder, dataset=dataset)


def ledgers(scene: HubRun) -> dict[str, dict[str, Any]]:
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
    said = {name: reply_json(reply, "ledger") for name, reply in answers.items() if reply.has_content()}
    heads = {name: accepted(one["head"], scene.noted.get(name), path=one["path"]) for name, one in said.items()}
    scene.gate.note({"heads": {name: head.to_json() for name, head in heads.items()}})
    return said
