"""What of a model is sent up from where it was trained, and in how few bytes: pure functions, state in and state out.

What is compressed is the change from the model that came in, as one vector of its P trained numbers, never the
parameters: those are the same everywhere already, and a change has far less to say.

``int8``    stochastic quantisation (QSGD, Alistarh et al. 2017, https://arxiv.org/abs/1610.02132, with 127 levels and
            the largest magnitude of each block of `BLOCK` numbers as its norm): a byte a number and four a block. Each
            number is rounded to a neighbouring level by chance, so that its expectation is the number itself. It is
            wrong by less than a level, 1/127 of its block's largest magnitude, and its variance is at most a quarter
            of a level squared.
``topk``    the `share` of numbers that are largest in magnitude, each with its place: eight bytes. What was not sent is
            remembered and added to the next round's change, so that nothing is lost, only late (error feedback: Stich
            et al. 2018, https://arxiv.org/abs/1809.07599; Karimireddy et al. 2019, https://arxiv.org/abs/1901.09847).

A compressed change has exactly one form for a P, so that a gate can check it and nothing else passes: names, types and
shapes by `Compression.form`, places in ascending order, every number finite. What comes down to a region is not
compressed; neither are names that are frozen, which are not sent at all.

>>> change, before = np.float32([4, -1, 0, 2]), np.float32([0, 0, 3, 0])
>>> found = packed(change, Compression("topk", share=0.5), rng=chance(0, client=0, round_number=1), residual=before)
>>> found.arrays["indices"], found.arrays["values"], found.residual
(array([0, 2], dtype=int32), array([4., 3.], dtype=float32), array([ 0., -1.,  0.,  2.], dtype=float32))
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from fedsov.algorithms.local_steps import Stream, generator
from fedsov.checks import choice, prefixed, real, store
from fedsov.errors import TrainingFailed
from fedsov.model.parameters import trained

COMPRESSION_SETTINGS = ("compression", "compression_share")
"""The keys of the group `federation` that `Compression.from_settings` reads."""
BLOCK = 256
"""Numbers that share one scale."""
LEVELS = 127
"""Of int8 on either side of 0; -128 is no code."""

Arrays = Mapping[str, np.ndarray]
Form = Mapping[str, tuple[np.dtype, tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class Compression:
    """How changes are compressed.

    Attributes:
        name: ``none``, ``int8`` or ``topk``.
        share: of the numbers, sent by ``topk``: above 0, at most 1; at least one number is sent.
    """

    name: Literal["none", "int8", "topk"] = "none"
    share: float = 0.05

    def __post_init__(self) -> None:
        store(
            self,
            name=choice("compression", self.name, ("none", "int8", "topk")),
            share=real("compression_share", self.share, above=0.0, at_most=1.0),
        )

    @staticmethod
    def from_settings(federation: Mapping[str, Any]) -> Compression:
        """What the settings of a federation ask for. Raises ConfigurationError for a name or share that cannot be."""
        given = {"name": federation.get("compression"), "share": federation.get("compression_share")}
        with prefixed("federation."):
            return Compression(**{key: value for key, value in given.items() if value is not None})

    @property
    def keeps_state(self) -> bool:
        """True where what was not sent is kept for the next round."""
        return self.name == "topk"

    def form(self, size: int) -> Form:
        """Names, types and shapes of what a change of so many numbers is sent as."""
        if self.name == "int8":
            blocks = -(-size // BLOCK)
            return {"codes": (np.dtype(np.int8), (size,)), "scales": (np.dtype(np.float32), (blocks,))}
        if self.name == "topk":
            count = max(1, math.ceil(self.share * size))
            return {"indices": (np.dtype(np.int32), (count,)), "values": (np.dtype(np.float32), (count,))}
        return {"change": (np.dtype(np.float32), (size,))}

    def bytes_of(self, size: int) -> int:
        """Bytes that the numbers of a change take; what carries them adds some."""
        return sum(dtype.itemsize * math.prod(shape) for dtype, shape in self.form(size).values())


class Packed(NamedTuple):
    """A change as it is sent, and the (P,) float32 that was not sent; nothing of these where nothing is remembered."""

    arrays: dict[str, np.ndarray]
    residual: np.ndarray


def chance(seed: int, *, client: int, round_number: int) -> np.random.Generator:
    """The generator that a client's changes are rounded by in a round."""
    return generator(seed, client, round_number, Stream.COMPRESSION)


