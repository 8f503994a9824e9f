"""The hub's half of a round as a Flower strategy: built from the catalogue, and its state saved and restored.

Most algorithms are one of Flower's strategies. Where the catalogue has a half of ours, `TwoHalves` is Flower's FedAvg
around it: it keeps the clients' states and calls the client's half on the updates that it accepts, where that is the
hub's affair (SCAFFOLD, FedNova), or makes the next model by a function of the mean.

    strategy = build(Algorithm("fedadam"), nodes=3)
    arrays = state_of(strategy)          # {"m_t/0.weight": ..., "v_t/0.weight": ...}
    restore(build(algorithm, 3), arrays)  # goes on as `strategy` would have

A strategy with any other array in it than those that are known to be state is refused, for a training that goes on
without it would end elsewhere, and nobody would notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.app.exception import AppExitException
from flwr.serverapp import Grid, strategy
from flwr.serverapp.strategy import FedAvg

from fedsov.algorithms.catalogue import Algorithm, Need
from fedsov.algorithms.client_half import ClientHalf, StepCounts, StepsTaken
from fedsov.algorithms.order_free_sum import mean_of
from fedsov.algorithms.update_checks import WEIGHT
from fedsov.errors import ConfigurationError, TrainingFailed, counted
from fedsov.model.parameters import flat, named

if TYPE_CHECKING:
    CountsOf = Callable[[int], StepCounts]

DRIFT = "drift"
"""The record of a region's drift, and what the names in it begin with."""
STATE = ("m_t", "v_t", "momentum_vector", "controls", "server_state")
"""The attributes of strategies that outlive a round."""
TAKEN_ANEW = ("current_arrays",)
"""The round's own parameters, which a strategy takes anew from the round."""


def build(algorithm: Algorithm, nodes: int, step_counts: Callable[[int], StepCounts] | None = None) -> FedAvg:
    """The strategy for a fixed set of nodes that all take part in every round.

    Args:
        step_counts: how all clients step in a round; needed where the hub calls the client's half.

    Raises:
        ConfigurationError: step counts are needed, and none given.
    """
    sizes: dict[str, Any] = {"min_train_nodes": nodes, "min_evaluate_nodes": nodes, "min_available_nodes": nodes}
    spec, half = algorithm.spec, algorithm.half
    if half is not None and half.at_hub and step_counts is None:
        raise ConfigurationError(f"algorithm={algorithm.name} needs to know how clients step; give their step counts")
    if not isinstance(spec.strategy, str) or (half is not None and half.at_hub):
        return TwoHalves(algorithm, step_counts, **sizes)
    make: Callable[..., FedAvg] = getattr(strategy, spec.strategy)
    return make(**sizes, **algorithm.strategy_options)


