"""A loaded model answers as its run's scores were made."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

from fedsov.errors import InputError
from fedsov.model.packaging.encoder import ColumnRefused
from fedsov.model.packaging.loaded import LoadedModel
from fedsov.model.packaging.saved import SavedModel
from fedsov.training.engine import predict
from tests.model.world import MIXED, TARGETS, numbers, parameters_of, saved_model

ROWS = {
    "age": [41.0, None, 900.0],
    "salary": [5e4, 1.0, None],
    "remote": ["no", None, "yes"],
    "size": ["1", "20", None],
}


def _stored() -> dict[str, np.ndarray]:
    """The rows as a store has them."""
    as_numbers = {
        name: np.array([math.nan if value is None else value for value in ROWS[name]]) for name in ("age", "salary")
    }
    return as_numbers | {name: np.array(ROWS[name], object) for name in ("remote", "size")}


def _by_the_scores_way(saved: SavedModel, parameters: dict[str, np.ndarray]) -> np.ndarray:
    """What a run's scores are of, and the field's own formula for what they mean."""
    logits = predict(parameters, saved.features.encode(_stored()), saved.network).reshape(3, -1).astype(np.float64)
    if saved.target.task == "multiclass":
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))
    if saved.target.task == "regression":
        low, high = saved.target.scale
        return np.asarray(low + (logits + 1.0) / 2.0 * (high - low))
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize(("network", "hidden"), [("logistic", ()), ("mlp", (5,)), ("ft_transformer", (8, 1))])
def test_answers_are_what_the_scores_of_the_run_were_made_of(network: str, hidden: tuple[int, ...], task: str) -> None:
    saved = saved_model(network, hidden=hidden, task=task)
    parameters = parameters_of(saved)
    answers = LoadedModel(saved, parameters).predict(ROWS)
    assert list(answers.columns) == list(saved.signature.words)
    np.testing.assert_allclose(answers.to_numpy(), _by_the_scores_way(saved, parameters), rtol=2e-6, atol=1e-6)


def test_a_table_columns_and_rows_have_the_same_answers_and_a_table_keeps_its_index() -> None:
    saved = saved_model()
    model = LoadedModel(saved, parameters_of(saved))
    table = pd.DataFrame(ROWS, index=[7, 3, 5]).assign(more="x")[["size", "more", "salary", "remote", "age"]]
    expected = model.predict(ROWS)
    assert model.predict(table).index.tolist() == [7, 3, 5]
    np.testing.assert_array_equal(model.predict(table).to_numpy(), expected.to_numpy())
    rows = [dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values(), strict=True)]
    np.testing.assert_array_equal(model.predict(rows).to_numpy(), expected.to_numpy())


def test_tables_of_pandas_own_types_are_read() -> None:
    saved = saved_model()
    model = LoadedModel(saved, parameters_of(saved))
    table = pd.DataFrame(ROWS)
    odd = table.assign(
        age=table["age"].astype("Int64"), remote=table["remote"].astype("category"), size=table["size"].astype("string")
    )
    np.testing.assert_array_equal(model.predict(odd).to_numpy(), model.predict(table).to_numpy())


def test_days_of_a_table_are_counted_from_1970() -> None:
    saved = saved_model(features=numbers(1))
    model = LoadedModel(saved, parameters_of(saved))
    days = pd.DataFrame({"c0": pd.to_datetime(["1970-01-03", None])})
    plain = pd.DataFrame({"c0": [2.0, None]})
    np.testing.assert_array_equal(model.predict(days).to_numpy(), model.predict(plain).to_numpy())


def test_what_a_model_cannot_read_is_refused_by_its_column() -> None:
    saved = saved_model()
    model = LoadedModel(saved, parameters_of(saved))
    with pytest.raises(ColumnRefused, match="column 'age' is missing") as refused:
        model.predict(pd.DataFrame(ROWS).drop(columns=["age"]))
    assert refused.value.column == "age"
    with pytest.raises(ColumnRefused, match="column 'size' is missing in 1 row"):
        model.predict([{"age": 1.0, "salary": 1.0, "remote": "no"}])
    with pytest.raises(ColumnRefused, match="'remote' has a level that the model does not know in 3 rows"):
        model.predict(pd.DataFrame(ROWS).assign(remote="Mars"))
    for odd in (3, "rows", [1, 2], np.zeros((2, 4))):
        with pytest.raises(InputError, match="rows must be a pandas DataFrame"):
            model.predict(odd)  # type: ignore[arg-type]


def test_an_unknown_level_is_none_of_the_levels_where_that_is_allowed() -> None:
    saved = saved_model()
    parameters = parameters_of(saved)
    inputs = MIXED.encode(_stored() | {"remote": np.array(["Mars"] * 3, object)})
    answers = LoadedModel(saved, parameters, unseen="allow").predict(ROWS | {"remote": ["Mars"] * 3})
    logits = predict(parameters, inputs, saved.network)
    np.testing.assert_array_equal(answers["probability"], torch.from_numpy(logits).sigmoid().numpy())


def test_a_model_shows_what_it_is_and_what_binds_it() -> None:
    saved = saved_model(version=3)
    model = LoadedModel(saved, parameters_of(saved))
    assert (model.name, model.version, model.label) == ("people-de", 3, saved.label)
    assert [column.name for column in model.columns] == ["age", "salary", "remote", "size"]
    assert repr(model) == "<people-de/3 of DE: the probability that ill is yes; DE · personal>"
