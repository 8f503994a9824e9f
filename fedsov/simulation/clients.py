"""What a caller of `fedsov.federate` gives, checked before anything is trained: clients' arrays, network, noise, start.

Each check gives back what is trained with, or raises one line that names the region or the argument, what it is, and
the way to mend it. What may be an array is said in `fedsov.simulation.arrays`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.algorithms.personalization import PrivateParameters
from fedsov.checks import names as names_in
from fedsov.checks import refused
from fedsov.errors import ConfigurationError, InputError
from fedsov.model.losses import loss_named
from fedsov.model.network import NetworkSpec, Parameters, check, initial, shapes
from fedsov.privacy.mechanism import RecordMechanism
from fedsov.simulation.arrays import check_told_apart, finite, real_array, reshaped, titles_of
from fedsov.training.engine import check_codes

Rows = tuple[np.ndarray, np.ndarray]
Regions = Mapping[str, Rows] | Sequence[Rows]
Client = str | int
NOISE = "a RecordMechanism, or one for each client by name"
Order = Callable[[int, int, int], Sequence[np.ndarray]]


def network_of(model: Any) -> NetworkSpec:
    """The network of that name; an ``mlp`` has one hidden layer of 32. Raises ConfigurationError."""
    if isinstance(model, NetworkSpec):
        return model
    if not isinstance(model, str):
        remedy = "; a module of your own gets a name by fedsov.register"
        raise refused("model", "the name of a network, or a fedsov.NetworkSpec", type(model), remedy)
    return NetworkSpec(model, (32,)) if model == "mlp" else NetworkSpec(model)


def private_of(private: Any) -> PrivateParameters:
    """The private parameters that are named, by one word or several. Raises ConfigurationError."""
    if isinstance(private, PrivateParameters):
        return private
    return PrivateParameters(names_in("private", private))


def clients_of(regions: Any, network: NetworkSpec, steps: LocalSteps) -> tuple[list[Client], list[Rows]]:
    """What the clients are called, and the (N, D) float32 inputs and float32 outcomes of each.

    Args:
        regions: name to a pair of inputs and outcomes, or the pairs alone, which are then known by their numbers.

    Raises:
        InputError: what is no such pair, or holds no real numbers, or none of this network's; names the region.
    """
    pairs = _pairs(regions)
    raw = [_numbers_of(name, pair) for name, pair in pairs.items()]
    widths = {inputs.shape[1] for inputs, _ in raw}
    if len(widths) != 1:
        raise InputError(f"regions must be given with the same number of inputs, got {sorted(widths) or 'no region'}")
    titles = _columns_of(pairs)
    rows = [_checked(name, *arrays, network, steps, titles) for name, arrays in zip(pairs, raw, strict=True)]
    check_told_apart("inputs", [inputs for inputs, _ in raw], titles)
    if steps.loss == "regression":
        check_told_apart("outcomes", [outcomes.reshape(len(outcomes), -1) for _, outcomes in raw], ())
    return list(pairs), rows


def inputs_of(X: Any, network: NetworkSpec | None = None) -> np.ndarray:
    """(N, D) float32 inputs of rows to be scored, checked as those that a model is trained on.

    Raises:
        InputError: no (N, D) real and finite numbers, or no codes where the network has embeddings.
    """
    raw = real_array("inputs", X)
    if raw.ndim != 2:
        raise InputError(f"inputs must be (N, D), got {raw.shape}{reshaped(raw)}")
    inputs = finite("inputs", raw, titles_of(X))
    if network is not None:
        check_codes(inputs, network)
    return inputs


def scored_of(X: Any, network: NetworkSpec, parameters: Parameters) -> np.ndarray:
    """`inputs_of`, and as many as these parameters are for.

    Raises:
        InputError: as `inputs_of`; or another number of inputs than the model was trained on.
    """
    inputs = inputs_of(X, network)
    expected = {name: np.shape(array) for name, array in parameters.items()}
    if not inputs.shape[1] or shapes(network, inputs.shape[1]) != expected:
        raise InputError(
            f"the model takes another number of inputs than {inputs.shape[1]}; give the columns it learned"
        )
    return inputs


def start_of(start: Any, network: NetworkSpec, inputs: int, seed: int) -> Parameters:
    """The first parameters, float32: those given, or the seed's.

    Raises:
        ConfigurationError: no mapping of names to arrays.
        InputError: an array that holds no real numbers.
        TrainingFailed: parameters of another network, or not finite.
    """
    if start is None:
        return initial(network, inputs, seed)
    if not isinstance(start, Mapping):
        raise refused("start", "a mapping of parameters' names to arrays", type(start))
    arrays = {str(name): real_array(f"start: {name}", array).astype(np.float32) for name, array in start.items()}
    check(network, inputs, arrays)
    return arrays


def mechanisms_of(noise: Any, names: Sequence[Client]) -> tuple[RecordMechanism, ...]:
    """Each client's mechanism, in order; none without noise.

    Raises:
        ConfigurationError: no mechanism, or one that some clients lack, or for others, or of another clip.
    """
    if noise is None:
        return ()
    if isinstance(noise, RecordMechanism):
        return (noise,) * len(names)
    if not isinstance(noise, Mapping):
        raise refused("noise", NOISE, type(noise))
    if missing := [name for name in names if name not in noise]:
        raise ConfigurationError(f"noise is given for some clients only; {missing[0]} has none")
    if strangers := [name for name in noise if name not in names]:
        raise ConfigurationError(f"noise is given for {strangers[0]!r}, which is no client; take it away")
    for name in names:
        if not isinstance(noise[name], RecordMechanism):
            raise refused(f"noise of {name}", "a RecordMechanism", noise[name])
    if len({noise[name].clip for name in names}) > 1:
        raise ConfigurationError("the clients' clips differ; give all the same")
    return tuple(noise[name] for name in names)


def order_of(order: Order | None, rows: Sequence[Rows], *, may_be_empty: bool) -> Order | None:
    """The same order of rows, whose every step is checked when it is asked for; None for none.

    Args:
        may_be_empty: whether a step may have no rows, as it may where rows are drawn for noise.
    """
    if order is None:
        return None
    sizes = [len(outcomes) for _, outcomes in rows]

    def checked(seed: int, client: int, round_number: int) -> Sequence[np.ndarray]:
        """The rows of each step. Raises ConfigurationError for what are no rows of this client."""
        where = f"options.order of client {client} in round {round_number}"
        steps = order(seed, client, round_number)
        if isinstance(steps, str) or not isinstance(steps, Iterable):
            raise refused(where, "a list of arrays of row numbers", type(steps))
        return [_step(where, step, sizes[client], may_be_empty=may_be_empty) for step in steps]

    return checked


def _step(where: str, step: Any, rows: int, *, may_be_empty: bool) -> np.ndarray:
    places = np.asarray(step)
    if not places.size and may_be_empty:
        return np.zeros(0, np.int64)
    if places.ndim != 1 or places.dtype.kind not in "iu" or not places.size:
        raise ConfigurationError(
            f"{where} must give each step as an array of row numbers, got {places.dtype} of {places.shape}"
        )
    if places.min() < 0 or places.max() >= rows:
        raise ConfigurationError(f"{where} must give rows from 0 to {rows - 1}, got one beyond")
    return places


def _pairs(regions: Any) -> dict[Client, Any]:
    if isinstance(regions, Mapping):
        return dict(regions)
    if isinstance(regions, str | bytes | np.ndarray) or not isinstance(regions, Iterable):
        raise InputError(
            f"regions must map names to pairs (inputs, outcomes), or be a list of pairs, got {type(regions).__name__}"
        )
    return dict(enumerate(regions))


def _numbers_of(name: Client, pair: Any) -> Rows:
    """A region's inputs and outcomes as they were given, of the right shapes and kinds."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        size = f" of {len(pair)}" if isinstance(pair, tuple | list) else ""
        raise InputError(f"region {name}: expected a pair (inputs, outcomes), got a {type(pair).__name__}{size}")
    inputs = real_array(f"region {name}: inputs", pair[0])
    outcomes = real_array(f"region {name}: outcomes", pair[1])
    if inputs.ndim != 2 or outcomes.ndim not in (1, 2) or len(outcomes) != len(inputs) or not inputs.size:
        remedy = reshaped(inputs) if inputs.ndim != 2 else ""
        raise InputError(
            f"region {name}: expected (N, D) inputs and N outcomes with N and D of 1 or more, "
            f"got {inputs.shape} and {outcomes.shape}{remedy}"
        )
    return inputs, outcomes


