"""The clients' rows of a case of `benchmark_speed`: the same for fedsov and for the plain loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def clients_of(case: Mapping[str, Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(n, 32) float32 inputs and (n,) outcomes of 0 and 1 of each client, made by the case's ``seed``.

    With ``concentration`` 0 all clients have ``rows`` rows. Otherwise as many rows in all are divided by label: each
    label's shares are a draw from a symmetric Dirichlet distribution (Hsu et al. 2019,
    https://arxiv.org/abs/1909.06335), and a client that gets no row is left out.
    """
    rng = np.random.default_rng(case["seed"])
    count, rows = case["clients"], case["rows"]
    if not case["concentration"]:
        return [(rng.normal(size=(rows, 32)).astype(np.float32), rng.integers(0, 2, rows)) for _ in range(count)]
    X, y = rng.normal(size=(count * rows, 32)).astype(np.float32), rng.integers(0, 2, count * rows)
    parts: list[list[np.ndarray]] = [[] for _ in range(count)]
    for label in (0, 1):
        own = np.flatnonzero(y == label)
        ends = np.cumsum(rng.dirichlet(np.full(count, case["concentration"])))[:-1] * len(own)
        for part, chosen in zip(parts, np.split(own, ends.astype(int)), strict=True):
            part.append(chosen)
    places = [np.concatenate(part) for part in parts]
    return [(X[chosen], y[chosen]) for chosen in places if len(chosen)]
