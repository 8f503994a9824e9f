from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pytest

from fedsov.errors import InputError
from fedsov.partition.column_kinds import infer_kinds
from fedsov.partition.sources import read_source

from ..world import people, spec_of, written


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
