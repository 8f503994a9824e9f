"""A table in a file or in many: ``dataset.path=people.parquet``, a folder, or a pattern such as ``"day-*.csv.gz"``.

CSV, Parquet, JSON lines, Arrow IPC and Excel, packed by gzip or zstd or not. The content says which, not the name.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from glob import iglob
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa

from fedsov.errors import InputError
from fedsov.model.column_statistics import spelled
from fedsov.partition.sources.csv_files import as_text, has_mark, scan_csv, size_of, text_columns
from fedsov.partition.sources.scans import MOST_ROWS, Opened, Scan, sliced, stream_of, whole
from fedsov.partition.sources.sealed_copy import piece_of

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from fedsov.partition.dataset import DatasetSpec

_HEAD = 1 << 16
LARGEST_UNPACKED = 2**30
"""Bytes that any Parquet file may unpack to."""
GREATEST_EXPANSION = 100
"""Times its own size that a larger one may."""
PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""How a packed file begins."""
WIDTHS = {
    **{"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8},
    **{"BYTE_ARRAY": 4, "FIXED_LEN_BYTE_ARRAY": 1},
}
"""Bytes of one value of each physical type of Parquet, in memory; of a word, its place alone."""
MOST_FILES = 10_000
"""Files and folders that one folder or pattern may lead to."""
ELSEWHERE = {
    "s3:": "choose dataset=s3",
    "postgresql:": "choose dataset=postgresql",
    "postgres:": "choose dataset=postgresql",
    "-": "standard input is not read: write it into a file",
}
"""How a path begins that is none of a file, and what to do."""
_KINDS = "CSV, Parquet, JSON lines, Arrow IPC or Excel"


def find(spec: DatasetSpec) -> tuple[Path, ...]:
    """The file at `dataset.path`, or those of a folder or a pattern, by name; none that begins with a dot or _.

    Raises InputError where there is none.
    """
    if spec.path is None:
        raise InputError("dataset=table needs a file: dataset.path=people.parquet (or .csv)")
    path = Path(spec.path)
    if way := ELSEWHERE.get(str(path).partition("/")[0]):
        raise InputError(f"dataset.path names no file of this machine; {way}")
    if path.is_file():
        return (path,)
    every = path.rglob("*") if path.is_dir() else map(Path, iglob(str(path), recursive=True))
    found = list(islice(every, MOST_FILES + 1))
    if len(found) > MOST_FILES:
        raise InputError(f"dataset.path={path} holds more than {MOST_FILES:,} files; name a folder or pattern of fewer")
    files = tuple(sorted(each for each in found if each.is_file() and not each.name.startswith((".", "_"))))
    if not files:
        reason = "is an empty folder" if path.is_dir() else "does not exist"
        raise InputError(f"dataset.path={path} {reason}; give a file of {_KINDS}, a folder of them or a pattern")
    return files


def read(file: BinaryIO, path: Path, spec: DatasetSpec) -> pa.Table:
    """All rows and columns; see `scan`."""
    found = scan(file, path, spec)
    return pa.concat_tables([found.schema.empty_table(), *found.tables()])


def scan(file: BinaryIO, path: Path, spec: DatasetSpec) -> Scan:
    """The rows as a stream; JSON lines and Excel are in memory whole.

    Raises InputError for what is none of the kinds, damaged, encrypted or empty.
    """
    return _scan(partial(_from_start, file), file, path, spec)


def _from_start(file: BinaryIO) -> BinaryIO:
    """The file at its first byte, with a place of its own: Arrow reads ahead, also in a stream that was given up."""
    place = 0

    def piece(size: int) -> bytes:
        nonlocal place
        content = piece_of(file, size, place)
        place += len(content)
        return content

    return stream_of(piece)


def _scan(opened: Opened, file: BinaryIO | None, path: Path, spec: DatasetSpec) -> Scan:
    """Of a packed file there is no `file`, of which any byte can be read."""
    head = opened().read(_HEAD)
    if not head.strip():
        raise InputError(f"{path} is empty; give a file of {_KINDS} with records")
    if packed := next((codec for mark, codec in PACKED.items() if head.startswith(mark)), None):
        return _scan(partial(unpacked, opened, path, packed, _most(file)), None, path, spec)
    if head[:4] == b"PARE":
        raise InputError(f"{path} is encrypted Parquet; give the plain source (a region's store is read by its region)")
    if head[:4] == b"PAR1":
        return _scan_parquet(_seekable(file, opened), path)
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return _scan_arrow(_seekable(file, opened), path)
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return whole(_read_excel(_seekable(file, opened), path))
    if b"\0" in head and spec.csv.encoding is None and not has_mark(head):
        raise InputError(f"{path} is none of {_KINDS}; convert it to one of them")
    if head.lstrip().startswith((b"{", b"[")):
        return whole(_read_json(_seekable(file, opened), path, spec))
    return scan_csv(opened, path, spec)


def _seekable(file: BinaryIO | None, opened: Opened) -> BinaryIO:
    """The file at its first byte; a packed one's content in memory."""
    if file is None:
        return io.BytesIO(opened().read())
    file.seek(0)
    return file


def _most(file: BinaryIO | None) -> int:
    """Bytes that a packed file may unpack to; one that is packed twice as a small one."""
    return max(LARGEST_UNPACKED, GREATEST_EXPANSION * size_of(file) if file is not None else 0)


def unpacked(opened: Opened, path: Path, codec: str, most: int) -> BinaryIO:
    """The content of a packed file as a stream.

    Its reader raises InputError for one that is damaged, or unpacks to more than `most` bytes.
    """
    stream = pa.CompressedInputStream(pa.PythonFile(opened(), "r"), codec)
    read = 0

    def piece(size: int) -> bytes:
        """The next bytes, `size` at most."""
        nonlocal read
        try:
            content = bytes(stream.read(min(size, 1 << 20)))
        except (pa.ArrowException, OSError):
            raise InputError(
                f"{path} begins like a file of {codec} but is damaged or cut short; get it again"
            ) from None
        read += len(content)
        if read > most:
            raise InputError(
                f"{path} unpacks to more than {most:,} bytes, {GREATEST_EXPANSION} times its size or more; "
                "unpack it yourself and look at it"
            )
        return content

    return stream_of(piece)


def _scan_arrow(file: BinaryIO, path: Path) -> Scan:
    def opened() -> pa.RecordBatchReader | pa.RecordBatchFileReader:
        file.seek(0)
        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        return pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)

    def tables() -> Iterator[pa.Table]:
        reader = opened()
        places = getattr(reader, "num_record_batches", None)
        batches = reader if places is None else map(reader.get_batch, range(places))
        for batch in batches:
            yield from sliced(pa.Table.from_batches([batch]).replace_schema_metadata())

    why = f"{path} begins like Arrow IPC but is damaged or cut short; get it again"
    with _readable(why):
        return Scan(opened().schema.remove_metadata(), partial(_reading, tables, why))


