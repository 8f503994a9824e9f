"""Gradient inversion: what one step's update of a network tells about the rows of its batch.

The attacker holds the parameters before and after one step of plain descent, so the batch's mean gradient, and is taken
to know the outcomes. A row alone in its batch stands in the first layer's gradient as it is: dW_i / db_i, whatever lies
above (Geiping et al. 2020, https://arxiv.org/abs/2003.14053, proposition 3.1). Several rows are sought by descent: rows
whose gradient has the direction and the length of the one observed (Zhu et al. 2019, https://arxiv.org/abs/1906.08935;
the cosine is Geiping's). One step on so few rows is the worst case, not what a round sends: a round's update sums many
steps of many rows. And that this search finds nothing does not say that there is nothing to find.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fedsov.algorithms.client_half import GradientTerms
from fedsov.algorithms.local_steps import LocalSteps
from fedsov.errors import ConfigurationError
from fedsov.model.network import NetworkSpec, Parameters, build, initial, is_layered, load
from fedsov.privacy.mechanism import Clipping
from fedsov.training.engine import train_one

if TYPE_CHECKING:
    import torch

LARGEST = 8
RECOVERED = 0.1
"""A row counts as recovered where what was found is nearer than this, relative to the row's own length."""
DESCENTS, RESTARTS = 300, 2
ONE_STEP = LocalSteps(learning_rate=1.0, momentum=0.0, weight_decay=0.0, epochs=1)


@dataclass(frozen=True, slots=True)
class Noise:
    """Clipping of each record's gradient and the noise multiplier; a fresh generator for each step."""

    clip: float
    multiplier: float
    generators: Callable[[], np.random.Generator]


@dataclass(frozen=True, slots=True)
class Inversion:
    """How near the rows that were found are to the rows of the batch.

    Attributes:
        batch, trials: rows in each step, and steps.
        noisy: whether gradients were clipped and noise was added.
        error: median over rows of |found - row| / |row|, found and real rows matched so that their sum is least.
        guess: the same of as many other rows of the table, drawn at random.
        recovered: share of rows nearer than `RECOVERED`.
    """

    batch: int
    trials: int
    noisy: bool
    error: float
    guess: float
    recovered: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def invert(
    X: np.ndarray, y: np.ndarray, spec: NetworkSpec, *, batch: int, trials: int, seed: int, noise: Noise | None = None
) -> Inversion:
    """Inverts the updates of `trials` steps, each of one batch of the (N, D) rows.

    Raises:
        ConfigurationError: a batch outside 1 to 8, or more rows than there are beside the guesses; or a network that is
            no stack of linear layers.
    """
    if not 1 <= batch <= LARGEST or 2 * batch > len(y):
        raise ConfigurationError(f"an inversion takes a batch of 1 to {LARGEST} rows, and twice as many; got {batch}")
    if not is_layered(spec):
        raise ConfigurationError(f"gradient inversion needs a network logistic or mlp, not {spec.name}; leave it out")
    rng = np.random.default_rng([seed, 5, batch])
    start = initial(spec, X.shape[1], seed)
    if not spec.hidden:  # a logistic regression starts at zero: any direction of descent is as good
        start = {name: rng.normal(0.0, 0.1, array.shape).astype(np.float32) for name, array in start.items()}
    near, guessed = list[np.ndarray](), list[np.ndarray]()
    for _ in range(trials):
        chosen = rng.permutation(len(y))
        real, other = chosen[:batch], chosen[batch : 2 * batch]
        seen = observed(start, X[real], y[real], spec, noise)
        rows = _alone(seen) if batch == 1 else _sought(seen, start, y[real], spec, X.shape[1], rng)
        near.append(errors(rows, X[real]))
        guessed.append(errors(X[other], X[real]))
    each = np.concatenate(near)
    guess = float(np.median(np.concatenate(guessed)))
    return Inversion(batch, trials, noise is not None, float(np.median(each)), guess, float((each < RECOVERED).mean()))


def observed(start: Parameters, X: np.ndarray, y: np.ndarray, spec: NetworkSpec, noise: Noise | None) -> Parameters:
    """The mean gradient that one step's update tells, as the engine takes the step."""
    clipping = None
    if noise is not None:
        clipping = Clipping(noise.clip, [noise.clip * noise.multiplier], [float(len(y))], [noise.generators()])
    steps = replace(ONE_STEP, batch=len(y))
    after = train_one(start, X, y, steps, spec=spec, terms=GradientTerms(clipping), batches=[np.arange(len(y))])
    return {name: np.asarray(start[name], np.float64) - after[name] for name in start}


def _alone(gradient: Parameters) -> np.ndarray:
    """(1, D) the row of a batch of one, by the unit whose bias moved most."""
    weight, bias = gradient["0.weight"], gradient["0.bias"]
    unit = int(np.abs(bias).argmax())
    return np.asarray(weight[unit] / bias[unit] if bias[unit] else np.zeros_like(weight[unit]))[None]


def _sought(
    gradient: Parameters, start: Parameters, y: np.ndarray, spec: NetworkSpec, inputs: int, rng: np.random.Generator
) -> np.ndarray:
    """(B, D) rows whose gradient is most like the one observed, of some descents."""
    import torch

    model = load(build(spec, inputs), start)
    goal = [torch.from_numpy(gradient[name].astype(np.float32)) for name in start]
    outcomes = torch.from_numpy(np.asarray(y, np.float32))[:, None]
    tried = [_descent(model, goal, outcomes, inputs, rng) for _ in range(RESTARTS)]
    return min(tried, key=lambda descent: descent[0])[1]


def _descent(
    model: torch.nn.Module,
    goal: Sequence[torch.Tensor],
    outcomes: torch.Tensor,
    inputs: int,
    rng: np.random.Generator,
) -> tuple[float, np.ndarray]:
    """The least distance of gradients that was met, and the (B, D) rows there."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

    rows = torch.from_numpy(rng.normal(size=(len(outcomes), inputs)).astype(np.float32)).requires_grad_()
    descent = torch.optim.Adam([rows], lr=0.1)
    parameters = list(model.parameters())
    length = torch.stack([part.square().sum() for part in goal]).sum()
    least, best = np.inf, rows.detach().numpy().copy()
    for _ in range(DESCENTS):
        descent.zero_grad()
        gradients = torch.autograd.grad(cross_entropy(model(rows), outcomes), parameters, create_graph=True)
        along = torch.stack([(own * sought).sum() for own, sought in zip(gradients, goal, strict=True)]).sum()
        squared = torch.stack([part.square().sum() for part in gradients]).sum()
        apart = torch.stack([(own - sought).square().sum() for own, sought in zip(gradients, goal, strict=True)]).sum()
        distance = 1.0 - along / torch.sqrt(squared * length + 1e-12) + apart / (length + 1e-12)
        if float(distance.detach()) < least:
            least, best = float(distance.detach()), rows.detach().numpy().copy()
        torch.autograd.backward(distance)
        descent.step()
    return least, best


def errors(recovered: np.ndarray, real: np.ndarray) -> np.ndarray:
    """(B,) relative distances of (B, D) real rows to those recovered, matched so that the sum of distances is least."""
    from scipy.optimize import linear_sum_assignment

    apart = np.linalg.norm(np.asarray(recovered, np.float64)[:, None] - np.asarray(real, np.float64)[None], axis=-1)
    at, of = linear_sum_assignment(apart)
    lengths = np.maximum(np.linalg.norm(np.asarray(real, np.float64), axis=1), 1e-12)
    distances: np.ndarray = apart[at, of] / lengths[of]
    return distances
