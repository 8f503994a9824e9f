"""SCAFFOLD and FedNova as formulas: values in, values out, the same for virtual clients and for the regions of a run.

Both are about clients whose many local steps lead elsewhere than the steps of all would.

FedNova (Wang et al. 2020, https://arxiv.org/abs/2007.07481, section 4) divides each update by the one-norm of the
weights that its gradients have in it (`lengths`: with plain steps their number; with momentum more), so that who took
more steps does not pull harder, and gives the mean their mean length.

SCAFFOLD (Karimireddy et al. 2020, https://arxiv.org/abs/1910.06378, option II) keeps for every client the mean gradient
of its last round, its *control*; a client's steps add to every gradient the mean control of all less its own (the
*drift*). A control follows from what is known where updates are known, ``c_i + (x - y_i) / (a_i rate) - c``, for a
client that started from x, came to y_i, and was held by the drift c - c_i; a_i is its length, which is its number of
steps where there is no momentum. With fewer clients than all, the others' controls stay.

>>> before = {2: {"w": np.array([1.0])}}
>>> after = turned(before, {3: {"w": np.array([-0.6])}}, {3: 3.0}, rate=0.1, clients=2)
>>> after[3]["w"], drift(after, 2, clients=2)["w"]  # (0.6 / 0.3) - 1 / 2, and (1 + 1.5) / 2 - 1
(array([1.5]), array([0.25]))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Arrays = Mapping[str, np.ndarray]
Controls = Mapping[int, Arrays]
"""By client the control's arrays by name; a client without is one whose control is 0."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a client steps in a round: learning rate, momentum, rows a step, passes over its rows."""

    rate: float
    momentum: float
    batch: int
    epochs: int

    def taken(self, rows: int) -> int:
        """The steps that so many rows make."""
        return self.epochs * -(-rows // self.batch)

    def length(self, rows: int) -> float:
        """The length of so many rows' steps; see `lengths`."""
        return float(lengths(np.array(self.taken(rows)), self.momentum))


def lengths(taken: np.ndarray, momentum: float) -> np.ndarray:
    """One-norms of the weights that an update's gradients have after these many steps; 1 where none was taken."""
    if momentum:
        slowed = momentum * (1.0 - momentum**taken) / (1.0 - momentum)
        return np.maximum((taken - slowed) / (1.0 - momentum), 1.0)
    return np.maximum(taken, 1).astype(np.float64)


def normalised(weights: np.ndarray, far: np.ndarray) -> np.ndarray:
    """(K,) what each update counts by FedNova, before `reach`."""
    return weights / far


def reach(weights: np.ndarray, far: np.ndarray) -> float:
    """The mean length by weight: how far FedNova goes along the normalised mean."""
    return float(weights @ far / weights.sum())


def fednova(
    moved: Mapping[int, Arrays], weights: Mapping[int, float], far: Mapping[int, float]
) -> dict[str, np.ndarray]:
    """How far the joint model moves.

    Args:
        moved: by client how far it moved, arrays by name.
        weights, far: of the same clients: what counts, and `lengths`.
    """
    clients = sorted(moved)
    share, length = np.array([weights[one] for one in clients]), np.array([far[one] for one in clients])
    counts = normalised(share / share.sum(), length) * reach(share, length)
    total = {name: np.zeros(array.shape, np.float64) for name, array in moved[clients[0]].items()}
    for client, count in zip(clients, counts, strict=True):
        for name in total:
            total[name] += count * moved[client][name]
    return total


def turn(common: np.ndarray, moved: np.ndarray, far: np.ndarray, rate: float) -> np.ndarray:
    """How far a control turns in a round: (P,) for one client, (K, P) for K of them with (K, 1) lengths `far`."""
    return -common - moved / np.asarray(far * rate, dtype=moved.dtype)


def common(controls: Controls, like: Arrays, *, clients: int) -> dict[str, np.ndarray]:
    """The mean control of so many clients; arrays of the names and shapes of `like`."""
    total = {name: np.zeros(np.shape(array), np.float64) for name, array in like.items()}
    for client in sorted(controls):
        for name in total:
            total[name] += controls[client][name]
    return {name: array / clients for name, array in total.items()}


def drift(controls: Controls, client: int, *, clients: int) -> dict[str, np.ndarray]:
    """What a client adds to its gradients: the mean control less its own; empty where nobody has one."""
    if not controls:
        return {}
    like, own = next(iter(controls.values())), controls.get(client, {})
    mean = common(controls, like, clients=clients)
    return {name: (array - own.get(name, 0.0)).astype(like[name].dtype) for name, array in mean.items()}


def turned(
    controls: Controls, moved: Mapping[int, Arrays], far: Mapping[int, float], *, rate: float, clients: int
) -> dict[int, Arrays]:
    """The controls after a round in which the clients of `moved` took part, each by as far as it moved."""
    mean, found = common(controls, next(iter(moved.values())), clients=clients), dict(controls)
    for client, arrays in moved.items():
        own, length = controls.get(client, {}), np.array(far[client])
        after = {
            name: own.get(name, 0.0) + turn(mean[name], np.asarray(array, np.float64), length, rate)
            for name, array in arrays.items()
        }
        found[client] = {name: array.astype(arrays[name].dtype) for name, array in after.items()}
    return found