def _checked(
    name: Client,
    raw: np.ndarray,
    raw_outcomes: np.ndarray,
    network: NetworkSpec,
    steps: LocalSteps,
    titles: Sequence[Any],
) -> Rows:
    inputs, outcomes = finite(f"region {name}: inputs", raw, titles), finite(f"region {name}: outcomes", raw_outcomes)
    try:
        check_codes(raw, network)
        loss_named(steps.loss).outcomes(np.asarray(raw_outcomes, np.float64), network.outputs)
    except InputError as error:
        is_column = raw_outcomes.ndim == 2 and raw_outcomes.shape[1] == 1 and network.outputs == 1
        flat = "; give outcomes.ravel()" if is_column else ""
        raise InputError(f"region {name}: {error}{flat}") from None
    return inputs, outcomes


def _columns_of(pairs: Mapping[Client, Any]) -> Sequence[Any]:
    """The names of the inputs' columns, where they have any. Raises InputError where regions' differ."""
    named = {name: titles for name, pair in pairs.items() if len(titles := titles_of(pair[0]))}
    for name, titles in named.items():
        first = next(iter(named))
        if titles != named[first]:
            raise InputError(
                f"regions {first} and {name} name their columns differently; give all the same, in the same order"
            )
    return next(iter(named.values()), ())
