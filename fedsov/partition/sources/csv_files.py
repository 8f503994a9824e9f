"""CSV as it comes: encodings, delimiters, preambles, comments, ragged rows, numbers as they are written elsewhere.

A column that decides law or identity, or that is declared a category or an identifier, is read as it stands in the
file (`text_columns`): neither is "01000" the number 1000 nor 20 long numbers one float. Of every other column Arrow
finds the type. No message holds a value of a row.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from fedsov.errors import InputError, counted
from fedsov.partition.arrow_columns import from_levels, levels
from fedsov.partition.columns.column_kinds import LIKE_NUMBER
from fedsov.partition.sources.csv_format import CsvFormat

if TYPE_CHECKING:
    from pyarrow.csv import InvalidRow

    from fedsov.partition.dataset import DatasetSpec

_HEAD = 1 << 16
_LARGEST_BLOCK = (1 << 31) - 1
_MARKS = {
    **{codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"},
    **{codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"},
}
_SEPARATOR = re.compile(r"sep=(?P<delimiter>.)\r?\n?", re.IGNORECASE)
_GUESSED = ("cp1252", "latin-1")


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a file before its rows are read.

    Attributes:
        encoding: a name that Arrow knows.
        delimiter: one character.
        skip: lines before the header.
        names: of the columns.
        first: the values of the first row, where there is one; for a look at their form alone.
        later: the line further down that names every column that is asked for, counted from 0; None where none does.
    """

    encoding: str
    delimiter: str
    skip: int
    names: tuple[str, ...]
    first: tuple[str, ...]
    later: int | None = None

    @property
    def ends_with_delimiters(self) -> bool:
        """Whether rows end with a delimiter, and the header does not."""
        return len(self.first) == len(self.names) + 1 and not self.first[-1].strip()


def has_mark(head: bytes) -> bool:
    """Whether a file begins with a byte order mark of UTF-16 or UTF-32, whose text holds zero bytes."""
    return any(head.startswith(mark) for mark, name in _MARKS.items() if name != "utf-8")


def text_columns(spec: DatasetSpec) -> frozenset[str]:
    """Columns that are read as they stand: those that say whose row it is and what binds it, and declared texts."""
    named = {spec.jurisdiction, *(rule.column for rule in spec.classify.restrictions)}
    named |= {column for column in (spec.subject, spec.consent and spec.consent.column) if column}
    return frozenset(named | {column for column, kind in spec.kinds.items() if kind in ("categorical", "identifier")})


def read_csv(file: BinaryIO, path: Path, spec: DatasetSpec) -> pa.Table:
    """All rows and columns of a CSV file, open at its first byte.

    Raises InputError for a file that does not fit its header or is not text in this encoding.
    """
    import pyarrow.csv as arrow

    form = spec.csv
    if form.comment is not None:
        file = _without_comments(file, form)
    header = read_header(file, path, spec)
    _check_first_line(header, path, spec)
    ragged: list[int] = []

    def leave_out(row: InvalidRow) -> str:
        ragged.append(row.expected_columns)
        return "skip"

    file.seek(0)
    read = arrow.ReadOptions(
        # one block: a type must not depend on where a block ends; one thread: errors know their row
        use_threads=False,
        block_size=min(size_of(file) + 1, _LARGEST_BLOCK),
        skip_rows=header.skip + header.ends_with_delimiters,
        column_names=[*header.names, ""] if header.ends_with_delimiters else None,
        encoding=header.encoding,
    )
    parse = arrow.ParseOptions(
        delimiter=header.delimiter,
        newlines_in_values=True,
        invalid_row_handler=leave_out if form.ragged == "quarantine" else None,
    )
    convert = arrow.ConvertOptions(
        null_values=list(form.nothing),
        strings_can_be_null=False,
        decimal_point=form.decimal,
        column_types=dict.fromkeys(text_columns(spec), pa.string()),
    )
    try:
        table = arrow.read_csv(file, read_options=read, parse_options=parse, convert_options=convert)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise InputError(f"{path} cannot be read as CSV: {_why(error, header, file)}") from None
    if ragged:
        table = table.replace_schema_metadata({b"fedsov:ragged": str(len(ragged)).encode()})
    table = _without_empty_last(table)
    _check_encoding(table, path, header, form)
    return _cleaned(table, spec)


def read_header(file: BinaryIO, path: Path, spec: DatasetSpec) -> Header:
    """What the first lines say. Raises InputError where they are no text in this encoding, or there is no header."""
    form = spec.csv
    file.seek(0)
    head = file.read(_HEAD)
    encoding = form.encoding or next((name for mark, name in _MARKS.items() if head.startswith(mark)), "utf-8")
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeError:
        raise InputError(f"{path} is not text in {encoding}: {_try_encoding(head)}") from None
    lines = text.removeprefix("\ufeff").splitlines()
    skip, said = form.skip, _SEPARATOR.fullmatch(lines[form.skip]) if len(lines) > form.skip else None
    if said is not None:
        skip += 1
    if len(lines) <= skip:
        raise InputError(f"{path} has no header after the {counted(skip, 'line')} of dataset.csv.skip; say fewer")
    first = lines[skip + 1] if len(lines) > skip + 1 else ""
    delimiter = form.delimiter or (said["delimiter"] if said else max(",;\t|", key=lines[skip].count))
    asked = {spec.jurisdiction, spec.target.column}
    of_lines = (_split(line, form.delimiter or max(",;\t|", key=line.count)) for line in lines)
    later = next((place for place, words in enumerate(of_lines) if asked <= set(words)), None)
    return Header(encoding, delimiter, skip, _split(lines[skip], delimiter), _split(first, delimiter), later)


