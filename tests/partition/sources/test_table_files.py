from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pytest

from fedsov.errors import InputError
from fedsov.partition.columns.column_kinds import infer_columns
from fedsov.partition.sources import read_source
from fedsov.partition.sources.csv_format import CsvFormat

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


def test_na_is_namibia_in_the_column_of_jurisdictions_and_nothing_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text('country,wage,age\nNA,1.5,NA\n"NA",2.5,4\n,3.5,5\n')
    table = read_source(spec_of(path, subject=None))
    assert table.column("country").to_pylist() == ["NA", "NA", None]
    assert table.column("age").to_pylist() == [None, 4, 5]


def test_numbers_in_quotes_with_empty_fields_stay_numbers(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text('"country","wage","age"\n"DE","1.5",""\n"DE","2.5","4"\n')
    assert read_source(spec_of(path, subject=None)).column("age").to_pylist() == [None, 4]


BAD_FILES = {
    "empty": (b"", "is empty"),
    "header": (b"country,wage,passport\n", "no rows"),
    "binary": (b"\x00\x01\x02country", "is none of CSV, Parquet"),
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


@pytest.mark.parametrize("rows", [1, 20_000], ids=["in the head", "far behind it"])
def test_text_in_another_encoding_is_read_where_it_is_named_and_refused_by_its_name_else(
    tmp_path: Path, rows: int
) -> None:
    path = tmp_path / "people.csv"
    text = "country,wage,passport,age,town\n" + "DE,1,2,4,Bonn\n" * rows + "DE,1,2,3,Köln\n"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"not text in utf-8.*dataset\.csv\.encoding, perhaps to cp1252"):
        read_source(spec_of(path))
    spec = spec_of(path, csv=CsvFormat(encoding="iso8859-1"))
    table = read_source(spec)
    assert table.column("town").to_pylist()[-1] == "Köln" and infer_columns(table, spec).kinds["town"] == "categorical"


def test_a_missing_file_a_folder_and_no_path_are_named(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none.csv", "does not exist"),
        (tmp_path, "is an empty folder"),
        (None, "dataset.path="),
    ):
        with pytest.raises(InputError, match=message):
            read_source(spec_of(path))


@pytest.mark.parametrize(
    ("path", "way"),
    [
        ("s3://bucket/people.csv", "choose dataset=s3"),
        ("postgresql://me:secret@host/people", "choose dataset=postgresql"),
        ("-", "standard input is not read: write it into a file"),
    ],
)
def test_a_path_that_is_no_file_names_the_source_and_tells_no_password(path: str, way: str) -> None:
    with pytest.raises(InputError, match=way) as refusal:
        read_source(spec_of(Path(path)))
    assert "secret" not in str(refusal.value)
