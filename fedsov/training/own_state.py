"""What of a region's training stays with it from round to round: private parameters, a control variate, a residual.

Arrays by name, for the round that begins with them; a round that is asked for again begins with the same ones, so that
an answer is the same however often it is asked for. Who keeps them is the caller's affair: `fedsov.federation` has them
on the region's disk.

    before = session.own.of("shareable", 4)
    session.own.keep("shareable", 5, {"private/2.bias": bias})
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

Arrays = Mapping[str, np.ndarray]


class OwnState(Protocol):
    """By scope and round (from 1): what it begins with, nothing in the first."""

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
