"""Seconds of a round of `fedsov.federate` beside a plain PyTorch loop that does the same arithmetic, in the same run.

40,000 rows of 32 features in equal parts, a network 32-64-32-1, SGD 0.05 with momentum 0.9, batches of 64, one local
epoch a round, federated averaging; then the same rows in unequal parts (label shares drawn from a Dirichlet
distribution of concentration 0.5, another draw in every repeat), with DP-SGD, and a network of 4.8 million parameters.
The two take turns, each sample in a process of its own, and the medians of their rounds are compared. Then: a whole run
of 20 rounds from the start of its process, 10,000 virtual clients, and the most memory that all processes of a run
held.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

from benchmark_demo import descendants, proportional
from speed_clients import clients_of

HERE = Path(__file__).parent
SMALL, LARGE = (32, 64, 32, 1), (32, 2048, 2048, 256, 1)


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table; `asked` is the share of the plain loop's time that a round may take.

    `threads` are the plain loop's: one is quicker for small products, all cores are for large ones. With a
    `concentration` the clients' rows are unequal, `rows` on average; `seed` is of all rows and of that draw.
    """

    name: str
    clients: int
    rows: int
    widths: tuple[int, ...] = SMALL
    noise: bool = False
    rounds: int = 10
    batch: int = 64
    asked: float = 0.25
    threads: int = 1
    concentration: float = 0.0
    seed: int = 0


CASES = (
    Case("4 clients", 4, 10_000, asked=0.25),
    Case("64 clients", 64, 625, asked=0.2),
    Case("256 clients", 256, 156, asked=0.2),
    Case("4 unequal clients", 4, 10_000, concentration=0.5, asked=0.12),
    Case("64 unequal clients", 64, 625, concentration=0.5, asked=0.09),
    Case("256 unequal clients", 256, 156, concentration=0.5, asked=0.09),
    Case("4 clients, DP-SGD", 4, 10_000, noise=True, rounds=4, asked=0.2),
    Case("4 clients, 4.8 million parameters", 4, 640, widths=LARGE, rounds=4, asked=0.75, threads=os.cpu_count() or 1),
)
VIRTUAL = Case("10,000 clients of 5 rows, 10 rounds", 10_000, 5, rounds=10)
WHOLE = Case("whole run, 4 clients, 20 rounds", 4, 10_000, rounds=20)
ASKED = {WHOLE.name: 4.0, VIRTUAL.name: 20.0, "memory": 700.0}


def ours(case: Case) -> list[float]:
    """Seconds of each round of `federate`, in this process."""
    import fedsov
    from fedsov.privacy.mechanism import RecordMechanism
    from fedsov.simulation.federate import FederateOptions

    noise = RecordMechanism(1.0, 1.0, min(1.0, case.batch / case.rows), -(-case.rows // case.batch))
    marks: list[float] = []
    fedsov.federate(
        fedsov.NetworkSpec("mlp", case.widths[1:-1]),
        clients_of(asdict(case)),
        rounds=case.rounds + 1,
        steps=fedsov.LocalSteps(learning_rate=0.05, momentum=0.9, batch=case.batch, epochs=1, weight_decay=0.0),
        options=FederateOptions(
            measures=False,
            noise=noise if case.noise else None,
            on_round=lambda number, metrics: marks.append(time.perf_counter()),
        ),
    )
    return [after - before for before, after in pairwise(marks)]


def rounds(script: str, case: Case) -> list[float]:
    """The seconds that a process prints, by `plain_torch.py` or by this script."""
    command = [sys.executable, str(HERE / script), json.dumps(asdict(case))]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return [float(one) for one in json.loads(said)]


def compared(case: Case, repeats: int) -> dict[str, float]:
    """Median seconds of a round of each, taken in turn, and their ratio."""
    plain, mine = list[float](), list[float]()
    for seed in range(repeats):
        plain += rounds("plain_torch.py", replace(case, seed=seed))
        mine += rounds("benchmark_speed.py", replace(case, seed=seed))
    found = {"plain": statistics.median(plain), "fedsov": statistics.median(mine)}
    return found | {"ratio": found["fedsov"] / found["plain"], "asked": case.asked}


def whole(case: Case) -> tuple[float, float]:
    """Seconds from the start of a process to its end, and the most MiB that it and its children held at once."""
    command = [sys.executable, str(HERE / "benchmark_speed.py"), json.dumps(asdict(case))]
    started, most = time.perf_counter(), 0.0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        most = max(most, sum(proportional(pid) for pid in descendants(process.pid)))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{case.name} ended with {process.returncode}")
    return time.perf_counter() - started, most


def measure(repeats: int, cases: tuple[Case, ...]) -> dict[str, Mapping[str, float]]:
    """All figures by name; whole runs only beside all cases."""
    found: dict[str, Mapping[str, float]] = {case.name: compared(case, repeats) for case in cases}
    for case in (WHOLE, VIRTUAL) if cases == CASES else ():
        samples = [whole(case) for _ in range(repeats)]
        found[case.name] = {"seconds": statistics.median(one for one, _ in samples), "asked": ASKED[case.name]}
        if case is WHOLE:
            memory = statistics.median(most for _, most in samples)
            found["memory of its processes, MiB"] = {"peak": memory, "asked": ASKED["memory"]}
    return found


def main() -> None:
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):  # this script as the process that is measured
        given = json.loads(sys.argv[1])
        print(json.dumps(ours(Case(**{**given, "widths": tuple(given["widths"])}))))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", type=int, help="one line of the table, counted from 1")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    cases = CASES if chosen.only is None else CASES[chosen.only - 1 : chosen.only]
    found = measure(chosen.repeats, cases)
    if chosen.json:
        print(json.dumps({"cores": os.cpu_count(), "found": found}, indent=1))
        return
    print(f"{os.cpu_count()} cores, medians over {chosen.repeats} runs each")
    print(f"{'seconds of a round':<38}{'plain torch':>12}{'fedsov':>9}{'ratio':>8}{'asked':>8}")
    for name, one in found.items():
        if "ratio" in one:
            print(f"{name:<38}{one['plain']:>12.3f}{one['fedsov']:>9.3f}{one['ratio']:>8.2f}{one['asked']:>8.2f}")
        else:
            print(f"{name:<38}{'':>12}{one.get('seconds', one.get('peak', 0.0)):>9.1f}{'':>8}{one['asked']:>8.0f}")


if __name__ == "__main__":
    main()
