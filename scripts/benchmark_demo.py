"""Seconds and memory of the demo on this machine: medians over repeats, printed beside what is asked for."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FEDSOV = (sys.executable, "-m", "fedsov")
ASKED = {"first train": 20.0, "later train": 10.0, "help": 0.3, "plan": 4.0, "peak memory, MiB": 1536.0}


def timed(*arguments: str) -> float:
    """Seconds of one command from process start to end."""
    started = time.perf_counter()
    subprocess.run([*FEDSOV, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def descendants(pid: int) -> set[int]:
    """A process and all that it started, by parent id."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = set(), [pid]
    while left:
        one = left.pop()
        found.add(one)
        left += parents.get(one, [])
    return found


def proportional(pid: int) -> float:
    """MiB of a process, shared pages divided among those that share them (PSS)."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def peak(*arguments: str) -> float:
    """The most MiB that a command and its processes held at once, sampled every 50 ms."""
    process = subprocess.Popen([*FEDSOV, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = 0.0
    while process.poll() is None:
        most = max(most, sum(proportional(pid) for pid in descendants(process.pid)))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    return most


def measure(repeats: int) -> dict[str, list[float]]:
    """All samples by name. A first run has a new workspace; a later one finds its stores up to date."""
    found: dict[str, list[float]] = {name: [] for name in ASKED}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(repeats):
            workspace = f"workspace={folder}/{repeat}"
            found["first train"].append(timed("train", workspace))
            found["later train"].append(timed("train", workspace))
            found["plan"].append(timed("plan", workspace))
            found["help"].append(timed("--help"))
        found["peak memory, MiB"].append(peak("train", f"workspace={folder}/0"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    medians = {name: statistics.median(samples) for name, samples in measure(chosen.repeats).items()}
    if chosen.json:
        print(json.dumps({"cores": os.cpu_count(), "medians": medians, "asked": ASKED}, indent=1))
        return
    print(f"{os.cpu_count()} cores, medians of {chosen.repeats}")
    for name, value in medians.items():
        print(f"  {name:18} {value:8.2f}   asked: at most {ASKED[name]:g}")


if __name__ == "__main__":
    main()
