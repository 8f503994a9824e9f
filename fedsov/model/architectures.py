"""Networks beyond stacks of linear layers, as torch modules: a transformer for tables, a small one for pictures.

Both hold no buffers, and need torch, which is imported when one is built. The names of their parameters follow from
`hidden` alone; what they can be built of does not: `Architecture.fewest` inputs will do to ask for names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from fedsov.errors import ConfigurationError

if TYPE_CHECKING:
    import torch
    from torch import nn


def ft_transformer(inputs: int, outputs: int, hidden: Sequence[int] = ()) -> nn.Module:
    """FT-Transformer (Gorishniy et al. 2021, https://arxiv.org/abs/2106.11959): inputs are tokens that attend.

    Args:
        hidden: width of a token (a multiple of 4: there are four heads) and number of blocks; by default 32 and 2.
    """
    width, blocks = (*hidden, *(32, 2)[len(hidden) :])[:2]
    if len(hidden) > 2 or width % HEADS or width < HEADS or blocks < 1:
        raise ConfigurationError(f"network ft_transformer takes hidden=[WIDTH, BLOCKS], WIDTH a multiple of {HEADS}")
    return _transformer()(inputs, outputs, width, blocks)


HEADS = 4


def _transformer() -> type[nn.Module]:
    import torch
    from torch import nn

    class Block(nn.Module):
        """Attention, then a feed-forward layer, each after a normalisation and beside a way around it."""

        def __init__(self, width: int) -> None:
            super().__init__()
            self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
            self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
            self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            """(N, T, width) to the same."""
            rows, count, width = tokens.shape
            normal = self.before(tokens)
            heads = (
                project(normal).view(rows, count, HEADS, width // HEADS).transpose(1, 2)
                for project in (self.query, self.key, self.value)
            )
            query, key, value = heads
            weights = (query @ key.transpose(2, 3) / math.sqrt(width // HEADS)).softmax(-1)
            mixed = (weights @ value).transpose(1, 2).reshape(rows, count, width)
            tokens = tokens + self.out(mixed)
            return torch.as_tensor(tokens + self.narrow(torch.relu(self.wide(self.between(tokens)))))

    class Transformer(nn.Module):
        """A token for each input and one that gathers the answer; the answer is read from that one."""

        def __init__(self, inputs: int, outputs: int, width: int, blocks: int) -> None:
            super().__init__()
            self.scale, self.shift = nn.Embedding(inputs, width), nn.Embedding(inputs + 1, width)
            self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
            self.normal, self.answer = nn.LayerNorm(width), nn.Linear(width, outputs)
            for table in (self.scale, self.shift):
                nn.init.uniform_(table.weight, -1 / math.sqrt(width), 1 / math.sqrt(width))

        def forward(self, X: torch.Tensor) -> torch.Tensor:
            """(N, inputs) to (N, outputs)."""
            places = torch.arange(X.shape[1] + 1).expand(
                X.shape[0], -1
            )  # one look-up for each record: its own gradient
            scaled = X.unsqueeze(2) * self.scale(places[:, :-1])
            tokens = torch.cat([torch.zeros_like(scaled[:, :1]), scaled], 1) + self.shift(places)
            for block in self.blocks:
                tokens = block(tokens)
            return torch.as_tensor(self.answer(torch.relu(self.normal(tokens[:, 0]))))

    return Transformer


CHANNELS = (16, 32)


def _fewest_pixels(hidden: Sequence[int]) -> int:
    """Each convolution halves the side; one pixel must be left."""
    return int(4 ** len(hidden or CHANNELS))


def cnn(inputs: int, outputs: int, hidden: Sequence[int] = ()) -> nn.Module:
    """A small convolutional network for square pictures in grey, given row by row.

    Args:
        inputs: pixels, a square number of at least 4 by 4.
        hidden: channels of each convolution (3 by 3, then the mean of 2 by 2); by default 16 and 32.
    """
    from torch import nn

    side, channels = math.isqrt(inputs), (1, *(hidden or CHANNELS))
    if side * side != inputs or inputs < _fewest_pixels(hidden):
        least = math.isqrt(_fewest_pixels(hidden))
        raise ConfigurationError(
            f"network cnn takes squares of {least} pixels a side or more, row by row, not {inputs} inputs; "
            f"choose another network, or a square number of columns from {least**2} on"
        )
    layers: list[nn.Module] = [nn.Unflatten(1, (1, side, side))]
    for into, out in pairwise(channels):
        layers += [nn.Conv2d(into, out, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2)]
        side //= 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * side * side, outputs))


class Architecture(NamedTuple):
    """What builds a network of inputs, outputs and `hidden`; and of how many inputs at least, by `hidden`."""

    build: Callable[[int, int, Sequence[int]], nn.Module]
    fewest: Callable[[Sequence[int]], int]


ARCHITECTURES: Mapping[str, Architecture] = {
    "ft_transformer": Architecture(ft_transformer, lambda hidden: 1),
    "cnn": Architecture(cnn, _fewest_pixels),
}
