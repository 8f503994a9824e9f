"""A table in one file, CSV or Parquet: ``dataset.path=people.parquet``. The content says which, not the name."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from fedsov.errors import InputError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from fedsov.partition.dataset import DatasetSpec

_HEAD = 1 << 16
_LARGEST_BLOCK = (1 << 31) - 1
LARGEST_UNPACKED = 2**30
"""Bytes that any Parquet file may unpack to."""
GREATEST_EXPANSION = 100
"""Times its own size that a larger one may."""
WIDTHS = {
    **{"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8},
    **{"BYTE_ARRAY": 4, "FIXED_LEN_BYTE_ARRAY": 1},
}
"""Bytes of one value of each physical type of Parquet, in memory; of a word, its place alone."""
_NULLS = ["", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "NULL", "null", "None"]


def find(spec: DatasetSpec) -> Path:
    """The file at `dataset.path`. Raises InputError where there is none."""
    if spec.path is None:
        raise InputError("dataset=table needs a file: dataset.path=people.parquet (or .csv)")
    path = Path(spec.path)
    if not path.is_file():
        reason = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise InputError(f"dataset.path={path} {reason}; give a CSV or Parquet file")
    return path


def read(file: BinaryIO, path: Path, spec: DatasetSpec) -> pa.Table:
    """All rows and columns. Raises InputError for what is neither CSV nor Parquet, damaged, encrypted or empty."""
    head = file.read(_HEAD)
    file.seek(0)
    if not head.strip():
        raise InputError(f"{path} is empty; give a CSV or Parquet file with records")
    if head[:4] == b"PARE":
        raise InputError(f"{path} is encrypted Parquet; give the plain source (a region's store is read by its region)")
    if head[:4] == b"PAR1":
        return _read_parquet(file, path)
    if b"\0" in head:
        raise InputError(f"{path} is neither CSV nor Parquet; convert it to one of them")
    return _read_csv(file, path, head, spec)


def _read_parquet(file: BinaryIO, path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    try:
        source = pq.ParquetFile(file)
        _check_unpacked(source, file, path)
        return source.read()
    except (pa.ArrowException, OSError):
        raise InputError(f"{path} begins like Parquet but is damaged or cut short; get it again") from None


def _check_unpacked(source: pq.ParquetFile, file: BinaryIO, path: Path) -> None:
    """Raises InputError for a file that unpacks to more than 1 GiB and more than 100 times its own size.

    Numbers are counted by their number and width; words by their lengths, repeated as often as the pages repeat them,
    while each is read once.
    """
    import pyarrow.parquet as pq

    most = max(LARGEST_UNPACKED, GREATEST_EXPANSION * os.fstat(file.fileno()).st_size)
    groups = [source.metadata.row_group(place) for place in range(source.metadata.num_row_groups)]
    chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
    size = sum(max(chunk.num_values * WIDTHS[chunk.physical_type], chunk.total_uncompressed_size) for chunk in chunks)
    words = sorted({chunk.path_in_schema for chunk in chunks if chunk.physical_type == "BYTE_ARRAY"})
    if size <= most and words:
        packed = pq.ParquetFile(file, read_dictionary=words)
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


def _unpacked(chunk: pa.Array) -> int:
    """Bytes of the words of a column, where each stands as often as the rows say."""
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(chunk.type):
        return int(chunk.nbytes)
    lengths = pc.take(pc.binary_length(chunk.dictionary), chunk.indices)
    return int(pc.sum(lengths.cast(pa.int64())).as_py() or 0)


def _read_csv(file: BinaryIO, path: Path, head: bytes, spec: DatasetSpec) -> pa.Table:
    from pyarrow import csv

    # "NA" is Namibia or nothing: nothing where it stands unquoted, unless an alias says that it is a code
    nulls = [word for word in _NULLS if word not in spec.aliases]
    words = csv.ConvertOptions(null_values=_NULLS, strings_can_be_null=True)
    codes = csv.ConvertOptions(
        null_values=nulls,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        include_columns=[spec.jurisdiction],
        column_types={spec.jurisdiction: pa.string()},
    )
    header = head.splitlines()[0].decode("utf-8", "replace")
    parse = csv.ParseOptions(delimiter=max(",;\t|", key=header.count), newlines_in_values=True)
    # one block: a type must not depend on where a block ends; one thread: errors know their row
    read = csv.ReadOptions(use_threads=False, block_size=min(os.fstat(file.fileno()).st_size + 1, _LARGEST_BLOCK))
    try:
        table = csv.read_csv(file, read_options=read, parse_options=parse, convert_options=words)
        if (place := table.schema.get_field_index(spec.jurisdiction)) < 0:
            return table
        file.seek(0)
        spoken = csv.read_csv(file, read_options=read, parse_options=parse, convert_options=codes)
        return table.set_column(place, spec.jurisdiction, spoken.column(0))
    except (pa.ArrowException, OSError) as error:
        row = re.search(r"Row #(\d+)", str(error))
        where = f"line {row[1]} does not fit the header" if row else "it is not UTF-8 text with one header line"
        raise InputError(f"{path} cannot be read as CSV: {where}; mend the file or give Parquet") from None
