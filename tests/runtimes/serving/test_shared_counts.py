"""Counts that workers share: whole or not there, and each worker's own."""

from __future__ import annotations

import os
import threading

from fedsov.runtimes.serving.shared_counts import PLACE, SharedCounts


def test_what_a_worker_wrote_others_read_also_across_a_fork():
    counts = SharedCounts(3)
    child = os.fork()
    if not child:
        counts.write(1, {"worker": 1})
        os._exit(0)
    os.waitpid(child, 0)
    counts.write(0, {"worker": 0})
    assert counts.read_all() == [{"worker": 0}, {"worker": 1}]
    assert counts.read(2) is None


def test_what_has_no_room_is_not_written_and_the_older_counts_stay():
    counts = SharedCounts(2)
    assert counts.write(0, {"small": 1}) and counts.write(1, {"other": 2})
    assert not counts.write(0, {"large": "x" * PLACE})
    assert counts.read_all() == [{"small": 1}, {"other": 2}]


def test_counts_are_read_whole_while_they_are_written():
    counts = SharedCounts(1)
    counts.write(0, {"numbers": [0] * 500})
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            counts.write(0, {"numbers": [number] * (500 + number % 7)})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = [counts.read(0) for _ in range(2000)]
    finally:
        stop.set()
        writer.join()
    assert all(each is None or len(set(each["numbers"])) == 1 for each in seen)
    assert sum(each is not None for each in seen) > 1000


def test_a_worker_that_was_killed_while_it_wrote_leaves_a_place_that_the_next_one_can_write():
    counts = SharedCounts(1)
    counts.write(0, {"number": 1})
    counts._memory[0:8] = (99).to_bytes(8, "little")  # odd: a write began and did not end
    assert counts.read(0) is None
    assert counts.write(0, {"number": 2}) and counts.read(0) == {"number": 2}
