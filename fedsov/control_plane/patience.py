"""When a training ends before its last round: its loss did not fall for so many rounds.

In each round the hub hears the validation losses of the model that came into it. A round is the best so far where the
regions' mean loss, weighted by ``num-examples``, is below that of the best before it; the means are over the regions
that were heard in both, for a region that left or came back moves a mean without any learning. Once `patience` rounds
have passed since the best, the training is over, and its parameters are those that came into the best round.

What it remembers is little: the losses are in the rounds themselves, and the best parameters go into a checkpoint as
arrays whose names begin with `KEPT`. So a training that is resumed ends in the same round, with the same bits. A region
without validation rows has no loss (NaN), and one that counts no rows is not heard. Rounds in which nobody is heard are
never the best, and by themselves end nothing; after the best one they pass as any other that was not better.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from fedsov.control_plane.server_app import Round

KEPT = "best/"
Arrays = Mapping[str, "np.ndarray[Any, Any]"]


@dataclass(frozen=True, slots=True)
class Best:
    """The best round so far, and the parameters that came into it; of no round at the beginning."""

    seen: Round | None = None
    parameters: Arrays = field(default_factory=dict)

    @staticmethod
    def of(rounds: Sequence[Round], state: Arrays) -> Best:
        """The inverse of `state`, with the rounds until then."""
        parameters = {name.removeprefix(KEPT): array for name, array in state.items() if name.startswith(KEPT)}
        best = Best()
        for seen in rounds:
            best = best.or_of(seen, parameters)
        return best

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """The parameters under the names of a checkpoint."""
        return {f"{KEPT}{name}": array for name, array in self.parameters.items()}

    def or_of(self, seen: Round, parameters: Arrays) -> Best:
        """Whichever has less loss; the earlier of equals."""
        found = _losses(seen)
        if not found:
            return self
        common = found.keys() & _losses(self.seen).keys()
        if self.seen is not None and common and _mean(seen, common) >= _mean(self.seen, common, weighted=seen):
            return self
        return Best(seen, parameters)

    def ends(self, number: int, patience: int | None) -> str:
        """Why a training is over after a round, in a sentence's end; empty where it goes on."""
        if patience is None or self.seen is None or number - self.seen.number < patience:
            return ""
        loss = _mean(self.seen, _losses(self.seen).keys())
        return (
            f"no lesser mean validation loss in {number - self.seen.number} rounds; "
            f"the model is the one that came into round {self.seen.number} (loss {loss:.4f})"
        )


def _losses(seen: Round | None) -> dict[int, float]:
    """The losses that were heard, by node."""
    heard = {} if seen is None else seen.metrics
    found = {node: one.get("loss", math.nan) for node, one in heard.items() if one.get("num-examples", 1.0) > 0}
    return {node: loss for node, loss in found.items() if not math.isnan(loss)}


def _mean(seen: Round, nodes: Collection[int], weighted: Round | None = None) -> float:
    """The nodes' mean loss in a round, by their weights in it or in another one."""
    losses, by = _losses(seen), (weighted or seen).metrics
    weights = {node: by[node].get("num-examples", 1.0) for node in sorted(nodes)}
    return sum(losses[node] * weight for node, weight in weights.items()) / sum(weights.values())
