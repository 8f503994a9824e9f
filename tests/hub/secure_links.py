"""Regions that take part in secure sums, in this process: real doors, gates and ledgers, scripted updates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedsov.algorithms.catalogue import Algorithm
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.artifact import Artifact, Party
from fedsov.border.evidence.register import Register
from fedsov.border.gate import Gate, Outgoing
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.hub.gated_grid import GatedGrid
from fedsov.hub.inbox import Inbox
from fedsov.hub.secure_sum import summed
from fedsov.hub.server_app import RoundSettings, TrainingOutput, UpdateCollector, server_app
from fedsov.label import PUBLIC, Label
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_head import Signer
from fedsov.model.network import NetworkSpec
from fedsov.model.targets import TargetRule
from fedsov.partition.records import Records
from fedsov.privacy.secure_aggregation.fixed_point import Bounds
from fedsov.protocol.flower_messages import LOST, error_reply, pack, parameters_of, record_of, round_of, unpack
from fedsov.protocol.job import Asked, RegionStart, TrainingJob
from fedsov.region.outbound import Outbound
from fedsov.region.secure_sum_member import SecureSumMember
from fedsov.region.session import Session
from fedsov.region.worker import OpenRegion, answer
from fedsov.serialization import from_plain, to_plain
from tests.own_settings import CLOSED, SECRET

NAMES = ("DE", "ES", "FR", "IT", "NL", "PL")
START = {"w": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3), "b": np.array([0.5], np.float32)}
HUB = Party("hub", "IE", "Example Holding")
BOUNDS = Bounds()
Moves = Mapping[str, tuple[float, int]]
MOVES: Moves = {name: (0.1 * (at + 1), 100 + 10 * at) for at, name in enumerate(NAMES)}
"""How far each region's numbers move in a round, and its rows."""


def updated(name: str, model: Mapping[str, np.ndarray], moves: Moves = MOVES) -> dict[str, np.ndarray]:
    """What a region makes of a model: each number moved by its own step, the more the farther back it stands."""
    step, _ = moves[name]
    return {key: (array + step * (1 + np.arange(array.size).reshape(array.shape))).astype(array.dtype)
            for key, array in model.items()}  # fmt: skip


def mean(names: Iterable[str], model: Mapping[str, np.ndarray], moves: Moves = MOVES) -> dict[str, np.ndarray]:
    """The plain mean of the regions' updates, weighted by rows, in float64."""
    several = sorted(names)
    rows = sum(moves[name][1] for name in several)
    parts = {name: updated(name, model, moves) for name in several}
    return {key: sum(parts[name][key].astype(float) * moves[name][1] for name in several) / rows for key in model}


def region(folder: Path, name: str, moves: Moves, *, sums: Bounds | None = BOUNDS) -> OpenRegion:
    """A region's home with 200 people, whose app trains by `updated`."""
    rng = np.random.default_rng(0)
    records = Records(
        region=name,
        columns={"age": rng.normal(size=200)},
        kinds={"age": "numeric"},
        target=rng.integers(0, 2, 200).astype(float),
        subjects=np.array([f"{row:032x}" for row in range(200)]),
        labels=(Label(frozenset({name}), frozenset({"health"})),),
        label_of=np.zeros(200, int),
    )
    work, party = TrainingJob("people", TargetRule("ill")), Party(name, name, f"Example {name}")
    day = date(2026, 11, 23)
    start = RegionStart(party, HUB, folder, "run", work, Asked(today=day), secure_sum=sums)
    start = from_plain(RegionStart, json.loads(json.dumps(to_plain(start))))
    ledger = Ledger(folder / "ledger.sqlite", name)
    gate = Gate(party, bundle=load_bundle(), evidence=Register(()), ledger=ledger, run="run", today=lambda: day)
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        arrays = updated(name, parameters_of(message), moves)
        metrics = MetricRecord({"num-examples": moves[name][1], "loss": 0.5, "score": 0.7})
        return Message(RecordDict({"arrays": record_of(arrays), "metrics": metrics}), reply_to=message)

    context = Context(run_id=1, node_id=2, node_config={}, state=RecordDict(), run_config={})
    return OpenRegion(
        start, Outbound(start, gate, Session(records, work, folder, settings=CLOSED, secret=SECRET)), app, context
    )


