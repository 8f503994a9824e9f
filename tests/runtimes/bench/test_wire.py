"""The line to model code: tasks go down whole, and of what comes up only answers are taken, in time."""

from __future__ import annotations

import json
import math
import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from fedsov.errors import BenchFailed
from fedsov.region.bench.tasks import Written
from fedsov.runtimes.bench.wire import ANSWER, LARGEST_HEADER, BenchLine

ROWS = np.arange(300_000, dtype=np.float64).reshape(-1, 3)


@dataclass
class Ask:
    """A task that holds rows."""

    rows: np.ndarray = field(default_factory=lambda: ROWS)

    def run(self) -> Written:
        return Written({"rows": len(self.rows)}, {"twice": self.rows * 2, "none": np.zeros((0, 3), np.float32)})

    def read(self, answer: Written) -> Any:
        return answer


@pytest.fixture
def ends() -> Iterator[tuple[BenchLine, BenchLine]]:
    near, far = socket.socketpair()
    with near, far:
        yield BenchLine(near), BenchLine(far)


def _soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


def _answering(far: BenchLine, answer: Callable[[int, Ask], None]) -> threading.Thread:
    def once() -> None:
        answer(*far.task())  # type: ignore[arg-type]

    thread = threading.Thread(target=once)
    thread.start()
    return thread


def test_a_task_goes_down_and_its_answer_comes_up_bit_by_bit(ends: tuple[BenchLine, BenchLine]) -> None:
    near, far = ends
    for number in (1, 2):
        thread = _answering(far, lambda number, task: far.answer(number, task.run()))
        answer = near.ask(Ask(), until=_soon())
        thread.join()
        assert isinstance(answer, Written) and near.number == number and answer.plain == {"rows": 100_000}
        assert np.array_equal(answer.arrays["twice"], ROWS * 2) and answer.arrays["none"].shape == (0, 3)
        answer.arrays["twice"][0] = 1.0  # an answer's arrays can be worked on


def test_an_error_comes_up_as_its_words(ends: tuple[BenchLine, BenchLine]) -> None:
    near, far = ends
    thread = _answering(far, lambda number, task: far.tell(number, {"error": ["TrainingFailed", "why"]}))
    assert near.ask(Ask(), until=_soon()) == {"error": ["TrainingFailed", "why"]}
    thread.join()


def _framed(header: Any, number: int = 1, *, raw: bytes | None = None) -> bytes:
    content = json.dumps(header).encode() if raw is None else raw
    return ANSWER.pack(number, len(content)) + content


def _listed(*form: Any) -> dict[str, Any]:
    return {"plain": {}, "arrays": [list(form)]}


class _Planted:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("an answer was unpickled",)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (_framed({}, number=2), "no answer to what was asked"),
        (ANSWER.pack(1, LARGEST_HEADER + 1), "no answer to what was asked"),
        (_framed(None, raw=b"\xff\xfe"), "no JSON object"),
        (_framed(None, raw=b"[" * 100_000), "no JSON object"),
        (_framed(None, raw=pickle.dumps(_Planted())), "no JSON object"),
        (_framed([1, 2]), "no JSON object"),
        (_framed({}), "is no answer"),
        (_framed({"plain": [], "arrays": []}), "is no answer"),
        (_framed({"plain": {}, "arrays": {}}), "is no answer"),
        (_framed({"plain": {}, "arrays": [[]] * 200_001}), "is no answer"),
        (_framed(_listed("w")), "no form"),
        (_framed({"plain": {}, "arrays": ["w"]}), "no form"),
        (_framed(_listed("w", "|O", [1])), "none of the types"),
        (_framed(_listed("w", "<U9", [1])), "none of the types"),
        (_framed(_listed("w", ["<f4"], [1])), "none of the types"),
        (_framed(_listed(3, "<f4", [1])), "none of the types"),
        (_framed(_listed("w", "<f4", [-1])), "whose shape is none"),
        (_framed(_listed("w", "<f4", [True])), "whose shape is none"),
        (_framed(_listed("w", "<f4", [math.inf])), "whose shape is none"),
        (_framed(_listed("w", "<f4", "1")), "whose shape is none"),
        (_framed(_listed("w", "<f4", [1] * 9)), "whose shape is none"),
        (_framed(_listed("w", "<f4", [2**39, 2**39])), "bytes, more than the"),
        (_framed({"plain": {}, "arrays": [["w", "<f4", [2**26]], ["v", "<f4", [2**26]]]}), "bytes, more than the"),
    ],
)
def test_whatever_else_comes_up_is_refused(content: bytes, why: str, ends: tuple[BenchLine, BenchLine]) -> None:
    near, far = ends
    thread = threading.Thread(target=lambda: (far.task(), far.stream.sendall(content), far.close()))
    thread.start()
    with pytest.raises(BenchFailed, match=why):
        near.ask(Ask(np.zeros(3)), until=_soon())
    near.close()
    thread.join()


@pytest.mark.parametrize(
    "content", [b"", b"\0", _framed({"plain": {}, "arrays": []})[:-1], _framed(_listed("w", "<f4", [9]))]
)
def test_half_an_answer_is_an_end(content: bytes, ends: tuple[BenchLine, BenchLine]) -> None:
    near, far = ends
    thread = threading.Thread(target=lambda: (far.task(), far.stream.sendall(content), far.close()))
    thread.start()
    with pytest.raises((EOFError, OSError)):
        near.ask(Ask(np.zeros(3)), until=_soon())
    thread.join()


@pytest.mark.parametrize("reads", [True, False])
def test_who_answers_byte_by_byte_or_never_reads_costs_no_more_than_the_time_that_is_given(
    reads: bool, ends: tuple[BenchLine, BenchLine]
) -> None:
    near, far = ends
    is_over = threading.Event()

    def dribble() -> None:
        if reads:
            far.task()
        for one in _framed(_listed("w", "<f4", [99])) if reads else b"":
            if is_over.wait(0.05):
                return
            far.stream.sendall(bytes([one]))

    thread = threading.Thread(target=dribble)
    thread.start()
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        near.ask(Ask(), until=_soon(0.5))
    assert time.monotonic() - begun < 3
    is_over.set()
    thread.join()


def test_first_words_are_of_no_task(ends: tuple[BenchLine, BenchLine]) -> None:
    near, far = ends
    far.tell(0, {"pid": 7})
    assert near.hear(_soon()) == {"pid": 7}
    far.tell(1, {"pid": 7})
    with pytest.raises(BenchFailed, match="none of its first words"):
        near.hear(_soon())
