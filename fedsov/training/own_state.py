"""What of a region's training stays with it from round to round: private parameters, a control variate, a residual.

Arrays by name, for the round that begins with them; a round that is asked for again begins with the same ones, so that
an answer is the same however often it is asked for. Who keeps them is the caller's affair: `fedsov.federation` has them
on the region's disk.

    before = session.own.of("shareable", 4)
    session.own.keep("shareable", 5, replaced(before, "private/", {"2.bias": bias}))

Who took no part in a round kept nothing for the next one, and begins that with the newest that it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

Arrays = Mapping[str, np.ndarray]


class OwnState(Protocol):
    """By scope and round (from 1): what it begins with, the newest kept for it or a round before; nothing at first."""

    def of(self, scope: str, number: int) -> dict[str, np.ndarray]: ...
    def keep(self, scope: str, number: int, arrays: Arrays) -> None: ...


@dataclass(slots=True)
class InMemory:
    """Own states that end with the process."""

    kept: dict[tuple[str, int], dict[str, np.ndarray]] = field(default_factory=dict)

    def of(self, scope: str, number: int) -> dict[str, np.ndarray]:
        last = max((at for where, at in self.kept if where == scope and at <= number), default=0)
        return dict(self.kept.get((scope, last), {}))

    def keep(self, scope: str, number: int, arrays: Arrays) -> None:
        self.kept[scope, number] = dict(arrays)


def part(arrays: Arrays, prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def replaced(arrays: Arrays, prefix: str, by: Arrays) -> dict[str, np.ndarray]:
    """All arrays, those of the prefix as they are in `by`, which has the names without it."""
    others = {name: array for name, array in arrays.items() if not name.startswith(prefix)}
    return others | {f"{prefix}{name}": array for name, array in by.items()}
