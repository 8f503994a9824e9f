"""Torch's generator for a while: what a block draws follows from a seed, and the caller's generator stays as it was.

Only the generator of the CPU is touched. Blocks of several threads take turns, since they share that generator.

>>> import torch
>>> with seeded(1):
...     first = torch.rand(2)
>>> with seeded(1):
...     again = torch.rand(2)
>>> bool((first == again).all())
True
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_turn = threading.RLock()


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Torch's generator begins at `seed` in the block (None: goes on as it is), and is afterwards as it was before."""
    import torch

    with _turn:
        before = torch.random.get_rng_state()
        try:
            if seed is not None:
                torch.default_generator.manual_seed(seed)
            yield
        finally:
            torch.random.set_rng_state(before)


def _renew() -> None:
    """Gives a fork a lock of its own: a thread that the fork has not may have held it."""
    global _turn
    _turn = threading.RLock()


os.register_at_fork(after_in_child=_renew)