@contextmanager
def _readable(why: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError):
        raise InputError(why) from None


def _reading(tables: Callable[[], Iterator[pa.Table]], why: str) -> Iterator[pa.Table]:
    with _readable(why):
        yield from tables()


def _read_json(file: BinaryIO, path: Path, spec: DatasetSpec) -> pa.Table:
    """JSON lines: one object a line. What decides law or identity is read as text."""
    from pyarrow import json

    if file.read(_HEAD).lstrip().startswith(b"["):
        raise InputError(f"{path} is one JSON list; write it as JSON lines, one object a line")
    file.seek(0)
    schema = pa.schema([(name, pa.string()) for name in sorted(text_columns(spec))])
    parse = json.ParseOptions(explicit_schema=None, newlines_in_values=False)
    read = json.ReadOptions(use_threads=False, block_size=min(size_of(file) + 1, (1 << 31) - 1))
    try:
        table = json.read_json(file, read_options=read, parse_options=parse)
    except (pa.ArrowException, OSError) as error:
        row = re.search(r"row (\d+)", str(error))
        where = f"line {int(row[1]) + 1}" if row else "a line"
        raise InputError(
            f"{path} cannot be read as JSON lines: {where} is no object like the others; mend it"
        ) from None
    for name in schema.names:
        place = table.schema.get_field_index(name)
        if place >= 0 and not pa.types.is_string(table.schema.field(place).type):
            table = table.set_column(place, name, as_text(table.column(place)))
    return table


