"""The line between a region and the process that runs its model code.

Down go tasks, pickled: the bench trusts the region. Up come answers, which nothing unpickles: JSON, and the bytes of
arrays whose names, types and shapes it names (`TYPES`, `LARGEST_ANSWER`). Memory is taken for what fits the limits, and
every call ends at a moment that the caller names.

    line.ask(task, until=time.monotonic() + 60)        # in the region's process
    number, task = line.task()                         # in the other
"""

from __future__ import annotations

import json
import math
import pickle
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedsov.errors import BenchFailed
from fedsov.region.bench.tasks import Task, Written

QUESTION, SIZE, ANSWER = struct.Struct("!QQI"), struct.Struct("!Q"), struct.Struct("!QI")
"""A task's number, the bytes of its pickle, how many buffers follow; one buffer's bytes; a number, a header's bytes."""
TYPES = ("<f4", "<f8", "|i1", "<i4", "<i8")
"""Of arrays in an answer."""
LARGEST_HEADER, LARGEST_ANSWER, MOST_ARRAYS = 2**24, 2**28, 200_000
"""Bytes of an answer's JSON; of its arrays, and four times the task's beside; arrays in it."""
AT_ONCE = 2**20


@dataclass(slots=True)
class BenchLine:
    """One end of the line.

    Attributes:
        stream: a connected socket.
        number: of the last task that went through.
    """

    stream: socket.socket
    number: int = 0

    def close(self) -> None:
        self.stream.close()

    def ask(self, task: Task[Any], *, until: float) -> Mapping[str, Any] | Written:
        """The answer to a task: `Written`, or {"error": [kind, text]}.

        Raises:
            BenchFailed: what came is no answer, or too large a one.
            TimeoutError, OSError, EOFError: it did not come in time; the other end is gone.
        """
        self.number += 1
        size = self._send_task(task, until)
        number, length = ANSWER.unpack(self._exactly(ANSWER.size, until))
        if number != self.number or length > LARGEST_HEADER:
            raise BenchFailed("what came from model code's process is no answer to what was asked")
        return self._answer(_object(self._exactly(length, until)), LARGEST_ANSWER + 4 * size, until)

    def task(self) -> tuple[int, Task[Any]]:
        """The next task and its number. Raises EOFError at the end of the line."""
        number, size, count = QUESTION.unpack(self._exactly(QUESTION.size))
        content = self._exactly(size)
        buffers = [self._exactly(*SIZE.unpack(self._exactly(SIZE.size))) for _ in range(count)]
        task: Task[Any] = pickle.loads(content, buffers=buffers)
        return number, task

    def answer(self, number: int, written: Written) -> None:
        """Sends what a task was answered with."""
        arrays = {name: np.ascontiguousarray(array) for name, array in written.arrays.items()}
        listed = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
        self.tell(number, {"plain": dict(written.plain), "arrays": listed})
        for array in arrays.values():
            self.stream.sendall(array.reshape(-1).view(np.uint8).data)

    def tell(self, number: int, header: Mapping[str, Any]) -> None:
        """Sends an answer's JSON."""
        content = json.dumps(header).encode()
        self.stream.sendall(ANSWER.pack(number, len(content)) + content)

    def hear(self, until: float) -> Mapping[str, Any]:
        """An answer's JSON alone, to no task. Raises as `ask`."""
        number, length = ANSWER.unpack(self._exactly(ANSWER.size, until))
        if number or length > LARGEST_HEADER:
            raise BenchFailed("what came from model code's process is none of its first words")
        return _object(self._exactly(length, until))

    def _send_task(self, task: Task[Any], until: float) -> int:
        """Sends a task; how many bytes it took."""
        parts: list[pickle.PickleBuffer] = []
        content = pickle.dumps(task, protocol=5, buffer_callback=parts.append)
        buffers = [part.raw() for part in parts]
        self._wait(until)
        self.stream.sendall(QUESTION.pack(self.number, len(content), len(buffers)))
        self.stream.sendall(content)
        for buffer in buffers:
            self._wait(until)
            self.stream.sendall(SIZE.pack(buffer.nbytes))
            self.stream.sendall(buffer)
        return len(content) + sum(buffer.nbytes for buffer in buffers)

    def _answer(self, header: Mapping[str, Any], most: int, until: float) -> Mapping[str, Any] | Written:
        if "error" in header:
            return header
        plain, listed = header.get("plain"), header.get("arrays")
        if not isinstance(plain, Mapping) or not isinstance(listed, list) or len(listed) > MOST_ARRAYS:
            raise BenchFailed("what came from model code's process is no answer")
        forms = [_form(each) for each in listed]
        if (total := sum(dtype.itemsize * math.prod(shape) for _, dtype, shape in forms)) > most:
            raise BenchFailed(f"model code answered with {total:,} bytes, more than the {most:,} that are taken")
        arrays = {name: self._array(dtype, shape, until) for name, dtype, shape in forms}
        return Written(plain, arrays)

    def _array(self, dtype: np.dtype[Any], shape: tuple[int, ...], until: float) -> np.ndarray:
        array = np.empty(shape, dtype)
        self._fill(array.reshape(-1).view(np.uint8).data, until)
        return array

    def _exactly(self, size: int, until: float | None = None) -> bytearray:
        content = bytearray(size)
        self._fill(memoryview(content), until)
        return content

    def _fill(self, view: memoryview, until: float | None) -> None:
        at = 0
        while at < len(view):
            if until is not None:
                self._wait(until)
            count = self.stream.recv_into(view[at : at + AT_ONCE])
            if not count:
                raise EOFError("the process ended")
            at += count

    def _wait(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        self.stream.settimeout(left)


def _object(content: bytes | bytearray) -> Mapping[str, Any]:
    """Bytes that are a JSON object. Raises BenchFailed for any others."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BenchFailed("what came from model code's process is no JSON object")
    return found


def _form(listed: Any) -> tuple[str, np.dtype[Any], tuple[int, ...]]:
    """An array's name, type and shape. Raises BenchFailed for what is none."""
    if not isinstance(listed, list) or len(listed) != 3:
        raise BenchFailed("model code answered with an array that has no form")
    name, kind, shape = listed
    sizes: Sequence[Any] = shape if isinstance(shape, list) and len(shape) <= 8 else [None]
    if not isinstance(name, str) or kind not in TYPES:
        raise BenchFailed(f"model code answered with an array that is of none of the types {', '.join(TYPES)}")
    if not all(isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**40 for size in sizes):
        raise BenchFailed("model code answered with an array whose shape is none")
    return name, np.dtype(kind), tuple(sizes)
