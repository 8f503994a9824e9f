"""What training minimises: a loss of a row's logits, and its slope in closed form.

Each loss is one number a row, so that a record's part in a gradient is its own and can be bounded; a step minimises the
mean over its batch, ``1/B sum(weight * loss)``. Weights are a row's (by its class) or, for several labels, a label's.

    binary       logistic loss of one logit                      outcomes (N,) of 0 and 1
    multiclass   cross-entropy of C logits                       outcomes (N,) of 0 ... C-1
    multilabel   mean over labels of each label's logistic loss  outcomes (N, C) of 0 and 1
    regression   mean over outputs of the squared error          outcomes (N,) or (N, C), finite

torch is imported when a loss is taken, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fedsov.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    import torch


def _binary(y: np.ndarray, outputs: int) -> np.ndarray:
    if outputs != 1 or y.ndim != 1 or not ((y == 0) | (y == 1)).all():
        raise InputError("outcomes must be 0 or 1, one a row, for a network of one output")
    return y[:, None]


def _multiclass(y: np.ndarray, outputs: int) -> np.ndarray:
    if outputs < 2:
        known = y.ndim == 1 and len(y) and np.isin(y, np.arange(1000)).all()
        classes = max(2, int(y.max()) + 1) if known else "CLASSES"
        raise InputError(
            f"loss multiclass needs an output for each class, and the network has {outputs}; "
            f"give it as NetworkSpec(..., outputs={classes})"
        )
    if y.ndim != 1 or not np.isin(y, np.arange(outputs)).all():
        raise InputError(f"outcomes must be whole numbers from 0 to {outputs - 1}, one a row")
    return np.eye(outputs, dtype=y.dtype)[y.astype(np.int64)]


def _multilabel(y: np.ndarray, outputs: int) -> np.ndarray:
    if y.ndim != 2 or y.shape[1] != outputs or not np.isin(y, (0.0, 1.0)).all():
        raise InputError(f"outcomes must be 0 or 1, {outputs} a row, as many as the network has outputs")
    return y


def _regression(y: np.ndarray, outputs: int) -> np.ndarray:
    columns = y[:, None] if y.ndim == 1 else y
    if columns.ndim != 2 or columns.shape[1] != outputs or not np.isfinite(columns).all():
        raise InputError(f"outcomes must be finite, {outputs} a row, as many as the network has outputs")
    return columns


def _logistic_slope(logits: torch.Tensor, outcomes: torch.Tensor) -> torch.Tensor:
    return logits.sigmoid_().sub_(outcomes)


def _multilabel_slope(logits: torch.Tensor, outcomes: torch.Tensor) -> torch.Tensor:
    return logits.sigmoid_().sub_(outcomes).div_(outcomes.shape[-1])


def _multiclass_slope(logits: torch.Tensor, outcomes: torch.Tensor) -> torch.Tensor:
    return logits.softmax(-1).sub_(outcomes)


def _squared_slope(logits: torch.Tensor, outcomes: torch.Tensor) -> torch.Tensor:
    return logits.sub_(outcomes).mul_(2.0 / outcomes.shape[-1])


def _logistic(logits: torch.Tensor, outcomes: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import softplus

    return softplus(logits) - logits * outcomes


def _cross_entropy(logits: torch.Tensor, outcomes: torch.Tensor) -> torch.Tensor:
    return -(logits.log_softmax(-1) * outcomes).sum(-1, keepdim=True)


def _squared(logits: torch.Tensor, outcomes: torch.Tensor) -> torch.Tensor:
    return (logits - outcomes).square()


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss in three forms.

    Attributes:
        outcomes: checks (N,) or (N, C) outcomes against the number of outputs; (N, O) targets. Raises InputError.
        slope: (..., O) logits and targets to the loss's derivative in the logits; it may reuse the logits' memory.
        parts: the same to (..., O) or (..., 1) summands whose mean over the last axis is the row's loss.
    """

    outcomes: Callable[[np.ndarray, int], np.ndarray]
    slope: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    parts: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


LOSSES: Mapping[str, Loss] = {
    "binary": Loss(_binary, _logistic_slope, _logistic),
    "multiclass": Loss(_multiclass, _multiclass_slope, _cross_entropy),
    "multilabel": Loss(_multilabel, _multilabel_slope, _logistic),
    "regression": Loss(_regression, _squared_slope, _squared),
}


def loss_named(name: str) -> Loss:
    """Raises ConfigurationError for an unknown name."""
    if name not in LOSSES:
        raise ConfigurationError(f"no loss {name!r}; choose one of {', '.join(LOSSES)}")
    return LOSSES[name]


def weights_of(targets: np.ndarray, class_weights: Sequence[float], loss: str) -> np.ndarray | None:
    """(N, 1) or (N, C) weights of (N, O) targets; None where every row weighs 1.

    Args:
        class_weights: of the outcomes 0 and 1; of each class; or, for several labels, of each label's positive rows.

    Raises:
        ConfigurationError: weights for a regression, of another number than classes, or not above 0.
    """
    if not class_weights:
        return None
    weights = np.asarray(class_weights, dtype=targets.dtype)
    expected = 2 if loss == "binary" else targets.shape[1]
    if loss == "regression" or len(weights) != expected or not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ConfigurationError(f"expected {expected} class weights above 0 for loss {loss}, got {class_weights}")
    if loss == "binary":
        return np.asarray(np.where(targets > 0, weights[1], weights[0]))
    if loss == "multiclass":
        return np.asarray(targets @ weights)[:, None]
    return np.asarray(1 + (weights - 1) * targets)
