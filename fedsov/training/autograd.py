"""Gradient steps for any module, by autograd: the same steps as `stacked`, one client after the other.

With clipping, Opacus' hooks give each record's gradient; bounding, adding and noise are done here, so that no mode of
Opacus (its ghost mode does not clip losses of shape (B, 1)) decides what the bound means.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fedsov.model.losses import Loss
from fedsov.privacy.mechanism import Clipping
from fedsov.training.closed_form import ClientBatch, SgdSettings

if TYPE_CHECKING:
    import torch
    from torch import nn

Shapes = Mapping[str, tuple[int, ...]]
ROWS = 4096
"""Rows that pass the module at once; the gradient of a larger batch is added up in parts."""
_RECORDS = 64
"""Records whose gradients are held at once while they are clipped."""


def descend(
    parameters: torch.Tensor,
    module: nn.Module,
    shapes: Shapes,
    held: ClientBatch,
    batches: Sequence[Sequence[np.ndarray]],
    descent: SgdSettings,
    *,
    loss: Loss,
    trained: np.ndarray,
) -> None:
    """Takes each client's steps, on its row of the (K, P) `parameters`, in place.

    Args:
        module: any module whose state is its parameters; its own values are not used.
        shapes: name to shape of its parameters, in the order of the P.
        batches, descent: as in `stacked.descend`; `descent.slope` is not used.
        trained: (P,) ones and zeros.
    """
    import torch

    mask = torch.from_numpy(trained).to(parameters.dtype)
    gradient = _Clipped(module, shapes, loss) if descent.clipping else _Plain(module, shapes, loss)
    for client in range(len(parameters)):
        w = parameters[client].clone()
        v, start = torch.zeros_like(w), int(held.starts[client])
        for rows in batches[client]:
            chosen = torch.from_numpy(np.asarray(rows, dtype=np.int64) + start)
            g = gradient.of(w, held, chosen, descent.clipping, client, mask)
            with torch.no_grad():
                v.mul_(descent.momentum).add_(g * mask)
                _pull(v, w, descent, client)
                w.add_(v, alpha=-descent.rate)
        parameters[client] = w


def _pull(v: torch.Tensor, w: torch.Tensor, descent: SgdSettings, client: int) -> None:
    """What pulls at the parameters beside the rows: decay, an anchor, a drift."""
    if descent.decay is not None:
        v.addcmul_(w, descent.decay)
    if descent.anchor_weight and descent.anchor is not None:
        v.add_(w - _own(descent.anchor, client), alpha=descent.anchor_weight)
    if descent.drift is not None:
        v.add_(_own(descent.drift, client))


def _own(given: torch.Tensor, client: int) -> torch.Tensor:
    return given if given.ndim == 1 else given[client]


def named(flat: torch.Tensor, shapes: Shapes) -> dict[str, torch.Tensor]:
    """Views of (P,) parameters by name."""
    parts = flat.split([math.prod(shape) for shape in shapes.values()])
    return {name: part.view(shape) for part, (name, shape) in zip(parts, shapes.items(), strict=True)}


def _row_losses(logits: torch.Tensor, held: ClientBatch, chosen: torch.Tensor, loss: Loss) -> torch.Tensor:
    """(B,) weighted losses."""
    parts = loss.parts(logits, held.targets.index_select(0, chosen))
    if held.weights is not None:
        parts = parts * held.weights.index_select(0, chosen)
    return parts.mean(-1)


class _Plain:
    """The gradient of the mean loss of a batch."""

    def __init__(self, module: nn.Module, shapes: Shapes, loss: Loss) -> None:
        self._module, self._shapes, self._loss = module, shapes, loss

    def of(
        self, w: torch.Tensor, held: ClientBatch, chosen: torch.Tensor, clipping: Clipping | None, client: int,
        mask: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """(P,) gradient at `w` of the chosen rows' mean loss."""
        import torch
        from torch.func import functional_call

        leaf, total = w.detach().requires_grad_(), torch.zeros_like(w)
        for part in chosen.split(ROWS):
            logits = functional_call(self._module, named(leaf, self._shapes), (held.X.index_select(0, part),))
            loss = _row_losses(logits, held, part, self._loss).sum() / len(chosen)
            total += torch.autograd.grad(loss, leaf)[0]
        return total


class _Clipped:
    """The sum of clipped gradients of a Poisson sample, with noise, over the expected batch."""

    def __init__(self, module: nn.Module, shapes: Shapes, loss: Loss) -> None:
        from opacus import GradSampleModule

        self._shapes, self._loss = shapes, loss
        warnings.filterwarnings("ignore", "Full backward hook is firing", UserWarning)  # inputs need no gradient
        self._module = GradSampleModule(module, loss_reduction="sum", strict=True)
        self._parameters = dict(module.named_parameters())

    def of(
        self, w: torch.Tensor, held: ClientBatch, chosen: torch.Tensor, clipping: Clipping | None, client: int,
        mask: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """(P,) noisy sum of the chosen rows' bounded gradients at `w`, over the expected batch."""
        import torch

        if clipping is None:
            raise ValueError("clipped gradients need a bound")
        with torch.no_grad():
            for name, values in named(w, self._shapes).items():
                self._parameters[name].copy_(values)
        total = torch.zeros_like(w)
        for part in chosen.split(_RECORDS):
            if len(part):
                total += self._bounded(held, part, clipping.clip, mask)
        drawn = clipping.generators[client].standard_normal(len(w))
        noise = torch.from_numpy(drawn).to(w.dtype) * mask
        return (total + noise * clipping.noise[client]) / clipping.expected[client]

    def _bounded(self, held: ClientBatch, chosen: torch.Tensor, clip: float, mask: torch.Tensor) -> torch.Tensor:
        """(P,) sum of these records' gradients, each at most `clip` long."""
        import torch

        self._module.zero_grad()
        _row_losses(self._module(held.X.index_select(0, chosen)), held, chosen, self._loss).sum().backward()
        each = [_of_each(self._parameters[name]).reshape(len(chosen), -1) for name in self._shapes]
        gradients = torch.cat(each, 1) * mask
        norms = gradients.norm(dim=1, keepdim=True)
        return (gradients * (clip / norms).clamp(max=1.0)).sum(0)


def _of_each(parameter: Any) -> torch.Tensor:
    """(B, ...) gradients that Opacus' hooks left on a parameter."""
    found: torch.Tensor = parameter.grad_sample
    return found
