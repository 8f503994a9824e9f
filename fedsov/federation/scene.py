"""One run's surroundings: the hub's gate and ledger, the regions' processes, and how they are opened and closed.

The scene is the hub's process. It knows parties, public keys and lines, never a key, a store or a record.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fedsov.artifact import Artifact, Kind, Party
from fedsov.border.evidence import Register
from fedsov.border.gate import Gate
from fedsov.border.ledger import Ledger
from fedsov.border.policy import Decision
from fedsov.border.proofs import noted_heads
from fedsov.border.standing import Standing
from fedsov.border.tally import Tally
from fedsov.config import Settings
from fedsov.errors import ConfigurationError, FedsovError, InputError, LedgerBroken
from fedsov.federation.brief import RegionBrief
from fedsov.federation.checkpoint import Begun, Checkpoints
from fedsov.federation.clock import Calendar, DatedGate
from fedsov.federation.failures import raised_by_name
from fedsov.federation.guard import kept_out
from fedsov.federation.in_process import HUB_NODE, InProcessGrid, RegionLine, Switchboard
from fedsov.federation.warm import Warm
from fedsov.federation.wire import Frame, Line, LineClosed
from fedsov.federation.workspace import Workspace, occupied
from fedsov.label import PUBLIC, Label
from fedsov.model.corrections import Pace
from fedsov.model.network import Parameters, initial
from fedsov.training.measure import MEASURES, Measure
from fedsov.training.work import Work

Tap = Callable[[bytes], None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ingested:
    """What the ingestion process said: counts over the whole source, kinds of columns, the regions and their keys.

    `stores` are digests of what each region's rows are: equal for the same rows, sorted by the same rules.
    """

    rows_in: int
    stored: int
    quarantined: Mapping[str, int]
    kinds: Mapping[str, str]
    up_to_date: bool
    regions: Mapping[str, Party]
    public_keys: Mapping[str, str]
    stores: Mapping[str, str] = field(default_factory=dict)

    def sentence(self) -> str:
        """Counts in = counts stored + quarantined, in one line."""
        held_back = sum(self.quarantined.values())
        why = "; ".join(f"{count:,} {reason}" for reason, count in sorted(self.quarantined.items()))
        return (
            f"{self.rows_in:,} rows in = {self.stored:,} stored in {len(self.regions)} regions "
            f"+ {held_back:,} quarantined{f' ({why})' if why else ''}"
            f"{'; the stores are up to date' if self.up_to_date else ''}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, for ``ingest --json``."""
        return {
            "rows_in": self.rows_in,
            "stored": self.stored,
            "quarantined": dict(self.quarantined),
            "regions": sorted(self.regions),
            "kinds": dict(self.kinds),
            "up_to_date": self.up_to_date,
        }

    def columns(self, most: int = 6) -> str:
        """The columns by kind, declared or inferred, in one line."""
        by_kind: dict[str, list[str]] = {}
        for name, kind in sorted(self.kinds.items()):
            by_kind.setdefault(kind, []).append(name)
        return "; ".join(
            f"{len(names)} {kind} ({', '.join(names[:most])}{', …' if len(names) > most else ''})"
            for kind, names in sorted(by_kind.items())
        )


@dataclass(slots=True)
class Scene:
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
    warm: Warm
    gate: Gate
    run: str
    calendar: Calendar
    say: Say
    tap: Tap | None = None
    ingested: Ingested | None = None
    board: Switchboard = field(default_factory=lambda: Switchboard(()))
    nodes: dict[str, int] = field(default_factory=dict)
    noted: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    privacy: list[str] = field(default_factory=list)
    resumed: Begun | None = None
    ended: int | None = None

    @property
    def checkpoints(self) -> Checkpoints:
        """Where the run's state rests while it goes on."""
        return Checkpoints(self.workspace.hub, self.run)

    def grid(
        self, regions: Sequence[str], *, label: Label = PUBLIC, people: int = 0, standing_by: int = 1
    ) -> InProcessGrid:
        """A Flower grid that speaks to these regions, carrying parameters bound by the label.

        Each message is decided on the day of its round; one that belongs to none, on that of the round it stands by.
        """
        gate = DatedGate(self.gate, self.calendar, standing_by)
        return InProcessGrid(self.board, [self.nodes[name] for name in regions], gate, label=label, people=people)

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
def opened(
    settings: Settings, warm: Warm, *, say: Say, tap: Tap | None = None, resumed: Begun | None = None
) -> Iterator[Scene]:
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
    with occupied(workspace) as workspace, kept_out(workspace.regions):
        ledger = _hub_ledger(workspace, settings.hub.name)
        ledger.verify()
        run = resumed.run if resumed else f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        gate = Gate(
            settings.hub,
            bundle=bundle,
            evidence=Standing(settings.border.evidence, ledger),
            ledger=ledger,
            run=run,
            today=calendar.day,
            tally=Tally(ledger),
        )
        scene = Scene(settings, workspace, warm, gate, run, calendar, say, tap, resumed=resumed)
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