class TwoHalves(FedAvg):
    """Flower's FedAvg around a half of ours.

    `controls` are the clients' states by ``node/name``; nothing before the first round, which is FedAvg's.
    `server_state` is what the hub's half keeps, (P,) arrays by name.
    """

    def __init__(self, algorithm: Algorithm, step_counts: Callable[[int], StepCounts] | None, **sizes: Any) -> None:
        super().__init__(**sizes)
        half, server = algorithm.half, algorithm.spec.strategy
        self.half: ClientHalf | None = half if half is not None and half.at_hub else None
        self.server = None if isinstance(server, str) else partial(server, algorithm.options)
        self.step_counts = step_counts
        self.current_arrays: dict[str, np.ndarray] = {}
        self.controls: dict[str, np.ndarray] = {}
        self.server_state: dict[str, np.ndarray] = {}
        self.nodes: list[int] = []

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """As FedAvg, with each node's drift beside the model where there is one."""
        self.current_arrays = {name: array.numpy() for name, array in arrays.items()}
        self.nodes = sorted(grid.get_node_ids())
        messages = super().configure_train(server_round, arrays, config, grid)
        if self.half is None or not self.controls:
            return messages
        state = self._state(self.half, self.nodes)
        drift = self.half.begin(state, flat(self.current_arrays, self.current_arrays)).drift
        if drift is None:
            return messages
        return [self._with_drift(message, drift) for message in messages]

    def _with_drift(self, message: Message, drift: np.ndarray) -> Message:
        node, content = message.metadata.dst_node_id, RecordDict(dict(message.content))
        own = named(drift[self.nodes.index(node)], self._shapes())
        content[DRIFT] = ArrayRecord({f"{DRIFT}/{name}": Array(array) for name, array in own.items()})
        return Message(content, node, message.metadata.message_type)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """FedAvg's mean, or what our half makes of it; the states of the nodes whose updates came are the next ones."""
        updates = list(replies)
        aggregated, metrics = super().aggregate_train(server_round, updates)
        if aggregated is None:
            return aggregated, metrics
        if self.half is not None and self.step_counts is not None:
            aggregated = self._ended(self.half, self.step_counts(server_round), updates)
        if self.server is not None:
            start, mean = (flat(part, self.current_arrays) for part in (self.current_arrays, numbers_of(aggregated)))
            following, state = self.server(self.server_state, start, mean)
            self.server_state, aggregated = dict(state), self._record(following)
        return aggregated, metrics

    def _ended(self, half: ClientHalf, counts: StepCounts, replies: Sequence[Message]) -> ArrayRecord:
        """The mean after the client's half has ended each node's round; `controls` become the next ones."""
        nodes = [reply.metadata.src_node_id for reply in replies]
        start = flat(self.current_arrays, self.current_arrays)
        moved = np.stack([flat(_arrays_of(reply), self.current_arrays) - start for reply in replies])
        rows = np.array([_rows_of(reply) for reply in replies])
        effective = np.array([counts.effective(int(count)) for count in rows])
        updates, state = half.end(self._state(half, nodes), moved, StepsTaken(effective, counts.rate))
        for name in half.keeps:
            for node, row in zip(nodes, state[name], strict=True):
                self.controls |= {f"{node}/{key}": array for key, array in named(row, self._shapes()).items()}
        scale = 1.0 if half.scale is None else half.scale(rows, effective)
        return self._record(mean_of(start, updates, rows, scale))

    def _state(self, half: ClientHalf, nodes: Sequence[int]) -> dict[str, np.ndarray]:
        """The state of these nodes as (K, P) arrays, zeros for a node without one, and the mean over all nodes."""
        by_node = _by_node(self.controls)
        like = {name: np.zeros_like(array) for name, array in self.current_arrays.items()}
        rows = {node: flat(by_node.get(node, like), like) for node in {*self.nodes, *nodes, *by_node}}
        state = {name: np.stack([rows[node] for node in nodes]) for name in half.keeps}
        if half.averages:
            total = sum((rows[node].astype(np.float64) for node in sorted(rows)), np.zeros(1))
            state[half.mean_name] = (total / max(1, len(self.nodes))).astype(np.float32)
        return state

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: array.shape for name, array in self.current_arrays.items()}

    def _record(self, row: np.ndarray) -> ArrayRecord:
        """A (P,) model under the names and types of the one that went down."""
        start = self.current_arrays
        arrays = named(row, self._shapes())
        return ArrayRecord({name: Array(array.astype(start[name].dtype)) for name, array in arrays.items()})


def aggregate(
    strategy: FedAvg, algorithm: Algorithm, number: int, replies: Sequence[Message], asked: Sequence[Message]
) -> ArrayRecord:
    """The next model of a round's accepted updates.

    A strategy that needs the mean alone is shown one update, the mean as `fedsov.federate` makes it.

    Args:
        replies: Flower messages of the accepted updates, in the order of their nodes.
        asked: the messages that they answer.

    Raises:
        TrainingFailed: the strategy made no aggregate of them, or needs more than they hold.
    """
    shown, model = list(replies), _arrays_of(asked[0])
    if len(shown) > 1 and Need.SINGLE_UPDATES not in algorithm.spec.needs:
        start = flat(model, model)
        moved = np.stack([flat(_arrays_of(reply), model) - start for reply in shown])
        rows = np.array([_rows_of(reply) for reply in shown])
        mean = named(mean_of(start, moved, rows), {name: array.shape for name, array in model.items()})
        record = ArrayRecord({name: Array(array.astype(model[name].dtype)) for name, array in mean.items()})
        metrics = MetricRecord({WEIGHT: float(rows.sum())})
        shown = [Message(RecordDict({"arrays": record, "metrics": metrics}), reply_to=asked[0])]
    numbers = _aggregated(strategy, algorithm, number, shown, of=len(replies))  # FedAdam's are float64, of float32 ones
    return ArrayRecord({name: Array(numbers[name].astype(array.dtype, copy=False)) for name, array in model.items()})


@contextmanager
def failing(algorithm: Algorithm, number: int) -> Iterator[None]:
    """Whatever a strategy of Flower's ends an app by, as a TrainingFailed that names the round and the algorithm."""
    try:
        yield
    except AppExitException as error:
        reason = " ".join(str(error).split())
        raise TrainingFailed(f"round {number}: {algorithm.name} failed: {reason}") from error


def _aggregated(
    strategy: FedAvg, algorithm: Algorithm, number: int, replies: Sequence[Message], *, of: int
) -> dict[str, np.ndarray]:
    """What a strategy makes of the replies to a round, which stand for `of` updates. Raises TrainingFailed."""
    with failing(algorithm, number):
        aggregated, _ = strategy.aggregate_train(number, replies)
    if aggregated is None:
        raise TrainingFailed(f"round {number}: {algorithm.name} made no aggregate of {counted(of, 'update')}")
    return numbers_of(aggregated)


