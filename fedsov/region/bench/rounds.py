"""The tasks of a region's round: the outline of a network, and the round of one client over its rows.

A `RoundTask` holds encoded rows, parameters, and what was decided about the steps: their order, the mechanism of
noise and the generators that draw it, or the noisy steps that were taken before. It holds no budget, no secret by which
orders and scores are keyed, and nobody's pseudonym. What comes back is looked at like an update of another party.

Its noise is drawn where the steps are taken, for it is part of each. So a private run protects from who receives its
update, not from model code that lies about its steps: that code saw the rows, and its owner approved it by its digest
(`fedsov.region.trust.applications`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from fedsov.algorithms.compression import unpacked
from fedsov.algorithms.local_steps import LocalSteps, Stream
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.algorithms.update_checks import update_fault
from fedsov.errors import BenchFailed, TrainingFailed
from fedsov.model.network import Parameters, initial
from fedsov.model.parameters import flat, named, private_part
from fedsov.privacy.mechanism import RecordMechanism
from fedsov.region.bench.tasks import Written, answers_shape, array_of, items_of, name_of
from fedsov.training.client_round import ClientRound, Cut, RoundResult, client_round
from fedsov.training.client_state import ClientState, Layout, to_arrays
from fedsov.training.engine import held, predict

SENT, STATE, PRIVATE = "sent/", "state/", "private/"
"""What the names of an answer's arrays begin with."""
MOST_PARAMETERS, MOST_AXES, MOST_NUMBERS = 100_000, 8, 2**34


class NetworkParts(NamedTuple):
    """A network's parameters: shapes by name, in order, and the private ones as they begin."""

    shaped: Mapping[str, tuple[int, ...]]
    private: Parameters


@dataclass(frozen=True, slots=True)
class Outline:
    """Asks for the names and shapes of a training's parameters; those that are private are made by the seed."""

    training: TrainingSpec
    inputs: int
    seed: int

    def run(self) -> Written:
        """Builds the network where it is no stack of layers. Raises ConfigurationError; see `Layout.of`."""
        training, network = self.training, self.training.network
        layout = Layout.of(training, self.inputs)
        own = layout.private_names
        private = private_part(initial(network, self.inputs, self.seed), own) if own else {}
        shaped = [[name, list(shape)] for name, shape in layout.shaped.items()]
        return Written({"shapes": shaped}, {f"{PRIVATE}{name}": array for name, array in private.items()})

    def read(self, answer: Written) -> NetworkParts:
        """Raises BenchFailed for shapes that are none."""
        shaped = dict(items_of(answer.plain.get("shapes"), _shape, most=MOST_PARAMETERS))
        names = [name.removeprefix(PRIVATE) for name in answer.arrays]
        if (
            not shaped
            or not set(names) <= set(shaped)
            or bool(names) != bool(self.training.personalization.private.names)
        ):
            raise BenchFailed("model code answered with private parameters that the network has not")
        if sum(map(math.prod, shaped.values())) > MOST_NUMBERS:
            raise BenchFailed(f"model code answered with a network of more than {MOST_NUMBERS:,} numbers")
        return NetworkParts(shaped, {name: array_of(answer, f"{PRIVATE}{name}", shape=shaped[name]) for name in names})


def _shape(value: Any) -> tuple[str, tuple[int, ...]]:
    if not isinstance(value, list) or len(value) != 2:
        raise BenchFailed("model code answered with a parameter that is no name and shape")
    return name_of(value[0]), items_of(value[1], _size, most=MOST_AXES)


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_NUMBERS:
        raise BenchFailed("model code answered with a shape that is none")
    return value


@dataclass(frozen=True, slots=True, eq=False)
class NoisySteps:
    """The mechanism of a round's noisy steps.

    Attributes:
        mechanism: what bounds and hides each record.
        generators: of its noise, and of the rows that are drawn for it, in this order.
        taken: (1, P) the steps that were taken when the same was asked before; None where they are to be taken.
    """

    mechanism: RecordMechanism
    generators: Sequence[np.random.Generator] = ()
    taken: np.ndarray | None = None


class RoundAnswer(NamedTuple):
    """What a round gave: what goes up, what stays, (1, P) noisy steps, and answers to the validation rows."""

    sent: Parameters
    state: Parameters
    steps: np.ndarray | None
    logits: np.ndarray | None


