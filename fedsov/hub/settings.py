"""What the hub needs of a run's settings. `fedsov.config.hub_settings` makes them.

The hub never sees how a row is read or a gradient taken, and loads no torch for it: what would need it (the first
parameters of a network, the regions' steps) comes in as a function, the regions' job as plain values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsov.artifact import Party
from fedsov.border.settings import BorderSettings
from fedsov.hub.planning.plan_values import StrategyRule
from fedsov.privacy.secure_aggregation.fixed_point import Bounds

if TYPE_CHECKING:
    from fedsov.control_plane.aggregate import Algorithm
    from fedsov.model.corrections import Pace
    from fedsov.model.network import Parameters
    from fedsov.training.compression import Compression


@dataclass(frozen=True, slots=True)
class HubTraining:
    """How global models are trained.

    Attributes:
        algorithm: how updates are aggregated.
        first_parameters: by the number of inputs and the scope, what a training begins with: the whole network, or of
            one that regions keep parts of the shared parameters.
        pace: by round, how every region steps; for algorithms that count steps.
        compression: how updates are sent up.
        frozen: names of parameters that are not sent up.
        rounds: at least 1.
        timeout: seconds a round may take before the missing regions are left behind.
        patience: rounds without a lesser validation loss after which the training ends; None: never.
        max_update_norm: the longest update (L2) of a region that is accepted.
        secure_sum: bounds of the secure sums that a global model is made by; None where the hub sees each update.
        adds_noise: True where regions account for privacy and keep their scores.
    """

    algorithm: Algorithm
    first_parameters: Callable[[int, str], Parameters]
    pace: Callable[[int], Pace]
    compression: Compression
    frozen: tuple[str, ...] = ()
    rounds: int = 1
    timeout: float = 3600.0
    patience: int | None = None
    max_update_norm: float = math.inf
    secure_sum: Bounds | None = None
    adds_noise: bool = False


@dataclass(frozen=True, slots=True)
class HubSettings:
    """One run, as its hub sees it.

    Attributes:
        workspace: the folder that everything is written under.
        plain: the composed configuration that these settings came from, for the record and for resuming.
        hub: the hub's party.
        border: the register of documents, additional rules, the open border of laboratories.
        strategy: which strategy needs how many rows.
        training: how global models are trained.
        dataset: the data set's name.
        task: what is learned, one of `fedsov.model.metrics.MEASURES`.
        job: what regions are to do (`fedsov.protocol.job.TrainingJob`, as JSON).
        synthetic_rows: rows of a synthetic table.
        consent_document: the document that people's consent to global use rests on; None where nobody is asked.
        today: the day decisions are made on; None for the real day of each decision.
        days_per_round: how many days pass with each round, in a rehearsal of a long training.
    """

    workspace: Path
    plain: Mapping[str, Any]
    hub: Party
    border: BorderSettings
    strategy: StrategyRule
    training: HubTraining
    dataset: str
    task: str
    job: Mapping[str, Any] = field(default_factory=dict)
    synthetic_rows: int = 0
    consent_document: str | None = None
    today: date | None = None
    days_per_round: int = 0
