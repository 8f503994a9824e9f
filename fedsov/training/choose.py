"""Runs a region's planned strategy beside training alone, and keeps the better of the two.

Training rows fit, validation rows choose, test rows are looked at once, for the numbers in the `Outcome`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedsov.errors import ConfigurationError, InputError
from fedsov.model.features import Features
from fedsov.model.network import NetworkSpec, Parameters
from fedsov.training import federated, transfer_learning
from fedsov.training.local import Candidate, Divided, Recipe, Start, train_alone, train_beside
from fedsov.training.measure import auc, auc_difference, log_loss

STRATEGIES: dict[str, Callable[[Divided, Start, Recipe], Candidate]] = {
    "federated": federated.train,
    "transfer_learning": transfer_learning.train,
    "synthetic": train_beside,
    "local": train_alone,
}
"""Every strategy, most private first: the region's rows and what it received become a model."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a region ended with.

    Attributes:
        kept: how the kept model came about ("federated, tuned", "local", ...).
        network, features, parameters: the kept model.
        auc: of the kept model on test rows (of several classes, the mean of each against the others); None where they
            have one class.
        local_auc: of training alone on the same rows; None also where training alone was not possible.
        gain, gain_se: auc - local_auc and its standard error; None where either class has fewer than 2 rows.
        validation_auc: of the kept model on validation rows.
        test_rows: how many rows the AUCs stand on.
        note: why the planned strategy was replaced, or what could not be compared; empty otherwise.
    """

    kept: str
    network: NetworkSpec
    features: Features
    parameters: Parameters
    auc: float | None
    local_auc: float | None
    gain: float | None
    gain_se: float | None
    validation_auc: float | None
    test_rows: int
    note: str = ""


def train(strategy: str, rows: Divided, start: Start, recipe: Recipe) -> Outcome:
    """The strategy's model, or the one trained alone where that is better on the validation rows.

    Raises:
        ConfigurationError: a strategy that nobody knows.
        InputError, TrainingFailed: the strategy could not train.
    """
    if strategy not in STRATEGIES:
        raise ConfigurationError(f"unknown strategy {strategy!r}; choose one of {', '.join(STRATEGIES)}")
    candidate = STRATEGIES[strategy](rows, start, recipe)
    if strategy == "local":
        return compare(candidate, candidate, rows)
    weights = recipe.tune.class_weights
    try:
        return compare(candidate, train_alone(rows, Start(), recipe), rows, class_weights=weights)
    except InputError as error:
        return compare(candidate, None, rows, note=f"no comparison: training alone ended with {type(error).__name__}")


def compare(
    candidate: Candidate, alone: Candidate | None, rows: Divided, *, class_weights: Sequence[float] = (), note: str = ""
) -> Outcome:
    """Keeps the candidate unless its (weighted) log loss on validation rows is above that of training alone."""
    kept = candidate
    if alone is not None and len(rows.validation):
        y = rows.validation.y
        theirs, ours = (log_loss(y, one.logits(rows.validation), class_weights) for one in (candidate, alone))
        if theirs > ours:
            kept = alone
            note = f"{candidate.name} was worse on validation rows (log loss {theirs:.3f}, local {ours:.3f})"
    y, scores = rows.test.y, kept.logits(rows.test)
    alone_scores = alone.logits(rows.test) if alone is not None else None
    difference = auc_difference(y, scores, alone_scores) if alone_scores is not None else None
    return Outcome(
        kept.name,
        kept.network,
        kept.features,
        kept.parameters,
        auc=auc(y, scores),
        local_auc=auc(y, alone_scores) if alone_scores is not None else None,
        gain=difference[0] if difference else None,
        gain_se=difference[1] if difference else None,
        validation_auc=auc(rows.validation.y, kept.logits(rows.validation)),
        test_rows=len(rows.test),
        note=note,
    )