def _split(line: str, delimiter: str) -> tuple[str, ...]:
    """The values of one line, quoted or not."""
    return tuple(next(csv.reader([line], delimiter=delimiter), ()))


def _check_first_line(header: Header, path: Path, spec: DatasetSpec) -> None:
    """Raises InputError where the header is none: it lacks the columns that are named and looks like a row."""
    if spec.jurisdiction in header.names or spec.target.column in header.names:
        return
    if header.later is not None:
        raise InputError(f"{path}: its header is in line {header.later + 1}; set dataset.csv.skip={header.later}")
    forms = [LIKE_NUMBER.fullmatch(name.strip()) or re.search(r"@|\d{4}-\d\d-\d\d", name) for name in header.names]
    if any(forms):
        raise InputError(
            f"{path}: line {header.skip + 1} looks like a row and not like a header (it has numbers, days or "
            f"addresses), and no column is named '{spec.jurisdiction}'; put a line of names first"
        )


def _without_comments(file: BinaryIO, form: CsvFormat) -> BinaryIO:
    """The file without the lines that begin with the comment's character, in memory."""
    mark = (form.comment or "").encode(form.encoding or "utf-8")
    return io.BytesIO(b"".join(line for line in file if not line.startswith(mark)))


def size_of(file: BinaryIO) -> int:
    """Bytes of an open file, which is at its first byte afterwards."""
    place = file.seek(0, io.SEEK_END)
    file.seek(0)
    return place


def _why(error: BaseException, header: Header, file: BinaryIO) -> str:
    """What a file lacks, in words without any value of it."""
    if row := re.search(r"Row #(\d+)", str(error)):
        line = int(row[1]) + header.skip
        return (
            f"line {line} does not fit the header; mend it, or set dataset.csv.ragged=quarantine to leave such rows out"
        )
    file.seek(0)
    if isinstance(error, UnicodeError) or "UTF8" in str(error).upper() or "codec" in str(error):
        return f"it is not text in {header.encoding}; {_try_encoding(file.read())}"
    if "Empty CSV" in str(error):
        return "it has no rows; give a file with records"
    return "it is not text with one header line; mend the file or give Parquet"


def _try_encoding(content: bytes) -> str:
    """The setting for an encoding in which these bytes are text."""
    for name in _GUESSED:
        try:
            content.decode(name)
        except UnicodeDecodeError:
            continue
        return f"set dataset.csv.encoding, perhaps to {name}"
    return "set dataset.csv.encoding"


def _check_encoding(table: pa.Table, path: Path, header: Header, form: CsvFormat) -> None:
    """Raises InputError for a column whose bytes are no text in the encoding: Arrow gives it as bytes."""
    odd = [field.name for field in table.schema if pa.types.is_binary(field.type)]
    if odd and form.encoding is None:
        raise InputError(
            f"{path} is not text in {header.encoding} (column '{odd[0]}'); "
            f"set dataset.csv.encoding, perhaps to {_GUESSED[0]}"
        )


def _without_empty_last(table: pa.Table) -> pa.Table:
    """The table without a last column that has neither a name nor a value: every line ends with a delimiter."""
    if table.num_columns < 2 or table.column_names[-1] != "":
        return table
    last = table.column(table.num_columns - 1)
    is_empty = last.null_count == len(last) or all(not str(value or "").strip() for value in last.unique().to_pylist())
    return table.remove_column(table.num_columns - 1) if is_empty else table


def _cleaned(table: pa.Table, spec: DatasetSpec) -> pa.Table:
    """Texts that stand for nothing become null, where the column is not of jurisdictions; grouped numbers numbers."""
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if not pa.types.is_string(column.type):
            continue
        nothing: Iterable[str] = [""] if name == spec.jurisdiction else spec.csv.nothing
        column = nulled(column, nothing)
        if spec.csv.thousands is not None and name not in text_columns(spec):
            column = _ungrouped(column, spec.csv)
        table = table.set_column(place, name, column)
    return table


def nulled(column: pa.ChunkedArray, nothing: Iterable[str]) -> pa.ChunkedArray:
    """A text column in which these words, between spaces or not, are null."""
    import pyarrow.compute as pc

    empty = pc.is_in(pc.utf8_trim_whitespace(column), value_set=pa.array(list(nothing), pa.string()))
    return pc.if_else(empty, pa.scalar(None, column.type), column)


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as text, spelled as a rule or a person would: 1 for 1.0."""
    words, codes = levels(column)
    return pa.chunked_array([from_levels(words, codes)])


def _ungrouped(column: pa.ChunkedArray, form: CsvFormat) -> pa.ChunkedArray:
    """The column as numbers, where every value of it is one whose digits stand in groups; else as it is."""
    import pyarrow.compute as pc

    group, point = re.escape(form.thousands or ""), re.escape(form.decimal)
    words = pc.utf8_trim_whitespace(column)
    pattern = rf"^[+-]?\d{{1,3}}({group}\d{{3}})*({point}\d+)?$|^[+-]?\d+({point}\d+)?$"
    if not pc.all(pc.match_substring_regex(words, pattern)).as_py():
        return column
    plain = pc.replace_substring(words, form.thousands, "")
    return pc.replace_substring(plain, form.decimal, ".").cast(pa.float64())
