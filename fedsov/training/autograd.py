"""Gradient steps for any module, by autograd: the same steps as `stacked`, one client after the other.

A module's parameters and gradients are views of one vector each, so that nothing is copied between steps. What a module
draws itself while it trains (dropout) follows from a seed for each client.

With clipping, a record's gradient is that of its own loss, taken with no other record beside it (torch's ``vmap`` of
``grad`` over the records), whatever the module does inside; so the bound holds for tied weights, for layers used twice
and for those whose first axis is not the records. Where a module cannot be taken so (recurrent layers), records take
their turns. Bounding, adding and noise are done here.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from fedsov.model.losses import Loss
from fedsov.model.own_network import first_line
from fedsov.model.seeding import seeded
from fedsov.privacy.mechanism import Clipping
from fedsov.training.closed_form import SgdSettings
from fedsov.training.step_batches import Batches, ClientBatch

if TYPE_CHECKING:
    import torch
    from torch import nn

ROWS = 4096
"""Rows that pass the module at once; the gradient of a larger batch is added up in parts."""
_RECORDS = 64
"""Records whose gradients are held at once while they are clipped."""
_LOG = logging.getLogger(__name__)


def descend(
    parameters: torch.Tensor,
    module: nn.Module,
    rows: ClientBatch,
    batches: Batches,
    descent: SgdSettings,
    *,
    loss: Loss,
    frozen: Collection[str] = (),
) -> None:
    """Takes each client's steps, on its row of the (K, P) `parameters`, in place.

    Args:
        parameters: in the order of the module's named parameters.
        module: any module whose state is its parameters; its own values are not used. It is used up.
        batches, descent: as in `stacked.descend`; `descent.slope` is not used.
        frozen: names of parameters that stay as they are, beside those that require no gradient.
    """
    import torch

    flat = _FlatModule(module.train(), frozen, loss)
    for client in range(len(parameters)):
        w = parameters[client].clone()
        v, start = torch.zeros_like(w), int(rows.starts[client])
        flat.at(w)
        with seeded(descent.seeds[client] if descent.seeds else client):
            for chosen in batches[client]:
                places = torch.from_numpy(np.asarray(chosen, dtype=np.int64) + start)
                gradient = _gradient(flat, w, rows, places, descent.clipping, client)
                with torch.no_grad():
                    v.mul_(descent.momentum).add_(gradient)
                    _pull(v, w, descent, client)
                    w.addcmul_(v, flat.mask, value=-descent.rate)
        parameters[client] = w


def _gradient(
    flat: _FlatModule, w: torch.Tensor, rows: ClientBatch, places: torch.Tensor, clipping: Clipping | None, client: int
) -> torch.Tensor:
    """(P,) gradient of the mean loss; or the noisy sum of bounded ones over the expected batch."""
    import torch

    if clipping is None:
        return flat.gradient(rows, places) * flat.mask
    total = torch.zeros_like(w)
    for part in torch.split(places, _RECORDS) if len(places) else ():
        each = flat.of_records(w, rows, part) * flat.mask
        norms = each.double().norm(dim=1, keepdim=True)  # in float32 a short one's square is 0
        bounded = (each * (clipping.clip / norms).clamp(max=1.0)).to(each.dtype)  # a norm of 0 gives infinity, hence 1
        total += torch.where(torch.isfinite(norms), bounded, 0.0).sum(0)  # a record that spoilt all would be told of
    drawn = torch.from_numpy(clipping.generators[client].standard_normal(len(w))).to(w.dtype)
    return (total + drawn * flat.mask * clipping.noise[client]) / clipping.expected[client]


def _pull(v: torch.Tensor, w: torch.Tensor, descent: SgdSettings, client: int) -> None:
    """What pulls at the parameters beside the rows: decay, an anchor, a drift."""
    if descent.decay is not None:
        v.addcmul_(w, descent.decay)
    if descent.anchor_weight and descent.anchor is not None:
        v.add_(w - _own(descent.anchor, client), alpha=descent.anchor_weight)
    if descent.drift is not None:
        v.add_(_own(descent.drift, client))


def _own(term: torch.Tensor, client: int) -> torch.Tensor:
    return term if term.ndim == 1 else term[client]


def _row_losses(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None, loss: Loss) -> torch.Tensor:
    """(B,) weighted losses."""
    parts = loss.parts(logits, targets)
    return (parts if weights is None else parts * weights).mean(-1)


class _FlatModule:
    """A module whose parameters are views of a (P,) tensor, and whose gradients are views of another."""

    def __init__(self, module: nn.Module, frozen: Collection[str], loss: Loss) -> None:
        import torch

        self._module, self._loss = module, loss
        self._parameters = dict(module.named_parameters())
        self._sizes = [values.numel() for values in self._parameters.values()]
        trained = {name: values.requires_grad and name not in frozen for name, values in self._parameters.items()}
        kind = next(iter(self._parameters.values())).dtype
        self.mask = torch.cat([torch.full((values.numel(),), float(trained[name]), dtype=kind)
                               for name, values in self._parameters.items()])  # fmt: skip
        self._total = torch.zeros_like(self.mask)
        for (name, values), gradient in zip(
            self._parameters.items(), torch.split(self._total, self._sizes), strict=True
        ):
            values.requires_grad_(trained[name])
            values.grad = gradient.view(values.shape)
        self._takes_records_together: bool | None = None

    def at(self, w: torch.Tensor) -> None:
        """Lets the module's parameters be these (P,), also after they change in place."""
        import torch

        for values, part in zip(self._parameters.values(), torch.split(w, self._sizes), strict=True):
            values.data = part.view(values.shape)

    def gradient(self, rows: ClientBatch, places: torch.Tensor) -> torch.Tensor:
        """(P,) gradient of the mean loss of these rows; the next call overwrites it. Unused parameters have 0."""
        import torch

        self._total.zero_()
        for part in torch.split(places, ROWS):
            losses = _row_losses(self._module(rows.X.index_select(0, part)), *_outcomes(rows, part), self._loss)
            if losses.requires_grad:
                torch.autograd.backward(losses.sum() / len(places))
        return self._total

    def of_records(self, w: torch.Tensor, rows: ClientBatch, places: torch.Tensor) -> torch.Tensor:
        """(B, P) the gradient of each record's own loss at `w`."""
        import torch

        if self._takes_records_together is None:
            with seeded(None):
                self._takes_records_together = self._can_take_together(w, rows, places[:2])
        if self._takes_records_together:
            return self._together(w, rows, places)
        return torch.stack([self.gradient(rows, place).clone() for place in torch.split(places, 1)])

    def _together(self, w: torch.Tensor, rows: ClientBatch, places: torch.Tensor) -> torch.Tensor:
        import torch
        from torch.func import functional_call, grad, vmap

        def own_loss(
            values: torch.Tensor, row: torch.Tensor, target: torch.Tensor, weight: torch.Tensor
        ) -> torch.Tensor:
            named = {
                name: part.view(like.shape)
                for (name, like), part in zip(self._parameters.items(), torch.split(values, self._sizes), strict=True)
            }
            logits = functional_call(self._module, named, (row[None],))
            return _row_losses(logits, target[None], weight[None], self._loss).sum()

        targets, weights = _outcomes(rows, places)
        weights = targets.new_ones(len(places), 1) if weights is None else weights
        taken = vmap(grad(own_loss), in_dims=(None, 0, 0, 0), randomness="different")
        gradients: torch.Tensor = taken(w, rows.X.index_select(0, places), targets, weights)
        return gradients

    def _can_take_together(self, w: torch.Tensor, rows: ClientBatch, places: torch.Tensor) -> bool:
        """Whether records' gradients, taken together, are what they are one by one; dropout is off meanwhile."""
        import torch

        self._module.eval()
        one_by_one = torch.stack([self.gradient(rows, place) * self.mask for place in torch.split(places, 1)])
        try:
            together = self._together(w, rows, places) * self.mask
            same, why = torch.allclose(together, one_by_one, rtol=1e-3, atol=1e-6, equal_nan=True), "they would differ"
        except Exception as error:  # boundary: what vmap cannot take raises anything
            same, why = False, first_line(error)
        self._module.train()
        if not same:
            _tell(why)
        return same


@lru_cache(maxsize=16)  # once in a process
def _tell(why: str) -> None:
    _LOG.warning("each record's gradient is computed by itself, which is slow: torch cannot batch them (%s)", why)


def _outcomes(rows: ClientBatch, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(B, O) targets, and (B, 1) or (B, O) weights, or none."""
    weights = None if rows.weights is None else rows.weights.index_select(0, places)
    return rows.targets.index_select(0, places), weights
