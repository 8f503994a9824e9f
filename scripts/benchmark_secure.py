"""A secure round beside a plain one, in this process: the same regions, messages, arithmetic and local steps.

Each is a whole training over Flower's messages (packed and unpacked as between processes), a plain and a secure one in
turn; borders are left out of both, so that what masks cost is not hidden behind what ledgers cost. Told are medians of
seconds by the clock, and of the processor's seconds, which other work on the machine disturbs less. `--large` adds a
network of 4.8 million parameters.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Context, Message, MetricRecord, RecordDict

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.artifact import Artifact, Party
from fedsov.border.gate import Outgoing
from fedsov.hub.gated_grid import GatedGrid
from fedsov.hub.inbox import Inbox
from fedsov.hub.secure_sum import summed
from fedsov.hub.server_app import RoundSettings, TrainingOutput, UpdateCollector, each_by_itself, server_app
from fedsov.label import Label
from fedsov.model.network import NetworkSpec, initial
from fedsov.privacy.secure_aggregation.fixed_point import Bounds
from fedsov.protocol.flower_messages import (
    flower_process,
    identify,
    new_id,
    pack,
    parameters_of,
    record_of,
    round_of,
    unpack,
)
from fedsov.region.journal import Journal
from fedsov.region.secure_sum_member import STEPS, SecureSumMember
from fedsov.training.engine import train_locally

ASKED = 1.5
REPEATS = 3
STEPS_OF_A_ROUND = LocalSteps(learning_rate=0.05, momentum=0.9, batch=64, epochs=1, weight_decay=0.0)


@dataclass(slots=True)
class Bench:
    """Regions in this process, with or without secure sums; `spent`: processor's seconds, by kind of message."""

    arrays: dict[int, tuple[np.ndarray, np.ndarray]]
    spec: NetworkSpec
    members: dict[int, SecureSumMember]
    arrived: list[tuple[Message, Label]] = field(default_factory=list)
    spent: dict[str, list[float]] = field(default_factory=dict)

    def begin_anew(self) -> None:
        """Forgets the rounds before."""
        for member in self.members.values():
            member.held, member.journal = None, Journal()

    @property
    def parties(self) -> dict[int, Party]:
        return {node: Party(f"region {node}", "", "") for node in self.arrays}

    def send(self, message: Message, label: Label) -> None:
        started = time.process_time()
        kind, node = message.metadata.message_type, message.metadata.dst_node_id
        told = unpack(pack(message))
        reply = self.members[node].answer(told, self._train) if kind in STEPS else self._train(told)
        identify(reply, new_id())
        self.arrived.append((unpack(pack(reply)), label))
        self.spent.setdefault(kind, []).append(time.process_time() - started)

    def poll(self, seconds: float) -> list[tuple[Message, Label]]:
        """Answers are there when asked."""
        arrived, self.arrived = self.arrived, []
        return arrived

    def _train(self, message: Message) -> Message:
        X, y = self.arrays[message.metadata.dst_node_id]
        round_number = round_of(message) or 0
        updated = train_locally(
            parameters_of(message), X, y, replace(STEPS_OF_A_ROUND, seed=round_number), spec=self.spec
        )
        metrics = MetricRecord({"num-examples": len(y)})
        return Message(RecordDict({"arrays": record_of(updated), "metrics": metrics}), reply_to=message)

    def cross_all(self, leaving: Iterable[Outgoing], *, round_number: int | None = None) -> tuple[Artifact, ...]:
        return tuple(one.artifact for one in leaving)


class Seconds(NamedTuple):
    """By the clock, and of the processor (all threads of this process)."""

    clock: float
    processor: float


def now() -> Seconds:
    return Seconds(time.perf_counter(), time.process_time())


