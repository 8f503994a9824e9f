"""Which updates are accepted: the same checks for virtual clients, for a region's own update, and at the hub.

An update is refused with the reason, and the client's name is added by whoever knows it.

>>> update_fault(np.array([3.0, 4.0]), max_norm=1.0)
'its update has norm 5; at most 1 is accepted (federation.max_update_norm)'
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from tokenize import TokenError
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

if TYPE_CHECKING:
    from flwr.app import Message

LARGEST = 2.0**20
"""The magnitude from which a number of an update is no longer taken for the result of training."""
DIVERGED = "its update contains NaN, infinity, or a value of 2^20 or more; lower the learning rate"
WEIGHT = "num-examples"
UNREADABLE = (
    ValueError, TypeError, AttributeError, EOFError, BadZipFile, TokenError, OverflowError, MemoryError, RecursionError,
)  # fmt: skip
"""What an array of a message raises whose bytes are none of numpy's, or say that they are more than fit anywhere."""


def update_fault(update: np.ndarray, max_norm: float = math.inf, private: np.ndarray | None = None) -> str:
    """Why an update is refused; empty where it is not.

    Args:
        update: (P,) how far the shared parameters moved.
        max_norm: the largest L2 norm that is accepted.
        private: (p,) how far the private ones moved, which is no part of an update; they must be finite too.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        square = float(update @ update)
    norm = math.sqrt(square) if math.isfinite(square) else math.inf
    is_large = norm >= LARGEST / 2 and np.abs(update).max() >= LARGEST  # the second only where the first allows it
    if not math.isfinite(norm) or is_large or (private is not None and not _is_small(private)):
        return DIVERGED
    if norm > max_norm:
        return f"its update has norm {norm:.3g}; at most {max_norm:.3g} is accepted (federation.max_update_norm)"
    return ""


def _is_small(values: np.ndarray) -> bool:
    """True where every number is finite and of a magnitude below `LARGEST`."""
    return bool(np.abs(values).max(initial=0.0) < LARGEST)


def accepted_updates(
    replies: Iterable[Message], model: Mapping[str, Any], max_norm: float = math.inf
) -> tuple[list[Message], dict[int, str]]:
    """The replies whose update may be aggregated, in the order of their nodes, so that sums are equal in every run.

    Args:
        replies: one Flower message a node; those with an error are left out.
        model: arrays by name, the model that went down: an update has its names and shapes.
        max_norm: the largest L2 norm, over all arrays together, of an update's difference from it.

    Returns:
        The replies, and by node why each other update is refused: another shape, no rows, a number that is not finite,
        too large a norm.
    """
    accepted: list[Message] = []
    refused: dict[int, str] = {}
    start = {name: array.numpy() for name, array in model.items()}
    for reply in sorted((reply for reply in replies if reply.has_content()), key=lambda one: one.metadata.src_node_id):
        if why := _reply_fault(reply, start, max_norm):
            refused[reply.metadata.src_node_id] = why
        else:
            accepted.append(reply)
    return accepted, refused


def believe_claims(updates: Iterable[Message], most_rows: Mapping[int, int]) -> list[tuple[int, str]]:
    """Writes into accepted updates what is believed of their claims, in place, and gives what is not, by node.

    Args:
        updates: Flower messages that were accepted: a claim of rows is a finite number above 0.
        most_rows: by node, the most rows it can have trained on; nodes that are not in it may claim any number.

    A claim of more rows becomes that most; a loss or a score that is no number of a magnitude below 2^20 becomes NaN,
    which nobody counts.
    """
    doubts: list[tuple[int, str]] = []
    for update in updates:
        node, record = update.metadata.src_node_id, next(iter(update.content.metric_records.values()))
        rows, most = record[WEIGHT], most_rows.get(node)
        if most is not None and not isinstance(rows, list) and rows > max(most, 1):
            record[WEIGHT] = max(most, 1)
            doubts.append((node, f"it claims more rows than it told before the plan; {most:,} are believed"))
        for name in ("loss", "score"):
            value = record.get(name, math.nan)
            if isinstance(value, list) or (not math.isnan(value) and not abs(value) < LARGEST):
                record[name] = math.nan
                doubts.append((node, f"its {name} is not believed: no number, or of a magnitude of 2^20 or more"))
    return doubts


def arrays_of(message: Message) -> dict[str, Any]:
    """The arrays that a message carries, none where it has none. Raises one of `UNREADABLE` for other bytes."""
    record: Mapping[str, Any] = next(iter(message.content.array_records.values()), {})
    return {name: array.numpy() for name, array in record.items()}


def _reply_fault(reply: Message, start: Mapping[str, np.ndarray], max_norm: float) -> str:
    """Why an update is refused; empty where it is not."""
    try:
        arrays = arrays_of(reply)
    except UNREADABLE:
        return "its update cannot be read"
    if why := _shape_fault(arrays, start):
        return why
    counts: Mapping[str, Any] = next(iter(reply.content.metric_records.values()), {})
    rows = counts.get(WEIGHT)
    if not isinstance(rows, int | float) or not 0 < rows < math.inf:
        return "its update does not say of how many rows it is made"
    with np.errstate(over="ignore", invalid="ignore"):
        moved = [(arrays[name].astype(start[name].dtype, copy=False) - start[name]).reshape(-1) for name in start]
    return update_fault(np.concatenate(moved), max_norm)


def _shape_fault(arrays: Mapping[str, Any], start: Mapping[str, np.ndarray]) -> str:
    if not all(isinstance(values, np.ndarray) for values in arrays.values()):  # an archive is read as another thing
        return "its update cannot be read"
    if arrays.keys() != start.keys():
        return f"its update has the array {sorted(arrays.keys() ^ start.keys())[0]}, or lacks it, unlike the model"
    for name, values in arrays.items():
        if values.shape != start[name].shape or values.dtype.kind != start[name].dtype.kind:
            actual, expected = (f"shape {array.shape} of {array.dtype}" for array in (values, start[name]))
            return f"its update's array {name} has {actual}, and the model's {expected}"
    return ""
