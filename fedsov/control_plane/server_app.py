"""The ServerApp: rounds of one federated training, over any Flower grid.

Flower's strategies configure and aggregate; the loop is ours, because Flower's own ends "completed" when every node
has failed, and because a round that lost a region has to be told. What the loop sees of a round goes to `on_round`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fedsov.control_plane.aggregate import Algorithm, build, finite_updates
from fedsov.errors import TrainingFailed

if TYPE_CHECKING:
    import numpy as np
    from flwr.app import ArrayRecord, Message
    from flwr.serverapp import Grid, ServerApp

WEIGHT = "num-examples"


@dataclass(frozen=True, slots=True)
class Round:
    """What the hub learned in one round: each node's metrics, and the nodes that sent none, with the error's name."""

    number: int
    metrics: Mapping[int, Mapping[str, float]]
    failed: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Federation:
    """One federated training.

    Attributes:
        algorithm: how updates are aggregated.
        rounds: number of rounds, at least 1.
        config: what every node is told beside the parameters (feature encoding, scope, local steps).
        minimum: updates without which a round is a failure.
        timeout: seconds a round may take before the missing nodes are left behind.
    """

    algorithm: Algorithm
    rounds: int
    config: Mapping[str, str | int | float] = field(default_factory=dict)
    minimum: int = 1
    timeout: float = 3600.0


@dataclass(slots=True)
class Outcome:
    """What a ServerApp leaves behind, since Flower's returns nothing: parameters and the rounds' metrics."""

    parameters: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)


def server_app(
    federation: Federation,
    start: Mapping[str, np.ndarray[Any, Any]],
    outcome: Outcome,
    *,
    on_round: Callable[[Round], None] = lambda _: None,
) -> ServerApp:
    """A Flower ServerApp that trains from `start` and fills `outcome`.

    Raises (when run):
        TrainingFailed: fewer than the minimum sent an update in some round, or an update was not finite.
    """
    from flwr.app import Array, ArrayRecord, Context
    from flwr.serverapp import ServerApp

    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        arrays = ArrayRecord({name: Array(value) for name, value in start.items()})
        strategy = build(federation.algorithm, len(list(grid.get_node_ids())))
        for number in range(1, federation.rounds + 1):
            arrays, seen = _round(grid, strategy, federation, number, arrays)
            outcome.rounds.append(seen)
            on_round(seen)
        outcome.parameters = {name: array.numpy() for name, array in arrays.items()}

    return app


def _round(
    grid: Grid, strategy: Any, federation: Federation, number: int, arrays: ArrayRecord
) -> tuple[ArrayRecord, Round]:
    from flwr.app import ConfigRecord

    config = ConfigRecord(dict(federation.config))
    messages = strategy.configure_train(number, arrays, config, grid)
    replies = list(grid.send_and_receive(messages, timeout=federation.timeout))
    updates = finite_updates(replies, arrays)
    failed = {reply.metadata.src_node_id: str(reply.error.reason) for reply in replies if reply.has_error()}
    if len(updates) < federation.minimum:
        raise TrainingFailed(
            f"round {number}: {len(updates)} of at least {federation.minimum} regions sent an update "
            f"({', '.join(failed.values()) or 'no answer in time'})"
        )
    aggregated, _ = strategy.aggregate_train(number, updates)
    if aggregated is None:
        raise TrainingFailed(f"round {number}: {federation.algorithm.name} made no aggregate of {len(updates)} updates")
    return aggregated, Round(number, {reply.metadata.src_node_id: _metrics(reply) for reply in updates}, failed)


def _metrics(reply: Message) -> dict[str, float]:
    record = next(iter(reply.content.metric_records.values()))
    return {key: float(value) for key, value in record.items() if not isinstance(value, list)}