def bench(regions: int, rows: int, inputs: int, spec: NetworkSpec) -> Bench:
    """Regions with made-up rows, and keys that each knows of the others."""
    rng = np.random.default_rng(0)
    nodes = range(2, 2 + regions)
    arrays = {
        node: (rng.normal(size=(rows, inputs)).astype(np.float32), rng.integers(0, 2, rows).astype(np.float32))
        for node in nodes
    }
    signers = {node: Ed25519PrivateKey.generate() for node in nodes}
    directory = {f"region {node}": key.public_key().public_bytes_raw() for node, key in signers.items()}
    members = {
        node: SecureSumMember(f"region {node}", "run", key.sign, directory, Bounds()) for node, key in signers.items()
    }
    return Bench(arrays, spec, members)


def seconds_per_round(
    made: Bench, gather: UpdateCollector, *, rounds: int, inputs: int
) -> tuple[list[Seconds], TrainingOutput]:
    """Seconds of each round after the first, which warms the process up."""
    outcome, ends = TrainingOutput(), [now()]
    grid = GatedGrid(Inbox(made), made.arrays, made)
    app = server_app(
        RoundSettings(TrainingSpec(made.spec, STEPS_OF_A_ROUND, rounds=rounds + 1), minimum=len(made.arrays)),
        initial(made.spec, inputs, 0),
        outcome,
        on_round=lambda _: ends.append(now()),
        gather=gather,
    )
    with flower_process():
        app(grid, Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config={}))
    return [Seconds(*(end - start for start, end in zip(*pair, strict=True))) for pair in pairwise(ends[1:])], outcome


def measure(*, regions: int, rows: int, inputs: int, hidden: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """Medians of a plain and of a secure round over the same work, and how far their models are apart."""
    made = bench(regions, rows, inputs, NetworkSpec("mlp", hidden))
    names = {node: f"region {node}" for node in made.arrays}
    gathers = {"plain": each_by_itself, "secure": summed(names, bounds=Bounds(), run="run")}
    seconds: dict[str, list[Seconds]] = {name: [] for name in gathers}
    for _ in range(REPEATS):
        models = {}
        for name, gather in gathers.items():
            made.begin_anew()
            found, outcome = seconds_per_round(made, gather, rounds=rounds, inputs=inputs)
            seconds[name] += found
            models[name] = outcome.parameters
    medians = {name: Seconds(*map(statistics.median, zip(*several, strict=True))) for name, several in seconds.items()}
    first, second = models["plain"], models["secure"]
    return {
        "parameters": sum(array.size for array in first.values()),
        "regions": regions,
        "plain": medians["plain"]._asdict(),
        "secure": medians["secure"]._asdict(),
        "ratio": medians["secure"].clock / medians["plain"].clock,
        "ratio of the processor's": medians["secure"].processor / medians["plain"].processor,
        "apart": max(float(np.abs(first[key] - second[key]).max()) for key in first),
        "by message": {kind: statistics.median(several) for kind, several in made.spent.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--regions", type=int, default=4)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    works = [{"rows": 10_000, "inputs": 32, "hidden": (64, 32)}]
    if chosen.large:
        works.append({"rows": 1_000, "inputs": 256, "hidden": (2048, 2048)})
    found = [measure(regions=chosen.regions, rounds=chosen.rounds, **work) for work in works]  # type: ignore[arg-type]
    if chosen.json:
        print(json.dumps({"cores": os.cpu_count(), "asked": ASKED, "found": found}, indent=1))
        return
    for one in found:
        print(f"{one['parameters']:,} parameters, {one['regions']} regions; models apart by {one['apart']:.1e}")
        for measured, ratio in (("clock", "ratio"), ("processor", "ratio of the processor's")):
            plain, secure = one["plain"][measured] * 1e3, one["secure"][measured] * 1e3
            print(f"  {measured:10} plain {plain:8.1f} ms, secure {secure:8.1f} ms a round: {one[ratio]:.2f} times")
        for kind, spent in one["by message"].items():
            print(f"  {kind:16} {spent * 1e3:8.2f} ms of the processor's, one region")
    print(f"asked: at most {ASKED} times, by the clock")


if __name__ == "__main__":
    main()
