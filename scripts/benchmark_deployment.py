"""A deployment on this machine over loopback TLS, beside what is asked of it, runtime=in_process, and stock Flower.

A hub and four regions by `fedsov up`, each a process of its own, and trainings that are submitted to it as a user would
(`fedsov train runtime=deployment`), seen from outside by the lines that they print. The workload is the 4-client one of
`benchmark_speed`: 10,000 rows of 32 inputs a region, a network 64-32, one epoch of batches of 64.

A round beyond its arithmetic: the round of 10,000 rows, less what the same rows cost in process beyond 120 of them. The
share of gates, ledgers and TLS is of a round's time at the hub and at the slowest region (`deployment_shares.py`).
Stock Flower does no arithmetic at all; it runs with a process a message, as it comes. Take ratios from one run: other
work on the machine disturbs every absolute number, and the load is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deployment_shares
import deployment_sleepers
import deployment_stock
from benchmark_demo import descendants
from deployment_parties import REGIONS, Rows, Run, Trial, free_port, idle, processor_seconds, train, up

ASKED: Mapping[str, float] = {
    "parties up and ready, s": 10.0,
    "to the first round, s": 3.0,
    "a round beyond its arithmetic, in memory, s": 0.15,
    "a round beyond its arithmetic, SQLite, s": 0.4,
    "an idle region's processor, %": 1.0,
    "an idle region's memory (PSS), MiB": 350.0,
    "a round of a 25 MiB model, s": 1.5,
    "a round of a 100 MiB model, s": 8.0,
    "gates, ledgers and TLS in a round, %": 15.0,
    "32 sleeping regions beyond one, s": 5.0,
}
LARGE = {"a round of a 25 MiB model, s": (2048, 3120), "a round of a 100 MiB model, s": (5000, 5200)}
"""Hidden layers of networks with 6.5 and 26.2 million numbers of 4 bytes."""


@dataclass(slots=True)
class Bench:
    """The tables of rows, and what was measured: samples by name.

    Attributes:
        many, few: what is deployed, and `beside` it the same rows in process.
    """

    many: Rows
    few: Rows
    beside: tuple[Rows, Rows]
    rounds: int
    samples: dict[str, list[float]]

    def add(self, name: str, value: float) -> None:
        """One more sample, which is told at once."""
        self.samples.setdefault(name, []).append(value)
        print(f"  {name:<52}{value:9.3f}   load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)

    def median(self, name: str) -> float:
        """Of all samples of a name."""
        return statistics.median(self.samples[name])


def memory(bench: Bench) -> None:
    """The coordinator's state in memory, parties idle, and the shares of a round."""
    with up(bench.many) as trial:
        bench.add("parties up and ready, s", trial.up)
        bench.add("processors' seconds until they were ready", processor_seconds(descendants(trial.process.pid)))
        _rounds(bench, trial, "in memory")
        for name, (percent, size) in _of_regions(idle(trial, 20.0)).items():
            bench.add(f"{name} processor, %", percent)
            bench.add(f"{name} memory (PSS), MiB", size)
    with deployment_shares.measured(bench.many.folder) as shares, up(bench.many) as trial:
        trial.train(bench.many.words(rounds=bench.rounds), bench.rounds)
    for name, percent in shares.items():
        bench.add(name, percent)


def database(bench: Bench) -> None:
    """The coordinator's state in SQLite."""
    with up(bench.many, "--database", str(bench.many.folder / "state.sqlite")) as trial:
        _rounds(bench, trial, "SQLite")


def _rounds(bench: Bench, trial: Trial, state: str) -> None:
    """Rounds at the hub and in process, one after the other, so that other work disturbs both alike."""
    words, count = bench.many.words(rounds=bench.rounds), bench.rounds
    trial.train(words, count)  # registries are made, once
    before = [train(rows.words(rounds=count), count) for rows in bench.beside]
    run = trial.train(words, count)
    after = [train(rows.words(rounds=count), count) for rows in bench.beside]
    many, few = (min(pair, key=lambda each: each.seconds) for pair in zip(before, after, strict=True))
    if state == "in memory":
        bench.add("to the first round, s", run.to_first_round)
    bench.add("in process, 10,000 rows, s", many.seconds)
    bench.add("in process, 120 rows, s", few.seconds)
    bench.add(f"deployed, 10,000 rows, {state}, s", run.seconds)
    bench.add(f"a round beyond its arithmetic, {state}, s", run.seconds - (many.seconds - few.seconds))
    beyond = run.processor - (many.processor - few.processor)
    bench.add(f"processors' seconds of that, {state}", beyond)


