"""What the hub needs of a run's settings. `fedsov.config.hub_settings` makes them.

The hub never sees how a row is read or a gradient taken, and loads no torch for it: what would need it (the first
parameters of a network, the regions' steps) comes in as a function, the regions' job as plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsov.artifact import Party
from fedsov.border.settings import BorderSettings
from fedsov.hub.planning.plan_values import StrategyRule
from fedsov.privacy.secure_aggregation.fixed_point import Bounds

if TYPE_CHECKING:
    from fedsov.algorithms.training_spec import TrainingSpec
    from fedsov.model.network import Parameters
    from fedsov.protocol.job import Asked, TrainingJob


@dataclass(frozen=True, slots=True)
class HubTraining:
    """How global models are trained.

    Attributes:
        spec: the training that hub and regions agree on.
        first_parameters: by the number of inputs and the scope, what a training begins with: the whole network, or of
            one that regions keep parts of the shared parameters.
        timeout: seconds a round may take before the missing regions are left behind.
        secure_sum: bounds of the secure sums that a global model is made by; None where the hub sees each update.
        adds_noise: True where regions account for privacy and keep their scores.
    """

    spec: TrainingSpec
    first_parameters: Callable[[int, str], Parameters]
    timeout: float = 3600.0
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
        job: what regions are to do.
        asked: what the job would like of every region's border.
        synthetic_rows: rows of a synthetic table.
        consent_document: the document that people's consent to global use rests on; None where nobody is asked.
    """

    workspace: Path
    plain: Mapping[str, Any]
    hub: Party
    border: BorderSettings
    strategy: StrategyRule
    training: HubTraining
    dataset: str
    task: str
    job: TrainingJob
    asked: Asked
    synthetic_rows: int = 0
    consent_document: str | None = None
