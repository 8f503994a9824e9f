"""How long a rollout takes: from a person's word at the hub until the workers of five regions serve another version.

One hub's service, five regions, each an agent and an endpoint of its own: real processes, over loopback TLS, as the
tests start them (`tests/api/control/region_world.py`). A version is proposed and approved by everybody first; what is
timed is `start` for all regions at once, and `rollback`, by whoever has the hub's database open as the service has it.
The clock stops when every worker of every region has the version, as their own processes say, and is read again when
the hub knows it. In that time each region polls signed metadata, verifies it, notes the list in its ledger, and loads
the model. Take medians; other work on the machine disturbs each, and the load is printed. `busy` has two processes that
do nothing but count.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from benchmark_demo import descendants
from control_plane_observation import observation_costs
from control_plane_polls import poll_costs
from deployment_parties import processor_seconds

from fedsov.api.control.control_hub import hub_rollouts
from fedsov.control_plane.rollouts.acts import HubRollouts
from fedsov.inference.use.usage import Usage
from fedsov.model.network import NetworkSpec
from tests.api.control.processes import HUB
from tests.api.control.region_world import RegionWorld

NAMES = ("DE", "ES", "FR", "IT", "NL")
SIZES: Mapping[str, NetworkSpec] = {
    "20 kB": NetworkSpec("mlp", (128, 28)),
    "16 MiB": NetworkSpec("mlp", (2040, 2040)),
}
ASKED: Mapping[str, float] = {
    "20 kB started until five serve, ms": 60.0,
    "20 kB taken back until five serve, ms": 60.0,
    "16 MiB started until five serve, ms": 500.0,
    "16 MiB taken back until five serve, ms": 500.0,
    "20 kB started until five serve, busy, ms": 1000.0,
    "20 kB taken back until five serve, busy, ms": 1000.0,
    "the idle hub's service, % of a core": 1.0,
    "the idle hub's service (RSS), MiB": 200.0,
    "an answer counted for the guard, us": 1.0,
    "an observation, 5,000 people, us": 1.0,
}
LONGEST = 60.0


class Bench:
    """The world, and what was measured: samples by name."""

    def __init__(self, world: RegionWorld) -> None:
        self.world, self.samples = world, dict[str, list[float]]()

    def add(self, name: str, value: float) -> None:
        """One more sample, which is told at once."""
        self.samples.setdefault(name, []).append(value)
        print(f"  {name:<52}{value:9.3f}   load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)


def rounds(bench: Bench, rollouts: HubRollouts, size: str, repeats: int, *, busy: str = "") -> None:
    """Versions of one size, each started everywhere and then taken back."""
    world = bench.world
    for _ in range(repeats):
        version = world.registered(network=SIZES[size])
        number = world.signed(version)
        time.sleep(0.5)  # what approvals began is over
        before = {name: world.versions(name) for name in NAMES}
        for act, wanted in (("start", {name: [version] for name in NAMES}), ("rollback", before)):
            more = {"at_once": True} if act == "start" else {}
            pids = set().union(*(descendants(each.pid) for each in world.processes.running.values()))
            spent = running_ms(pids)
            began = time.perf_counter()
            getattr(rollouts, act)(number, by="A. Person", why="a measurement", **more)
            word = f"{size} {'started' if act == 'start' else 'taken back'}"
            bench.add(f"{word}: the hub's act{busy}, ms", 1000 * (time.perf_counter() - began))
            _until(lambda wanted=wanted: all(world.versions(name) == each for name, each in wanted.items()))
            bench.add(f"{word} until five serve{busy}, ms", 1000 * (time.perf_counter() - began))
            bench.add(f"{word}: processors' time of eleven processes{busy}, ms", running_ms(pids) - spent)
            _until(lambda wanted=wanted: _known(world) == wanted)
            bench.add(f"{word} until the hub knows{busy}, ms", 1000 * (time.perf_counter() - began))
            time.sleep(0.3)


def _known(world: RegionWorld) -> dict[str, list[int]]:
    """What the hub's directory says that each region runs."""
    states = {name: world.processes.state(name) for name in NAMES}
    return {name: [] if state is None else [each.version for each in state.running] for name, state in states.items()}


def idle(bench: Bench, seconds: float = 20.0) -> None:
    """What the hub's service, and a region's agent, take while nothing happens."""
    for name, called in ((HUB, "the idle hub's service"), (NAMES[0], "an idle region's agent")):
        pids = descendants(bench.world.processes.running[name].pid)
        before = processor_seconds(pids)
        time.sleep(seconds)
        bench.add(f"{called}, % of a core", 100 * (processor_seconds(pids) - before) / seconds)
        bench.add(f"{called} (RSS), MiB", sum(map(_resident, pids)))


def running_ms(pids: set[int]) -> float:
    """Milliseconds on a processor of all threads of processes, since they began."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                total += int(task.read_text().split()[0])
    return total / 1e6


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def counting(bench: Bench, count: int = 20_000) -> None:
    """What an answer costs that is counted by version."""
    usage = Usage()
    began = time.process_time()
    for seconds in np.random.default_rng(0).lognormal(-7.0, 0.5, count).tolist():
        usage.answered("m", 1, "champion", rows=1, seconds=seconds)
    usage.snapshot(0.0)
    bench.add("an answer counted for the guard, us", 1e6 * (time.process_time() - began) / count)
    for name, microseconds in observation_costs().items():
        bench.add(name, microseconds)


@contextmanager
def busy_machine() -> Iterator[None]:
    """Two processes that count."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for each in others:
            each.kill()
            each.wait()


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST
    while not holds():
        if time.monotonic() > end:
            sys.exit(f"waited {LONGEST:.0f} s in vain")
        time.sleep(0.002)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, RegionWorld(Path(folder) / "w", NAMES) as world:
        world.begin_all()
        bench = Bench(world)
        counting(bench)
        for name, value in poll_costs().items():
            bench.add(name, value)
        with hub_rollouts(world.root) as rollouts:
            first = world.signed(world.registered(network=SIZES["20 kB"]))
            rollouts.start(first, by="A. Person", why="the first", at_once=True)
            _until(lambda: all(world.versions(name) == [1] for name in NAMES))
            for size in SIZES:
                rounds(bench, rollouts, size, chosen.repeats)
            with busy_machine():
                rounds(bench, rollouts, "20 kB", chosen.repeats, busy=", busy")
        idle(bench)
    medians = {name: statistics.median(samples) for name, samples in bench.samples.items()}
    table = [{"what": name, "measured": value, "asked": ASKED.get(name)} for name, value in medians.items()]
    if chosen.json:
        print(json.dumps({"cores": os.cpu_count(), "load": os.getloadavg(), "found": table}, indent=1))
        return
    print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, medians of {chosen.repeats}")
    print(f"{'':<56}{'measured':>10}{'asked':>10}")
    for name, value in medians.items():
        asked = f"<= {ASKED[name]:g}" if name in ASKED else ""
        missed = "  missed" if value > ASKED.get(name, float("inf")) else ""
        print(f"{name:<56}{value:>10.3f}{asked:>10}{missed}")


if __name__ == "__main__":
    main()
