"""Sums of updates that are the same bits in whichever order, and by whichever process, they are added.

Each number of an update, times the client's share, is rounded to a whole number of `STEP`; whole numbers add up alike
in any order. Virtual clients and the hub of a run make their means by these functions: the same numbers.

>>> mean_of(np.zeros(2, np.float32), np.float32([[1.0, 2.0], [3.0, 6.0]]), np.array([1.0, 3.0]))
array([2.5, 5. ], dtype=float32)
"""

from __future__ import annotations

import numpy as np

STEP = 2.0**-40
"""What sums are counted in: an update's number is rounded to it, and may be up to `update_checks.LARGEST`."""
COLUMNS = 2**14
"""Numbers of a piece that is worked on while it is in a core's cache."""


def add_updates(updates: np.ndarray, shares: np.ndarray, total: np.ndarray) -> None:
    """Adds (K, P) finite updates, each times its share, to the (P,) int64 sums of whole `STEP`s, in place."""
    counted = shares[:, None] / STEP
    high = max(1, COLUMNS // updates.shape[1])  # pieces that stay in the cache
    for first in range(0, len(updates), high):
        for start in range(0, updates.shape[1], COLUMNS):
            piece = slice(first, first + high), slice(start, start + COLUMNS)
            part = updates[piece].astype(np.float64)
            part *= counted[piece[0]]
            whole = np.rint(part, out=part).astype(np.int64)
            total[piece[1]] += whole[0] if len(whole) == 1 else whole.sum(axis=0)


def moved_by(incoming: np.ndarray, sums: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """The (P,) float32 parameters that (m, P) sums of updates, times the scale, make of those that came in."""
    moved = np.empty_like(incoming)
    for start in range(0, len(incoming), COLUMNS):
        part = slice(start, start + COLUMNS)
        change = sums[:, part].sum(axis=0).astype(np.float64)
        change *= STEP * scale
        moved[part] = change + incoming[part]
    return moved


def mean_of(incoming: np.ndarray, updates: np.ndarray, weights: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """The (P,) parameters moved by the weighted mean of (K, P) updates, times the scale.

    Args:
        incoming: (P,) float32 parameters that the updates are differences from.
        weights: (K,) each above 0.
    """
    sums = np.zeros((1, len(incoming)), np.int64)
    add_updates(updates, weights / weights.sum(), sums[0])
    return moved_by(incoming, sums, scale)
