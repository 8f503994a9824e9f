"""Arrays of one file are seen by every process that maps it, and leave nothing behind."""

from __future__ import annotations

import os

import numpy as np

from fedsov.simulation.shared_memory import SharedMemory


def test_what_one_mapping_writes_another_reads_also_after_the_file_is_closed() -> None:
    layout = {"none": ((3, 0), "float32"), "sums": ((2, 3), "int64"), "rows": ((5,), "float32"), "end": ((0,), "int64")}
    first = SharedMemory.create(layout)
    second = SharedMemory.attach(os.dup(first.descriptor), layout)
    first.close()
    assert not first.arrays["sums"].any() and first.arrays["none"].shape == (3, 0)
    first.arrays["sums"][1] = 7
    second.arrays["rows"][:] = np.arange(5)
    assert second.arrays["sums"].tolist() == [[0, 0, 0], [7, 7, 7]]
    assert first.arrays["rows"].tolist() == [0, 1, 2, 3, 4]
    second.close()


def test_a_fork_sees_the_same_memory_and_no_name_is_left() -> None:
    names = set(os.listdir("/dev/shm"))
    memory = SharedMemory.create({"mark": ((1,), "int64")})
    child = os.fork()
    if child == 0:
        memory.arrays["mark"][0] = 42
        os._exit(0)
    os.waitpid(child, 0)
    assert memory.arrays["mark"][0] == 42 and set(os.listdir("/dev/shm")) == names
    memory.close()
