"""Whether a model, or a drift, that came is so steep that it singles people out: then nothing is made with it.

Asked where people's rows are not hidden by noise, before they are looked at (`fedsov.model.steepness`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fedsov.algorithms.training_spec import TrainingSpec
from fedsov.errors import LimitExceeded
from fedsov.model.features import Features
from fedsov.model.network import NetworkSpec, Parameters, is_stack, names
from fedsov.model.steepness import composed, steepness
from fedsov.region.answers import people_rows
from fedsov.region.session import Session
from fedsov.region.trust.applications import untold_steepness

MODEL, DRIFT = "the model that came", "what the drift that came makes of it by the round's steps"


def check_model(session: Session, scope: str, spec: NetworkSpec, whole: Parameters, features: Features) -> None:
    """Raises LimitExceeded for a model with a unit that is a threshold, or with layers that are one together.

    So it does for a network whose steepness cannot be told and that the region did not approve.

    Args:
        whole: the model with what the region keeps of it; its layers one after another are looked at of a stack alone.
    """
    if why := untold_steepness(session.settings, spec):
        raise LimitExceeded(why)
    spreads, limits, region = people_rows.spreads(session, scope), session.settings.limits, session.records.region
    limits.check_steepness(region, steepness(whole, features, spreads), MODEL)
    limits.check_composed(region, composed(_layers(spec, whole, features), features, spreads), MODEL)


def check_drift(
    session: Session,
    scope: str,
    training: TrainingSpec,
    whole: Parameters,
    drift: Parameters,
    features: Features,
    *,
    number: int,
    rows: int,
) -> None:
    """Raises LimitExceeded for a drift whose steps in round `number`, over so many rows, make such a model."""
    if not drift:
        return
    spreads, limits, region = people_rows.spreads(session, scope), session.settings.limits, session.records.region
    steps = training.steps
    taken = steps.epochs * max(1, -(-rows // steps.batch)) / (1 - steps.momentum)
    far = taken * steps.learning_rate * training.rate(number)
    moved = {name: far * np.asarray(array, np.float64) for name, array in drift.items()}
    limits.check_steepness(region, steepness(moved, features, spreads), DRIFT)
    layers = _layers(training.network, whole, features)
    limits.check_composed(region, composed(layers, features, spreads, moved), DRIFT)


def _layers(spec: NetworkSpec, whole: Parameters, features: Features) -> Mapping[str, np.ndarray]:
    """The parameters in the order of the layers, whatever order they came in; none of what is no stack."""
    return {name: whole[name] for name in names(spec, features.inputs) if name in whole} if is_stack(spec) else {}
