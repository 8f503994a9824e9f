"""What a caller of `fedsov.federate` gives: clients' arrays, a network and noise, checked before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.errors import ConfigurationError, InputError
from fedsov.model.losses import loss_named
from fedsov.model.network import NetworkSpec
from fedsov.privacy.mechanism import RecordMechanism
from fedsov.training.engine import check_codes

Rows = tuple[np.ndarray, np.ndarray]
Regions = Mapping[str, Rows] | Sequence[Rows]
Client = str | int


def network_of(model: str | NetworkSpec) -> NetworkSpec:
    """The network of that name; an ``mlp`` has one hidden layer of 32."""
    if isinstance(model, NetworkSpec):
        return model
    return NetworkSpec(model, (32,)) if model == "mlp" else NetworkSpec(model)


def clients_of(regions: Regions, network: NetworkSpec, steps: LocalSteps) -> tuple[list[Client], list[Rows]]:
    """What the clients are called, and their checked rows."""
    given = dict(regions) if isinstance(regions, Mapping) else dict(enumerate(regions))
    arrays = [_checked(name, X, y, network, steps) for name, (X, y) in given.items()]
    widths = {X.shape[1] for X, _ in arrays}
    if len(widths) != 1:
        raise InputError(f"regions must be given with the same number of inputs, got {sorted(widths) or 'no region'}")
    return list(given), arrays


def mechanisms_of(
    noise: RecordMechanism | Mapping[Client, RecordMechanism] | None, names: Sequence[Client]
) -> tuple[RecordMechanism, ...]:
    """Each client's mechanism, in order; none without noise."""
    if noise is None:
        return ()
    each = dict.fromkeys(names, noise) if isinstance(noise, RecordMechanism) else dict(noise)
    if missing := [name for name in names if name not in each]:
        raise ConfigurationError(f"noise is given for some clients only; {missing[0]} has none")
    if len({each[name].clip for name in names}) > 1:
        raise ConfigurationError("the clients' clips differ; give all the same")
    return tuple(each[name] for name in names)


def _checked(name: Client, X: np.ndarray, y: np.ndarray, network: NetworkSpec, steps: LocalSteps) -> Rows:
    inputs, outcomes = np.asarray(X, dtype=np.float32), np.asarray(y, dtype=np.float32)
    if inputs.ndim != 2 or len(outcomes) != len(inputs) or not len(inputs):
        raise InputError(
            f"region {name}: expected (N, D) inputs and N outcomes with N of 1 or more, "
            f"got {inputs.shape} and {outcomes.shape}"
        )
    if not np.isfinite(inputs).all():
        raise InputError(f"region {name}: inputs must be finite; impute or drop such rows first")
    try:
        check_codes(inputs, network)
        loss_named(steps.loss).outcomes(outcomes, network.outputs)
    except InputError as error:
        raise InputError(f"region {name}: {error}") from None
    return inputs, outcomes
