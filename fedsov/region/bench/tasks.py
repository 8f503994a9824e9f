"""Where a region has model code run: on a bench, apart from its keys, ledger, budget and ways out.

A network of an installed package, a synthesizer and their libraries see rows, and are somebody else's code. So what
they are needed for is a *task*: a value that holds the rows and the parameters, and nothing that protects. A bench runs
it. `ThisProcess` does so in the process that asks; a runtime gives a region a bench that is a process of its own
(`fedsov.runtimes.bench`), which holds no key, ledger, budget or socket. Either way the same task is run and the same
answer is read, so that the bits are the same.

What comes back is `Written`: JSON values and plain arrays, never objects. `read` looks at all of it, for it may have
been made by code that lies: names, types and shapes, lengths of words. It cannot know whether a number is true.

    shaped = session.bench.do(Outline(training, inputs=12, seed=0))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from fedsov.errors import BenchFailed

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

LONGEST_NAME = 200
"""Letters of a parameter's name, or of how a model came about."""


class Written(NamedTuple):
    """What a task answers: JSON values by name, and arrays of numbers by name."""

    plain: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]


class Task(Protocol[T_co]):
    """Work on rows and parameters: a value that can be pickled, for the bench trusts who asks."""

    def run(self) -> Written:
        """The work itself, wherever the bench is. Raises FedsovError for what the work cannot do."""
        ...

    def read(self, answer: Written) -> T_co:
        """The answer's value, where the task was asked. Raises BenchFailed for what is no answer to it."""
        ...


class Bench(Protocol):
    """What runs tasks."""

    def do(self, task: Task[T]) -> T:
        """The task's answer. Raises what the task raises, and BenchFailed where the bench did not answer."""
        ...

    def close(self) -> None:
        """Ends what the bench runs tasks in."""
        ...


class ThisProcess:
    """The bench that is the very process which asks: it keeps nothing apart."""

    def do(self, task: Task[T]) -> T:
        """The task's answer."""
        return task.read(task.run())

    def close(self) -> None:
        """Nothing is open."""


THIS_PROCESS = ThisProcess()


def array_of(answer: Written, name: str, *, shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    """The answer's array of this name, shape and type. Raises BenchFailed for any other."""
    array = answer.arrays.get(name)
    if array is None or array.shape != shape or array.dtype != dtype:
        shown = "none" if array is None else f"{array.dtype}{list(array.shape)}"
        raise BenchFailed(
            f"model code answered {name[:LONGEST_NAME]!r} as {shown}; expected {np.dtype(dtype)}{list(shape)}"
        )
    return array


def name_of(value: Any) -> str:
    """A name that an answer holds. Raises BenchFailed for what is none."""
    if not isinstance(value, str) or not value or len(value) > LONGEST_NAME or not value.isprintable():
        raise BenchFailed(f"model code answered with a name that is no text of 1 to {LONGEST_NAME} printable letters")
    return value


def items_of(value: Any, read: Callable[[Any], T], *, most: int) -> tuple[T, ...]:
    """A list that an answer holds, each item read. Raises BenchFailed for what is none, or longer."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > most:
        raise BenchFailed(f"model code answered with something in the place of a list of at most {most}")
    return tuple(read(item) for item in value)


def answers_shape(rows: int, outputs: int) -> tuple[int, ...]:
    """The shape of a network's answers to so many rows, as `fedsov.training.engine.predict` gives them."""
    return (rows,) if outputs == 1 else (rows, outputs)
