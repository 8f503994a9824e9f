"""What a region keeps for itself beside the joint model: private parameters, and a mixture of models of its own.

Two independent means, both for regions that differ:

- *Private parameters* never leave. Each round the region joins its own to the shared ones that came in, trains all of
  them, and answers with the shared ones alone (`update`). With the head private this is FedPer (Arivazhagan et al.
  2019, https://arxiv.org/abs/1912.00818); Collins et al. 2021 (FedRep, https://arxiv.org/abs/2102.07078) train the two
  parts in turn, and Pillutla et al. 2022 (https://arxiv.org/abs/2204.03809) compare both ways and call this one FedSim.
  A private intercept is the smallest case: the base rate of each region is its own. FedBN (Li et al. 2021,
  https://arxiv.org/abs/2102.07623) keeps the batch normalisation at home, which shifts and scales what layers are given
  by region; a network without one has that shift in its biases, ``first.bias`` or ``bias``.
- A *mixture* of the joint model, of copies of it tuned to own rows (Li et al. 2021, Ditto,
  https://arxiv.org/abs/2012.04221: the proximal term is its pull) and of models trained alone, weighted on rows that
  none of them was fitted to (`mixture`). Two members are model interpolation (Mansour et al. 2020,
  https://arxiv.org/abs/2002.10619); more are chosen greedily (Caruana et al. 2004, "Ensemble selection from libraries
  of models", https://doi.org/10.1145/1015330.1015432).

Pure: values in, values out. Who keeps a region's private part between rounds is its caller.

>>> from fedsov.model.network import initial
>>> spec = NetworkSpec("mlp", (4,))
>>> sorted(private_names(spec, ("intercept",))), sorted(private_names(spec, ("first.bias", "head")))
(['2.bias'], ['0.bias', '2.bias', '2.weight'])
>>> sorted(shared(initial(spec, 3, seed=0), private_names(spec, ("head",))))
['0.bias', '0.weight']
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from fedsov.errors import ConfigurationError, TrainingFailed
from fedsov.model.metrics import log_loss
from fedsov.model.network import NetworkSpec, Parameters, head, names
from fedsov.training import federated
from fedsov.training.engine import Pull, Rows, flat, predict, train_locally
from fedsov.training.steps import LocalSteps

if TYPE_CHECKING:
    import torch

PICKS = 20
"""Models that the greedy choice adds up; a weight is a multiple of 1 / PICKS."""


@dataclass(frozen=True, slots=True)
class Private:
    """Which parameters stay with their region, and how they are trained.

    Attributes:
        names: words that `private_names` understands.
        first: steps of the private parameters alone, before each round's steps of all (FedRep's turns); None for no
            such steps. A region of few rows, or of one class, needs them: its intercept has far to go.
        alternates: whether the private ones rest while the shared ones step (FedRep).
    """

    names: tuple[str, ...] = ()
    first: LocalSteps | None = None
    alternates: bool = False

    def at(self, factor: float) -> Private:
        """The same in a round whose schedule multiplies learning rates by this."""
        return replace(self, first=self.first and self.first.at(factor))


@dataclass(frozen=True, slots=True)
class Course:
    """How a region's round is trained, beside its rows.

    Attributes:
        drift: by name what is added to every gradient of the shared parameters (SCAFFOLD); nothing for none.
        frozen: names of shared parameters that stay as they came in.
    """

    spec: NetworkSpec
    steps: LocalSteps
    private: Private = Private()
    drift: Mapping[str, np.ndarray] = field(default_factory=dict)
    frozen: tuple[str, ...] = ()


def private_names(spec: NetworkSpec, private: Iterable[str]) -> frozenset[str]:
    """The parameters that these words mean.

    Args:
        private: ``intercept`` (the last layer's bias), ``head`` (the last layer), ``first.bias`` (a shift of the first
            layer: what the region's name as an input would be), ``bias`` (every bias), or a parameter's own name.

    Raises:
        ConfigurationError: a word that means none of this network's parameters, or nothing would be left to share.
    """
    parameters = names(spec)
    words = {
        "intercept": {name for name in head(spec) if name.endswith("bias")},
        "head": set(head(spec)),
        "first.bias": {"0.bias"} & set(parameters),
        "bias": {name for name in parameters if name.endswith("bias")},
        **{name: {name} for name in parameters},
    }
    chosen: set[str] = set()
    for word in private:
        if not words.get(word):  # a head or an intercept that this network is not known to have
            known = ", ".join(one for one, meant in words.items() if meant)
            raise ConfigurationError(f"private={word!r} is no part of network {spec.name}; choose of {known}")
        chosen |= words[word]
    if chosen == set(parameters):
        raise ConfigurationError(f"private={', '.join(private)} leaves no parameter to share; train each region alone")
    return frozenset(chosen)


def shared(parameters: Parameters, names: Collection[str]) -> Parameters:
    """The parameters that may leave: all but the private `names`."""
    return {name: value for name, value in parameters.items() if name not in names}


def own(parameters: Parameters, names: Collection[str]) -> Parameters:
    """The parameters that stay: the private `names`."""
    return {name: value for name, value in parameters.items() if name in names}


def joined(incoming: Parameters, kept: Parameters, spec: NetworkSpec) -> Parameters:
    """Shared and private parameters as one network's, in its order.

    Raises:
        TrainingFailed: a private parameter came in from outside, or a parameter is in neither.
    """
    twice = incoming.keys() & kept.keys()
    if twice:
        raise TrainingFailed(f"parameter {min(twice)!r} is private, and came in from outside all the same")
    both = {**incoming, **kept}
    absent = set(names(spec)) - both.keys()
    if absent:
        raise TrainingFailed(f"parameter {min(absent)!r} is neither shared nor the region's own")
    return {name: both[name] for name in names(spec)}


def update(
    incoming: Parameters, kept: Parameters, rows: Rows, course: Course, *, round: int
) -> tuple[Parameters, Parameters]:
    """One round of a region with private parameters: what it answers with, and what it keeps for the next round.

    Without private ones it is `federated.update`. Shared and private parameters take the same steps, after those that
    the private ones take alone where the course has such; or, where they alternate, the shared ones step alone then.
    Neither `incoming` nor `kept` is changed.

    Args:
        incoming, kept: the shared parameters that came in, and the region's own of the round before.
        rows: (N, D) inputs and (N,) outcomes of the training rows.

    Raises:
        TrainingFailed: as `joined` and `federated.update`; or a drift that is not of the shared parameters.
    """
    whole, private, spec = joined(incoming, kept, course.spec), course.private, course.spec
    if private.first is not None and kept:
        whole = train_locally(whole, *rows, private.first, spec=spec, frozen=incoming.keys())
    frozen = {*course.frozen, *(kept if private.alternates else ())}
    pull = _drifting(course.drift, incoming, whole) if course.drift else None
    trained = federated.update(whole, *rows, course.steps, spec=spec, round=round, frozen=frozen, pull=pull)
    return shared(trained, kept.keys()), own(trained, kept.keys())


def _drifting(drift: Mapping[str, np.ndarray], incoming: Parameters, whole: Parameters) -> Pull:
    """The pull of a drift; none on what is private."""
    if {name: one.shape for name, one in drift.items()} != {name: one.shape for name, one in incoming.items()}:
        raise TrainingFailed("the drift that came in is not of the shared parameters")
    if not all(np.isfinite(one).all() for one in drift.values()):
        raise TrainingFailed("the drift that came in is not finite")
    return Pull(drift=_row({name: drift.get(name, np.zeros_like(one)) for name, one in whole.items()}))


def beside(copy: Parameters, joint: Parameters, rows: Rows, course: Course, *, weight: float, round: int) -> Parameters:
    """Ditto: a region's personal copy after the round's steps under a pull towards the joint model that came in.

    The steps minimise the mean loss plus weight / 2 |copy - joint|^2 (Li et al. 2021, algorithm 1,
    https://arxiv.org/abs/2012.04221), in the same order of rows as the joint model's own.

    Raises:
        TrainingFailed: as `federated.update`.
    """
    steps = replace(course.steps, proximal_mu=weight)
    spec, frozen, pull = course.spec, course.frozen, Pull(anchor=_row(joint))
    return federated.update(copy, *rows, steps, spec=spec, round=round, frozen=frozen, pull=pull)


def _row(arrays: Parameters) -> torch.Tensor:
    import torch

    return torch.from_numpy(flat(arrays, arrays))


@dataclass(frozen=True, slots=True)
class Mixture:
    """A weighted mean of models' logits.

    Attributes:
        members: parameters by how they came about ("joint", "tuned 1", "alone 1"); those of weight 0 are left out.
        weights: of each member, above 0; together 1.
    """

    network: NetworkSpec
    members: Mapping[str, Parameters]
    weights: Mapping[str, float]

    def logits(self, X: np.ndarray) -> np.ndarray:
        """(N,) logits of (N, D) inputs."""
        inputs = np.asarray(X, dtype=np.float32)
        parts = [weight * predict(self.members[name], inputs, self.network) for name, weight in self.weights.items()]
        return np.sum(parts, axis=0)


def mixture(members: Mapping[str, Parameters], X: np.ndarray, y: np.ndarray, *, spec: NetworkSpec) -> Mixture:
    """The members' mean with the least log loss on these rows, found greedily; the first member where there are none.

    Args:
        members: parameters by name, all of the network `spec`.
        X, y: (N, D) inputs and (N,) outcomes that no member was fitted to.

    Raises:
        ConfigurationError: no member.
    """
    if not members:
        raise ConfigurationError("a mixture needs at least one model")
    if not len(y):
        first = next(iter(members))
        return Mixture(spec, {first: members[first]}, {first: 1.0})
    inputs = np.asarray(X, dtype=np.float32)
    weights = greedy_weights([predict(one, inputs, spec) for one in members.values()], y)
    chosen = {name: weight for name, weight in zip(members, weights, strict=True) if weight > 0}
    return Mixture(spec, {name: members[name] for name in chosen}, chosen)


def greedy_weights(logits: Sequence[np.ndarray], y: np.ndarray, *, picks: int = PICKS) -> tuple[float, ...]:
    """How often each model is picked when the mean's log loss decides each pick, with replacement, over `picks`.

    Greedy on few rows, the mean of many picks overfits less than the best weights would (Caruana et al. 2004, 2.2).

    Args:
        logits: (N,) of each model.
        y: (N,) outcomes of 0 and 1.
    """
    counts, total = [0] * len(logits), np.zeros(len(y))
    for pick in range(1, picks + 1):
        losses = [log_loss(y, (total + one) / pick) for one in logits]
        best = losses.index(min(losses))
        counts[best] += 1
        total = total + logits[best]
    return tuple(count / picks for count in counts)


def likelihood_weights(losses: Sequence[float], rows: int) -> tuple[float, ...]:
    """Each model's share in a mean of logits by how likely it made rows that it was not fitted to; together 1.

    Pseudo-Bayesian model averaging (Yao et al. 2018, section 3, https://doi.org/10.1214/17-BA1091), without its
    bootstrap: less certain than choosing the best where several are about as good.

    Args:
        losses: mean log loss (nats) of each model on those rows.
        rows: how many.
    """
    least = min(losses)
    likely = np.exp([rows * (least - loss) for loss in losses])
    return tuple((likely / likely.sum()).tolist())


def variants(
    joint: Parameters,
    alone: Parameters | None,
    X: np.ndarray,
    y: np.ndarray,
    *,
    spec: NetworkSpec,
    tune: Sequence[LocalSteps] = (),
    train: Sequence[LocalSteps] = (),
) -> dict[str, Parameters]:
    """The joint model as it is, tuned by each of `tune`, and the model `alone` trained by each of `train`.

    Args:
        joint: the region's joined parameters after the last round.
        alone: first parameters of a model that owes nothing to others; None for none.
        X, y: (N, D) inputs and (N,) outcomes of the region's training rows.

    Raises:
        TrainingFailed: as `train_locally`.
    """
    found = {"joint": joint}
    for number, steps in enumerate(tune, 1):
        found[f"tuned {number}"] = train_locally(joint, X, y, steps, spec=spec)
    for number, steps in enumerate(train if alone is not None else (), 1):
        found[f"alone {number}"] = train_locally(dict(alone or {}), X, y, steps, spec=spec)
    return found
