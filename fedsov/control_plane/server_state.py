"""What a Flower strategy remembers from round to round, as arrays by name: out of it, and back into one just built.

Strategies keep their moments, and SCAFFOLD its controls, as attributes. Those of `KEPT` are all that any remembers;
``current_arrays`` are the round's own parameters, which the strategy takes anew from the round. A strategy with
any other array in it is refused, for a training that goes on without it would end elsewhere, and nobody would notice.

    arrays = state_of(strategy)          # {"m_t/0.weight": ..., "v_t/0.weight": ...}
    remind(build(algorithm, 3), arrays)  # goes on as `strategy` would have
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fedsov.errors import TrainingFailed

KEPT = ("m_t", "v_t", "momentum_vector", "controls")
TAKEN_ANEW = ("current_arrays",)


def state_of(strategy: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays a strategy remembers, under ``attribute/name`` (``attribute/number`` for a list of them).

    Raises:
        TrainingFailed: it remembers arrays under a name that is not known here.
    """
    found: dict[str, np.ndarray[Any, Any]] = {}
    for attribute, value in vars(strategy).items():
        arrays = _arrays(value)
        if not arrays or attribute in TAKEN_ANEW:
            continue
        if attribute not in KEPT:
            raise TrainingFailed(
                f"{type(strategy).__name__} remembers {attribute}, which no checkpoint holds; "
                f"add it to fedsov.control_plane.server_state"
            )
        found |= {f"{attribute}/{name}": array for name, array in arrays.items()}
    return found


def remind(strategy: Any, state: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Gives a strategy that was just built the arrays of `state_of`. Raises TrainingFailed for any other name."""
    parts: dict[str, dict[str, np.ndarray[Any, Any]]] = {}
    for key, array in state.items():
        attribute, _, name = key.partition("/")
        if attribute not in KEPT or not hasattr(strategy, attribute):
            raise TrainingFailed(f"{type(strategy).__name__} does not remember {attribute}")
        parts.setdefault(attribute, {})[name] = array
    for attribute, arrays in parts.items():
        numbered = all(name.isdecimal() for name in arrays)
        setattr(strategy, attribute, [arrays[str(place)] for place in range(len(arrays))] if numbered else arrays)


def _arrays(value: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays in an attribute's value; none in anything that holds no array."""
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if isinstance(value, np.ndarray):
        value = {"0": value}
    if not isinstance(value, Mapping) or not value:
        return {}
    found = {str(name): one if isinstance(one, np.ndarray) else _numpy(one) for name, one in value.items()}
    return {name: one for name, one in found.items() if one is not None}


def _numpy(value: Any) -> np.ndarray[Any, Any] | None:
    """A Flower Array's numbers; None for anything else."""
    return value.numpy() if hasattr(value, "numpy") else None
