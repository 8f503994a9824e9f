"""SCAFFOLD: clients whose many local steps lead elsewhere than the steps of all would are held on the common course.

SCAFFOLD (Karimireddy et al. 2020, https://arxiv.org/abs/1910.06378, option II) keeps for every client the mean gradient
of its last round, its *control*; a client's steps add to every gradient the mean control of all less its own (the
*drift*). A control follows from what is known where updates are known, ``c_i + (x - y_i) / (a_i rate) - c``, for a
client that started from x, came to y_i, and was held by the drift c - c_i; a_i are its effective steps, which is its
number of steps where there is no momentum. With fewer clients than all, the others' controls stay.

The hub keeps the controls, and not the regions: they are functions of updates that it has, and so an update that came
too late, or that a gate refused, leaves no control behind that the mean does not hold.

>>> before = {"control": np.array([[0.0], [1.0]]), "mean/control": np.array([0.5])}
>>> _, after = end(before, np.array([[-0.6], [0.0]]), StepsTaken(np.array([3.0, 3.0]), rate=0.1))
>>> after["control"][0], begin(before, np.zeros(1)).drift[1]  # (0.6 / 0.3) - 0.5, and 0.5 - 1
(array([1.5]), array([-0.5]))
"""

from __future__ import annotations

import numpy as np

from fedsov.algorithms.client_half import ClientHalf, GradientTerms, State, StepsTaken

CONTROL, MEAN = "control", "mean/control"


def begin(state: State, incoming: np.ndarray) -> GradientTerms:
    """The drift of each client: the mean control less its own, (K, P)."""
    del incoming
    return GradientTerms(drift=state[MEAN] - state[CONTROL])


def end(state: State, update: np.ndarray, taken: StepsTaken) -> tuple[np.ndarray, State]:
    """The updates as they are; and each client's next control."""
    change = control_update(state[MEAN], update, taken.effective[:, None], taken.rate)
    return update, {CONTROL: state[CONTROL] + change}


def control_update(mean: np.ndarray, update: np.ndarray, effective: np.ndarray, rate: float) -> np.ndarray:
    """How far controls move in a round: (K, P), from the (P,) mean control, (K, P) updates and (K, 1) effective steps.

    An update that is not finite gives a control that is not finite; whoever refuses the one keeps neither.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        change: np.ndarray = -mean - update / np.asarray(effective * rate, dtype=update.dtype)
    return change


CLIENT = ClientHalf(begin, end, keeps=(CONTROL,), averages=CONTROL, at_hub=True)
