"""What MLflow calls to load a registered model: ``mlflow.pyfunc.load_model("models:/people-de@candidate")``.

The model is two files of data, ``model.json`` and ``model.safetensors``; no pickle is read. Predictions are a table
with a column for each output, as the model's signature has them. A column that is absent, a value that is no number
and a level that the model does not know are refused by the column's name; with ``params={"unseen": "allow"}`` such a
level is none of the levels.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsov.errors import InputError
from fedsov.model.packaging.loaded import LoadedModel
from fedsov.model.packaging.saved import read

if TYPE_CHECKING:
    import pandas as pd

    from fedsov.model.packaging.loaded import RowsOfColumns


class PyFuncModel:
    """The model as MLflow asks it."""

    def __init__(self, folder: Path) -> None:
        saved, parameters = read(folder)
        self._by_policy = {policy: LoadedModel(saved, parameters, unseen=policy) for policy in ("refuse", "allow")}

    def predict(self, rows: RowsOfColumns, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """A row of answers for each row. Raises ColumnRefused, InputError for another policy."""
        policy = (params or {}).get("unseen", "refuse")
        if policy not in self._by_policy:
            raise InputError(f"unseen={policy!r} is no policy; choose refuse or allow")
        return self._by_policy[policy].predict(rows)


def _load_pyfunc(path: str) -> PyFuncModel:
    """MLflow's entry: the model in a folder. Raises as `fedsov.model.packaging.saved.read`."""
    return PyFuncModel(Path(path))
