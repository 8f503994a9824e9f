"""Arrays that several processes see, in one anonymous file that each of them maps.

Nothing is left behind when the processes end, however they end: the file has no name.

>>> made = SharedMemory.create({"sums": ((2, 3), "int64")})
>>> made.arrays["sums"][1] = 7
>>> SharedMemory.attach(made.descriptor, made.layout).arrays["sums"].sum()
np.int64(21)
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Layout = Mapping[str, tuple[tuple[int, ...], str]]
"""Name to shape and dtype of each array, in the order of the file."""

_EVEN = 4096


@dataclass(frozen=True, slots=True)
class SharedMemory:
    """The file's descriptor, what is in it, and the arrays, as this process maps them."""

    descriptor: int
    layout: Layout
    arrays: Mapping[str, np.ndarray]

    @staticmethod
    def create(layout: Layout) -> SharedMemory:
        """A file of arrays of zeros. Raises OSError where it cannot be made."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("fedsov")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, _places(layout)[1])
        return SharedMemory.attach(descriptor, layout)

    @staticmethod
    def attach(descriptor: int, layout: Layout) -> SharedMemory:
        """The arrays of a file that another process created."""
        places, size = _places(layout)
        mapped = mmap.mmap(descriptor, size)
        arrays = {
            name: np.frombuffer(mapped, dtype=dtype, count=math.prod(shape), offset=places[name]).reshape(shape)
            for name, (shape, dtype) in layout.items()
        }
        return SharedMemory(descriptor, layout, arrays)

    def close(self) -> None:
        """Closes the file; its memory is free when the last array of it is gone."""
        os.close(self.descriptor)


def _places(layout: Layout) -> tuple[dict[str, int], int]:
    """Where each array begins, on a page of its own, and the size of all, in bytes."""
    places, end = dict[str, int](), 0
    for name, (shape, dtype) in layout.items():
        places[name] = end
        end += -(-math.prod(shape) * np.dtype(dtype).itemsize // _EVEN) * _EVEN
    return places, max(end, _EVEN)
