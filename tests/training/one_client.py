"""One client's round by name: what tests compare a run and `federate` with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fedsov.algorithms.local_steps import client_number
from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.errors import TrainingFailed
from fedsov.model.network import Parameters
from fedsov.model.parameters import flat, joined, named, shared
from fedsov.training.client_round import ClientRound, client_round
from fedsov.training.client_state import ClientState, Layout, from_arrays, part, to_arrays
from fedsov.training.engine import held

Rows = tuple[np.ndarray, np.ndarray]


def one_round(
    training: TrainingSpec,
    incoming: Mapping[str, np.ndarray],
    kept: Mapping[str, np.ndarray],
    rows: Rows,
    number: int,
    *,
    client: str | int = 0,
    **more: object,
) -> tuple[Parameters, dict[str, np.ndarray]]:
    """What a client sends up after a round, and what it keeps for the next one (as on a region's disk)."""
    layout = Layout.of(training, rows[0].shape[1])
    whole = joined(dict(incoming), part(kept, "private/"), training.network)
    state = from_arrays(kept, ClientState.first(training, layout, flat(whole, layout.shaped), 1), layout)
    course = ClientRound(training, number, (client_number(client),), **more)  # type: ignore[arg-type]
    batch = held([rows], training.steps, training.network)
    result = client_round(flat(whole, layout.shaped), state, batch, layout, course)
    if result.refused:
        raise TrainingFailed(result.refused[0])
    return shared(named(result.trained[0], layout.shaped), layout.private_names), to_arrays(
        result.state, training, layout
    )
