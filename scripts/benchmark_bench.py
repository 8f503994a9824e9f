"""What it costs a region that model code runs in a process of its own: a round there beside one in its own process.

Each round is asked of both benches in turn, so that a busy machine slows both. The process's time on the processor is
told beside the clock's, for on a busy machine that is the steadier one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.model.network import NetworkSpec, initial
from fedsov.model.parameters import flat
from fedsov.region.bench.rounds import RoundTask
from fedsov.region.bench.tasks import THIS_PROCESS, Bench
from fedsov.runtimes.bench.process_bench import BenchServer, ProcessBench
from fedsov.training.client_state import ClientState, Layout

INPUTS, ROWS, SCORED = 20, 1000, 300
NETWORKS = {
    "a small mlp": (NetworkSpec("mlp", (16,)), LocalSteps(batch=32, epochs=2)),
    "a model of 25 MiB": (NetworkSpec("mlp", (2550, 2550)), LocalSteps(batch=500, epochs=1)),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one round, milliseconds by the clock and on the processor."""

    clock: float
    processor: float


def task_of(network: NetworkSpec, steps: LocalSteps) -> RoundTask:
    """A round over made-up rows."""
    training, rng = TrainingSpec(network, steps), np.random.default_rng(0)
    whole, layout = initial(network, INPUTS, 0), Layout.of(training, INPUTS)
    rows = rng.normal(size=(ROWS, INPUTS)).astype(np.float32), rng.integers(0, 2, ROWS).astype(np.float32)
    scored = rng.normal(size=(SCORED, INPUTS)).astype(np.float32)
    state = ClientState.first(training, layout, flat(whole, layout.shaped), 1)
    return RoundTask(training, 1, 7, rows, scored, whole=whole, state=state, layout=layout)


def measured(bench: Bench, task: RoundTask, processor: Callable[[], float]) -> Cost:
    """One round."""
    clock, used = time.perf_counter(), processor()
    bench.do(task)
    return Cost(1e3 * (time.perf_counter() - clock), 1e3 * (processor() - used))


def of_process(pid: int) -> float:
    """Seconds that a process was on the processor; to a hundredth."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def compared(server: BenchServer, network: NetworkSpec, steps: LocalSteps, rounds: int) -> dict[str, float]:
    """By the clock medians, on the processor means (it is told in hundredths), after one round that is not counted."""
    task, bench = task_of(network, steps), ProcessBench(server)
    THIS_PROCESS.do(task)
    begun = time.perf_counter()
    bench.do(task)
    begin = 1e3 * (time.perf_counter() - begun)
    child = bench.pid or 0
    here, there = [], []
    for _ in range(rounds):
        here.append(measured(THIS_PROCESS, task, time.process_time))
        there.append(measured(bench, task, lambda: time.process_time() + of_process(child)))
    bench.close()
    found = {
        f"{name} {kind}": middle(getattr(each, kind) for each in several)
        for name, several in (("this process", here), ("its own process", there))
        for kind, middle in (("clock", statistics.median), ("processor", statistics.mean))
    }
    more = [mine.clock - own.clock for own, mine in zip(here, there, strict=True)]
    return {"MiB": sum(array.nbytes for array in task.whole.values()) / 2**20, **found,
            "more a round": statistics.median(more), "first": begin}  # fmt: skip


def main() -> None:
    """Prints milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with BenchServer() as server:
        found = {name: compared(server, *each, asked.rounds) for name, each in NETWORKS.items()}
    if asked.json:
        print(json.dumps(found))
        return
    for name, costs in found.items():
        print(f"{name}: " + ", ".join(f"{what} {value:.2f}" for what, value in costs.items()) + " (ms but for MiB)")


if __name__ == "__main__":
    main()
