"""Networks of one's own: those that must work, and those that must be refused, each with what the refusal says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

Forward = Callable[[Any, torch.Tensor], Any]


class Own(nn.Module):
    """A module of these parts that answers as the function says."""

    def __init__(self, answer: Forward, **parts: Any) -> None:
        super().__init__()
        self.answer = answer
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, X: torch.Tensor) -> Any:
        return self.answer(self, X)


def linear(inputs: int, outputs: int, answer: Forward = lambda self, X: self.last(X), **more: Any) -> nn.Module:
    """One linear layer, `last`, that answers as the function says."""
    return Own(answer, last=nn.Linear(inputs, outputs), **more)


def with_dropout(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 12), nn.Dropout(0.5), nn.ReLU(), nn.Linear(12, outputs))


def in_place(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(inputs, 6), nn.ReLU(inplace=True), nn.Linear(6, outputs))


def tied(inputs: int, outputs: int) -> nn.Module:
    """Two layers with one weight; the first is under the name "first.weight"."""

    def answer(self: Any, X: torch.Tensor) -> torch.Tensor:
        last: torch.Tensor = self.last(torch.tanh(self.second(torch.tanh(self.first(X)))))
        return last

    module = Own(
        answer, first=nn.Linear(inputs, inputs), second=nn.Linear(inputs, inputs), last=nn.Linear(inputs, outputs)
    )
    module.second.weight = module.first.weight
    return module


def unused(inputs: int, outputs: int) -> nn.Module:
    return linear(inputs, outputs, rest=nn.Linear(3, 2))


def partly_untrained(inputs: int, outputs: int) -> nn.Module:
    module = nn.Sequential(nn.Linear(inputs, 6), nn.ReLU(), nn.Linear(6, outputs))
    module[0].weight.requires_grad = False
    return module


def recurrent(inputs: int, outputs: int) -> nn.Module:
    def answer(self: Any, X: torch.Tensor) -> torch.Tensor:
        last: torch.Tensor = self.last(self.over(X.unsqueeze(2))[0][:, -1])
        return last

    return Own(answer, over=nn.GRU(1, 4, batch_first=True), last=nn.Linear(4, outputs))


def by_columns(inputs: int, outputs: int) -> nn.Module:
    """A layer whose first axis is the columns and not the records."""
    return Own(
        lambda self, X: self.last(torch.tanh(self.each(X.t().unsqueeze(2))).sum(0)),
        each=nn.Linear(1, 5),
        last=nn.Linear(5, outputs),
    )


def attentive(inputs: int, outputs: int) -> nn.Module:
    def answer(self: Any, X: torch.Tensor) -> torch.Tensor:
        tokens = self.each(X.unsqueeze(2))
        last: torch.Tensor = self.last(self.attention(tokens, tokens, tokens, need_weights=False)[0].mean(1))
        return last

    attention = nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)
    return Own(answer, each=nn.Linear(1, 8), attention=attention, last=nn.Linear(8, outputs))


def normed(inputs: int, outputs: int) -> nn.Module:
    first = nn.utils.parametrizations.weight_norm(nn.Linear(inputs, 8))
    return nn.Sequential(first, nn.GroupNorm(2, 8), nn.ReLU(), nn.Linear(8, outputs))


def scaled(inputs: int, outputs: int) -> nn.Module:
    """A parameter that is one number, and one that has none."""
    numbers = {"scale": nn.Parameter(torch.tensor(1.0)), "nothing": nn.Parameter(torch.empty(0))}
    return linear(inputs, outputs, lambda self, X: self.last(X) * self.scale, **numbers)


def additive(inputs: int, outputs: int) -> nn.Module:
    """A small network for each input: the names of its parameters follow from the number of inputs."""

    def answer(self: Any, X: torch.Tensor) -> torch.Tensor:
        parts = [each(X[:, [place]]) for place, each in enumerate(self.each)]
        return torch.stack(parts).sum(0)

    each = nn.ModuleList(nn.Sequential(nn.Linear(1, 3), nn.Tanh(), nn.Linear(3, outputs)) for _ in range(inputs))
    return Own(answer, each=each)


def hooked(inputs: int, outputs: int) -> nn.Module:
    module = nn.Sequential(nn.Linear(inputs, 4), nn.ReLU(), nn.Linear(4, outputs))
    module[0].register_forward_hook(lambda layer, rows, answer: 2 * answer)
    return module


def changing_rows(inputs: int, outputs: int) -> nn.Module:
    def answer(self: Any, X: torch.Tensor) -> torch.Tensor:
        X += 1
        last: torch.Tensor = self.last(X)
        return last

    return linear(inputs, outputs, answer)


WORKING = {
    "dropout": with_dropout,
    "in-place": in_place,
    "tied": tied,
    "unused": unused,
    "recurrent": recurrent,
    "by-columns": by_columns,
    "attentive": attentive,
    "normed": normed,
    "scaled": scaled,
    "additive": additive,
    "hooked": hooked,
    "changing-rows": changing_rows,
}


def _counting(self: Any, X: torch.Tensor) -> torch.Tensor:
    self.calls = getattr(self, "calls", 0) + 1
    counted: torch.Tensor = self.last(X) * self.calls
    return counted


def _counting_while_training(self: Any, X: torch.Tensor) -> torch.Tensor:
    return _counting(self, X) if self.training else self.last(X)  # type: ignore[no-any-return]


def _noisy(self: Any, X: torch.Tensor) -> torch.Tensor:
    noise = torch.from_numpy(np.random.default_rng().normal(size=X.shape).astype(np.float32))  # of no seed
    answer: torch.Tensor = self.last(X + noise if self.training else X)
    return answer


def _clamping(self: Any, X: torch.Tensor) -> torch.Tensor:
    self.last.weight.data.clamp_(-0.01, 0.01)
    answer: torch.Tensor = self.last(X)
    return answer


def _hook_on_a_gradient(inputs: int, outputs: int) -> nn.Module:
    module = nn.Linear(inputs, outputs)
    module.weight.register_hook(lambda gradient: 0 * gradient)
    return module


def _drawn_by_numpy(inputs: int, outputs: int) -> nn.Module:
    module = nn.Linear(inputs, outputs)
    module.weight.data = torch.from_numpy(np.random.default_rng().normal(size=(outputs, inputs)).astype(np.float32))
    return module


class _WithState(nn.Linear):
    def get_extra_state(self) -> dict[str, int]:
        return {"calls": 0}


_ONE = nn.Linear(4, 1)
NUMBER = nn.Parameter(torch.ones(1, dtype=torch.int64), requires_grad=False)


def _mixed_after_dropout(self: Any, X: torch.Tensor) -> torch.Tensor:
    """Each row is mixed with another by chance, as "mixup" does."""
    dropped = functional.dropout(X, 0.9, training=self.training)
    logits: torch.Tensor = self.last(dropped + dropped[torch.randperm(len(X))] if self.training else dropped)
    return logits


REFUSED: dict[str, tuple[Callable[[int, int], Any], str]] = {
    "lazy": (lambda i, o: nn.LazyLinear(o), "the lazy parameter 'weight'; give its layer the inputs"),
    "double": (lambda i, o: nn.Linear(i, o).double(), "the float64 parameter 'weight'; .* end build with .float()"),
    "bfloat16": (lambda i, o: nn.Linear(i, o).bfloat16(), "the bfloat16 parameter 'weight'"),
    "complex": (lambda i, o: nn.Linear(i, o, dtype=torch.complex64), "the complex64 parameter 'weight'"),
    "whole": (lambda i, o: linear(i, o, number=NUMBER), "the int64 parameter 'number'"),
    "elsewhere": (lambda i, o: nn.Linear(i, o, device="meta"), "the parameter 'weight' on meta; make it on the CPU"),
    "not-initialised": (
        lambda i, o: linear(i, o, more=nn.Parameter(torch.full((2,), torch.nan))),
        "the parameter 'more', which is not finite as it is made",
    ),
    "hook-on-a-gradient": (_hook_on_a_gradient, "a hook on the gradient of 'weight'"),
    "batch-norm": (lambda i, o: nn.Sequential(nn.BatchNorm1d(i), nn.Linear(i, o)), "holds the buffer '0.running_mean'"),
    "spectral-norm": (lambda i, o: nn.utils.parametrizations.spectral_norm(nn.Linear(i, o)), "holds the buffer"),
    "extra-state": (_WithState, "holds a state of its own ('_extra_state')"),
    "batch-norm-of-the-batch": (
        lambda i, o: nn.Sequential(nn.BatchNorm1d(i, track_running_stats=False), nn.Linear(i, o)),
        "cannot answer a row alone: ValueError",
    ),
    "rows-that-see-each-other": (
        lambda i, o: linear(i, o, lambda self, X: self.last(X - X.mean(0))),
        "answers a row otherwise beside other rows; use a normalisation within the row",
    ),
    "rows-that-see-each-other-in-training": (
        lambda i, o: linear(i, o, lambda self, X: self.last(X - X.mean(0) if self.training else X)),
        "while it trains, answers a row otherwise beside other rows; use a normalisation within the row",
    ),
    "rows-that-see-each-other-after-dropout": (
        lambda i, o: linear(i, o, _mixed_after_dropout),
        "while it trains, answers a row otherwise beside other rows; use a normalisation within the row",
    ),
    "rows-that-see-the-row-before": (
        lambda i, o: linear(i, o, lambda self, X: self.last(X.cumsum(0) if self.training else X)),
        "while it trains, answers a row otherwise beside other rows; use a normalisation within the row",
    ),
    "same-each-time": (lambda i, o: _ONE, "is the same module each time; let build make a new one"),
    "drawn-by-numpy": (_drawn_by_numpy, "parameter 'weight' begins otherwise under the same seed; draw it by torch"),
    "dropout-that-stays-on": (
        lambda i, o: linear(i, o, lambda self, X: self.last(functional.dropout(X, 0.5))),
        r"answers the same rows otherwise each time it scores; use nn.Dropout",
    ),
    "counting": (lambda i, o: linear(i, o, _counting), "keep no state from call to call"),
    "counting-while-it-trains": (
        lambda i, o: linear(i, o, _counting_while_training),
        "answers otherwise under the same seed while it trains; draw chance by torch, and keep no state",
    ),
    "chance-of-numpy": (lambda i, o: linear(i, o, _noisy), "otherwise under the same seed while it trains"),
    "clamping": (lambda i, o: linear(i, o, _clamping), "changes its parameter 'last.weight' while it answers"),
    "tuple": (
        lambda i, o: linear(i, o, lambda self, X: (self.last(X), X)),
        "answers with a tuple; return the logits alone",
    ),
    "nothing": (lambda i, o: linear(i, o, lambda self, X: None), "answers with a NoneType"),
    "flat": (
        lambda i, o: linear(i, o, lambda self, X: self.last(X)[:, 0]),
        "answers 2 rows with shape (2,); expected (2, 1)",
    ),
    "doubled-logits": (lambda i, o: linear(i, o, lambda self, X: self.last(X).double()), "answers in float64"),
    "not-a-number": (lambda i, o: linear(i, o, lambda self, X: self.last(X) / 0), "answers with NaN or infinity"),
    "detached": (lambda i, o: linear(i, o, lambda self, X: self.last(X).detach()), "logits that have no gradient"),
    "all-untrained": (lambda i, o: nn.Linear(i, o).requires_grad_(False), "no parameter that requires a gradient"),
    "key-error": (
        lambda i, o: linear(i, o, lambda self, X: {}["x"]),
        "answers nothing to rows of 4 inputs: KeyError: 'x'",
    ),
    "key-error-when-made": (lambda i, o: {}["x"], "cannot be made of 4 inputs and 1 outputs: KeyError: 'x'"),
    "compiled": (lambda i, o: torch.jit.script(nn.Linear(i, o)), "compiled by torch.jit; let build return the module"),
}
