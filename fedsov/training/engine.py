"""One or many clients' local steps: on the closed form where the network has one, by autograd where it has not.

Which it is follows from the network alone and changes nothing but the time (`closed_form`, `autograd`). Nothing here
imports torch before a step is taken, nor torch.optim at all, which costs a second in every process.

Equal clients that are stacked alike end in equal bits, on one processor and with one thread of torch. On another
processor, with other threads, or stacked with others, they differ by rounding (docs/decisions/0022-same-bits.md). How
many threads there are is the process's own affair: those of fedsov have one, and nothing here changes it.
"""

from __future__ import annotations

import mmap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from fedsov.algorithms.client_half import GradientTerms
from fedsov.algorithms.local_steps import LocalSteps, shuffled
from fedsov.errors import ConfigurationError, InputError, TrainingFailed
from fedsov.model.embeddings import plain
from fedsov.model.losses import loss_named, weights_of
from fedsov.model.network import (
    NetworkSpec,
    Parameters,
    answering,
    build,
    check,
    check_own,
    is_layered,
    load,
    shapes,
    widths,
)
from fedsov.model.parameters import flat, named
from fedsov.training import autograd
from fedsov.training import closed_form as closed_form_steps
from fedsov.training.closed_form import SgdSettings
from fedsov.training.memory_layout import Layer, Stack, Table
from fedsov.training.step_batches import Batches, ClientBatch

if TYPE_CHECKING:
    import torch

NO_ROWS = "a region has no rows to train on; give it rows, or leave it out"
Rows = tuple[np.ndarray, np.ndarray]
"""(N, D) inputs and (N,) or (N, C) outcomes of a client."""


def held(rows: Sequence[Rows], steps: LocalSteps, spec: NetworkSpec, dtype: type = np.float32) -> ClientBatch:
    """The rows of K clients as the steps take them.

    Raises:
        InputError: outcomes that the loss cannot have, or inputs that are no codes of an embedding.
    """
    import torch

    X = _joined([np.asarray(inputs, dtype=dtype) for inputs, _ in rows])
    y = _joined([np.asarray(outcomes, dtype=dtype) for _, outcomes in rows])
    check_codes(X, spec)
    targets = loss_named(steps.loss).outcomes(y, spec.outputs)
    weights = weights_of(targets, steps.class_weights, steps.loss)
    sizes = np.array([len(outcomes) for _, outcomes in rows])
    return ClientBatch(
        torch.from_numpy(X),
        torch.from_numpy(np.ascontiguousarray(targets)),
        None if weights is None else torch.from_numpy(np.asarray(weights, dtype=dtype)),
        np.concatenate([[0], np.cumsum(sizes)[:-1]]),
        sizes,
    )


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The arrays one after the other: a copy, but of what lies so in memory that processes share."""
    ends = [array.ctypes.data + array.nbytes for array in arrays]
    follow = [array.ctypes.data for array in arrays[1:]] == ends[:-1]
    if not follow or not all(_is_shared(array) and array.flags.c_contiguous for array in arrays):
        return np.concatenate(arrays)
    shape = (sum(len(array) for array in arrays), *arrays[0].shape[1:])
    return np.lib.stride_tricks.as_strided(arrays[0], shape)


def _is_shared(array: np.ndarray) -> bool:
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return isinstance(owner, memoryview) and isinstance(owner.obj, mmap.mmap)


def check_codes(X: np.ndarray, spec: NetworkSpec) -> None:
    """Raises InputError where an input of (N, D) that has an embedding holds anything but its codes."""
    for each in spec.embeddings:
        codes = X[:, each.column]
        if not np.isin(codes, np.arange(each.levels)).all():
            raise InputError(
                f"input {each.column} must hold whole numbers from 0 to {each.levels - 1}, for its embedding"
            )


def stack_of(spec: NetworkSpec, inputs: int, frozen: Collection[str] = ()) -> Stack:
    """The tables and linear layers of a layered network, and what of them is trained."""
    sizes = list(pairwise(widths(spec, inputs)))
    layers = (
        Layer(
            into,
            out,
            spec.activation if place < len(sizes) - 1 else None,
            f"{2 * place}.weight" not in frozen,
            f"{2 * place}.bias" not in frozen,
        )
        for place, (into, out) in enumerate(sizes)
    )
    tables = (Table(*each, f"embedding.{place}.weight" not in frozen) for place, each in enumerate(spec.embeddings))
    return Stack(tuple(layers), tuple(tables), tuple(plain(spec.embeddings, inputs)))


def advance(
    parameters: torch.Tensor,
    rows: ClientBatch,
    batches: Batches,
    steps: LocalSteps,
    *,
    spec: NetworkSpec,
    frozen: Collection[str] = (),
    terms: GradientTerms | None = None,
    closed_form: bool | None = None,
) -> None:
    """Takes the steps of K clients on the rows of the (K, P) `parameters`, in place.

    Args:
        batches: for each client, the rows of each of its steps.
        frozen: names of parameters that stay as they are.
        terms: what acts on gradients beside the rows.
        closed_form: False for autograd, whatever the network.

    Raises:
        ConfigurationError: a closed form is asked of a network that has none; or one of one's own that cannot be
            trained (`fedsov.model.own_network`).
        TrainingFailed: a network of one's own failed on these rows.
    """
    inputs, terms = rows.X.shape[1], terms or GradientTerms()
    shaped = shapes(spec, inputs)
    weight = steps.proximal_mu if terms.anchor_weight is None else terms.anchor_weight
    anchor = parameters.clone() if weight and terms.anchor is None else _tensor(terms.anchor, parameters)
    descent = SgdSettings(
        rate=steps.learning_rate,
        momentum=steps.momentum,
        slope=loss_named(steps.loss).slope,
        batch=steps.rows,
        decay=_decay(steps.weight_decay, shaped, frozen, parameters),
        anchor=anchor,
        anchor_weight=weight,
        drift=_tensor(terms.drift, parameters),
        clipping=terms.clipping,
        seeds=terms.seeds,
    )
    if closed_form and not is_layered(spec):
        raise ConfigurationError(f"network {spec.name} has no closed form; leave closed_form out")
    if is_layered(spec) and closed_form is not False:
        closed_form_steps.descend(parameters, stack_of(spec, inputs, frozen), rows, batches, descent)
        return
    check_own(spec, inputs)
    module, loss = build(spec, inputs).to(parameters.dtype), loss_named(steps.loss)
    descent = replace(descent, seeds=terms.seeds or _seeds(steps.seed, len(parameters)))
    with answering(spec):
        autograd.descend(parameters, module, rows, batches, descent, loss=loss, frozen=frozen)


def _seeds(seed: int, clients: int) -> list[int]:
    """For each client's place a seed of what its network draws."""
    return [int(np.random.SeedSequence([seed, place]).generate_state(1, np.uint64)[0]) for place in range(clients)]


