"""What the accuracy benchmarks share: where the tables are, rows as regions, and the linear models beside ours."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from fedsov.model.column_statistics import Statistics
from fedsov.model.features import Features
from fedsov.model.metrics import log_loss

STRENGTHS = (0.03, 0.3, 3.0)
"""Inverse L2 penalties that a linear model beside ours may choose from, each by its own training rows."""


def folder(given: str | None) -> Path:
    """The argument, or $FEDSOV_BENCHMARK_DATA, or shared/data beside the project."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    found = Path(given or os.environ.get("FEDSOV_BENCHMARK_DATA", beside))
    if not found.is_dir():
        raise SystemExit(f"no folder {found}; give it with --data, or set FEDSOV_BENCHMARK_DATA")
    return found


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of several regions: columns by name, (N,) outcomes of 0 and 1, and (N,) whose each row is."""

    columns: Mapping[str, np.ndarray]
    kinds: Mapping[str, str]
    y: np.ndarray
    region: np.ndarray
    regions: tuple[str, ...]

    @staticmethod
    def of(frame: pd.DataFrame, region: str, y: np.ndarray, *, numeric: Sequence[str], levels: Sequence[str]) -> Table:
        """The frame's columns as `fedsov.model.features` takes them; regions in order of first appearance."""
        numbers = {name: frame[name].to_numpy(np.float64) for name in numeric}
        words = {name: np.array([None if v != v else str(v) for v in frame[name]], dtype=object) for name in levels}
        kinds = dict.fromkeys(numeric, "numeric") | dict.fromkeys(levels, "categorical")
        where = frame[region].to_numpy(object)
        return Table(numbers | words, kinds, y.astype(np.float32), where, tuple(dict.fromkeys(where)))

    def mask(self, name: str, rows: np.ndarray) -> np.ndarray:
        """(N,) the region's rows among the (N,) mask `rows`."""
        return rows & (self.region == name)

    def inputs(self, fit: np.ndarray, *, own_scale: bool = False) -> np.ndarray:
        """(N, D) inputs; their scale is from sums over the rows `fit`: all regions' added up, or each region's own."""
        said = {name: self._described(self.mask(name, fit)) for name in self.regions}
        features = Features.fit(sum(list(said.values())[1:], said[self.regions[0]]))
        X = np.zeros((len(self.y), features.inputs), dtype=np.float32)
        for name, own in said.items():
            rows = self.region == name
            X[rows] = (features.scaled_as(own) if own_scale else features).encode(self._rows(rows))
        return X

    def _rows(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {name: column[rows] for name, column in self.columns.items()}

    def _described(self, rows: np.ndarray) -> Statistics:
        return Statistics.from_records(self._rows(rows), self.kinds)


def linear(X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """(D + 1,) weights and intercept of a logistic regression, its penalty chosen by log loss over the folds.

    Args:
        X, y: (N, D) inputs and (N,) outcomes of training rows.
        folds: (N,) numbers of the folds; with one number, -1 beside it, the rows of the other are chosen on.
    """
    if len(np.unique(y)) == 1:
        return np.append(np.zeros(X.shape[1]), 20.0 if y[0] else -20.0)
    losses = [np.mean([_held_out(X, y, folds == fold, C) for fold in np.unique(folds[folds >= 0])]) for C in STRENGTHS]
    return _fitted(X, y, STRENGTHS[int(np.argmin(losses))])


def _held_out(X: np.ndarray, y: np.ndarray, out: np.ndarray, C: float) -> float:
    if len(np.unique(y[~out])) == 1:
        return 0.0
    return log_loss(y[out], scores(_fitted(X[~out], y[~out], C), X[out]))


def _fitted(X: np.ndarray, y: np.ndarray, C: float) -> np.ndarray:
    fitted = LogisticRegression(C=C, max_iter=500, tol=1e-3).fit(X, y)
    return np.append(fitted.coef_[0], fitted.intercept_)


def scores(weights: np.ndarray, X: np.ndarray) -> np.ndarray:
    """(N,) logits of (N, D) inputs under the (D + 1,) weights of `linear`."""
    return X @ weights[:-1] + weights[-1]
