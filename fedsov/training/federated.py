"""A region's side of federated training: one round's update, and its own version after the last round.

Pure: the messages, the gate and the aggregation are elsewhere (`fedsov.federation`, `fedsov.control_plane`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from fedsov.errors import TrainingFailed
from fedsov.model.network import NetworkSpec, Parameters
from fedsov.privacy.mechanism import noise_generator
from fedsov.region.private_run import PrivateRun
from fedsov.region.strategies.candidates import Candidate, StartingPoint, best, on_own_scale, tune
from fedsov.training.engine import Pull, train_locally
from fedsov.training.private import private_steps
from fedsov.training.rows import DataSplit
from fedsov.training.steps import LocalSteps, Recipe

_STRIDE = 1_000_003


def update(
    incoming: Parameters,
    X: np.ndarray,
    y: np.ndarray,
    steps: LocalSteps,
    *,
    spec: NetworkSpec,
    round: int,
    frozen: Collection[str] = (),
    pull: Pull | None = None,
) -> Parameters:
    """The region's parameters after one round's steps from the incoming ones; each round orders rows anew.

    FedAvg's client update, McMahan et al. 2017, algorithm 1 (https://arxiv.org/abs/1602.05629); with
    ``steps.proximal_mu`` FedProx's (Li et al. 2020, https://arxiv.org/abs/1812.06127).

    Args:
        incoming: the joint model's parameters, of the network `spec` with D inputs.
        X, y: (N, D) inputs and (N,) outcomes of the training rows.
        round: 0 or more.
        frozen: names of parameters that stay as they came in.
        pull: what moves parameters beside the rows.

    Raises:
        TrainingFailed: no rows, parameters of another network, or a result that is not finite.
    """
    seeded = replace(steps, seed=steps.seed * _STRIDE + round)
    return train_locally(incoming, X, y, seeded, spec=spec, frozen=frozen, pull=pull)


def private_update(
    incoming: Parameters,
    X: np.ndarray,
    y: np.ndarray,
    steps: LocalSteps,
    *,
    spec: NetworkSpec,
    run: PrivateRun,
    frozen: Collection[str] = (),
) -> Parameters:
    """The same under the private run's mechanism for one more round, with samples and noise that no seed repeats.

    Raises:
        BudgetExceeded: a round more than was reserved.
        TrainingFailed: as `update`.
    """
    mechanism = run.next_round()
    return private_steps(incoming, X, y, steps, mechanism, spec=spec, rng=noise_generator(), frozen=frozen)


def train(rows: DataSplit, start: StartingPoint, recipe: Recipe) -> Candidate:
    """The joint model of `start`, or the region's own version of it where that is better on validation rows.

    Own versions are tuned on the training rows: as agreed among the regions, and on the region's own scale; and the
    personal copy, where one was trained beside the joint model.

    Raises:
        TrainingFailed: no joint model came, or tuning diverged.
    """
    if start.model is None:
        raise TrainingFailed("federated training needs the joint model of the last round, and none came")
    joint = replace(start.model, name="federated")
    tuned = replace(tune(joint, rows.train, recipe.tune), name="federated, tuned")
    own = replace(on_own_scale(joint, rows.train), name="federated, tuned, own scale")
    beside = [] if start.personal is None else [replace(start.personal, name="federated, personal")]
    several = [joint, tuned, tune(own, rows.train, recipe.tune), *beside]
    return best(several, rows, recipe.tune)
