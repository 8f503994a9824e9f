"""A stack of linear layers whose first one is given embeddings of some inputs in the place of their codes.

A table of numbers for each categorical input says a one-hot encoding's first layer in fewer numbers, where levels are
many (Guo & Berkhahn 2016, https://arxiv.org/abs/1604.06737).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch import nn


class Embedding(NamedTuple):
    """The input of this column is a code from 0 to `levels` - 1; `width` numbers stand for each."""

    column: int
    levels: int
    width: int


def plain(embeddings: Sequence[Embedding], inputs: int) -> list[int]:
    """The columns that are no codes, which come first in what the linear layers are given."""
    codes = {embedding.column for embedding in embeddings}
    return [column for column in range(inputs) if column not in codes]


def module(embeddings: Sequence[Embedding], inputs: int, layers: Sequence[nn.Module]) -> nn.Module:
    """(N, inputs) to what the last layer makes; parameters ``embedding.0.weight``, then ``nn.Sequential`` ones."""
    import torch
    from torch import nn

    class Embedded(nn.Module):
        """Tables beside layers."""

        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.ModuleList(nn.Embedding(each.levels, each.width) for each in embeddings)
            for place, layer in enumerate(layers):
                self.add_module(str(place), layer)

        def forward(self, X: torch.Tensor) -> torch.Tensor:
            """(N, inputs) to (N, outputs)."""
            looked_up = [
                table(X[:, each.column].long()) for table, each in zip(self.embedding, embeddings, strict=True)
            ]
            onward = torch.cat([X[:, plain(embeddings, inputs)], *looked_up], 1)
            for place in range(len(layers)):
                onward = self.get_submodule(str(place))(onward)
            return onward

    return Embedded()
