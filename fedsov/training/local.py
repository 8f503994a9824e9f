"""Training inside one region: its rows, their division, and gradient steps on them.

Nothing here sends, stores or logs anything; every function takes values and returns values, and equal seeds
give equal results. torch is imported when a step is taken, not before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from fedsov.errors import InputError, TrainingFailed
from fedsov.model.features import Features, Statistics
from fedsov.model.network import NetworkSpec, Parameters, build, check, initial, load
from fedsov.partition.dataset import TargetRule
from fedsov.training import engine
from fedsov.training.measure import MEASURES
from fedsov.training.steps import LocalSteps, Recipe

SHARES = (0.6, 0.2)
"""Of all subjects: to train on, and to choose on; the rest is looked at once, for the table."""


class Split(NamedTuple):
    """(N,) boolean masks; each row is in exactly one."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, slots=True)
class Rows:
    """A region's rows as columns (see `fedsov.model.features`), with (N,) outcomes.

    `persons`, where given, is (N,): whose row each is, as `Statistics.from_records` understands it.
    """

    columns: Mapping[str, np.ndarray]
    kinds: Mapping[str, str]
    y: np.ndarray
    persons: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)

    def select(self, mask: np.ndarray) -> Rows:
        """The rows where the (N,) mask is true."""
        columns = {name: column[mask] for name, column in self.columns.items()}
        persons = None if self.persons is None else self.persons[mask]
        return Rows(columns, self.kinds, self.y[mask], persons)


@dataclass(frozen=True, slots=True)
class Divided:
    """A region's rows: to train on, to choose on, and to report on."""

    train: Rows
    validation: Rows
    test: Rows


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that can score rows: network, features and parameters, and how it came about."""

    name: str
    network: NetworkSpec
    features: Features
    parameters: Parameters

    def logits(self, rows: Rows) -> np.ndarray:
        """(N,) logits of these rows' outcomes, or numbers on their scale; (N, C) logits of several classes."""
        return predict(self.parameters, self.features.encode(rows.columns), self.network)


@dataclass(frozen=True, slots=True)
class Start:
    """What a region has to start from: a joint or public model, or a donor's synthetic rows, or none.

    `personal` is its own copy of the joint model, where it trained one beside it (Ditto).
    """

    model: Candidate | None = None
    rows: Rows | None = None
    personal: Candidate | None = None


def outcome(target: np.ndarray, rule: TargetRule, median: float | None = None) -> np.ndarray:
    """The (N,) float32 outcomes of 0 and 1, places of several classes, or numbers on a scale; (N, C) of labels.

    Args:
        target: (N,) float64, or objects of str.
        rule: above the region's median, or equal to a value, or already 0 and 1; or of classes, or numbers.
        median: of all the region's rows; computed from `target` where absent.

    Raises:
        InputError: the target has missing values, is not numeric where it must be, is of no class, or needs a rule.
    """
    if rule.classes:
        return _labels(target, rule) if rule.separator else _places(target, rule)
    if rule.scale:
        return np.asarray(rule.on_scale(_numbers(target, rule.column)), dtype=np.float32)
    if rule.above_region_median:
        numbers = _numbers(target, rule.column)
        middle = float(np.median(numbers)) if median is None and len(numbers) else median
        return np.asarray(numbers > middle if middle is not None else numbers, dtype=np.float32)
    if rule.positive is not None:
        return np.asarray(_equal(target, rule), dtype=np.float32)
    numbers = _numbers(target, rule.column)
    if not np.isin(numbers, (0.0, 1.0)).all():
        raise InputError(
            f"target {rule.column!r} is not 0 or 1; "
            "set dataset.target_positive=VALUE or dataset.target_above_region_median=true"
        )
    return numbers.astype(np.float32)


def _places(target: np.ndarray, rule: TargetRule) -> np.ndarray:
    found = np.full(len(target), -1, dtype=np.float32)
    for place, name in enumerate(rule.classes):
        found[_equal(target, replace(rule, classes=(), positive=name))] = place
    if (found < 0).any():
        raise InputError(f"target {rule.column!r} has a value that is none of dataset.classes")
    return found


def _labels(target: np.ndarray, rule: TargetRule) -> np.ndarray:
    """(N, C) ones where a row has a label."""
    if target.dtype != object or any(value is None for value in target.tolist()):
        raise InputError(
            f"target {rule.column!r} has a value without text; labels are text, the separator alone for none"
        )
    named = [rule.labels(value) for value in target.tolist()]
    if any(name not in rule.classes for names in named for name in names):
        raise InputError(f"target {rule.column!r} has a label that is none of dataset.classes")
    return np.array([[name in names for name in rule.classes] for names in named], np.float32).reshape(len(target), -1)


def in_words(target: np.ndarray, rule: TargetRule) -> np.ndarray:
    """(N,) the targets by the names of their classes, where each has one of several; else as they are."""
    if rule.task != "multiclass":
        return target
    return np.array(rule.classes, object)[outcome(target, rule).astype(np.int64)]


