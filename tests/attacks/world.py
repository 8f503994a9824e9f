"""A small world for attacks: 600 rows, a network that learns them by heart, and one that may not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np

from fedsov.algorithms.local_steps import LocalSteps
from fedsov.attacks.membership import Target
from fedsov.attacks.shadow_models import AttackedTraining
from fedsov.model.network import NetworkSpec
from fedsov.privacy.accounting import calibrated
from fedsov.privacy.mechanism import RecordMechanism, unsafe_noise_generator

WIDE, N = NetworkSpec("mlp", (48,)), 600
OVERFIT = LocalSteps(learning_rate=0.1, momentum=0.9, batch=32, epochs=40, weight_decay=0.0)
PRIVATE = LocalSteps(learning_rate=0.5, momentum=0.0, weight_decay=0.0)
OWN = ("loss", "lira_online", "lira_offline")


def seeded(first: int = 0) -> Callable[[], np.random.Generator]:
    numbers = count(first)
    return lambda: unsafe_noise_generator(next(numbers))


def mechanism_of(budget: float, *, rate: float = 0.1, steps: int = 60) -> RecordMechanism:
    return calibrated((), budget, 1e-5, sampling_rate=rate, steps=steps, clip=1.0)


def private(rows: tuple[np.ndarray, np.ndarray], budget: float, network: NetworkSpec = WIDE) -> Target:
    return Target(*rows, AttackedTraining(network, PRIVATE, mechanism_of(budget), seeded()))