def numbers_of(arrays: ArrayRecord) -> dict[str, np.ndarray]:
    """The arrays of a record of Flower's, by name."""
    return {name: array.numpy() for name, array in arrays.items()}


def _by_node(controls: Mapping[str, np.ndarray]) -> dict[int, dict[str, np.ndarray]]:
    by_node: dict[int, dict[str, np.ndarray]] = {}
    for key in sorted(controls):
        node, _, name = key.partition("/")
        by_node.setdefault(int(node), {})[name] = controls[key]
    return by_node


def _arrays_of(reply: Message) -> dict[str, np.ndarray]:
    return numbers_of(next(iter(reply.content.array_records.values())))


def _rows_of(reply: Message) -> float:
    """How many rows a node trained on."""
    record = next(iter(reply.content.metric_records.values()))
    return float(cast("float", record[WEIGHT]))


@dataclass(frozen=True, slots=True)
class _Nodes:
    """All that a strategy asks of a grid to which nothing is sent."""

    count: int

    def get_node_ids(self) -> list[int]:
        return list(range(2, 2 + self.count))


class Server:
    """The hub's side of a round over updates that are already here: the next parameters, by the algorithm's strategy.

    A strategy that needs the mean alone is shown one update, the mean; which is the same, as it is linear.
    """

    def __init__(self, algorithm: Algorithm, nodes: int) -> None:
        """One node, or one for each update where the algorithm reads single ones."""
        self._algorithm, self._nodes = algorithm, _Nodes(nodes)
        self._strategy = build(algorithm, nodes)

    def step(
        self, number: int, current: Mapping[str, Any], updates: Sequence[tuple[Mapping[str, Any], float]]
    ) -> dict[str, Any]:
        """The parameters after a round.

        Args:
            current: arrays by name that the clients started from.
            updates: arrays by name and the weight of each.

        Raises:
            TrainingFailed: the strategy made no aggregate of them, or needs more than they hold.
        """

        def record(arrays: Mapping[str, Any]) -> ArrayRecord:
            return ArrayRecord({name: Array(value) for name, value in arrays.items()})

        grid = cast("Grid", self._nodes)
        with failing(self._algorithm, number):
            asked = list(self._strategy.configure_train(number, record(current), ConfigRecord(), grid))
        replies = [
            Message(RecordDict({"arrays": record(arrays), "metrics": MetricRecord({WEIGHT: weight})}), reply_to=message)
            for message, (arrays, weight) in zip(asked, updates, strict=False)
        ]
        return _aggregated(self._strategy, self._algorithm, number, replies, of=len(updates))


def state_of(strategy: Any) -> dict[str, np.ndarray]:
    """The arrays a strategy keeps, under ``attribute/name`` (``attribute/number`` for a list of them).

    Raises:
        TrainingFailed: it keeps arrays under a name that is not known here.
    """
    state: dict[str, np.ndarray] = {}
    for attribute, value in vars(strategy).items():
        arrays = _arrays_in(value)
        if not arrays or attribute in TAKEN_ANEW:
            continue
        if attribute not in STATE:
            raise TrainingFailed(
                f"{type(strategy).__name__} keeps {attribute}, which no checkpoint holds; "
                f"add it to STATE in fedsov.algorithms.aggregation"
            )
        state |= {f"{attribute}/{name}": array for name, array in arrays.items()}
    return state


def restore(strategy: Any, state: Mapping[str, np.ndarray]) -> None:
    """Gives a strategy that was just built the arrays of `state_of`. Raises TrainingFailed for any other name."""
    parts: dict[str, dict[str, np.ndarray]] = {}
    for key, array in state.items():
        attribute, _, name = key.partition("/")
        if attribute not in STATE or not hasattr(strategy, attribute):
            raise TrainingFailed(f"{type(strategy).__name__} does not keep {attribute}")
        parts.setdefault(attribute, {})[name] = array
    for attribute, arrays in parts.items():
        numbered = all(name.isdecimal() for name in arrays)
        setattr(strategy, attribute, [arrays[str(place)] for place in range(len(arrays))] if numbered else arrays)


def _arrays_in(value: Any) -> dict[str, np.ndarray]:
    """The arrays in an attribute's value; none in anything that holds no array."""
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if isinstance(value, np.ndarray):
        value = {"0": value}
    if not isinstance(value, Mapping) or not value:
        return {}
    arrays = {str(name): array if isinstance(array, np.ndarray) else _numpy(array) for name, array in value.items()}
    return {name: array for name, array in arrays.items() if array is not None}


def _numpy(value: Any) -> np.ndarray | None:
    """A Flower Array's numbers; None for anything else."""
    return value.numpy() if hasattr(value, "numpy") else None
