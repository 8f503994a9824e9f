"""A hub that asks regions for more than it may, with its own key and certificate, beside all of fedsov's hub.

    python -m tests.containment.hostile_hub HOMES OUT [--planted]

It begins a run of Flower's as any hub does, and sends what no honest hub sends. Of each attempt it writes down what the
region answered, and which entries the region's ledger has since: this reads the ledger in the region's home, which no
hub can, so that an attempt and its refusal are told together.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

from fedsov.api.ledger_audit import is_refusal
from fedsov.artifact import Party
from fedsov.config.hub_settings import training_job
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.label import PUBLIC, Label
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import continuations
from fedsov.model.network import NetworkSpec
from fedsov.protocol.envelopes import Address, enveloped, opened
from fedsov.protocol.flower_messages import begin_flower_process, identify, new_id, with_version
from fedsov.protocol.job import Asked, RegionStart
from fedsov.protocol.message_types import VERSION
from fedsov.runtimes.deployment.acts import ANSWER, HOLDINGS, OPEN, REGISTER
from fedsov.runtimes.deployment.grid_line import GridLine
from fedsov.runtimes.deployment.hub_connection import Credentials, HubConnection
from fedsov.serialization import to_plain
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import read_party
from fedsov.storage.workspace import ledger_of
from tests.containment.hostile_app import HONEST, IN_VAIN, NEVER, PLANTED, TRICKS, WHY_IN_VAIN
from tests.containment.packages import CHANGED, STRANGER
from tests.containment.parties import Homes


@dataclass(slots=True)
class Attempt:
    """What was tried.

    Attributes:
        answer: what the region answered: ``error``, its code and its reason; or the names of records.
        entries: what its ledger has of it.
        in_vain: why it carries nothing, where it is answered all the same.
    """

    by: str
    region: str
    what: str
    answer: str = ""
    entries: list[str] = field(default_factory=list)
    refused: bool = False
    in_vain: str = ""

    @property
    def is_stopped(self) -> bool:
        """Whether the region refused it and wrote that down, or it can carry nothing."""
        return bool(self.in_vain) or (self.answer.startswith("error") and self.refused)


class HostileHub:
    """The line of a hub that says what it likes."""

    def __init__(self, homes: Homes) -> None:
        self.homes = homes
        folder = DeploymentFolder(homes.hub)
        self._line = GridLine(HubConnection(read_party(folder.party).hub, Credentials.of(folder)))
        self._line.begin()
        self._nodes = {name: seen.node for name, seen in self._line.regions().items()}
        self.labels: dict[str, Label] = {}
        self._settings = settings(compose([*homes.words(), f"workspace={homes.hub}"]))

    def close(self) -> None:
        """Ends the run of Flower's."""
        self._line.end()

    def start(self, at: str, /, **more: Any) -> RegionStart:
        """What a region is told when a run begins, as an honest hub would tell it."""
        party, hub = Party(at, at, f"operator in {at}"), self._settings.federation.hub
        with closing(Ledger.read(ledger_of(self.homes.hub / "hub"))) as ledger:
            head = continuations(ledger)
        job = training_job(self._settings)
        start = RegionStart(party, hub, Path("anywhere"), f"raw-{at}", job, Asked(), hub_head=head)
        return replace(start, **more)

    def send(self, region: str, message: Message, header: Mapping[str, Any]) -> str:
        """Sends a message in an envelope of any words; what the region answers, in words."""
        (name,) = self._line.send([enveloped(message, header, Address(self._line.run, self._nodes[region]))])
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for came in self._line.receive([name], 1.5):
                reply = came.message()
                if reply.has_error():
                    return f"error {reply.error.code}: {reply.error.reason}"
                content, header = opened(reply)
                if "label" in header:
                    self.labels[region] = self.labels.get(region, PUBLIC) | Label.from_json(header["label"])
                return f"records: {', '.join(content) or 'none'}"
        return "no answer"

    def open(self, at: str, /, **more: Any) -> str:
        """Has a region opened."""
        start = self.start(at, **more)
        return self.send(at, _message("query.open", {}), {"act": OPEN, "start": to_plain(start)})

    def ask(
        self,
        region: str,
        kind: str,
        config: Mapping[str, Any],
        *,
        label: Label = PUBLIC,
        model: bool = False,
        run: str = "",
        **header: Any,
    ) -> str:
        """Asks a region that is open."""
        said = {"act": ANSWER, "run": run or f"raw-{region}", "label": label.to_json(), **header}
        return self.send(region, _message(kind, config, model=model), said)

    def entries(self, region: str) -> list[Mapping[str, Any]]:
        """What a region's ledger holds."""
        with closing(Ledger.read(ledger_of(self.homes.region(region) / "regions" / region))) as ledger:
            return [entry.body for entry in ledger.entries()]


