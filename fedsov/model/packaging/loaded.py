"""A model that is ready to answer, by torch: the same numbers as the scores of its run were made of.

`answering` is the one place where a network's logits become answers: probabilities of an outcome, a class or a label,
or numbers in the target's own unit. What is exported (`fedsov.model.packaging.onnx_export`) is this module, and is held
to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fedsov.errors import InputError, counted
from fedsov.label import Label
from fedsov.model import network
from fedsov.model.network import Parameters
from fedsov.model.packaging.encoder import ColumnRefused, Encoder, InputColumn, Unseen
from fedsov.model.packaging.saved import SavedModel

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn


RowsOfColumns: TypeAlias = "pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]"
"""A table, columns by name, or rows by name."""


class LoadedModel:
    """A registered model with its parameters: rows in, a table of answers out.

    Attributes:
        saved: what it is.
        unseen: what becomes of a level that the model does not know: "refuse" or "allow" (none of the levels).
    """

    def __init__(self, saved: SavedModel, parameters: Parameters, *, unseen: Unseen = "refuse") -> None:
        saved.check_whole()
        self.saved = saved
        self._module = answering(saved, parameters)
        self._encoder = Encoder(saved.features, unseen=unseen)

    @property
    def name(self) -> str:
        """Of the registered model."""
        return self.saved.name

    @property
    def version(self) -> int | None:
        """Of the registered model, where it was loaded from a registry."""
        return self.saved.version

    @property
    def label(self) -> Label:
        """What binds the model; with the rows' own label, what binds its answers."""
        return self.saved.label

    @property
    def columns(self) -> tuple[InputColumn, ...]:
        """What it reads, those of numbers first, each with the levels that it knows."""
        return self._encoder.columns

    @property
    def outputs(self) -> tuple[str, ...]:
        """The name of each column of its answers; `saved.signature.meaning` says what they are."""
        return self.saved.signature.words

    def predict(self, rows: RowsOfColumns) -> pd.DataFrame:
        """One row of answers for each row, under the same index where the rows have one.

        Args:
            rows: a table with the model's `columns` in any order, these by name as arrays or lists, or a list of rows
                by name; other columns are not looked at. None and NaN are missing.

        Raises:
            ColumnRefused: a column is absent, or has a value that the model cannot read, or a level that it does not
                know.
            InputError: rows of no such form.
        """
        import pandas as pd

        if isinstance(rows, pd.DataFrame):
            read = {str(name): _values(rows[name]) for name in rows.columns if not self._encoder.extra([name])}
            answers = self.answer(self._encoder.encode(read))
            return pd.DataFrame(answers, columns=list(self.outputs), index=rows.index)
        read = dict(rows) if isinstance(rows, Mapping) else self._by_column(rows)
        return pd.DataFrame(self.answer(self._encoder.encode(read)), columns=list(self.outputs))

    def _by_column(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
        """Rows by name as columns by name. Raises ColumnRefused where a row lacks one, InputError for no such rows."""
        if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
            raise InputError("rows must be a pandas DataFrame, columns by name, or a list of rows by name")
        for column in self.columns:
            if lacking := sum(column.name not in row for row in rows):
                raise ColumnRefused(
                    column.name,
                    f"column {column.name!r} is missing in {counted(lacking, 'row')}; {self._encoder.asks()}",
                )
        return {column.name: [row[column.name] for row in rows] for column in self.columns}

    def answer(self, inputs: np.ndarray) -> np.ndarray:
        """(N, outputs) float32 answers of (N, D) float32 inputs."""
        import torch

        with torch.inference_mode(), network.answering(self.saved.network):
            return np.asarray(self._module(torch.from_numpy(inputs)).numpy())

    def __repr__(self) -> str:
        version = "" if self.version is None else f"/{self.version}"
        return f"<{self.name}{version} of {self.saved.region}: {self.saved.signature.meaning}; {self.label}>"


def _values(series: pd.Series[Any]) -> Any:
    """A column of a table as an array of numbers, of days, or of plain values with None where missing."""
    if series.dtype.kind in "fiuM" and isinstance(series.dtype, np.dtype):
        return series.to_numpy()
    return series.astype(object).where(series.notna(), None).tolist()


def answering(saved: SavedModel, parameters: Parameters) -> nn.Module:
    """The torch module of (N, D) float32 inputs to (N, outputs) answers, set to score."""
    import torch
    from torch import nn

    task, target = saved.target.task, saved.target

    class Answering(nn.Module):
        """A network, and what becomes of its logits."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network.load(network.build(saved.network, saved.features.inputs), parameters)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            """(N, D) to (N, outputs)."""
            logits = torch.as_tensor(self.network(inputs))
            if task == "multiclass":
                return logits.softmax(-1)
            return torch.as_tensor(target.off_scale(logits)) if task == "regression" else logits.sigmoid()

    return Answering().eval()
