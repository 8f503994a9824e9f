"""What of a training stays with K clients from round to round, and who keeps it.

Private parameters, a personal copy, what compression held back, and the state of an algorithm's client half. A region's
worker writes them to its disk as arrays by name, for the round that begins with them; a round that is asked for again
begins with the same ones, so that an answer is the same however often it is asked for.

    arrays = session.own.load("shareable", 4)
    session.own.save("shareable", 5, arrays)

Who took no part in a round kept nothing for the next one, and begins that with the newest that it has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.errors import TrainingFailed
from fedsov.model.network import shapes
from fedsov.model.parameters import flat, named, places, trained

Arrays = Mapping[str, np.ndarray]
PRIVATE, PERSONAL, ALGORITHM = "private/", "personal/", "algorithm/"
"""What the names of a region's own arrays begin with."""
RESIDUAL = "residual/change"


class StateStore(Protocol):
    """By scope and round (from 1): what it begins with, the newest kept for it or a round before; nothing at first."""

    def load(self, scope: str, number: int) -> dict[str, np.ndarray]: ...
    def save(self, scope: str, number: int, arrays: Arrays) -> None: ...


@dataclass(slots=True)
class InMemoryStates:
    """States that end with the process."""

    states: dict[tuple[str, int], dict[str, np.ndarray]] = field(default_factory=dict)

    def load(self, scope: str, number: int) -> dict[str, np.ndarray]:
        """What the round begins with."""
        last = max((at for where, at in self.states if where == scope and at <= number), default=0)
        return dict(self.states.get((scope, last), {}))

    def save(self, scope: str, number: int, arrays: Arrays) -> None:
        """Keeps what the round is to begin with."""
        self.states[scope, number] = dict(arrays)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parameters of a training lie among the P: shapes by name, (p,) private places, (s,) places sent up."""

    shaped: Mapping[str, tuple[int, ...]]
    private_names: frozenset[str]
    private: np.ndarray
    sent: np.ndarray

    @staticmethod
    def of(training: TrainingSpec, inputs: int) -> Layout:
        """The layout of a network of so many inputs.

        Raises ConfigurationError for a frozen name that is no shared parameter, or where all are frozen.
        """
        shaped = shapes(training.network, inputs)
        return Layout.laid_out(training, shaped, training.personalization.names(training.network, inputs))

    @staticmethod
    def laid_out(training: TrainingSpec, shaped: Mapping[str, tuple[int, ...]], own: Collection[str]) -> Layout:
        """The layout of parameters of these shapes, of which some are the client's own. Raises as `of`."""
        return _laid_out(shaped, own, trained([name for name in shaped if name not in own], training.frozen))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by names: places are eight bytes for each of the P."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shaped.values()])
        found = np.searchsorted(self.sent, ends, "left") > np.searchsorted(self.sent, np.r_[0, ends[:-1]], "left")
        names = [name for name, is_sent in zip(self.shaped, found, strict=True) if is_sent]
        return _laid_out, (dict(self.shaped), sorted(self.private_names), names)

    @property
    def size(self) -> int:
        """P, the number of parameters."""
        return sum(int(np.prod(shape)) for shape in self.shaped.values())


def _laid_out(shaped: Mapping[str, tuple[int, ...]], own: Collection[str], sent: Collection[str]) -> Layout:
    return Layout(shaped, frozenset(own), places(shaped, own), places(shaped, sent))


@dataclass(frozen=True, slots=True)
class ClientState:
    """What stays with K clients.

    Attributes:
        private: (K, p) private parameters.
        personal: (K, P) personal copies; (K, 0) without Ditto.
        residual: (K, s) what compression held back; (K, 0) where it holds nothing back.
        algorithm: (K, P) arrays by name of the algorithm's client half.
    """

    private: np.ndarray
    personal: np.ndarray
    residual: np.ndarray
    algorithm: Mapping[str, np.ndarray] = field(default_factory=dict)

    @staticmethod
    def first(training: TrainingSpec, layout: Layout, begun: np.ndarray, clients: int) -> ClientState:
        """What K clients begin with: the private places of the (P,) first parameters, copies of them, and zeros."""
        half, size = training.algorithm.half, layout.size
        late = len(layout.sent) if training.compression.keeps_state else 0
        copies = size if training.personalization.ditto_lambda is not None else 0
        return ClientState(
            np.tile(begun[layout.private], (clients, 1)),
            np.tile(begun[:copies], (clients, 1)),
            np.zeros((clients, late), np.float32),
            {name: np.zeros((clients, size), np.float32) for name in (half.keeps if half else ())},
        )


def to_arrays(state: ClientState, training: TrainingSpec, layout: Layout) -> dict[str, np.ndarray]:
    """One client's state by name, for its disk."""
    arrays: dict[str, np.ndarray] = {}
    if layout.private_names:
        own = {name: shape for name, shape in layout.shaped.items() if name in layout.private_names}
        arrays |= {f"{PRIVATE}{name}": array for name, array in named(state.private[0], own).items()}
    if state.personal.size:
        arrays |= {f"{PERSONAL}{name}": array for name, array in named(state.personal[0], layout.shaped).items()}
    if training.compression.keeps_state:
        arrays[RESIDUAL] = state.residual[0]
    return arrays | {f"{ALGORITHM}{name}": array[0] for name, array in state.algorithm.items()}


def from_arrays(arrays: Arrays, first: ClientState, layout: Layout) -> ClientState:
    """The inverse of `to_arrays`, over the state that a client begins its first round with.

    Raises TrainingFailed where what was kept is of another model.
    """
    private, personal = part(arrays, PRIVATE), part(arrays, PERSONAL)
    state = first
    if private and layout.private_names:
        own = [name for name in layout.shaped if name in layout.private_names]
        state = replace(state, private=_alike(flat(private, dict.fromkeys(own)), state.private))
    if personal and state.personal.size:
        state = replace(state, personal=_alike(flat(personal, layout.shaped), state.personal))
    if RESIDUAL in arrays and state.residual.size:
        state = replace(state, residual=_alike(arrays[RESIDUAL], state.residual))
    kept = part(arrays, ALGORITHM)
    algorithm = {name: _alike(kept[name], row) if name in kept else row for name, row in state.algorithm.items()}
    return replace(state, algorithm=algorithm)


def _alike(row: np.ndarray, like: np.ndarray) -> np.ndarray:
    if row.shape != like.shape[1:]:
        raise TrainingFailed(f"{row.size} numbers were kept back, of a model of {like.shape[1]}")
    return np.asarray(row, np.float32)[None]


def part(arrays: Arrays, prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