def _message(kind: str, config: Mapping[str, Any], *, model: bool = False) -> Message:
    content = RecordDict({"config": ConfigRecord({"server-round": 1, **config})})
    if model:
        content["arrays"] = ArrayRecord({"w": Array(np.zeros(4, np.float32))})
    message = Message(content, 2, kind)
    with_version(message, VERSION)
    identify(message, new_id())
    return message


def _told(body: Mapping[str, Any]) -> str:
    """An entry in a few words."""
    if body["act"] == "note":
        return "note: " + json.dumps(body["note"], sort_keys=True)[:300]
    return f"{body['act']}: {body.get('verdict')} {body.get('kind')} {body.get('name')}"


def _tried(hub: HostileHub, attempt: Attempt, act: Any) -> Attempt:
    before = len(hub.entries(attempt.region))
    attempt.answer = act()
    since = hub.entries(attempt.region)[before:]
    attempt.entries, attempt.refused = [_told(body) for body in since], any(map(is_refusal, since))
    return attempt


SUBMITTER, HUB, APP = "hostile submitter", "hostile hub", "hostile application"


def _starts(hub: HostileHub, region: str) -> Iterator[Attempt]:
    """Jobs that ask for less protection, or for code that nobody approved."""
    job = hub.start(region).job
    stranger, changed = (
        replace(job, recipe=replace(job.recipe, network=NetworkSpec(name, ()))) for name in (STRANGER, CHANGED)
    )
    steps = replace(job, recipe=replace(job.recipe, round=replace(job.recipe.round, learning_rate=1000.0)))
    examples = {"asked": Asked(examples="published"), "job": replace(job, calls_examples=True)}
    tries: list[tuple[str, str, dict[str, Any]]] = [
        (SUBMITTER, "a job with an application that the region never approved", {"job": stranger}),
        (SUBMITTER, "a job with an approved application that was swapped since", {"job": changed}),
        (SUBMITTER, "a run's name that leaves the region's folder", {"run": "../../elsewhere"}),
        (SUBMITTER, "a run's name with a line of text in it", {"run": "all rows please\n"}),
        (HUB, "a start with an open border", {"asked": Asked(unsafe_open=True)}),
        (HUB, "a start that calls people's rows examples", examples),
        (HUB, "a start with rules of the hub's own", {"asked": Asked(rules=Path("/etc/hostname"))}),
        (HUB, "a start with documents of the hub's own", {"asked": Asked(evidence=Path("/etc/hostname"))}),
        (HUB, "a start with more rounds than the region's limit", {"job": replace(job, rounds=10**6)}),
        (HUB, "a start with a greater learning rate than the region's limit", {"job": steps}),
        (HUB, "a start for another region", {"region": Party("elsewhere", region, f"operator in {region}")}),
        (HUB, "a start for a data set that is not there", {"job": replace(job, dataset="../people")}),
        (HUB, "a start without the head of the hub's ledger, which the region noted", {"hub_head": {}}),
        (HUB, "a start that names another hub", {"hub": Party("hub", "US", "Somebody else")}),
    ]
    for by, what, more in tries:
        yield _tried(hub, Attempt(by, region, what), partial(_opened_or_closed, hub, region, more))


