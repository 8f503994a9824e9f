"""Arrays of one file are seen by every process that maps it, and leave nothing behind."""

from __future__ import annotations

import os

import numpy as np

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.model.network import NetworkSpec
from fedsov.simulation.shared_memory import SharedMemory
from fedsov.training.engine import held


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


def test_rows_of_shared_memory_are_stepped_where_they_lie_and_others_are_copied() -> None:
    memory = SharedMemory.create({"X": ((10, 4), "float32"), "y": ((10,), "float32")}).arrays
    memory["X"][:] = np.arange(40).reshape(10, 4)
    parts = [(memory["X"][start:end], memory["y"][start:end]) for start, end in ((2, 5), (5, 6), (6, 10))]
    rows = held(parts, LocalSteps(), NetworkSpec())
    assert np.shares_memory(rows.X.numpy(), memory["X"]) and np.array_equal(rows.X.numpy(), memory["X"][2:])
    assert rows.targets.shape == (8, 1) and rows.sizes.tolist() == [3, 1, 4]
    for other in (parts[::-1], [(X.copy(), y) for X, y in parts], [(X[:, :2], y) for X, y in parts], parts[::2]):
        assert not np.shares_memory(held(other, LocalSteps(), NetworkSpec()).X.numpy(), memory["X"])
        assert np.array_equal(held(other, LocalSteps(), NetworkSpec()).X.numpy(), np.concatenate([X for X, _ in other]))
    alone = np.zeros((3, 4), np.float32), np.zeros(3, np.float32)
    assert not np.shares_memory(held([alone], LocalSteps(), NetworkSpec()).X.numpy(), alone[0])
