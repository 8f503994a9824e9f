"""CSV as it comes; tables of other kinds are in test_table_files, whole cases in test_real_tables."""

from __future__ import annotations

import gzip
import io
import json
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pytest

from fedsov.errors import InputError
from fedsov.partition.classify import ClassifyRules, RestrictionRule
from fedsov.partition.sources import RAGGED, csv_files, read_source
from fedsov.partition.sources.csv_format import CsvFormat
from tests.partition.world import spec_of

PLAIN = CsvFormat()


def read(path: Path, content: str | bytes, form: CsvFormat = PLAIN, **changed: object) -> pa.Table:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_source(spec_of(path, **({"subject": None, "csv": form} | changed)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.csv"


def test_columns_that_decide_law_or_identity_are_read_as_they_stand(path: Path) -> None:
    rules = ClassifyRules(restrictions=(RestrictionRule("code", "1.50", "contract"),))
    content = "country,person,code,plz,wage\nDE,007,1.50,01000,1\nDE,7,true,2,2\n"
    table = read(path, content, subject="person", classify=rules, kinds={"plz": "categorical"})
    rows = [("007", "1.50", "01000", 1), ("7", "true", "2", 2)]
    assert [tuple(row[name] for name in ("person", "code", "plz", "wage")) for row in table.to_pylist()] == rows


def test_grouped_numbers_are_numbers_where_all_of_a_column_are(path: Path) -> None:
    content = 'country;wage;note\nDE;"1.234,5";"1.234"\nDE;"-12";x\nDE;;\n'
    table = read(path, content, CsvFormat(decimal=",", thousands="."))
    assert table.column("wage").to_pylist() == [1234.5, -12.0, None]
    assert table.column("note").to_pylist() == ["1.234", "x", None]


def test_comments_preambles_and_a_line_that_names_the_delimiter_are_left_out(path: Path) -> None:
    content = "# by a program\nexport of today\nsep=;\ncountry;wage\n#DE;3\nDE;1,5\n"
    table = read(path, content, CsvFormat(comment="#", skip=1, decimal=","))
    assert table.to_pylist() == [{"country": "DE", "wage": 1.5}]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(path: Path, encoding: str) -> None:
    assert read(path, "country,wage\nÖsterreich,1\n".encode(encoding)).to_pylist() == [
        {"country": "Österreich", "wage": 1}
    ]


def test_rows_that_do_not_fit_are_refused_by_their_line_or_left_out_and_counted(path: Path) -> None:
    content = "country,wage\nDE,1\nJane Canary,DE,2\nDE\nFR,3\n"
    with pytest.raises(InputError, match=r"line 3 does not fit the header.*dataset\.csv\.ragged=quarantine") as bad:
        read(path, content)
    assert "Canary" not in str(bad.value)
    table = read(path, content, CsvFormat(ragged="quarantine"))
    assert table.column("wage").to_pylist() == [1, 3] and table.schema.metadata[RAGGED] == b"2"


def test_a_delimiter_at_the_end_of_every_row_is_no_column(path: Path) -> None:
    assert read(path, "country,wage\nDE,1,\nFR,2,\n").column_names == ["country", "wage"]
    assert read(path, "country,wage,\nDE,1,\nFR,2,\n").column_names == ["country", "wage"]
    with pytest.raises(InputError, match="column 3 of people has no name"):
        read(path, "country,wage,\nDE,1,x\nFR,2,\n")


def test_a_header_further_down_and_a_first_row_in_its_place_are_told(path: Path) -> None:
    with pytest.raises(InputError, match=r"its header is in line 3; set dataset\.csv\.skip=2"):
        read(path, "export\n2026\ncountry,wage\nDE,1\n")
    with pytest.raises(InputError, match="looks like a row and not like a header") as bad:
        read(path, "Jane Canary,DE,1987-05-01,3\nJohn,DE,1987-05-01,3\n")
    assert "Canary" not in str(bad.value)


def test_lines_of_json_and_packed_files_and_arrow_are_the_same_table(tmp_path: Path) -> None:
    rows = [{"country": "DE", "wage": 1.5, "age": 3}, {"country": "FR", "wage": 2.5, "age": 4}]
    text = "country,wage,age\n" + "".join(f"{row['country']},{row['wage']},{row['age']}\n" for row in rows)
    pyarrow.feather.write_feather(pa.Table.from_pylist(rows), tmp_path / "d.arrow", compression="uncompressed")
    contents = {
        "a.csv": text.encode(),
        "b.csv.gz": gzip.compress(text.encode()),
        "c.jsonl": "".join(json.dumps(row) + "\n" for row in rows).encode(),
        "d.arrow": (tmp_path / "d.arrow").read_bytes(),
        "e.zst": pa.compress(text.encode(), codec="zstd", asbytes=True),
    }
    for name, content in contents.items():
        assert read(tmp_path / name, content).to_pylist() == rows, name
    whole = read_source(spec_of(tmp_path, subject=None))
    assert whole.num_rows == 2 * len(contents)
    some = read_source(spec_of(tmp_path / "[ab]*", subject=None))
    assert some.to_pylist() == rows * 2


def test_files_of_a_folder_that_differ_are_told_by_the_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("country,wage\nDE,1\n")
    (tmp_path / "b.csv").write_text("country,wage\nDE,one\n")
    with pytest.raises(InputError, match=r"the files of .* differ in column 'wage'"):
        read_source(spec_of(tmp_path, subject=None))


def test_a_packed_file_that_is_cut_or_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    packed = gzip.compress(b"country,wage\n" + b"DE,1\n" * 1000)
    with pytest.raises(InputError, match="damaged or cut short"):
        read(path, packed[:-20])


POOLS = ["1 0 5", "true false 1", "2024-01-31", "2024-01-31T10:00:00", "2024-01-31T10:00:00.5", "2024-01-31T10:00:00Z",
         "10:00:00", "1.5 2 1e3", "x NA", "99999999999999999999"]  # fmt: skip


def test_types_are_those_of_the_whole_file_whatever_its_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "_BLOCK", 64)
    for first, second in product(POOLS, POOLS):
        values = [*first.split() * 10, *second.split() * 10, ""]
        text = "country,wage,v\n" + "".join(f"DE,1,{value}\n" for value in values)
        whole = pyarrow.csv.read_csv(
            io.BytesIO(text.encode()),
            convert_options=pyarrow.csv.ConvertOptions(null_values=list(PLAIN.nothing), strings_can_be_null=False),
        )
        table = read(tmp_path / "a.csv", text)
        assert table.schema.field("v").type == whole.schema.field("v").type, (first, second)
        assert table.num_rows == len(values)


def test_a_row_far_down_that_does_not_fit_is_named_by_its_line_and_a_row_larger_than_a_block_is_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_files, "_BLOCK", 64)
    content = "country,wage\n" + "DE,1\n" * 500
    with pytest.raises(InputError, match=r"line 502 does not fit the header"):
        read(path, f"{content}DE,1,2\n")
    table = read(path, f'country,wage,note\nDE,1,"{"a, b" * 1000}"\nFR,2,"two\nlines"\n')
    assert [len(note) for note in table.column("note").to_pylist()] == [4000, 9]
