"""The record of a round, and early stopping over such records.

Early stopping: training ends when the clients' mean loss has not improved for `patience` rounds. In each round the
losses of the model that came into it are heard, in a run on the regions' validation rows. A round is the best so far
where the mean loss, weighted by ``num-examples``, is below that of the best before it; the means are over the clients
that were heard in both, for a client that left or came back moves a mean without any learning. When training ends, its
parameters are those that came into the best round.

What has to be remembered is little: the losses are in the records themselves, and the best parameters go into a
checkpoint as arrays whose names begin with `BEST`. So a training that is resumed ends in the same round, with the same
bits. A client without rows to score has no loss (NaN), and one that counts no rows is not heard. Rounds in which nobody
is heard are never the best, and by themselves end nothing; after the best one they pass as any other that was not
better.

>>> losses = [0.7, 0.5, 0.6, 0.6]
>>> best = BestRound()
>>> for number, loss in enumerate(losses, 1):
...     best = best.or_of(RoundRecord(number, {2: {"loss": loss}}), {"w": number})
>>> best.record.number, best.parameters, bool(best.ends(4, patience=2))
(2, {'w': 2}, True)
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

BEST = "best/"
WEIGHT = "num-examples"
Arrays = Mapping[str, "np.ndarray[Any, Any]"]


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """What is known of one round when it has ended.

    Attributes:
        metrics: of each client that sent an update: ``loss``, ``num-examples`` and others; by node at the hub.
        failed: the clients that were asked and sent none, with the error's name, or why theirs was refused.
        left_out: the clients that were not asked, with the reason.
        together: of all that sent an update as one, where their updates came as one sum (``contributors`` and
            ``num-examples``); the hub then learned no node's metrics.
    """

    number: int
    metrics: Mapping[Any, Mapping[str, float]]
    failed: Mapping[Any, str] = field(default_factory=dict)
    left_out: Mapping[Any, str] = field(default_factory=dict)
    together: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BestRound:
    """The best round so far, and the parameters that came into it; of no round at the beginning."""

    record: RoundRecord | None = None
    parameters: Arrays = field(default_factory=dict)

    @staticmethod
    def of(records: Sequence[RoundRecord], state: Arrays) -> BestRound:
        """The inverse of `state`, with the records until then."""
        parameters = {name.removeprefix(BEST): array for name, array in state.items() if name.startswith(BEST)}
        best = BestRound()
        for record in records:
            best = best.or_of(record, parameters)
        return best

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """The parameters under the names of a checkpoint."""
        return {f"{BEST}{name}": array for name, array in self.parameters.items()}

    def or_of(self, record: RoundRecord, parameters: Arrays) -> BestRound:
        """Whichever has less loss; the earlier of equals."""
        losses = _losses(record)
        if not losses:
            return self
        common = losses.keys() & _losses(self.record).keys()
        if self.record is not None and common and _mean(record, common) >= _mean(self.record, common, weighted=record):
            return self
        return BestRound(record, parameters)

    def ends(self, number: int, patience: int | None) -> str:
        """Why a training is over after a round, in a sentence's end; empty where it goes on."""
        if patience is None or self.record is None or number - self.record.number < patience:
            return ""
        loss = _mean(self.record, _losses(self.record).keys())
        return (
            f"no lesser mean validation loss in {number - self.record.number} rounds; "
            f"the model is the one that came into round {self.record.number} (loss {loss:.4f})"
        )


def _losses(record: RoundRecord | None) -> dict[Hashable, float]:
    """The losses that were heard, by client."""
    metrics = {} if record is None else record.metrics
    losses = {client: each.get("loss", math.nan) for client, each in metrics.items() if each.get(WEIGHT, 1.0) > 0}
    return {client: loss for client, loss in losses.items() if not math.isnan(loss)}


def _mean(record: RoundRecord, clients: Collection[Any], weighted: RoundRecord | None = None) -> float:
    """The clients' mean loss in a round, by their weights in it or in another one."""
    losses, metrics = _losses(record), (weighted or record).metrics
    weights = {client: metrics[client].get(WEIGHT, 1.0) for client in sorted(clients)}
    return sum(losses[client] * weight for client, weight in weights.items()) / sum(weights.values())
