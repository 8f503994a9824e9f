"""An open run at the hub: its gate, ledger and checkpoints, and the regions as a runtime connects them.

The hub knows parties, public keys and links, never a key, a store or a record. Which runtime connects it is the
caller's choice; the hub is given one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from fedsov.artifact import BASE_MODEL, TRAINING, Artifact, Kind, Party
from fedsov.border.decisions import Decision
from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.evidence.register import Register
from fedsov.border.gate import Gate
from fedsov.border.people_counts import PeopleCounter
from fedsov.errors import ConfigurationError, FedsovError, LedgerBroken, counted
from fedsov.hub.gated_grid import DatedGate, GatedGrid
from fedsov.hub.inbox import Inbox
from fedsov.hub.kept.checkpoints import Checkpoints, RunManifest
from fedsov.hub.runtime import RunStart, Runtime
from fedsov.hub.settings import HubSettings
from fedsov.label import PUBLIC, Label
from fedsov.ledger import gaps
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import continuations, latest_heads
from fedsov.model.metrics import MEASURES, Measure
from fedsov.protocol.calendar import Calendar
from fedsov.protocol.flower_messages import HUB_NODE, flower_process
from fedsov.protocol.ingestion_report import IngestionReport
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace, ledger_of

Progress = Callable[[str], None]
"""Told of progress, one line at a time."""
OpenRuntime = Callable[[Workspace], Runtime]
"""Opens the runtime of a run over its workspace, which is held."""
SECOND_PROCESS = 100_000
"""Added to a region's node id for its second process, which makes synthetic rows while the first trains."""


@dataclass(slots=True)
class HubRun:
    """An open run.

    Attributes:
        name: the run's.
        calendar: the day of each round; the gate's own day is the first round's.
        progress: told of progress, one line at a time.
        ingested: what the ingestion reported; None until then.
        inbox: the regions' replies; None until `connect`.
        nodes: region name to node id.
        last_known_heads: region name to the head of its ledger that the hub noted last.
        hub_head: the head of the hub's own ledger when regions were connected, with proofs.
        privacy: what each region's privacy costs, in sentences; empty without privacy.
        own_rules: by region, what it told of additional rules of its own: digest, count, whether one permits.
        resumed: what the run began with, where it goes on after it was killed; None where it begins.
        stopped_after: the round after which the global training stopped early; None where it did not, or has not yet.
    """

    settings: HubSettings
    workspace: Workspace
    runtime: Runtime
    gate: Gate
    name: str
    calendar: Calendar
    progress: Progress
    ingested: IngestionReport | None = None
    inbox: Inbox | None = None
    nodes: dict[str, int] = field(default_factory=dict)
    last_known_heads: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    hub_head: Mapping[str, str] = field(default_factory=dict)
    privacy: list[str] = field(default_factory=list)
    own_rules: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    resumed: RunManifest | None = None
    stopped_after: int | None = None

    @property
    def checkpoints(self) -> Checkpoints:
        """Where the run's state rests while it goes on."""
        return Checkpoints(self.workspace.hub, self.name, self.gate.ledger)

    @property
    def connected(self) -> Inbox:
        """The inbox of a run whose regions are connected. Raises FedsovError before."""
        if self.inbox is None:
            raise FedsovError("regions are connected before they are asked")
        return self.inbox

    def connect(self) -> None:
        """Has one process for each region opened; they open their stores while the hub goes on.

        Raises FedsovError before rows were ingested.
        """
        self.last_known_heads = latest_heads(self.gate.ledger)
        self.hub_head = continuations(self.gate.ledger)
        names = sorted(self._ingested().regions)
        self.nodes = {name: HUB_NODE + 1 + place for place, name in enumerate(names)}
        self.inbox = Inbox(self.runtime.connect(self._start(self.nodes)), self.progress)

    def connect_second(self, name: str) -> int:
        """Has a second process of a region opened, unless there is one already; its node id."""
        node = self.nodes[name] + SECOND_PROCESS
        if node not in self.connected.parties:
            self.runtime.connect(replace(self._start({name: node}), second_process=True))
        return node

    def _ingested(self) -> IngestionReport:
        if self.ingested is None:
            raise FedsovError("rows are ingested before regions are opened")
        return self.ingested

    def _start(self, nodes: Mapping[str, int]) -> RunStart:
        settings, ingested = self.settings, self._ingested()
        return RunStart(
            run=self.name,
            hub=self.gate.owner,
            regions=ingested.regions,
            nodes=dict(nodes),
            public_keys=ingested.public_keys,
            key_signatures=ingested.key_signatures,
            last_known_heads=self.last_known_heads,
            hub_head=self.hub_head,
            job=settings.job,
            asked=settings.asked,
            secure_sum=settings.training.secure_sum,
        )

    def grid(
        self,
        nodes: Sequence[int],
        *,
        label: Label = PUBLIC,
        people: int = 0,
        decision_round: int = 1,
        known: Mapping[int, Label] | None = None,
        purpose: str = TRAINING,
    ) -> GatedGrid:
        """A Flower grid that speaks to these nodes, carrying parameters bound by the label, for a purpose.

        Each message is decided on the day of its round; one that belongs to none, on that of `decision_round`. `known`
        is what the hub knows of the labels of the regions' rows (`GatedGrid`).
        """
        gate = DatedGate(replace(self.gate, purpose=purpose), self.calendar, decision_round)
        name = "base model" if purpose == BASE_MODEL else "global model"
        return GatedGrid(self.connected, nodes, gate, label=label, people=people, known=known, name=name)

    def nodes_of(self, regions: Sequence[str]) -> list[int]:
        """The nodes of regions by their names."""
        return [self.nodes[name] for name in regions]

    def party(self, name: str) -> Party:
        """A region's or the hub's party; a region's as the ingestion names it, where none is connected."""
        if name == self.gate.owner.name:
            return self.gate.owner
        return self._ingested().regions[name] if self.inbox is None else self.connected.parties[self.nodes[name]]

    def name_of(self, node: int) -> str:
        """The region of a node id."""
        return self.connected.parties[node].name

    @property
    def measure(self) -> Measure:
        """What the regions' scores are, which follows from the task."""
        return MEASURES[self.settings.task]

    @property
    def marks(self) -> tuple[str, ...]:
        """What stands above every plan, table and report of this run, in sentences."""
        added = sorted(self.gate.bundle.added)
        named = f"ADDITIONAL RULES: {', '.join(added)} ({self.settings.border.rules}) decide beside the shipped law."
        theirs = [_own_rules_line(region, rules) for region, rules in sorted(self.own_rules.items())]
        return (*self.settings.asked.marks.values(), *([named] if added else []), *theirs)

    @property
    def afterwards(self) -> int:
        """The round by whose day everything after the last one is decided."""
        return (self.settings.training.spec.rounds if self.stopped_after is None else self.stopped_after) + 1

    def judge(
        self,
        kind: Kind,
        label: Label,
        source: str,
        target: str,
        count: int,
        *,
        round_number: int = 1,
        purpose: str = TRAINING,
    ) -> Decision:
        """What the border says of a planned crossing on the day of a round; nothing is recorded."""
        gate = replace(self.calendar.at(self.gate, round_number), owner=self.party(source), purpose=purpose)
        return gate.consider(Artifact(kind, label, count=count, name=f"planned {kind}"), self.party(target))