def _numbers(target: np.ndarray, column: str) -> np.ndarray:
    try:
        numbers = np.asarray(target, dtype=np.float64)
    except ValueError:
        raise InputError(
            f"target {column!r} holds text; set dataset.target_positive to the value that counts as 1"
        ) from None
    if not np.isfinite(numbers).all():
        raise InputError(f"target {column!r} has missing or infinite values; set dataset.missing_target=quarantine")
    return numbers


def _equal(target: np.ndarray, rule: TargetRule) -> np.ndarray:
    if target.dtype != object:
        try:
            return _numbers(target, rule.column) == float(str(rule.positive))
        except ValueError:
            raise InputError(f"target {rule.column!r} is numeric; {rule.positive!r} is no number") from None
    if any(value is None for value in target.tolist()):
        raise InputError(f"target {rule.column!r} has missing values; set dataset.missing_target=quarantine")
    return target == str(rule.positive)


def split(subjects: np.ndarray, seed: int) -> Split:
    """Divides rows 60/20/20 by a keyed hash of their subject.

    A person's rows stay together, and stay where they are when others are added or erased.

    Args:
        subjects: (N,) of str, pseudonymous keys.
        seed: the hash's key.
    """
    key = seed.to_bytes(8, "big", signed=True)
    digests = (hashlib.blake2b(str(one).encode(), key=key, digest_size=8).digest() for one in subjects.tolist())
    place = np.frombuffer(b"".join(digests), dtype=">u8").astype(np.float64) / 2.0**64
    first, second = SHARES[0], sum(SHARES)
    return Split(place < first, (place >= first) & (place < second), place >= second)


def train_locally(
    arrays: Parameters,
    X: np.ndarray,
    y: np.ndarray,
    steps: LocalSteps,
    *,
    spec: NetworkSpec,
    frozen: Collection[str] = (),
    pull: engine.Pull | None = None,
) -> Parameters:
    """The parameters after these steps on (N, D) inputs and (N,) outcomes; `arrays` itself is not changed.

    Raises:
        TrainingFailed: no rows, incoming parameters of another network, or a result that is not finite.
        InputError: outcomes that the loss cannot have.
    """
    if not len(y):
        raise TrainingFailed("a region has no rows to train on; give it rows, or leave it out")
    check(spec, X.shape[1], arrays)
    trained = engine.train_one(arrays, X, y, steps, spec=spec, frozen=frozen, pull=pull)
    check(spec, X.shape[1], trained)
    return trained


def predict(arrays: Parameters, X: np.ndarray, spec: NetworkSpec) -> np.ndarray:
    """(N,) float32 logits of (N, D) inputs; (N, outputs) for a network of several outputs."""
    import torch

    torch.set_num_threads(1)
    with torch.no_grad():
        logits = load(build(spec, X.shape[1]), arrays)(torch.from_numpy(X)).numpy()
    return logits[:, 0] if spec.outputs == 1 else logits


def train_alone(rows: Divided, start: Start, recipe: Recipe) -> Candidate:
    """The last resort, and everybody's comparison: own rows, from nothing; `start` is not used.

    Raises:
        InputError: too few rows differ in any column to make a feature of it.
        TrainingFailed: the parameters diverged.
    """
    del start
    return train_beside(rows, Start(), recipe)


def train_beside(rows: Divided, start: Start, recipe: Recipe) -> Candidate:
    """Own training rows, with the synthetic rows of `start` beside them, each on its own region's scale.

    Raises:
        InputError, TrainingFailed: as `train_alone`.
    """
    parts = [rows.train] if start.rows is None else [rows.train, start.rows]
    described = [Statistics.from_records(part.columns, part.kinds) for part in parts]
    features = Features.fit(sum(described[1:], described[0]))
    scaled = [features.scaled_as(own) for own in described]
    X = np.concatenate([scale.encode(part.columns) for scale, part in zip(scaled, parts, strict=True)])
    y = np.concatenate([part.y for part in parts])
    first = initial(recipe.network, features.inputs, recipe.alone.seed)
    trained = train_locally(first, X, y, recipe.alone, spec=recipe.network)
    return Candidate("local" if start.rows is None else "synthetic", recipe.network, scaled[0], trained)


def on_own_scale(model: Candidate, rows: Rows) -> Candidate:
    """The same parameters behind inputs standardised by these rows; see `Features.scaled_as`."""
    own = Statistics.from_records(rows.columns, rows.kinds)
    return replace(model, name=f"{model.name}, own scale", features=model.features.scaled_as(own))


def tune(model: Candidate, rows: Rows, steps: LocalSteps, *, frozen: Collection[str] = ()) -> Candidate:
    """The model after these steps on own rows; only its parameters change."""
    X = model.features.encode(rows.columns)
    tuned = train_locally(model.parameters, X, rows.y, steps, spec=model.network, frozen=frozen)
    return replace(model, parameters=tuned)


def best(candidates: Sequence[Candidate], rows: Divided, steps: LocalSteps) -> Candidate:
    """The one with the least loss on the validation rows, as `steps` have it; the first of equals, or of no rows.

    Log loss and not AUC, because on a hundred rows it tells candidates apart with far less noise.
    """
    if not len(rows.validation):
        return candidates[0]
    y, loss = rows.validation.y, MEASURES[steps.loss].loss
    return min(candidates, key=lambda one: loss(y, one.logits(rows.validation), steps.class_weights))