def _tensor(values: np.ndarray | None, like: torch.Tensor) -> torch.Tensor | None:
    import torch

    return None if values is None else torch.as_tensor(values, dtype=like.dtype)


def _decay(
    weight_decay: float, shaped: Mapping[str, tuple[int, ...]], frozen: Collection[str], like: torch.Tensor
) -> torch.Tensor | None:
    """(P,) the penalty on each parameter: on trained weights, not on biases."""
    import torch

    if not weight_decay:
        return None
    each = [
        np.full(int(np.prod(shape)), weight_decay if len(shape) > 1 and name not in frozen else 0.0)
        for name, shape in shaped.items()
    ]
    return torch.from_numpy(np.concatenate(each)).to(like.dtype)


def train_one(
    arrays: Parameters,
    X: np.ndarray,
    y: np.ndarray,
    steps: LocalSteps,
    *,
    spec: NetworkSpec,
    frozen: Collection[str] = (),
    terms: GradientTerms | None = None,
    batches: Sequence[np.ndarray] | None = None,
) -> Parameters:
    """One client's parameters after its steps; by default its rows are shuffled by the steps' seed."""
    import torch

    shaped = shapes(spec, X.shape[1])
    rows = held([(X, y)], steps, spec)
    chosen = shuffled(len(y), steps, np.random.default_rng(steps.seed)) if batches is None else batches
    parameters = torch.from_numpy(flat(arrays, shaped)[None].copy())
    advance(parameters, rows, [chosen], steps, spec=spec, frozen=frozen, terms=terms)
    return named(parameters[0].numpy(), shaped)


def check_trainable(arrays: Parameters, X: np.ndarray, spec: NetworkSpec) -> None:
    """Raises TrainingFailed for (0, D) inputs, or parameters of another network."""
    if not len(X):
        raise TrainingFailed(NO_ROWS)
    check(spec, X.shape[1], arrays)


def train_locally(
    arrays: Parameters,
    X: np.ndarray,
    y: np.ndarray,
    steps: LocalSteps,
    *,
    spec: NetworkSpec,
    frozen: Collection[str] = (),
) -> Parameters:
    """The parameters after these steps on (N, D) inputs and (N,) outcomes; `arrays` itself is not changed.

    Raises:
        TrainingFailed: no rows, incoming parameters of another network, or a result that is not finite.
        InputError: outcomes that the loss cannot have.
    """
    check_trainable(arrays, X, spec)
    trained = train_one(arrays, X, y, steps, spec=spec, frozen=frozen)
    check(spec, X.shape[1], trained)
    return trained


def predict(arrays: Parameters, X: np.ndarray, spec: NetworkSpec) -> np.ndarray:
    """(N,) float32 logits of (N, D) inputs; (N, outputs) for a network of several outputs."""
    import torch

    with torch.no_grad(), answering(spec):
        logits = load(build(spec, X.shape[1]), arrays)(torch.from_numpy(X)).numpy()
    return np.asarray(logits[:, 0] if spec.outputs == 1 else logits)
