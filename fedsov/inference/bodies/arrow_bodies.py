"""A body of Arrow: columns by name of an uncompressed IPC stream. Imported where the first such body comes.

A compressed stream can unpack to a thousand times its size before anybody has seen how large it is, so that one is
refused by what its messages say of themselves, before Arrow unpacks them. The bytes that are left are what the body's
limit already allowed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from fedsov.inference.bodies.body_refusals import BodyRefused
from fedsov.model.packaging.encoder import ColumnRefused
from fedsov.partition.arrow_columns import floats, objects

_RECORDS, _DICTIONARY = 3, 2
"""Numbers of a message's kinds in Arrow's format (Message.fbs: MessageHeader)."""
_COMPRESSION = 3
"""The field of a record batch that says how its buffers are compressed."""


def columns_of(body: bytes, most_rows: int) -> Mapping[str, Any]:
    """The columns of a stream, numbers as arrays and text as objects. Raises BodyRefused, ColumnRefused."""
    try:
        _check_plain(body)
        table = _read(body, most_rows)
        names = table.column_names
        if twice := [name for name in names if names.count(name) > 1]:
            raise BodyRefused(422, f"column {twice[0]!a} is there twice; send it once", twice[0])
        return {name: _values(name, table.column(name)) for name in names}
    except (pa.ArrowException, OSError, ValueError, struct.error, IndexError, OverflowError):
        raise BodyRefused(400, "the body is no Arrow IPC stream that can be read") from None


def _read(body: bytes, most_rows: int) -> pa.Table:
    batches, rows = [], 0
    with pa.ipc.open_stream(body) as reader:
        schema = reader.schema
        for field in schema:
            kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            if kind.num_fields or pa.types.is_null(kind):
                raise ColumnRefused(field.name, f"column {field.name!a} is of {kind}, which no model reads")
        for batch in reader:
            rows += batch.num_rows
            if rows > most_rows:
                raise BodyRefused(413, f"more than {most_rows} rows (serving.limits.rows); send fewer")
            batch.validate(full=True)
            batches.append(batch)
    return pa.Table.from_batches(batches, schema)


def _values(name: str, column: pa.ChunkedArray) -> Any:
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return floats(column)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        days = column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
        return floats(days) / 86_400_000.0
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return objects(column)
    if pa.types.is_dictionary(kind) or pa.types.is_boolean(kind):
        return objects(column)
    raise ColumnRefused(name, f"column {name!a} is of {kind}; send numbers, text or dates")


def _check_plain(body: bytes) -> None:
    """Refuses a stream one of whose messages is compressed, by the table of its record batch.

    A message is a continuation mark, the length of its metadata, the metadata (a flatbuffer), and its body
    (https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format).
    """
    at = 0
    while at + 8 <= len(body):
        mark, length = struct.unpack_from("<II", body, at)
        if mark != 0xFFFFFFFF:
            raise BodyRefused(400, "the body is no Arrow IPC stream that can be read")
        if not length:
            return
        kind, header, body_length = _message(body, at + 8)
        if kind == _DICTIONARY:
            header = _table_at(body, header, 1)
        if kind in (_RECORDS, _DICTIONARY) and _field(body, header, _COMPRESSION):
            raise BodyRefused(415, "the Arrow stream is compressed; send it without compression")
        at += 8 + length + body_length


def _message(body: bytes, start: int) -> tuple[int, int, int]:
    """The kind of a message's header, the place of its table, and the length of its body (Message.fbs)."""
    root = start + int(struct.unpack_from("<I", body, start)[0])
    kind_at, length_at = _field(body, root, 1), _field(body, root, 3)
    kind = body[kind_at] if kind_at else 0
    length = int(struct.unpack_from("<q", body, length_at)[0]) if length_at else 0
    if length < 0:
        raise BodyRefused(400, "the body is no Arrow IPC stream that can be read")
    return kind, _table_at(body, root, 2), length


def _field(body: bytes, table: int, number: int) -> int:
    """Where a table's field lies; 0 where it is not there (https://flatbuffers.dev/internals)."""
    slots = table - int(struct.unpack_from("<i", body, table)[0])
    place = 4 + 2 * number
    if slots < 0 or place + 2 > int(struct.unpack_from("<H", body, slots)[0]):
        return 0
    offset = int(struct.unpack_from("<H", body, slots + place)[0])
    return table + offset if offset else 0


def _table_at(body: bytes, table: int, number: int) -> int:
    """The table that a table's field refers to."""
    at = _field(body, table, number)
    if not at:
        return 0
    return at + int(struct.unpack_from("<I", body, at)[0])