def _of_regions(families: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """The busiest and the largest region, and the hub."""
    regions = [families[name] for name in REGIONS]
    worst = (max(percent for percent, _ in regions), max(size for _, size in regions))
    return {"an idle region's": worst, "the idle hub's": families["hub"]}


def large(bench: Bench) -> None:
    """Rounds of large models, on 120 rows a region: their arithmetic is in the number."""
    with up(bench.few) as trial:
        trial.train(bench.few.words(rounds=bench.rounds), bench.rounds)
        _add(bench, "deployed, 120 rows, in memory, s", trial.train(bench.few.words(rounds=bench.rounds), bench.rounds))
        for name, hidden in LARGE.items():
            _add(bench, name, trial.train(bench.few.words(rounds=5, hidden=hidden), 5))
    for name, hidden in LARGE.items():
        _add(bench, f"in process: {name}", train(bench.beside[1].words(rounds=5, hidden=hidden), 5))


def _add(bench: Bench, name: str, run: Run) -> None:
    bench.add(name, run.seconds)
    bench.add(f"processors' seconds: {name.removesuffix(', s')}", run.processor)


def sleepers(bench: Bench) -> None:
    """32 regions that each sleep for 2 s (`deployment_sleepers.py` says what runs)."""
    for name, seconds in deployment_sleepers.measure(bench.few.folder / "sleepers").items():
        bench.add(name, seconds)


def stock(bench: Bench) -> None:
    """Stock Flower."""
    from fedsov.storage.deployment_folder import DeploymentFolder

    hub = DeploymentFolder(bench.few.workspace)
    if not hub.certificate.exists():
        with up(bench.few):
            pass
    first, rounds = deployment_stock.rounds(bench.few.folder / "stock", hub, free_port(), count=4)
    bench.add("stock Flower, to the end of its first round, s", first)
    bench.add("stock Flower, a round without arithmetic, s", statistics.median(rounds))


PARTS: Mapping[str, Callable[[Bench], None]] = {
    "memory": memory,
    "database": database,
    "large": large,
    "sleepers": sleepers,
    "stock": stock,
}


def _table(bench: Bench) -> list[dict[str, Any]]:
    medians = {name: bench.median(name) for name in bench.samples}
    rows = [
        {"what": name, "measured": medians[name], "asked": asked} for name, asked in ASKED.items() if name in medians
    ]
    return rows + [{"what": name, "measured": value} for name, value in medians.items() if name not in ASKED]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", choices=tuple(PARTS), action="append", help="one part, or several")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    parts = chosen.only or list(PARTS)
    with tempfile.TemporaryDirectory() as folder:
        deployed, beside = (
            tuple(Rows(Path(folder), each, runtime) for each in (10_000, 120))
            for runtime in ("deployment", "in_process")
        )
        for rows in (*deployed, *beside):
            rows.write()
        bench = Bench(deployed[0], deployed[1], (beside[0], beside[1]), chosen.rounds, {})
        for _ in range(chosen.repeats):
            for name in parts:
                PARTS[name](bench)
    table = _table(bench)
    if chosen.json:
        print(json.dumps({"cores": os.cpu_count(), "load": os.getloadavg(), "found": table}, indent=1))
        return
    print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, medians of {chosen.repeats}")
    print(f"{'':<54}{'measured':>10}{'asked':>10}")
    for row in table:
        asked = f"<= {row['asked']:g}" if "asked" in row else ""
        missed = "  missed" if row["measured"] > row.get("asked", float("inf")) else ""
        print(f"{row['what']:<54}{row['measured']:>10.3f}{asked:>10}{missed}")


if __name__ == "__main__":
    main()
