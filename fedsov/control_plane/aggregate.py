"""Aggregation by name: Flower's own strategies, and the merging of feature statistics.

Every algorithm is one of Flower's and is built from a table; what fedsov adds is that an update which is not finite, of
another shape or too long is refused with its region's name, and that a round without updates from the minimum number of
regions is a failure, never an empty success.

Sources: FedAvg, McMahan et al. 2017 (https://arxiv.org/abs/1602.05629); FedProx, Li et al. 2020 (arXiv 1812.06127);
FedAvgM, Hsu et al. 2019 (arXiv 1909.06335); FedAdagrad, FedAdam and FedYogi, Reddi et al. 2021 (arXiv 2003.00295);
FedMedian and FedTrimmedAvg, Yin et al. 2018 (arXiv 1803.01498); Krum and MultiKrum, Blanchard et al. 2017 (arXiv
1703.02757); Bulyan, El Mhamdi et al. 2018 (arXiv 1802.07927). FedPer (arXiv 1912.00818), FedRep (arXiv 2102.07078) and
Ditto (arXiv 2012.04221) are FedAvg here; what is theirs happens in the regions (`fedsov.training.apart`). SCAFFOLD and
FedNova are `fedsov.control_plane.corrected`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, Literal, cast
from zipfile import BadZipFile

import numpy as np

from fedsov.errors import ConfigurationError, TrainingFailed

if TYPE_CHECKING:
    from flwr.app import Message
    from flwr.serverapp import Grid
    from flwr.serverapp.strategy import FedAvg

    from fedsov.model.corrections import Pace

ALGORITHMS = {
    "fedavg": "FedAvg",
    "fedprox": "FedProx",
    "fedavgm": "FedAvgM",
    "fedadagrad": "FedAdagrad",
    "fedadam": "FedAdam",
    "fedyogi": "FedYogi",
    "fedmedian": "FedMedian",
    "fedtrimmedavg": "FedTrimmedAvg",
    "krum": "Krum",
    "multikrum": "MultiKrum",
    "bulyan": "Bulyan",
    "fedper": "FedAvg",
    "fedrep": "FedAvg",
    "ditto": "FedAvg",
}
CORRECTED: Mapping[str, Literal["scaffold", "fednova"]] = {"scaffold": "scaffold", "fednova": "fednova"}
"""Those that Flower does not have: each client is corrected, and the mean is what is left."""
APART = ("fedper", "fedrep", "ditto")
"""Those whose clients keep something to themselves; the mean is FedAvg's."""
PLAIN = ("fedavg", "fedprox", *APART, *CORRECTED)
"""Those whose next parameters are the mean."""
ROBUST = ("fedmedian", "fedtrimmedavg", "krum", "multikrum", "bulyan")
"""Those that look at each update by itself."""
SUMMED = ("fedavg", "fedprox", "fedavgm", "fedadagrad", "fedadam", "fedyogi", *APART)
"""Algorithms that need the mean of all updates alone; any other looks at single ones, which a secure sum hides."""