@dataclass(frozen=True, slots=True, eq=False)
class RoundTask:
    """Asks for one round of one client (`fedsov.training.client_round`).

    Attributes:
        client: what keys its chance.
        rows: (N, D) inputs and outcomes to train on.
        scored: (M, D) inputs that the model which came in answers.
        whole: that model, with what the region keeps of it.
        cuts: by what steps are drawn for, the rows of each; None to shuffle them by the training's seed.
    """

    training: TrainingSpec
    number: int
    client: int
    rows: tuple[np.ndarray, np.ndarray]
    scored: np.ndarray
    whole: Parameters
    state: ClientState
    layout: Layout
    drift: np.ndarray | None = None
    cuts: Mapping[Stream, Sequence[np.ndarray]] | None = None
    noise: NoisySteps | None = None

    def run(self) -> Written:
        """Raises TrainingFailed where a network fails on the rows, InputError for outcomes that the loss has not."""
        training, layout = self.training, self.layout
        batch = held([self.rows], training.steps, training.network)
        arrays: dict[str, np.ndarray] = {}
        if len(self.scored):
            arrays["logits"] = predict(self.whole, self.scored, training.network)
        steps: list[np.ndarray] = []
        result = client_round(flat(self.whole, layout.shaped), self.state, batch, layout, self._course(steps))
        if self.noise is not None and self.noise.taken is None:
            arrays["steps"] = steps[0]
        if result.refused:
            return Written({"refused": result.refused[0]}, arrays)
        arrays |= {f"{SENT}{name}": array for name, array in _sent(result, training, layout).items()}
        if training.keeps_state:
            arrays |= {f"{STATE}{name}": array for name, array in to_arrays(result.state, training, layout).items()}
        return Written({}, arrays)

    def read(self, answer: Written) -> RoundAnswer:
        """Raises TrainingFailed for an update that may not leave, BenchFailed for what is no answer."""
        steps, noise = None, self.noise
        if noise is not None and noise.taken is None:
            steps = array_of(answer, "steps", shape=(1, self.layout.size))
            if not np.isfinite(steps).all():
                raise TrainingFailed("a parameter is not finite after noisy steps; lower the learning rate")
        if "refused" in answer.plain:
            raise TrainingFailed(name_of(answer.plain["refused"]))
        shape = answers_shape(len(self.scored), self.training.network.outputs)
        logits = array_of(answer, "logits", shape=shape) if len(self.scored) else None
        return RoundAnswer(self._sent(answer), self._state(answer), steps, logits)

    def _sent(self, answer: Written) -> Parameters:
        layout, compression = self.layout, self.training.compression
        names = _names(answer, SENT)
        if compression.name != "none":
            form = compression.form(len(layout.sent))
            sent = {
                name: array_of(answer, f"{SENT}{name}", shape=form[name][1], dtype=form[name][0].type)
                for name in names
                if name in form
            }
            change = unpacked(sent, len(layout.sent), compression)
        else:
            stays = {*layout.private_names, *self.training.frozen}
            shaped = {name: shape for name, shape in layout.shaped.items() if name not in stays}
            if set(names) != set(shaped):
                raise BenchFailed("model code answered with other parameters than the network's")
            sent = {name: array_of(answer, f"{SENT}{name}", shape=shape) for name, shape in shaped.items()}
            change = flat(sent, shaped) - flat(self.whole, shaped)
        if fault := update_fault(change, self.training.max_update_norm):
            raise TrainingFailed(fault)
        return sent

    def _state(self, answer: Written) -> Parameters:
        if not self.training.keeps_state:
            return {}
        before = to_arrays(self.state, self.training, self.layout)
        after = {name: array_of(answer, f"{STATE}{name}", shape=array.shape) for name, array in before.items()}
        if not all(np.isfinite(array).all() for array in after.values()):
            raise TrainingFailed("what a region keeps of a round is not finite; lower the learning rate")
        return after

    def _course(self, taken: list[np.ndarray]) -> ClientRound:
        """What the client does; noisy steps are added to `taken`."""
        course = ClientRound(self.training, self.number, (self.client,), drift=self.drift, cut=self._cut())
        if (noise := self.noise) is None:
            return course
        chances = iter(noise.generators)

        def remembered(steps: Callable[[], np.ndarray]) -> np.ndarray:
            taken.append(steps() if noise.taken is None else noise.taken)
            return taken[0].copy()

        return replace(course, noise=lambda: (noise.mechanism,), chance=lambda: next(chances), remembered=remembered)

    def _cut(self) -> Cut | None:
        cuts = self.cuts
        if cuts is None:
            return None

        def cut(place: int, steps: LocalSteps, stream: Stream) -> Sequence[np.ndarray]:
            del place, steps  # one client, whose steps were cut for this round
            return cuts[stream]

        return cut


def _names(answer: Written, prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in answer.arrays if name.startswith(prefix)]


def _sent(result: RoundResult, training: TrainingSpec, layout: Layout) -> Parameters:
    """What goes up of a round: the trained arrays, or their compressed change.

    Under privacy this comes after the noise: whatever is made of a noisy update tells no more than that did.
    """
    if result.packed:
        return result.packed[0].arrays
    stays = {*layout.private_names, *training.frozen}
    return {name: array for name, array in named(result.trained[0], layout.shaped).items() if name not in stays}