def _own_rules_line(region: str, rules: Mapping[str, Any]) -> str:
    """That a region decides by additional rules that only its own settings name."""
    number, permits = rules["count"], "; one of them permits or releases" if rules["permits"] else ""
    return (
        f"OWN RULES: region {region} decides by {counted(number, 'rule')} of its own besides "
        f"(law.rules, {rules['digest'][:12]}…){permits}; what is planned here may be refused there."
    )


@contextmanager
def open_run(
    settings: HubSettings, open_runtime: OpenRuntime, *, progress: Progress, resumed: RunManifest | None = None
) -> Iterator[HubRun]:
    """Opens a run: takes the workspace, verifies the hub's ledger, and closes the runtime at the end.

    Args:
        open_runtime: opens the runtime, once the workspace is held.
        resumed: what a run began with that was killed; it goes on under its own name.

    Raises:
        WorkspaceUnusable, LedgerBroken, ConfigurationError: before anything was read or written.
    """
    bundle = settings.border.bundle(Workspace(settings.workspace).law)
    _check_consent(settings, settings.border.register())
    with (
        hold_workspace(Workspace(settings.workspace.resolve())) as workspace,
        closing(open_runtime(workspace)) as runtime,
        closing(_hub_ledger(workspace, settings.hub.name)) as ledger,
        flower_process(HUB_NODE),
    ):
        ledger.verify()
        gaps.check_open(ledger)
        calendar = settings.asked.calendar(ledger.today)
        name = resumed.run if resumed else f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        gate = Gate(
            settings.hub,
            bundle=bundle,
            evidence=LiveRegister(
                settings.border.evidence, ledger, workspace.reviewers, examples=settings.asked.examples is not None
            ),
            ledger=ledger,
            run=name,
            today=calendar.day,
            tally=PeopleCounter(ledger),
            marks=tuple(settings.asked.marks),
        )
        yield HubRun(settings, workspace, runtime, gate, name, calendar, progress, resumed=resumed)


def _hub_ledger(workspace: Workspace, owner: str) -> Ledger:
    """The hub's ledger. Raises LedgerBroken where it is gone: it is made before any region has rows or takes a job."""
    path, ledgers = ledger_of(workspace.hub), workspace.ledgers()
    is_gone = "hub" not in ledgers or (path.exists() and not path.stat().st_size)
    if is_gone and any(_had_a_run(workspace, region) for region in set(ledgers) - {"hub"}):
        raise LedgerBroken(f"no ledger at {path}, though regions have theirs; restore it from your copy")
    return Ledger(path, owner)


def _had_a_run(workspace: Workspace, region: str) -> bool:
    """True unless a region was made by its owner and no run has come since: it has no store, and notes of no run."""
    folder = workspace.region(region)
    if (folder / "store").exists():
        return True
    with closing(Ledger.read(ledger_of(folder))) as ledger:
        return any(entry.body.get("act") != "note" or entry.body.get("run") for entry in ledger.entries())


def _check_consent(settings: HubSettings, evidence: Register) -> None:
    """Raises ConfigurationError where consent rests on a document that the register given does not hold."""
    document = settings.consent_document
    if document is None or settings.border.evidence is None or evidence.get(document) is not None:
        return
    raise ConfigurationError(
        f"dataset.consent names document '{document}', which {settings.border.evidence} does not hold; "
        "enter it there, or set dataset.consent=null"
    )
