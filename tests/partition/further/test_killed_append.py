"""Killed at any instant of an append, or of a merge of its files, and sent again, each row is stored once."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from fedsov.partition.further.append import Outcome
from tests.killed import lines_of_a_killed
from tests.partition.further.world import appended
from tests.partition.world import people, read, run, spec_of, written

BATCHES = 400
SENDER = """
import sys
from pathlib import Path
from fedsov.partition.further import compaction
from tests.partition.further.test_killed_append import send

compaction.MERGED = 3  # kills meet merges too
first, last = int(sys.argv[2]), int(sys.argv[3])
for batch in range(first, last):
    send(Path(sys.argv[1]), batch)
    print(batch, flush=True)
"""


def send(workspace: Path, batch: int) -> Outcome:
    """Appends six rows, three of each region, whose ages say which batch they are of."""
    rows = people(6, age=[float(batch)] * 6, country=["DE", "US"] * 3, passport=[f"B{batch}-{row}" for row in range(6)])
    return appended(workspace, rows, f"batch {batch}")


def _killed_and_sent_again(place: Path, times: int) -> tuple[set[int], int]:
    """How many rows of each batch a region stores, and how many batches it lacks at the end; after so many kills."""
    workspace, chance, sent = place / "w", random.Random(7), 0  # a first batch is answered, the kill is in a later one
    run(spec_of(written(place, people(40, age=[-1.0, -2.0] * 20))), workspace)
    for _ in range(times):
        lines = lines_of_a_killed(SENDER, str(workspace), str(sent), str(BATCHES), chance=chance)
        before = {name: Counter(read(workspace, name).columns["age"].tolist()) for name in ("EU", "US")}
        for counts in before.values():
            assert all(counts[float(batch)] == 3 for batch in range(sent + len(lines))), "an answered row is lost"
            assert {counts[age] for age in counts if age >= 0} <= {3}, "half a batch, or one twice"
        sent += len(lines) + 1  # the one that was killed is sent again, by this process
        send(workspace, sent - 1)
    stored = [Counter(read(workspace, name).columns["age"].tolist()) for name in ("EU", "US")]
    rows = {counts[float(batch)] for counts in stored for batch in range(sent)}
    return rows, sent - 1 - int(max(max(counts) for counts in stored))


def test_an_append_killed_at_any_instant_and_sent_again_is_stored_once(tmp_path: Path) -> None:
    assert _killed_and_sent_again(tmp_path, 5) == ({3}, 0)


@pytest.mark.long
def test_an_append_killed_twelve_times_loses_nothing_and_stores_nothing_twice(tmp_path: Path) -> None:
    assert _killed_and_sent_again(tmp_path, 12) == ({3}, 0)