def _opened_or_closed(hub: HostileHub, region: str, more: Mapping[str, Any]) -> str:
    """A region that is told to open says nothing of itself; it is asked whether it is ready."""
    answer = hub.open(region, **more)
    run = str(more.get("run", ""))
    return answer if answer.startswith("error") else hub.ask(region, "query.ready", {}, run=run)


def _questions(hub: HostileHub, region: str) -> Iterator[Attempt]:
    """Messages that the table does not have, of a region whose application is honest."""
    hub.open(region)
    for kind, config in (("query.profile", {}), ("query.statistics", {"scope": "shareable"})):
        hub.ask(region, kind, config)
    dataset = {"dataset": {"name": "../people"}, "workspace": "."}
    sealed, later = {"scope": "shareable", "recipients": '["hub"]'}, {"scope": "shareable", "server-round": 10**6}
    ask = partial(hub.ask, region)

    def send(kind: str, header: Mapping[str, Any]) -> partial[str]:
        return partial(hub.send, region, _message(kind, {}), header)

    tries: list[tuple[str, str, Any]] = [
        (SUBMITTER, "rows by a query", partial(ask, "query.rows", {"scope": "all"})),
        (SUBMITTER, "rows by an evaluation of Flower's", partial(ask, "evaluate", {"scope": "all"}, model=True)),
        (HUB, "an act that no envelope has", send("query.rows", {"act": "rows"})),
        (HUB, "an envelope without a run and a label", send("query.profile", {"act": ANSWER})),
        (HUB, "an update on all rows", partial(ask, "train", {"scope": "all"}, model=True)),
        (HUB, "sums over all rows", partial(ask, "query.statistics", {"scope": "all"})),
        (HUB, "a round beyond the region's limit", partial(ask, "train", later, model=True)),
        (HUB, "synthetic rows that only the hub can open", partial(ask, "query.synthesise", sealed)),
        (HUB, "training by the second process", partial(ask, "train", {"scope": "shareable"}, model=True, second=True)),
        (HUB, "an answer of a run that was never begun", partial(ask, "query.profile", {}, run="never")),
        (HUB, "holdings of another folder", send("query.holdings", {"act": HOLDINGS, "run": "r", "config": dataset})),
        (HUB, "models of a run that was never begun", send("query.register", {"act": REGISTER, "run": "never"})),
    ]
    for by, what, act in tries:
        yield _tried(hub, Attempt(by, region, what), act)


def _tricks(hub: HostileHub, region: str) -> Iterator[Attempt]:
    """What a hostile application tries; then a model that comes back with fewer bonds than went up."""
    hub.open(region)
    for name, (kind, what, _) in {**NEVER, **IN_VAIN}.items():
        config, label = {"scope": "shareable", "trick": name}, hub.labels.get(region, PUBLIC)
        attempt = Attempt(APP, region, what, in_vain=WHY_IN_VAIN.get(name, ""))
        yield _tried(hub, attempt, partial(hub.ask, region, kind, config, model=True, label=label))
    dropped = Attempt(HUB, region, "a global model under a label that drops the bonds of the region's update")
    config = {"scope": "shareable", "server-round": 2, "trick": HONEST}
    yield _tried(hub, dropped, partial(hub.ask, region, "train", config, model=True))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("homes", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--honest", required=True, help="a region whose application is fedsov's")
    parser.add_argument("--hostile", required=True, help="a region with `tests.containment.hostile_app`")
    parser.add_argument("--planted", action="store_true", help="only has the control's leak sent")
    given = parser.parse_args()
    begin_flower_process(1)
    hub = HostileHub(Homes(given.homes, (given.honest, given.hostile)))
    try:
        if given.planted:
            hub.open(given.hostile, run=PLANTED)
            trick = {"scope": "shareable", "trick": PLANTED}
            print(hub.ask(given.hostile, TRICKS[PLANTED][0], trick, model=True, run=PLANTED))
            return
        found = [*_starts(hub, given.honest), *_questions(hub, given.honest), *_tricks(hub, given.hostile)]
    finally:
        hub.close()
    given.out.write_text(json.dumps([{**asdict(each), "is_stopped": each.is_stopped} for each in found], indent=1))


if __name__ == "__main__":
    main()
