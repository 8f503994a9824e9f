"""One run's surroundings: the hub's gate and ledger, the regions' processes, and how they are opened and closed.

The scene is the hub's process. It knows parties, public keys and lines, never a key, a store or a record.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from fedsov.artifact import Artifact, Kind, Party
from fedsov.border.decisions import Decision
from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.evidence.register import Register
from fedsov.border.gate import Gate
from fedsov.border.people_counts import PeopleCounter
from fedsov.config.settings import Settings
from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.hub.checkpoints import Checkpoints, RunManifest
from fedsov.hub.gated_grid import DatedGate, GatedGrid
from fedsov.label import PUBLIC, Label
from fedsov.ledger.ledger import Ledger
from fedsov.model.metrics import MEASURES, Measure
from fedsov.model.network import Parameters, initial
from fedsov.protocol.calendar import Calendar
from fedsov.protocol.ingestion_report import IngestionReport
from fedsov.protocol.job import TrainingJob
from fedsov.runtimes.file_guard import keep_out
from fedsov.runtimes.fork_server import ForkServer
from fedsov.runtimes.in_process import ProcessLinks
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace

Tap = Callable[[bytes], None]


Say = Callable[[str], None]


@dataclass(slots=True)
class HubRun:
    """An open run.

    Attributes:
        board: the regions' lines; empty until `open_regions`.
        calendar: the day of each round; the gate's own day is the first round's.
        nodes: region name to node id.
        noted: region name to the head of its ledger that the hub noted last.
        privacy: what each region's privacy costs, in sentences; empty without privacy.
        say: told of progress, one line at a time.
        tap: told every byte that passes between processes; None outside tests.
        resumed: what the run began with, where it goes on after it was killed; None where it begins.
        ended: the round after which the joint training stopped early; None where it did not, or has not yet.
    """

    settings: Settings
    workspace: Workspace
    warm: ForkServer
    gate: Gate
    run: str
    calendar: Calendar
    say: Say
    tap: Tap | None = None
    ingested: IngestionReport | None = None
    board: ProcessLinks = field(default_factory=lambda: ProcessLinks(()))
    nodes: dict[str, int] = field(default_factory=dict)
    noted: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    privacy: list[str] = field(default_factory=list)
    resumed: RunManifest | None = None
    ended: int | None = None

    @property
    def checkpoints(self) -> Checkpoints:
        """Where the run's state rests while it goes on."""
        return Checkpoints(self.workspace.hub, self.run)

    def grid(
        self, regions: Sequence[str], *, label: Label = PUBLIC, people: int = 0, standing_by: int = 1
    ) -> GatedGrid:
        """A Flower grid that speaks to these regions, carrying parameters bound by the label.

        Each message is decided on the day of its round; one that belongs to none, on that of the round it stands by.
        """
        gate = DatedGate(self.gate, self.calendar, standing_by)
        return GatedGrid(self.board, [self.nodes[name] for name in regions], gate, label=label, people=people)

    def party(self, name: str) -> Party:
        """A region's or the hub's party."""
        return self.gate.owner if name == self.gate.owner.name else self.board.party(self.nodes[name])

    def name_of(self, node: int) -> str:
        """The region of a node id."""
        return self.board.party(node).name

    @property
    def measure(self) -> Measure:
        """What the regions' scores are, which follows from the target."""
        return MEASURES[self.settings.dataset.target.task]

    @property
    def afterwards(self) -> int:
        """The round by whose day everything after the last one is decided."""
        return (self.settings.rounds if self.ended is None else self.ended) + 1

    def judge(self, kind: Kind, label: Label, source: str, target: str, count: int, *, round: int = 1) -> Decision:
        """What the border says of a planned crossing on the day of a round; nothing is recorded."""
        gate = replace(self.calendar.at(self.gate, round), owner=self.party(source))
        return gate.consider(Artifact(kind, label, count=count, name=f"planned {kind}"), self.party(target))


@contextmanager
def open_run(
    settings: Settings, warm: ForkServer, *, say: Say, tap: Tap | None = None, resumed: RunManifest | None = None
) -> Iterator[HubRun]:
    """Opens a run: takes the workspace, verifies the hub's ledger, and closes every line at the end.

    Args:
        resumed: what a run began with that was killed; it goes on under its own name.

    Raises:
        WorkspaceUnusable, LedgerBroken, ConfigurationError: before anything was read or written.
    """
    workspace = Workspace(settings.workspace.resolve())
    calendar = Calendar.of(settings.today, settings.days_per_round)
    bundle = settings.border.bundle()
    _check_consent(settings, settings.border.register())
    with hold_workspace(workspace) as workspace, keep_out(workspace.regions):
        ledger = _hub_ledger(workspace, settings.hub.name)
        ledger.verify()
        run = resumed.run if resumed else f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        gate = Gate(
            settings.hub,
            bundle=bundle,
            evidence=LiveRegister(settings.border.evidence, ledger),
            ledger=ledger,
            run=run,
            today=calendar.day,
            tally=PeopleCounter(ledger),
        )
        scene = HubRun(settings, workspace, warm, gate, run, calendar, say, tap, resumed=resumed)
        try:
            yield scene
        finally:
            for line in scene.board.lines.values():
                line.line.close()
            ledger.close()


def _hub_ledger(workspace: Workspace, owner: str) -> Ledger:
    """The hub's ledger. Raises LedgerBroken where it is gone: it is made before any region's is."""
    path, known = workspace.hub / "ledger.sqlite", workspace.ledgers()
    if set(known) - {"hub"} and ("hub" not in known or (path.exists() and not path.stat().st_size)):
        raise LedgerBroken(f"no ledger at {path}, though regions have theirs; restore it from your copy")
    return Ledger(path, owner)


def _check_consent(settings: Settings, evidence: Register) -> None:
    """Raises ConfigurationError where consent rests on a document that the register given does not hold."""
    consent = settings.dataset.consent
    if consent is None or settings.border.evidence is None or evidence.get(consent.document) is not None:
        return
    raise ConfigurationError(
        f"dataset.consent names document '{consent.document}', which {settings.border.evidence} does not hold; "
        "enter it there, or set dataset.consent=null"
    )


def training_job(settings: Settings) -> TrainingJob:
    """What the settings ask of every region."""
    return TrainingJob(
        dataset=settings.dataset.name,
        target=settings.dataset.target,
        recipe=settings.recipe,
        seed=settings.seed,
        synthesizer=settings.synthetic.synthesizer,
        synthetic_rows=settings.synthetic.rows,
        privacy=settings.privacy,
        rounds=settings.rounds,
        schedule=settings.schedule,
        compression=settings.compression,
        personalization=settings.personalization,
        algorithm=settings.algorithm,
        patience=settings.patience or 0,
    )


def first_model(settings: Settings, inputs: int, scope: str) -> Parameters:
    """What a training begins with: of the start model for others all, of the global model the shared parameters."""
    start = initial(settings.recipe.network, inputs, settings.seed)
    return start if scope == "public" else settings.personalization.shared(start, settings.recipe.network)
