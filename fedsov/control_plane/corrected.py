"""SCAFFOLD and FedNova as Flower strategies: FedAvg, with the formulas of `fedsov.model.corrections`.

What each region took of steps follows from its rows and the pace that all were told, so that a region says no more than
under FedAvg. The hub keeps the regions' controls, and not they: they are functions of updates that it has, and so an
update that came too late, or that a gate refused, leaves no control behind that the mean does not hold. Each region is
sent its own drift beside the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from fedsov.model import corrections
from fedsov.model.corrections import Arrays, Pace

PaceOf = Callable[[int], Pace]
"""By round: the learning rate may follow a schedule."""
DRIFT = "drift"
"""The record of a region's drift, and what the names in it begin with."""


class FedNova(FedAvg):
    """Flower's FedAvg, its updates normalised by their lengths."""

    def __init__(self, pace: PaceOf, **sizes: Any) -> None:
        super().__init__(**sizes)
        self.pace, self.current_arrays = pace, dict[str, np.ndarray]()

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """As FedAvg; the model that is sent is remembered until the updates are there."""
        self.current_arrays = _numbers(arrays)
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The model moved by the normalised mean."""
        came = list(replies)
        aggregated, metrics = super().aggregate_train(server_round, came)
        if aggregated is not None:
            moved, rows = _moved(self.current_arrays, came), _rows(came)
            far = {node: self.pace(server_round).length(count) for node, count in rows.items()}
            change = corrections.fednova(moved, {node: float(count) for node, count in rows.items()}, far)
            start = self.current_arrays
            aggregated = ArrayRecord(
                {name: Array((start[name] + change[name]).astype(start[name].dtype)) for name in start}
            )
        return aggregated, metrics


class Scaffold(FedAvg):
    """Flower's FedAvg, each region held on the common course by its drift.

    `controls` are by ``node/name``; nothing before the first round, which is FedAvg's.
    """

    def __init__(self, pace: PaceOf, **sizes: Any) -> None:
        super().__init__(**sizes)
        self.pace, self.current_arrays = pace, dict[str, np.ndarray]()
        self.controls: dict[str, np.ndarray] = {}
        self.clients = 0

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """As FedAvg, with each node's drift beside the model."""
        self.current_arrays, self.clients = _numbers(arrays), len(list(grid.get_node_ids()))
        messages, controls = super().configure_train(server_round, arrays, config, grid), _by_node(self.controls)
        return [_with_drift(one, controls, self.clients) for one in messages]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """FedAvg's mean; the controls of the nodes whose updates came turn."""
        came, pace = list(replies), self.pace(server_round)
        aggregated, metrics = super().aggregate_train(server_round, came)
        if aggregated is not None:
            far = {node: pace.length(count) for node, count in _rows(came).items()}
            after = corrections.turned(
                _by_node(self.controls),
                _moved(self.current_arrays, came),
                far,
                rate=pace.rate,
                clients=self.clients,
            )
            self.controls = {f"{node}/{name}": one for node in sorted(after) for name, one in after[node].items()}
        return aggregated, metrics


STRATEGIES: dict[str, type[FedNova] | type[Scaffold]] = {"scaffold": Scaffold, "fednova": FedNova}


def _with_drift(message: Message, controls: corrections.Controls, clients: int) -> Message:
    node, content = message.metadata.dst_node_id, RecordDict(dict(message.content))
    if found := corrections.drift(controls, node, clients=clients):
        content[DRIFT] = ArrayRecord({f"{DRIFT}/{name}": Array(array) for name, array in found.items()})
    return Message(content, node, message.metadata.message_type)


def _numbers(arrays: ArrayRecord) -> dict[str, np.ndarray]:
    return {name: array.numpy() for name, array in arrays.items()}


def _by_node(controls: Arrays) -> dict[int, dict[str, np.ndarray]]:
    found: dict[int, dict[str, np.ndarray]] = {}
    for key in sorted(controls):
        node, _, name = key.partition("/")
        found.setdefault(int(node), {})[name] = controls[key]
    return found


def _moved(start: Arrays, replies: Sequence[Message]) -> dict[int, dict[str, np.ndarray]]:
    """By node how far it moved from the model it was sent."""
    came = {reply.metadata.src_node_id: next(iter(reply.content.array_records.values())) for reply in replies}
    return {node: {name: record[name].numpy() - start[name] for name in start} for node, record in came.items()}


def _rows(replies: Sequence[Message]) -> dict[int, int]:
    """By node how many rows it trained on."""
    records = {reply.metadata.src_node_id: next(iter(reply.content.metric_records.values())) for reply in replies}
    return {node: int(record["num-examples"]) for node, record in records.items()}  # type: ignore[arg-type]
