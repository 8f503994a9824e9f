"""Rows of a file are answered in a region, decided and in its ledger, and the answers say what binds them."""

from __future__ import annotations

import csv
import json
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fedsov import load
from fedsov.api.inference import predict as predict_module
from fedsov.api.inference.predict import Asking, predict
from fedsov.errors import ConfigurationError, InputError, JobRefused, LedgerBroken, WorkspaceUnusable
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from fedsov.model.features import Features
from fedsov.model.network import NetworkSpec
from fedsov.model.packaging import saved
from fedsov.model.packaging.encoder import ColumnRefused
from fedsov.model.packaging.saved import SavedModel
from fedsov.model.targets import TargetRule
from fedsov.registry import promote, record
from fedsov.registry.values import ModelRecord, RunRecord
from fedsov.storage.workspace import ledger_of
from tests.full_disk import full_disk
from tests.hostile.people_region import PeopleRegion, drawn
from tests.model.world import parameters_of

FEATURES = Features(numeric=(("income", 5000.0, 2000.0),), levels=(("ward", ("A", "B")),))
MODEL = SavedModel(
    "people-de",
    NetworkSpec("mlp", (4,)),
    FEATURES,
    TargetRule("ill"),
    Label(frozenset({"DE", "ES"}), frozenset({"personal", "health"})),
    "r1",
    "DE",
    "people",
)
LINES = ["person,income,ward,ill", "p1,4000,A,1", "p2,,B,0", "p3,7500.5,,0"]


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    """A region of people with two versions of a model in its registry; the first is the champion."""
    region = PeopleRegion(tmp_path_factory.mktemp("people"))
    region.ingest(drawn(range(40)))
    tags = {"label": json.dumps(MODEL.label.to_json())}
    for run, seed in (("r1", 1), ("r2", 2)):
        path = saved.write(region.folder / "models" / run, MODEL, parameters_of(MODEL, seed=seed))
        record(region.folder, RunRecord(run, "people", models=(ModelRecord("people-de", path, tags),)))
    promote(region.folder, "people-de", 1)
    return region


def _rows(place: Path, lines: list[str] = LINES, name: str = "rows.csv") -> Path:
    path = place / name
    path.write_text("\n".join(lines) + "\n")
    return path


def _root(region: PeopleRegion) -> Path:
    return region.place / "w"


def _expected(rows: pd.DataFrame, seed: int = 2) -> np.ndarray:
    """What the model says, reckoned from its parameters alone."""
    parameters = {name: values.astype(np.float64) for name, values in parameters_of(MODEL, seed=seed).items()}
    income = np.clip((rows["income"].to_numpy(float) - 5000.0) / 2000.0, -6, 6)
    ward = [rows["ward"].eq(level).to_numpy(float) for level in "AB"]
    inputs = np.stack([np.nan_to_num(income), *ward], axis=1)
    hidden = np.maximum(inputs @ parameters["0.weight"].T + parameters["0.bias"], 0.0)
    logits = hidden @ parameters["2.weight"].T + parameters["2.bias"]
    return np.asarray(1.0 / (1.0 + np.exp(-logits[:, 0])))


def _answers(region: PeopleRegion, rows: Path, out: Path, **asking: Any) -> predict_module.Predicted:
    model = asking.pop("model", "people-de")
    return predict(_root(region), "DE", model, rows, out, Asking(**asking))


def _entries(region: PeopleRegion) -> list[dict[str, Any]]:
    with closing(Ledger.read(ledger_of(region.folder))) as ledger:
        return [dict(entry.body) for entry in ledger.entries()]


def test_each_row_is_answered_as_the_models_parameters_say_in_the_rows_order(
    region: PeopleRegion, tmp_path: Path
) -> None:
    done = _answers(region, _rows(tmp_path), tmp_path / "out.csv", keep=("person",))
    told = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert [row["person"] for row in told] == ["p1", "p2", "p3"] and list(told[0]) == ["person", "probability"]
    expected = _expected(pd.read_csv(tmp_path / "rows.csv"))
    np.testing.assert_allclose([float(row["probability"]) for row in told], expected, atol=1e-6)
    assert (done.rows, done.version, done.owner, done.extra) == (3, 2, "DE", ("ill",))
    assert done.jurisdictions == {"DE": 3} and done.unseen == {}


def test_the_predictions_carry_the_models_label_and_the_rows(region: PeopleRegion, tmp_path: Path) -> None:
    rows = _rows(tmp_path)
    bound = Label(frozenset({"DE", "ES"}), frozenset({"personal", "health"}))
    done = _answers(region, rows, tmp_path / "out.csv")
    assert done.label == bound
    beside = json.loads((tmp_path / "out.csv.label.json").read_text())
    assert Label.from_json(beside["label"]) == bound and beside["sha256"] == done.sha256
    done = _answers(region, rows, tmp_path / "out.parquet")
    assert done.sidecar is None and not (tmp_path / "out.parquet.label.json").exists()
    told = json.loads(pq.read_schema(tmp_path / "out.parquet").metadata[b"fedsov"])
    assert Label.from_json(told["label"]) == bound and (told["model"], told["version"]) == ("people-de", 2)
    assert pq.read_table(tmp_path / "out.parquet").column_names == ["probability"]


