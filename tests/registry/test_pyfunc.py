"""A registered model is one that MLflow loads, by its own files and without a pickle, in any folder that it came to."""

from __future__ import annotations

import json
import logging
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from fedsov.model.packaging import saved
from fedsov.model.packaging.encoder import ColumnRefused
from fedsov.model.packaging.loaded import LoadedModel
from fedsov.model.packaging.saved import SavedModel
from fedsov.registry import prepare, record
from fedsov.registry.moved import move
from fedsov.registry.values import ModelRecord, RunRecord
from tests.model.world import TARGETS, parameters_of, saved_model

ROWS = pd.DataFrame(
    {"age": [41.0, None], "salary": [5e4, 1.0], "remote": ["no", None], "size": ["1", "20"]}, index=["x", "y"]
)


def _registered(folder: Path, model: SavedModel, run: str = "r1") -> Path:
    """The folder of a registered version's files."""
    path = saved.write(folder / "written" / run, model, parameters_of(model))
    record(folder, RunRecord(run, "people", models=(ModelRecord(model.name, path),)))
    newest = max((folder / "artifacts").rglob("MLmodel"), key=lambda file: file.stat().st_mtime_ns)
    return newest.parent


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """MLflow, which looks at the registry of the folder."""
    prepare()
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    yield mlflow
    mlflow.set_tracking_uri(before)


@pytest.mark.parametrize("task", TARGETS)
def test_mlflow_loads_the_candidate_and_its_answers_are_the_models(tmp_path: Path, mlflow: Any, task: str) -> None:
    model = saved_model("mlp", hidden=(4,), task=task)
    _registered(tmp_path, model)
    loaded = mlflow.pyfunc.load_model("models:/people-de@candidate")
    answers = loaded.predict(ROWS)
    expected = LoadedModel(model, parameters_of(model)).predict(ROWS)
    pd.testing.assert_frame_equal(answers, expected)
    assert answers.index.tolist() == ["x", "y"]


def test_the_input_example_is_of_rows_that_nobody_is_and_the_model_answers_it(tmp_path: Path, mlflow: Any) -> None:
    model = saved_model()
    _registered(tmp_path, model)
    loaded = mlflow.pyfunc.load_model("models:/people-de/1")
    example = loaded.input_example
    assert example["size"].tolist() == ["1", "20", "300", "1", "20"] and example["age"].tolist()[2] == 40.0
    assert loaded.predict(example).shape == (5, 1)
    schema = loaded.metadata.get_input_schema()
    assert schema.to_dict() == [
        {"type": kind, "name": name, "required": True}
        for name, kind in (("age", "double"), ("salary", "double"), ("remote", "string"), ("size", "string"))
    ]
    assert loaded.metadata.get_output_schema().input_names() == ["probability"]
    assert loaded.metadata.metadata["label"] == model.label.to_json()
    assert loaded.metadata.metadata["run"] == "r1"


def test_what_does_not_fit_is_refused_by_the_columns_name_and_no_value_is_told(tmp_path: Path, mlflow: Any) -> None:
    _registered(tmp_path, saved_model())
    loaded = mlflow.pyfunc.load_model("models:/people-de@candidate")
    secret = ROWS.assign(salary=[123456.0, 654321.0])
    for odd, column in (
        (secret.drop(columns=["age"]), "age"),
        (secret.assign(age=["forty", "fifty"]), "age"),
        (secret.assign(remote="Mars"), "remote"),
    ):
        with pytest.raises(ColumnRefused, match=f"column '{column}'") as refused:
            loaded.predict(odd)
        told: BaseException | None = refused.value
        while told is not None:
            assert not any(value in str(told) for value in ("123456", "forty", "Mars"))
            told = told.__cause__ or told.__context__
    assert loaded.predict(ROWS.assign(remote="Mars"), params={"unseen": "allow"}).shape == (2, 1)


def test_loading_runs_no_pickle_and_no_code_of_the_folder(
    tmp_path: Path, mlflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _registered(tmp_path, saved_model())
    assert {file.name for file in folder.iterdir()} == {
        *("MLmodel", "model.json", "model.safetensors", "input_example.json", "serving_input_example.json"),
        *("conda.yaml", "python_env.yaml", "requirements.txt"),
    }

    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("a pickle was read")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refused)
    (folder / "fedsov.py").write_text("raise AssertionError('code of the folder ran')")
    assert mlflow.pyfunc.load_model("models:/people-de@candidate").predict(ROWS).shape == (2, 1)


def test_loading_warns_of_nothing(tmp_path: Path, mlflow: Any, caplog: pytest.LogCaptureFixture) -> None:
    _registered(tmp_path, saved_model())
    logging.getLogger("mlflow").propagate = True
    with caplog.at_level(logging.WARNING):
        mlflow.pyfunc.load_model("models:/people-de@candidate").predict(ROWS)
    assert [entry.getMessage() for entry in caplog.records] == []


def test_the_files_are_as_mlflow_writes_its_own(tmp_path: Path, mlflow: Any) -> None:
    """Beside what MLflow itself saves: no key that it would not know, and none of its own missing but of its code."""
    folder = _registered(tmp_path, saved_model())
    ours = yaml.safe_load((folder / "MLmodel").read_text())

    class Echo(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            return model_input

    example = pd.DataFrame({"age": [1.0]})
    signature = mlflow.models.infer_signature(example, example, {"unseen": "refuse"})
    mlflow.pyfunc.save_model(
        tmp_path / "theirs", python_model=Echo(), signature=signature, input_example=example, pip_requirements=["torch"]
    )
    theirs = yaml.safe_load((tmp_path / "theirs" / "MLmodel").read_text())
    assert set(theirs) - set(ours) == {"prompts"} and set(ours) - set(theirs) == {"metadata", "run_id"}
    assert json.loads(ours["signature"]["params"]) == json.loads(theirs["signature"]["params"])
    assert ours["saved_input_example_info"] == theirs["saved_input_example_info"]
    assert mlflow.models.Model.load(str(folder)).to_dict()["model_id"] == ours["model_id"]


def test_mlflows_own_server_answers_the_serving_example(tmp_path: Path, mlflow: Any) -> None:
    from mlflow.pyfunc.scoring_server import invocations

    folder = _registered(tmp_path, saved_model())
    loaded = mlflow.pyfunc.load_model("models:/people-de@candidate")
    payload = (folder / "serving_input_example.json").read_text()
    answer = invocations(payload, "application/json", loaded, loaded.metadata.get_input_schema())
    assert answer.status == 200 and len(json.loads(answer.response)["predictions"]) == 5


def test_a_registry_that_came_to_another_folder_loads_its_models(tmp_path: Path, mlflow: Any) -> None:
    model = saved_model()
    _registered(tmp_path / "old", model)
    shutil.move(tmp_path / "old", tmp_path / "new")
    move(tmp_path / "new" / "mlflow.db", tmp_path / "old", tmp_path / "new")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/new/mlflow.db")
    answers = mlflow.pyfunc.load_model("models:/people-de@candidate").predict(ROWS)
    np.testing.assert_array_equal(answers, LoadedModel(model, parameters_of(model)).predict(ROWS))
