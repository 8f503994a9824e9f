"""A source's rows as a stream: tables of some rows each, of one schema, as often as they are asked for."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fedsov.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 1 << 15
"""Rows of one table of a stream."""
Opened = Callable[[], BinaryIO]
"""A file's content from its first byte, as often as it is called; one reading at a time."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The rows of a source, read anew at each call of `tables`.

    Attributes:
        schema: of every table, without metadata.
        tables: the rows in their order, `MOST_ROWS` at most in a table.
        left_out: rows that do not fit the header and are in no table.
    """

    schema: pa.Schema
    tables: Callable[[], Iterator[pa.Table]]
    left_out: int = 0


def whole(table: pa.Table) -> Scan:
    """A table in memory as a stream."""
    bare = table.replace_schema_metadata()
    return Scan(bare.schema, partial(sliced, bare))


def sliced(table: pa.Table) -> Iterator[pa.Table]:
    """The table in pieces of `MOST_ROWS`; one without rows is none."""
    for start in range(0, table.num_rows, MOST_ROWS):
        yield table.slice(start, MOST_ROWS)


def together(scans: Sequence[Scan], path: Path) -> Scan:
    """One file after the other. Raises InputError where their columns are not of the same types."""
    if len(scans) == 1:
        return scans[0]
    import pyarrow as pa

    schemas = [scan.schema for scan in scans]
    try:
        schema = pa.unify_schemas(schemas, promote_options="permissive")
    except pa.ArrowException:
        kinds = [{field.name: field.type for field in each} for each in schemas]
        odd = sorted({name for other in kinds for name in other if other.get(name) != kinds[0].get(name)})
        raise InputError(f"the files of {path} differ in column '{odd[0]}'; give files of the same columns") from None
    return Scan(schema, partial(_each, scans, schema.empty_table()), sum(scan.left_out for scan in scans))


def _each(scans: Sequence[Scan], like: pa.Table) -> Iterator[pa.Table]:
    import pyarrow as pa

    for scan in scans:
        for table in scan.tables():
            same = table.schema.equals(like.schema)
            yield table if same else pa.concat_tables([like, table], promote_options="permissive")


class _Pieces(io.RawIOBase):
    """What a function gives piece by piece, as a file that is read from the start to the end."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read, self._left = read, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # any writable buffer
        piece = self._left or self._read(len(buffer))
        self._left = piece[len(buffer) :]
        taken = piece[: len(buffer)]
        buffer[: len(taken)] = taken
        return len(taken)


def stream_of(read: Callable[[int], bytes]) -> BinaryIO:
    """A file of what `read` gives, asked for so many bytes; closing it closes nothing else."""
    return io.BufferedReader(_Pieces(read), 1 << 20)