UNREADABLE = (
    ValueError, TypeError, AttributeError, EOFError, BadZipFile, TokenError, OverflowError, MemoryError, RecursionError,
)  # fmt: skip
"""What an array of a message raises whose bytes are none of numpy's, or say that they are more than fit anywhere."""
ADAPTIVE = ("eta", "eta_l", "beta_1", "beta_2", "tau")
OPTIONS = {
    "fedavg": (),
    "fedprox": ("proximal_mu",),
    "fedavgm": ("server_learning_rate", "server_momentum"),
    "fedadagrad": ("eta", "eta_l", "tau"),
    "fedadam": ADAPTIVE,
    "fedyogi": ADAPTIVE,
    "fedmedian": (),
    "fedtrimmedavg": ("beta",),
    "krum": ("num_malicious_nodes",),
    "multikrum": ("num_malicious_nodes", "num_nodes_to_select"),
    "bulyan": ("num_malicious_nodes",),
    "fedrep": ("head_epochs",),
    "ditto": ("ditto_lambda",),
}
"""What an algorithm may be told; all are numbers of 0 or more, and Flower's strategies are told all but `AT_HOME`."""
AT_HOME = ("head_epochs", "ditto_lambda")
"""Options that the clients are told of, and not the strategy."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An aggregation algorithm and its options, named as Flower names them (``proximal_mu``, ``eta``, ...)."""

    name: str = "fedavg"
    options: Mapping[str, float | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in ALGORITHMS and self.name not in CORRECTED:
            known = ", ".join((*ALGORITHMS, *CORRECTED))
            raise ConfigurationError(f"no algorithm {self.name!r}; algorithm= takes one of {known}")
        options = OPTIONS.get(self.name, ())
        for option, value in self.options.items():
            if option not in options:
                listed = f"its options are {', '.join(options)}" if options else "it has none"
                raise ConfigurationError(f"algorithm.options.{option} is no option of {self.name}; {listed}")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ConfigurationError(f"algorithm.options.{option} must be a number of 0 or more, got {value!r}")


def check_noisy(algorithm: Algorithm) -> None:
    """Raises ConfigurationError for an algorithm that counts ordinary steps, beside privacy=record."""
    if algorithm.name in CORRECTED:
        others = ", ".join(name for name in SUMMED if name != "fedrep")  # whose head steps alone: refused as well
        raise ConfigurationError(
            f"algorithm={algorithm.name} counts each region's steps by its rows, and privacy=record draws other steps; "
            f"choose one of {others}, or privacy=none"
        )


def check_pulled(algorithm: Algorithm, proximal_mu: float) -> None:
    """Raises ConfigurationError for a pull on local steps beside an algorithm that reads gradients out of updates."""
    if algorithm.name in CORRECTED and proximal_mu:
        raise ConfigurationError(
            f"algorithm={algorithm.name} takes an update for a sum of gradients, and model.update.proximal_mu pulls "
            "steps otherwise; set it to 0, or choose fedprox"
        )


def check_summed(algorithm: Algorithm) -> None:
    """Raises ConfigurationError for an algorithm that cannot work on the mean of all updates alone."""
    if algorithm.name not in SUMMED:
        raise ConfigurationError(
            f"algorithm={algorithm.name} looks at each region's update by itself, and privacy.secure_aggregation shows "
            f"the hub their sum alone; choose one of {', '.join(SUMMED)}, or privacy.secure_aggregation=false"
        )


def build(algorithm: Algorithm, nodes: int, pace: Callable[[int], Pace] | None = None) -> FedAvg:
    """The strategy for a fixed set of nodes that all take part in every round.

    Args:
        pace: how all step in a round; `CORRECTED` need it.

    Raises:
        ConfigurationError: a pace is needed, and none given.
    """
    from flwr.serverapp import strategy

    sizes: dict[str, Any] = {"min_train_nodes": nodes, "min_evaluate_nodes": nodes, "min_available_nodes": nodes}
    if algorithm.name in CORRECTED:
        from fedsov.control_plane.corrected import STRATEGIES

        if pace is None:
            raise ConfigurationError(f"algorithm={algorithm.name} needs to know how clients step; give their pace")
        return STRATEGIES[algorithm.name](pace, **sizes)
    make: Callable[..., FedAvg] = getattr(strategy, ALGORITHMS[algorithm.name])
    return make(**sizes, **{name: value for name, value in algorithm.options.items() if name not in AT_HOME})


@dataclass(frozen=True, slots=True)
class _Nodes:
    """All that a strategy asks of a grid to which nothing is sent."""

    count: int

    def get_node_ids(self) -> list[int]:
        return list(range(2, 2 + self.count))


class Server:
    """The hub's side of a round over updates that are already here: the next parameters, by Flower's strategy.

    A strategy that needs the mean alone is shown one update, the mean; which is the same, as it is linear.
    """

    def __init__(self, algorithm: Algorithm, nodes: int) -> None:
        """One node, or for a robust algorithm one for each update."""
        from flwr.supercore.task_identity import TaskIdentity

        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
        logging.getLogger("flwr").setLevel(logging.ERROR)
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
            TrainingFailed: the strategy made no aggregate of them.
        """
        from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

        def record(arrays: Mapping[str, Any]) -> ArrayRecord:
            return ArrayRecord({name: Array(value) for name, value in arrays.items()})

        asked = list(self._strategy.configure_train(number, record(current), ConfigRecord(), cast("Grid", self._nodes)))
        replies = [
            Message(
                RecordDict({"arrays": record(arrays), "metrics": MetricRecord({"num-examples": weight})}),
                reply_to=message,
            )
            for message, (arrays, weight) in zip(asked, updates, strict=False)
        ]
        aggregated, _ = self._strategy.aggregate_train(number, replies)
        if aggregated is None:
            raise TrainingFailed(f"round {number}: {self._algorithm.name} made no aggregate of {len(updates)} updates")
        return {name: array.numpy() for name, array in aggregated.items()}


def accepted_updates(
    replies: Iterable[Message], like: Mapping[str, Any], bound: float = math.inf
) -> tuple[list[Message], dict[int, str]]:
    """The replies whose update may be aggregated, in the order of their nodes, so that sums are equal in every run.

    Args:
        replies: one Flower message a node; those with an error are left out.
        like: arrays by name, the model that went down: an update has its names and shapes.
        bound: the longest way (L2, over all arrays together) that an update may be from it.

    Returns:
        The replies, and by node why each other update is refused: another shape, no rows, a number that is not finite,
        too long.
    """
    kept: list[Message] = []
    refused: dict[int, str] = {}
    start = {name: array.numpy() for name, array in like.items()}
    for reply in sorted((one for one in replies if one.has_content()), key=lambda one: one.metadata.src_node_id):
        if why := _fault(reply, start, bound):
            refused[reply.metadata.src_node_id] = why
        else:
            kept.append(reply)
    return kept, refused


def arrays_of(message: Message) -> dict[str, Any]:
    """The arrays that a message carries, none where it has none. Raises one of `UNREADABLE` for other bytes."""
    record: Mapping[str, Any] = next(iter(message.content.array_records.values()), {})
    return {name: array.numpy() for name, array in record.items()}


def _fault(reply: Message, start: Mapping[str, np.ndarray], bound: float) -> str:
    """Why an update is refused; empty where it is not."""
    try:
        came = arrays_of(reply)
    except UNREADABLE:
        return "its update cannot be read"
    if not all(isinstance(values, np.ndarray) for values in came.values()):  # an archive is read as another thing
        return "its update cannot be read"
    if came.keys() != start.keys():
        return f"its update has the array {sorted(came.keys() ^ start.keys())[0]}, or lacks it, unlike the model"
    for name, values in came.items():
        if values.shape != start[name].shape or values.dtype.kind != start[name].dtype.kind:
            found, expected = (f"shape {one.shape} of {one.dtype}" for one in (values, start[name]))
            return f"its update's array {name} has {found}, and the model's {expected}"
    counts: Mapping[str, Any] = next(iter(reply.content.metric_records.values()), {})
    rows = counts.get("num-examples")
    if not isinstance(rows, int | float) or not 0 < rows < math.inf:
        return "its update does not say of how many rows it is made"
    with np.errstate(over="ignore", invalid="ignore"):
        kept = {name: values.astype(start[name].dtype, copy=False) for name, values in came.items()}
        squares = [float(np.square(kept[name] - start[name], dtype=np.float64).sum()) for name in start]
    length = math.sqrt(sum(squares))
    if not math.isfinite(length):
        return "its update is not finite; lower the learning rate"
    return f"its update is {length:.3g} long; at most {bound:.3g} is accepted" if length > bound else ""
