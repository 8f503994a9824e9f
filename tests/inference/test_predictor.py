"""A predictor answers as the registered model does, in microseconds, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.errors import InputError
from fedsov.inference.predictor import Predictor
from fedsov.model.packaging import saved
from fedsov.model.packaging.encoder import ColumnRefused
from fedsov.model.packaging.loaded import LoadedModel
from fedsov.model.packaging.onnx_export import export
from fedsov.model.packaging.saved import SavedModel
from tests.model.world import MIXED, TARGETS, numbers, parameters_of, saved_model


def written(folder: Path, model: SavedModel) -> Path:
    """A folder as an approval leaves it."""
    parameters = parameters_of(model)
    saved.write(folder, model, parameters)
    (folder / "model.onnx").write_bytes(export(model, parameters))
    return folder


@pytest.fixture(scope="module", params=TARGETS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictor, LoadedModel]:
    """A predictor and the loaded model, of each task."""
    folder = written(tmp_path_factory.mktemp("model"), saved_model("mlp", hidden=(6,), task=request.param, version=2))
    return Predictor.load(folder), LoadedModel(*saved.read(folder))


values = st.one_of(st.none(), st.floats(allow_infinity=False), st.integers(-(2**60), 2**60))
rows = st.lists(
    st.tuples(values, values, st.sampled_from(["no", "yes", " yes ", None]), st.sampled_from(["1", 20, 300.0, ""])),
    min_size=1,
    max_size=20,
)


@settings(max_examples=60)
@given(rows)
def test_answers_are_those_of_the_registered_model_to_a_millionth(
    pair: tuple[Predictor, LoadedModel], rows: list[tuple[object, ...]]
) -> None:
    predictor, model = pair
    columns = {column.name: [row[place] for row in rows] for place, column in enumerate(predictor.columns)}
    expected = model.predict(columns).to_numpy()
    scale = max([1.0, *model.saved.target.scale])
    for inputs in (predictor.encode(columns), predictor.encode_rows(rows)):
        np.testing.assert_allclose(predictor.run(inputs) / scale, expected / scale, rtol=1e-6, atol=1e-6)


def test_a_predictor_says_what_it_is(pair: tuple[Predictor, LoadedModel]) -> None:
    predictor, model = pair
    assert (predictor.name, predictor.version, predictor.label) == ("people-de", 2, model.label)
    assert predictor.words == model.outputs and predictor.meaning == model.saved.signature.meaning
    assert predictor.columns == model.columns and predictor.n_inputs == 9 and predictor.features == MIXED
    assert predictor.extra(["age", "id"]) == ["id"]


def test_an_unknown_level_is_refused_or_allowed_as_it_was_loaded(tmp_path: Path) -> None:
    folder = written(tmp_path, saved_model())
    asked = [[1.0, 2.0, "Mars", "1"]]
    with pytest.raises(ColumnRefused, match="'remote' has a level that the model does not know"):
        Predictor.load(folder).encode_rows(asked)
    assert Predictor.load(folder, unseen="allow").encode_rows(asked)[0, 2:4].tolist() == [0.0, 0.0]


def test_a_folder_without_a_model_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="model.json cannot be read: No such file"):
        Predictor.load(tmp_path)
    folder = written(tmp_path, saved_model())
    whole = (folder / "model.json").read_bytes()
    for file, content in (
        ("model.json", b"{}"),
        ("model.json", b"["),
        ("model.onnx", b"no graph"),
        ("model.onnx", b""),
    ):
        (folder / "model.json").write_bytes(whole)
        (folder / file).write_bytes(content)
        with pytest.raises(InputError, match="holds no model that can be read; approve the model again"):
            Predictor.load(folder)


def test_a_predictor_needs_no_torch_no_pandas_and_little_memory(tmp_path: Path) -> None:
    folder = written(tmp_path, saved_model("mlp", hidden=(64, 32), features=numbers(32)))
    program = (
        "import json, sys, numpy, pathlib\n"
        "from fedsov.inference.predictor import Predictor\n"
        f"predictor = Predictor.load(pathlib.Path({str(folder)!r}))\n"
        "answer = predictor.run(predictor.encode_numbers(numpy.zeros((1, 32))))\n"
        "heavy = [name for name in ('torch', 'pandas', 'mlflow', 'flwr', 'pyarrow', 'socket') if name in sys.modules]\n"
        "size = int(open('/proc/self/status').read().partition('VmRSS:')[2].split()[0]) / 1024\n"
        "print(json.dumps([answer.shape, heavy, size]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    shape, heavy, megabytes = json.loads(done.stdout)
    assert (shape, heavy) == ([1, 1], []) and megabytes < 90, done.stdout


def test_a_row_of_32_numbers_is_encoded_and_run_in_microseconds(tmp_path: Path) -> None:
    predictor = Predictor.load(written(tmp_path, saved_model("mlp", hidden=(64, 32), features=numbers(32))))
    row = np.random.default_rng(0).normal(size=(1, 32))

    def seconds() -> float:
        began = time.perf_counter()
        for _ in range(200):
            predictor.run(predictor.encode_numbers(row))
        return (time.perf_counter() - began) / 200

    assert min(seconds() for _ in range(25)) < 60e-6, "some 20 µs where nothing else runs"