def packed(
    change: np.ndarray,
    compression: Compression,
    *,
    rng: np.random.Generator,
    residual: np.ndarray | None = None,
) -> Packed:
    """A change as it is sent.

    Args:
        change: (P,) float32.
        rng: `chance`; ``int8`` rounds by it.
        residual: what was not sent before, (P,) or nothing.

    Raises:
        TrainingFailed: a number is not finite, or the residual is of another model.
    """
    change = np.asarray(change, dtype=np.float32)
    if compression.keeps_state and residual is not None and residual.size:
        if residual.shape != change.shape:
            raise TrainingFailed(f"{residual.size} numbers were kept back, of a model of {change.size}")
        change = change + residual
    if not np.isfinite(change).all():
        raise TrainingFailed("a change to be compressed is not finite; lower the learning rate")
    if compression.name == "int8":
        return Packed(_quantised(change, rng), np.empty(0, np.float32))
    if compression.name == "topk":
        (count,) = compression.form(change.size)["indices"][1]
        indices = _largest(change, count)
        residual = change.copy()
        residual[indices] = 0
        return Packed({"indices": indices, "values": change[indices]}, residual)
    return Packed({"change": change}, np.empty(0, np.float32))


def _quantised(change: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    blocks = np.zeros((-(-change.size // BLOCK), BLOCK))
    blocks.reshape(-1)[: change.size] = change
    largest = np.abs(blocks).max(axis=1, initial=0.0)
    up = np.nextafter((largest / LEVELS).astype(np.float32), np.float32(np.inf))  # rounded down, 127 levels fall short
    scales = np.where(largest > 0, up, np.float32(0))
    levels = np.divide(blocks, scales[:, None], out=np.zeros_like(blocks), where=scales[:, None] > 0)
    codes = np.floor(levels.reshape(-1)[: change.size] + rng.random(change.size))
    return {"codes": codes.astype(np.int8), "scales": scales}


def _largest(change: np.ndarray, count: int) -> np.ndarray:
    """(count,) int32 places of the largest magnitudes, ascending; of equals the first, on every machine."""
    sizes = np.abs(change)
    least = np.partition(sizes, change.size - count)[change.size - count]
    above = np.flatnonzero(sizes > least)
    equal = np.flatnonzero(sizes == least)[: count - len(above)]
    return np.sort(np.concatenate([above, equal])).astype(np.int32)


def unpacked(arrays: Arrays, size: int, compression: Compression) -> np.ndarray:
    """The (P,) float32 change that was sent.

    Raises:
        TrainingFailed: it has not the one form that a change of P = `size` numbers is sent in.
    """
    form = compression.form(size)
    if {name: (array.dtype, array.shape) for name, array in arrays.items()} != form:
        wanted = ", ".join(f"{name} {dtype}{list(shape)}" for name, (dtype, shape) in form.items())
        raise TrainingFailed(f"an update compressed by {compression.name} must be {wanted}")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise TrainingFailed(f"a compressed update's {name} are not finite")
    if compression.name == "int8":
        codes, scales = arrays["codes"], arrays["scales"]
        if (codes < -LEVELS).any() or (scales < 0).any():
            raise TrainingFailed("a compressed update's code is -128, or a scale is below 0")
        if (scales > np.finfo(np.float32).max / LEVELS).any():
            raise TrainingFailed("a compressed update's scale is too large")
        return np.asarray(codes * np.repeat(scales, BLOCK)[:size])
    if compression.name == "topk":
        indices = arrays["indices"]
        if (indices < 0).any() or (indices >= size).any() or (np.diff(indices) <= 0).any():
            raise TrainingFailed(f"a compressed update's indices do not ascend from 0 to below {size}")
        change = np.zeros(size, np.float32)
        change[indices] = arrays["values"]
        return change
    return arrays["change"]


def sent(
    incoming: Arrays,
    updated: Arrays,
    compression: Compression,
    *,
    rng: np.random.Generator,
    frozen: Collection[str] = (),
    residual: np.ndarray | None = None,
) -> Packed:
    """What goes up of a model that came in and was trained: the trained arrays as they are, or their change, packed.

    Raises TrainingFailed as `packed`.
    """
    names = trained(list(incoming), frozen)
    if compression.name == "none":
        return Packed({name: updated[name] for name in names}, np.empty(0, np.float32))
    with np.errstate(over="ignore", invalid="ignore"):
        change = _vector(updated, names) - _vector(incoming, names)
    return packed(change, compression, rng=rng, residual=residual)


def received(incoming: Arrays, arrays: Arrays, compression: Compression, frozen: Collection[str] = ()) -> Arrays:
    """The inverse of `sent`: the whole updated model, from the one that was sent down and what came back.

    Raises:
        TrainingFailed: what came back is not an update of that model in the form that was agreed on.
    """
    names = trained(list(incoming), frozen)
    if compression.name == "none":
        if set(arrays) != set(names):
            raise TrainingFailed(f"an update must hold {', '.join(names)}, and holds {', '.join(arrays) or 'nothing'}")
        return {name: arrays.get(name, array) for name, array in incoming.items()}
    whole: dict[str, np.ndarray] = dict(incoming)
    change, at = unpacked(arrays, sum(incoming[name].size for name in names), compression), 0
    for name in names:
        start = incoming[name]
        whole[name] = (start + change[at : at + start.size].reshape(start.shape)).astype(start.dtype)
        at += start.size
    return whole


def _vector(arrays: Arrays, names: Collection[str]) -> np.ndarray:
    return np.concatenate([np.asarray(arrays[name], dtype=np.float32).reshape(-1) for name in names])