class Open:
    """The hub's gate in these tests: everything may leave it."""

    def cross_all(self, leaving: Iterable[Outgoing], *, round_number: int | None = None) -> tuple[Artifact, ...]:
        return tuple(one.artifact for one in leaving)


@dataclass
class Board:
    """Regions that answer at once, through their workers; `silent` says from which step of which round one is gone.

    `heard` is all that the hub receives and `sent` all that it sends, as bytes; `meddle` may change what it sends, and
    `garble` a reply to a message. A message of the kind and to the node of `never` is not answered.
    """

    homes: dict[int, OpenRegion]
    silent: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    meddle: Callable[[Message], Message] = lambda message: message
    garble: Callable[[Message, Message], None] = lambda message, reply: None
    never: tuple[int, str] | None = None
    arrived: list[tuple[Message, Label]] = field(default_factory=list)
    heard: list[Message] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)

    @property
    def names(self) -> dict[int, str]:
        return {node: home.start.region.name for node, home in self.homes.items()}

    @property
    def parties(self) -> dict[int, Party]:
        return {node: home.start.region for node, home in self.homes.items()}

    def send(self, message: Message, label: Label) -> None:
        home = self.homes[message.metadata.dst_node_id]
        if self._is_gone(home.start.region.name, message):
            self.arrived.append((error_reply(message, LOST, "RegionProcessEnded"), PUBLIC))
            return
        told = self.meddle(unpack(pack(message)))
        self.sent.append(told)
        reply, bound_by = answer(home, told, label)
        self.heard.append(unpack(pack(reply)))
        self.garble(message, self.heard[-1])
        if (message.metadata.dst_node_id, message.metadata.message_type) != self.never:
            self.arrived.append((self.heard[-1], bound_by))

    def poll(self, seconds: float) -> list[tuple[Message, Label]]:
        arrived, self.arrived = self.arrived, []
        return arrived

    def _is_gone(self, name: str, message: Message) -> bool:
        steps = ["query.advertise", "query.share", "train.masked", "query.unmask"]
        if name not in self.silent or message.metadata.message_type not in steps:
            return False
        step, number = self.silent[name]
        now = (round_of(message) or 0, steps.index(message.metadata.message_type))
        return now >= (number, steps.index(step))


def board(
    folder: Path,
    count: int,
    *,
    moves: Moves = MOVES,
    silent: Mapping[str, tuple[str, int]] | None = None,
    bounds: Bounds = BOUNDS,
) -> Board:
    """So many regions that know each other's verify keys."""
    homes = {2 + at: region(folder / name, name, moves, sums=bounds) for at, name in enumerate(NAMES[:count])}
    directory = {home.start.region.name: bytes.fromhex(home.outbound.gate.ledger.key) for home in homes.values()}
    for node, home in homes.items():
        sign = Signer.read(folder / home.start.region.name / "signing.key").private.sign
        homes[node] = replace(home, member=SecureSumMember(home.start.region.name, "run", sign, directory, bounds))
    return Board(homes, silent or {})


def train(
    regions: Board,
    *,
    rounds: int = 1,
    algorithm: Algorithm | None = None,
    gather: UpdateCollector | None = None,
    minimum: int = 3,
    out: Mapping[int, Mapping[int, str]] | None = None,
    start: Mapping[str, np.ndarray] = START,
) -> tuple[TrainingOutput, GatedGrid]:
    """A whole training over the board, as `train` does it."""
    grid, outcome = GatedGrid(Inbox(regions), regions.homes, Open()), TrainingOutput()
    training = TrainingSpec(NetworkSpec(), LocalSteps(), algorithm or Algorithm(), rounds)
    federation = RoundSettings(training, {"scope": "shareable"}, minimum, names=regions.names)
    app = server_app(
        federation,
        start,
        outcome,
        gather=gather or summed(regions.names, bounds=BOUNDS, run="run"),
        examine=lambda number: (out or {}).get(number, {}),
    )
    app(grid, Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config={}))
    return outcome, grid


def array_record(values: np.ndarray) -> ArrayRecord:
    """One array of words, as a region sends it."""
    return ArrayRecord({"words": Array(values)})
