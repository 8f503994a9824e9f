"""What it costs a worker to count who asked for what: microseconds of CPU an observation, with all that follows.

An observation is noted, later counted by cell and person, and each person becomes a keyed digest once a window. The
fewer people ask, the less a digest costs; `everybody once` is the dearest case.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from fedsov.inference.tokens.token_check import Claims
from fedsov.inference.use.cells import ANSWERED, UseCells
from tests.inference.endpoint_world import served

MANY = 100_000
REPEATS = 5


def observation_costs() -> dict[str, float]:
    """Microseconds of CPU an observation, the least of some repeats, by how many people asked 100,000 times."""
    return {f"an observation, {people:,} people, us": _least(people) for people in (100, 5_000)} | {
        "an observation, everybody once, us": _least(MANY)
    }


def _least(people: int) -> float:
    version, outputs = served(1), np.array([[0.31]], np.float32)
    everybody = [Claims("DE", f"person {number}", "https://idp.example", 2e9, "k") for number in range(people)]
    asking = [everybody[number % people] for number in range(MANY)]
    samples = []
    for _ in range(REPEATS):
        cells = UseCells(3600, lambda begins: b"s" * 32)
        cells.taken(0.0)
        began = time.process_time()
        for claims in asking:
            cells.observe(version, ANSWERED, claims, seconds=0.0004, outputs=outputs)
        cells.taken(1.0)
        samples.append((time.process_time() - began) / MANY * 1e6)
    return min(samples)


if __name__ == "__main__":
    for name, value in observation_costs().items():
        print(f"{name}: {value:.2f}")
