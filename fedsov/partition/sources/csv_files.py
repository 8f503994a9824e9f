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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from fedsov.errors import InputError, counted
from fedsov.partition.arrow_columns import from_levels, levels
from fedsov.partition.columns.column_kinds import LIKE_NUMBER
from fedsov.partition.sources.csv_format import CsvFormat
from fedsov.partition.sources.scans import Opened, Scan, sliced, stream_of

if TYPE_CHECKING:
    from pyarrow.csv import InvalidRow

    from fedsov.partition.dataset import DatasetSpec

_HEAD = 1 << 16
_BLOCK, _LARGEST_BLOCK = 1 << 23, (1 << 31) - 1
_LOOKED_AT = 1 << 26
LOOSER = (
    *(pa.null(), pa.int64(), pa.bool_(), pa.date32(), pa.time32("s"), pa.timestamp("s"), pa.timestamp("ns")),
    *(pa.timestamp("s", "UTC"), pa.timestamp("ns", "UTC"), pa.float64(), pa.string(), pa.binary()),
)
"""What a column is taken for, in this order (Arrow's own): the first type of which every value is."""
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
    named |= {column for column in (spec.subject, spec.consent_column) if column}
    return frozenset(named | {column for column, kind in spec.kinds.items() if kind in ("categorical", "identifier")})


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a file is read: types by name, bytes of a block, names, columns of grouped digits, what lines end with."""

    types: Mapping[str, pa.DataType]
    block: int
    names: tuple[str, ...] = ()
    grouped: frozenset[str] = frozenset()
    has_empty_last: bool = False


def scan_csv(opened: Opened, path: Path, spec: DatasetSpec) -> Scan:
    """The rows of a CSV file as a stream, whose types are those of the file as a whole.

    The file is read once before, for its types: a block that does not fit one makes it the next of `LOOSER`.

    Raises InputError for a file that does not fit its header or is not text in this encoding.
    """
    if spec.csv.comment is not None:
        opened = partial(_without_comments, opened, spec.csv)
    header = read_header(opened(), path, spec)
    _check_first_line(header, path, spec)
    ragged: list[int] = []
    layout = _Layout(dict.fromkeys(text_columns(spec), pa.string()), _BLOCK)
    while True:
        ragged.clear()
        try:
            layout = layout if layout.names else _first_look(opened, header, spec, layout)
            layout = _looked_through(opened, header, spec, layout, ragged)
            break
        except (pa.ArrowException, OSError, UnicodeError) as error:
            looser = _loosened(str(error), layout)
            if looser is None:
                raise InputError(f"{path} cannot be read as CSV: {_why(error, header, opened)}") from None
            layout = looser
    _check_encoding(layout.types, path, header, spec.csv)
    names = layout.names[: len(layout.names) - layout.has_empty_last]
    kinds = [(name, pa.float64() if name in layout.grouped else layout.types[name]) for name in names]
    return Scan(pa.schema(kinds), partial(_tables, opened, header, spec, layout), len(ragged))


def _tables(opened: Opened, header: Header, spec: DatasetSpec, layout: _Layout) -> Iterator[pa.Table]:
    for table in _blocks(opened, header, spec.csv, layout, []):
        bare = _cleaned(table, spec)
        if layout.has_empty_last:
            bare = bare.remove_column(bare.num_columns - 1)
        for name in layout.grouped:
            bare = bare.set_column(bare.column_names.index(name), name, _ungrouped(bare.column(name), spec.csv))
        yield from sliced(bare)


def _first_look(opened: Opened, header: Header, spec: DatasetSpec, layout: _Layout) -> _Layout:
    """The layout with the names of all columns, and the types of the first block."""
    first = next(_blocks(opened, header, spec.csv, layout, []))
    return replace(layout, types={each.name: each.type for each in first.schema}, names=tuple(first.column_names))


def _looked_through(opened: Opened, header: Header, spec: DatasetSpec, layout: _Layout, ragged: list[int]) -> _Layout:
    """The layout with what the whole file says. Raises ArrowException for a value that is not of its column's type."""
    form = spec.csv
    of_text = {name for name, kind in layout.types.items() if pa.types.is_string(kind)} - text_columns(spec)
    grouped = of_text if form.thousands is not None else set()
    has_empty_last = len(layout.names) > 1 and layout.names[-1] == ""
    for table in _blocks(opened, header, form, layout, ragged):
        has_empty_last = has_empty_last and _is_empty(table.column(table.num_columns - 1))
        grouped = {name for name in grouped if _is_grouped(table, name, form)}
    return replace(layout, has_empty_last=has_empty_last, grouped=frozenset(grouped))