def ingest_rows(scene: Scene, *, again: bool = False) -> Ingested:
    """Has the ingestion process sort the source into the regions' stores, and waits for its report.

    Args:
        again: writes the stores anew even where they are up to date.

    Raises:
        InputError and the other errors of `fedsov.partition`, with the line that process wrote about the source.
    """
    line = scene.warm.fork("ingestion", scene.tap, hold=scene.workspace.lock)
    request: dict[str, Any] = {
        "config": dict(scene.settings.plain),
        "run": scene.run,
        "again": again,
    }
    request["config"]["workspace"] = str(scene.workspace.root)
    try:
        line.send(Frame(request))
        said = line.receive().header
    except LineClosed as error:
        raise InputError("the ingestion process ended early; is there memory enough for the source?") from error
    finally:
        line.close()
    if "error" in said:
        raise raised_by_name(said["type"], said["error"])
    scene.ingested = Ingested(
        rows_in=said["rows_in"],
        stored=said["stored"],
        quarantined=said["quarantined"],
        kinds=said["kinds"],
        up_to_date=said["up_to_date"],
        regions={one["name"]: Party.from_json(one) for one in said["regions"]},
        public_keys={one["name"]: one["public_key"] for one in said["regions"]},
        stores=said["stores"],
    )
    return scene.ingested


def open_regions(scene: Scene) -> None:
    """Starts one process for each region; they open their stores while the hub goes on."""
    if scene.ingested is None:
        raise FedsovError("rows are ingested before regions are opened")
    scene.noted = noted_heads(scene.gate.ledger)
    scene.nodes = {name: HUB_NODE + 1 + place for place, name in enumerate(sorted(scene.ingested.regions))}
    for name, node in scene.nodes.items():  # one by one: Ctrl-C here must find the lines that are open
        scene.board.lines[node] = start_region(scene, name, node)


def start_region(scene: Scene, name: str, node: int) -> RegionLine:
    """A process for a region (its first, or another beside it), told its brief."""
    if scene.ingested is None:
        raise FedsovError("rows are ingested before regions are opened")
    party = scene.ingested.regions[name]
    line: Line = scene.warm.fork("region", scene.tap, hold=scene.workspace.lock)
    line.send(Frame(replace(_brief(scene, party), beside=node != scene.nodes[name]).to_json()))
    return RegionLine(node, party, line)


def _brief(scene: Scene, party: Party) -> RegionBrief:
    settings, ingested = scene.settings, scene.ingested
    peers = {} if ingested is None else {name: one for name, one in ingested.regions.items() if name != party.name}
    return RegionBrief(
        region=party,
        hub=scene.gate.owner,
        folder=scene.workspace.region(party.name),
        run=scene.run,
        work=work_of(settings).to_json(),
        evidence=_absolute(settings.border.evidence),
        rules=_absolute(settings.border.rules),
        unsafe=settings.border.unsafe_open,
        today=settings.today,
        days_per_round=settings.days_per_round,
        sums=settings.sums,
        peers=peers,
        noted=scene.noted.get(party.name),
        peer_keys={} if ingested is None else {name: ingested.public_keys[name] for name in peers},
    )


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.resolve()


def work_of(settings: Settings) -> Work:
    """What the settings ask of every region."""
    return Work(
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
        apart=settings.apart,
        patience=settings.patience or 0,
    )


def first_model(settings: Settings, inputs: int, scope: str) -> Parameters:
    """What a training begins with: of the start model for others all, of the joint model the shared parameters."""
    start = initial(settings.recipe.network, inputs, settings.seed)
    return start if scope == "public" else settings.apart.shared(start, settings.recipe.network)


def pace_of(settings: Settings) -> Callable[[int], Pace]:
    """How every region steps in a round, for algorithms that count steps."""
    work = work_of(settings)

    def pace(number: int) -> Pace:
        steps = work.steps_of(number)
        return Pace(steps.learning_rate, steps.momentum, steps.rows, steps.epochs)

    return pace