def _read_excel(file: BinaryIO, path: Path) -> pa.Table:
    """The first sheet of an Excel file, whose first row names the columns."""
    try:
        from python_calamine import CalamineWorkbook
    except ImportError:
        raise InputError(
            f"{path} is an Excel file, which needs python-calamine: pip install 'fedsov[tables]'"
        ) from None
    try:
        book = CalamineWorkbook.from_filelike(file)
        rows = book.get_sheet_by_index(0).to_python()
    except Exception as error:  # boundary: the library has one class of error for each of its formats
        raise InputError(f"{path} begins like an Excel file but cannot be read ({type(error).__name__})") from None
    if not rows:
        raise InputError(f"{path} has an empty first sheet; give a file with records")
    names = [str(name).strip() for name in rows[0]]
    columns = [[None if value == "" else value for value in column] for column in zip(*rows[1:], strict=True)]
    return pa.table([_cells(column) for column in columns] or [pa.nulls(0)] * len(names), names=names)


def _cells(values: list[Any]) -> pa.Array:
    """A column of a sheet; where its cells are of several types, their text. Whole numbers are whole."""
    if all(value is None or (isinstance(value, float) and value.is_integer()) for value in values):
        return pa.array([None if value is None else int(value) for value in values], pa.int64())
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else spelled(value) for value in values], pa.string())


def _scan_parquet(file: BinaryIO, path: Path) -> Scan:
    import pyarrow.parquet as pq

    def tables() -> Iterator[pa.Table]:
        # with pre_buffer, whatever was read of the file stays in memory until its end
        for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(MOST_ROWS):
            yield pa.Table.from_batches([batch]).replace_schema_metadata()

    why = f"{path} begins like Parquet but is damaged or cut short; get it again"
    with _readable(why):
        source = pq.ParquetFile(file)
        _check_unpacked(source, file, path)
        return Scan(source.schema_arrow.remove_metadata(), partial(_reading, tables, why))


def _check_unpacked(source: pq.ParquetFile, file: BinaryIO, path: Path) -> None:
    """Raises InputError for a file that unpacks to more than 1 GiB and more than 100 times its own size.

    Numbers are counted by their number and width; words by their lengths, repeated as often as the pages repeat them,
    while each is read once. Where the longest word of each dictionary is short enough, that is not needed.
    """
    import pyarrow.parquet as pq

    most = max(LARGEST_UNPACKED, GREATEST_EXPANSION * size_of(file))
    groups = [source.metadata.row_group(place) for place in range(source.metadata.num_row_groups)]
    chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
    size = sum(max(chunk.num_values * WIDTHS[chunk.physical_type], chunk.total_uncompressed_size) for chunk in chunks)
    words = sorted({chunk.path_in_schema for chunk in chunks if chunk.physical_type == "BYTE_ARRAY"})
    if size <= most and words:
        packed = pq.ParquetFile(file, read_dictionary=words, pre_buffer=False)
        if size + sum(_most_repeated(packed, place, words) for place in range(len(groups))) <= most:
            return
        for place, name in ((place, name) for place in range(len(groups)) for name in words):
            table = packed.read_row_group(place, columns=[name], use_threads=False)
            size += sum(_unpacked(chunk) for column in table.columns for chunk in column.chunks)
            if size > most:
                break
    if size > most:
        raise InputError(
            f"{path} unpacks to more than {most:,} bytes, {GREATEST_EXPANSION} times its size or more; give a file "
            "that holds what it says, or CSV"
        )


def _most_repeated(packed: pq.ParquetFile, place: int, words: list[str]) -> float:
    """Bytes that the dictionaries of a group of rows may unpack to: its rows, each the longest word.

    The first row of a column comes with all of its dictionary. Infinite where a column is nested.
    """
    import pyarrow.compute as pc

    bound = 0.0
    for batch in packed.iter_batches(1, row_groups=[place], columns=words, use_threads=False):
        for column in batch.columns:
            if not pa.types.is_dictionary(column.type):
                return math.inf
            bound += packed.metadata.row_group(place).num_rows * (
                pc.max(pc.binary_length(column.dictionary)).as_py() or 0
            )
        break
    return bound


def _unpacked(chunk: pa.Array) -> int:
    """Bytes of the words of a column, where each stands as often as the rows say."""
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(chunk.type):
        return int(chunk.nbytes)
    lengths = pc.take(pc.binary_length(chunk.dictionary), chunk.indices)
    return int(pc.sum(lengths.cast(pa.int64())).as_py() or 0)