def test_the_crossing_is_decided_by_the_gate_and_in_the_ledger_with_who_asked(
    region: PeopleRegion, tmp_path: Path
) -> None:
    before = len(_entries(region))
    done = _answers(region, _rows(tmp_path), tmp_path / "out.csv", by="A. Person")
    new = _entries(region)[before:]
    crossed = next(body for body in new if body["act"] == "cross")
    assert (crossed["kind"], crossed["purpose"], crossed["verdict"]) == ("records", "inference", "permit")
    assert crossed["origins"] == ["DE", "ES"] and crossed["count"] == 3
    assert crossed["exporter"] == crossed["importer"] and crossed["name"] == "predictions of people-de 2"
    noted = new[-1]["note"]["predicted"]
    assert (noted["by"], noted["rows"], noted["predictions_sha256"]) == ("A. Person", 3, done.sha256)
    assert noted["weights_sha256"] and not any(word in json.dumps(new) for word in ("p1", "4000", "7500"))


def test_versions_are_named_by_alias_by_number_or_the_newest(region: PeopleRegion, tmp_path: Path) -> None:
    rows = _rows(tmp_path)
    named = {"people-de@champion": 1, "people-de/1": 1, "people-de@candidate": 2, "people-de/2": 2, "people-de": 2}
    for model, version in named.items():
        assert _answers(region, rows, tmp_path / "out.csv", model=model).version == version
        assert load("DE", model, workspace=_root(region)).version == version
    np.testing.assert_allclose(
        load("DE", "people-de@champion", workspace=_root(region)).predict(pd.read_csv(rows))["probability"],
        _expected(pd.read_csv(rows), seed=1),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("nobody", "unknown model of region DE 'nobody'; there is people-de"),
        ("people-fr", "did you mean people-de"),
        ("people-de/9", "model people-de has no version '9'; it has 1, 2"),
        ("people-de/x", "has no version 'x'"),
        ("people-de@champio", "did you mean champion"),
        ("", "names no model"),
        ("a@b/1", "names no model"),
    ],
)
def test_a_model_that_there_is_not_is_said_with_those_there_are(region: PeopleRegion, model: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load("DE", model, workspace=_root(region))


def test_a_level_that_nobody_had_is_refused_with_its_rows_in_the_whole_file_or_allowed(
    region: PeopleRegion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedsov.partition.sources.scans.MOST_ROWS", 2)
    rows = _rows(tmp_path, ["income,ward", "1,C", "2,A", "3,D", "4,C", "5,B"])
    out = tmp_path / "out.csv"
    with pytest.raises(ColumnRefused, match="'ward' has levels that the model does not know in 3 rows; it knows A, B"):
        _answers(region, rows, out)
    assert not out.exists() and not [*tmp_path.glob("*.label.json")]
    done = _answers(region, rows, out, unseen="allow")
    assert done.unseen == {"ward": 3} and done.rows == 5
    assert any("3 rows with a level that the model does not know" in line for line in done.lines())
    expected = _expected(pd.read_csv(rows))
    np.testing.assert_allclose(pd.read_csv(out)["probability"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["income,warb", "1,A"],
            "has no column 'ward'; rename 'warb' if that is meant; the model asks for income, ward",
        ),
        (["income,ward", "many,A"], "column 'income' is no number in row 1; the model takes numbers there"),
        (["income,ward", "1,A", "2,A", "x1,A"], "column 'income' is no number in row 3"),
        (["income,ward"], "a header but no rows"),
        ([""], "is empty"),
        (["income,ward", "1,A,7"], "cannot be read as CSV"),
        (["income,ward", "inf,A"], "column 'income' has 1 infinite number"),
        (["country,income,ward", "DE,1,A", "FR,1,A", "XX,2,B"], "in 2 rows of column 'country', first in row 2"),
        (["country,income,ward", ",1,A"], "in 1 row of column 'country'"),
    ],
)
def test_rows_that_cannot_be_answered_are_refused_and_no_file_is_there(
    region: PeopleRegion, tmp_path: Path, lines: list[str], said: str
) -> None:
    with pytest.raises(InputError, match=said) as refused:
        _answers(region, _rows(tmp_path, lines), tmp_path / "out.csv")
    assert "many" not in str(refused.value) and "XX" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_rows_of_a_column_of_jurisdictions_are_labelled_by_it(region: PeopleRegion, tmp_path: Path) -> None:
    done = _answers(region, _rows(tmp_path, ["country,income,ward", "Germany,1,A", "DE,1,B"]), tmp_path / "out.csv")
    assert done.jurisdictions == {"DE": 2} and done.extra == ()
    with pytest.raises(InputError, match="leave --jurisdiction out"):
        _answers(region, tmp_path / "rows.csv", tmp_path / "out.csv", jurisdiction="DE")


def test_people_of_another_law_are_answered_where_the_region_hosts_them(region: PeopleRegion, tmp_path: Path) -> None:
    own = region.copied(tmp_path / "copy")
    rows = _rows(tmp_path)
    with pytest.raises(InputError, match="has people of FR, and the region serves DE; say whose the rows are"):
        _answers(own, rows, tmp_path / "out.csv", jurisdiction="FR")
    own.set("serving.hosts=[FR]")
    done = _answers(own, rows, tmp_path / "out.csv", jurisdiction="FR")
    assert done.jurisdictions == {"FR": 3} and done.label.origins == {"DE", "ES", "FR"}


def test_other_kinds_of_files_and_dates_are_read_as_an_ingestion_reads_them(
    region: PeopleRegion, tmp_path: Path
) -> None:
    plain = _answers(region, _rows(tmp_path, ["income,ward", "31,A", "-1,B"]), tmp_path / "plain.parquet")
    days = [date(1970, 1, 1) + timedelta(days=many) for many in (31, -1)]
    pq.write_table(pa.table({"ward": ["A", "B"], "income": days}), tmp_path / "days.parquet")
    (tmp_path / "rows.jsonl").write_text('{"ward": "A", "income": 31}\n{"ward": "B", "income": -1}\n')
    files = [
        tmp_path / "days.parquet",
        tmp_path / "rows.jsonl",
        _rows(tmp_path, ["ward;income", "A;1970-02-01", "B;1969-12-31"], "semicolons.csv"),
        _rows(tmp_path, ["ward,income", "A,01/02/1970", "B,31/12/1969"], "slashes.csv"),
    ]
    for path in files:
        done = _answers(region, path, tmp_path / "out.parquet")
        assert done.sha256 == plain.sha256, path.name


def test_a_column_that_goes_along_is_named_and_is_none_of_the_outputs(region: PeopleRegion, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--keep id: .* has no such column; it has person, income, ward, ill"):
        _answers(region, _rows(tmp_path), tmp_path / "out.csv", keep=("id",))
    odd = _rows(tmp_path, ["probability,income,ward", "1,2,A"], "odd.csv")
    with pytest.raises(ConfigurationError, match="an output of the model has that name"):
        _answers(region, odd, tmp_path / "out.csv", keep=("probability",))


def test_where_predictions_go_is_checked_first(region: PeopleRegion, tmp_path: Path) -> None:
    rows = _rows(tmp_path)
    with pytest.raises(ConfigurationError, match=r"written as FILE\.csv or FILE\.parquet"):
        _answers(region, rows, tmp_path / "out.xlsx")
    with pytest.raises(ConfigurationError, match="is the file of rows itself"):
        _answers(region, rows, rows)
    with pytest.raises(InputError, match="does not exist"):
        _answers(region, tmp_path / "none.csv", tmp_path / "out.csv")
    with pytest.raises(WorkspaceUnusable, match="cannot be written"):
        _answers(region, rows, tmp_path / "no folder" / "x" / "out.parquet")


def test_where_the_ledger_cannot_be_written_no_file_is_there(
    region: PeopleRegion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = region.copied(tmp_path / "copy")
    rows = _rows(tmp_path)
    _answers(own, rows, tmp_path / "out.csv")
    before = (tmp_path / "out.csv").read_bytes()

    def broken(*_: Any, **__: Any) -> Any:
        raise LedgerBroken("no room")

    monkeypatch.setattr(Ledger, "append_all", broken)
    with pytest.raises(LedgerBroken):
        _answers(own, rows, tmp_path / "other.csv", model="people-de/1")
    assert not (tmp_path / "other.csv").exists() and (tmp_path / "out.csv").read_bytes() == before
    left = {path.name for path in own.folder.iterdir()} - {path.name for path in region.folder.iterdir()}
    assert not left, "nothing is left in the region's folder"


def test_a_file_that_cannot_be_written_whole_leaves_the_one_before(region: PeopleRegion, tmp_path: Path) -> None:
    many = _rows(tmp_path, ["income,ward", *(f"{row},A" for row in range(5000))])
    _answers(region, many, tmp_path / "out.parquet")
    before = (tmp_path / "out.parquet").read_bytes()
    with full_disk(4096), pytest.raises(Exception, match=r"."):
        _answers(region, many, tmp_path / "out.parquet", model="people-de/1")
    assert (tmp_path / "out.parquet").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", "rows.csv"]


def test_a_network_of_ones_own_runs_only_where_the_region_approved_it(
    region: PeopleRegion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = region.copied(tmp_path / "copy")

    def refused(*_: Any, **__: Any) -> str:
        return "region DE has not approved the network"

    monkeypatch.setattr(predict_module.applications, "refusal", refused)
    with pytest.raises(JobRefused, match="has not approved"):
        _answers(own, _rows(tmp_path), tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