def _is_empty(column: pa.ChunkedArray) -> bool:
    return column.null_count == len(column) or not any(
        str(value or "").strip() for value in column.unique().to_pylist()
    )


def _blocks(opened: Opened, header: Header, form: CsvFormat, layout: _Layout, ragged: list[int]) -> Iterator[pa.Table]:
    """The file block by block; of columns without a type the first block decides it."""
    import pyarrow.csv as arrow

    def leave_out(row: InvalidRow) -> str:
        ragged.append(row.expected_columns)
        return "skip"

    read = arrow.ReadOptions(
        use_threads=False,  # one thread: errors know their row
        block_size=layout.block,
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
        column_types=dict(layout.types),
    )
    with arrow.open_csv(opened(), read_options=read, parse_options=parse, convert_options=convert) as reader:
        yield reader.schema.empty_table()
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _loosened(error: str, layout: _Layout) -> _Layout | None:
    """The layout in which the column that an error names has the next type, or blocks are larger; None for others."""
    if "straddl" in error and layout.block < _LARGEST_BLOCK:
        return replace(layout, block=min(layout.block * 4, _LARGEST_BLOCK))
    column = re.search(r"In CSV column #(\d+):.*conversion error", error, re.DOTALL)
    if column is None or int(column[1]) >= len(layout.names):
        return None
    name = layout.names[int(column[1])]
    kind = layout.types[name]
    if kind not in LOOSER or kind == LOOSER[-1]:
        return None
    return replace(layout, types={**layout.types, name: LOOSER[LOOSER.index(kind) + 1]})


def read_header(file: BinaryIO, path: Path, spec: DatasetSpec) -> Header:
    """What the first lines say. Raises InputError where they are no text in this encoding, or there is no header."""
    form = spec.csv
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


def _without_comments(opened: Opened, form: CsvFormat) -> BinaryIO:
    """The file without the lines that begin with the comment's character."""
    mark = (form.comment or "").encode(form.encoding or "utf-8")
    lines = (line for line in opened() if not line.startswith(mark))
    return stream_of(lambda _: next(lines, b""))


def size_of(file: BinaryIO) -> int:
    """Bytes of an open file, which is at its first byte afterwards."""
    place = file.seek(0, io.SEEK_END)
    file.seek(0)
    return place


def _why(error: BaseException, header: Header, opened: Opened) -> str:
    """What a file lacks, in words without any value of it."""
    if row := re.search(r"Row #(\d+)", str(error)):
        line = int(row[1]) + header.skip
        return (
            f"line {line} does not fit the header; mend it, or set dataset.csv.ragged=quarantine to leave such rows out"
        )
    if isinstance(error, UnicodeError) or "UTF8" in str(error).upper() or "codec" in str(error):
        return f"it is not text in {header.encoding}; {_try_encoding(opened().read(_LOOKED_AT))}"
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


def _check_encoding(types: Mapping[str, pa.DataType], path: Path, header: Header, form: CsvFormat) -> None:
    """Raises InputError for a column whose bytes are no text in the encoding: Arrow gives it as bytes."""
    odd = [name for name, kind in types.items() if pa.types.is_binary(kind)]
    if odd and form.encoding is None:
        raise InputError(
            f"{path} is not text in {header.encoding} (column '{odd[0]}'); "
            f"set dataset.csv.encoding, perhaps to {_GUESSED[0]}"
        )


def _cleaned(table: pa.Table, spec: DatasetSpec) -> pa.Table:
    """Texts that stand for nothing become null, where the column is not of jurisdictions."""
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if not pa.types.is_string(column.type):
            continue
        nothing: Iterable[str] = [""] if name == spec.jurisdiction else spec.csv.nothing
        table = table.set_column(place, name, nulled(column, nothing))
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


def _is_grouped(table: pa.Table, name: str, form: CsvFormat) -> bool:
    """Whether every value of a text column is a number whose digits may stand in groups."""
    import pyarrow.compute as pc

    group, point = re.escape(form.thousands or ""), re.escape(form.decimal)
    words = pc.utf8_trim_whitespace(nulled(table.column(name), form.nothing))
    pattern = rf"^[+-]?\d{{1,3}}({group}\d{{3}})*({point}\d+)?$|^[+-]?\d+({point}\d+)?$"
    return bool(pc.all(pc.match_substring_regex(words, pattern), min_count=0).as_py())


def _ungrouped(column: pa.ChunkedArray, form: CsvFormat) -> pa.ChunkedArray:
    """A column of grouped digits as numbers."""
    import pyarrow.compute as pc

    plain = pc.replace_substring(pc.utf8_trim_whitespace(column), form.thousands, "")
    return pc.replace_substring(plain, form.decimal, ".").cast(pa.float64())
