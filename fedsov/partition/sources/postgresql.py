"""A table of PostgreSQL, or a query's answer, through ADBC: rows come as Arrow, in one read-only transaction.

    dataset=postgresql dataset.path=postgresql://db.example/people dataset.source_options.table=visits

``dataset.source_options`` has ``table`` or ``query``. The password is libpq's to find (``PGPASSWORD``, ``~/.pgpass``, a
service file); an address that holds one is refused, since settings are stored. An error names PostgreSQL's code of it
(https://www.postgresql.org/docs/current/errcodes-appendix.html) and never its text, which may quote a row.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pyarrow.compute as pc

from fedsov.errors import InputError
from fedsov.partition.sources.table_files import read, scan

if TYPE_CHECKING:
    from fedsov.partition.dataset import DatasetSpec

__all__ = ["fetch", "find", "read", "scan"]
_ADDRESS = re.compile(r"postgres(?:ql)?:/+(?:([^@/?]*)@)?(.*)")


def find(spec: DatasetSpec) -> tuple[Path, ...]:
    """The database's address. Raises InputError for what is none, holds a password, or has neither table nor query."""
    _uri(spec)
    _query(spec)
    return (Path(str(spec.path).partition("?")[0]),)


def fetch(file: BinaryIO, spec: DatasetSpec) -> None:
    """Writes the rows as an Arrow file. Raises InputError where the database refuses or does not answer."""
    uri, query = _uri(spec), _query(spec)
    try:
        with adbc.connect(uri) as connection, connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute(query)
            batches = cursor.fetch_record_batch()
            schema = pa.schema([(field.name, _plain_type(field.type)) for field in batches.schema])
            with pa.ipc.new_file(file, schema) as writer:
                for batch in batches:
                    writer.write_table(pa.table([_plain(column) for column in batch.columns], schema=schema))
    except adbc.Error as fault:
        code = getattr(fault, "sqlstate", None)
        reason = f"with code {code}" if code else "and gave no code: look at the address, and that it runs"
        raise InputError(f"PostgreSQL refused what dataset.path and dataset.source_options ask, {reason}") from None
    except (OSError, pa.ArrowException):  # comes through Arrow's stream, with no code
        raise InputError(
            "PostgreSQL failed in the middle of its answer; ask the same by psql, which says why"
        ) from None


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """NUMERIC as float64, other kinds without an Arrow type of their own as PostgreSQL spells them."""
    if not isinstance(kind, pa.BaseExtensionType):
        return kind
    is_number = getattr(kind, "type_name", "") == "numeric"
    return pa.float64() if is_number else kind.storage_type


def _plain(column: pa.Array) -> pa.Array:
    kind = _plain_type(column.type)
    return pc.cast(column.storage, kind) if isinstance(column, pa.ExtensionArray) else column


def _uri(spec: DatasetSpec) -> str:
    parts = _ADDRESS.fullmatch(str(spec.path))
    if parts is None:
        raise InputError("dataset=postgresql needs dataset.path=postgresql://HOST/DATABASE")
    user, rest = parts[1], parts[2]
    if (user and ":" in user) or re.search(r"[?&](password|sslpassword)=", rest):
        raise InputError("dataset.path holds a password, and settings are stored; put it into PGPASSWORD or ~/.pgpass")
    return f"postgresql://{f'{user}@' if user else ''}{rest}"


def _query(spec: DatasetSpec) -> str:
    """What is asked. Raises InputError for a table and a query, or neither."""
    table, query = (str(spec.source_options.get(name) or "") for name in ("table", "query"))
    if bool(table) == bool(query):
        raise InputError("dataset=postgresql needs dataset.source_options.table=NAME, or query='SELECT ...'")
    if query:
        return query
    quoted = ".".join('"{}"'.format(part.replace('"', '""')) for part in table.split("."))
    return f"SELECT * FROM {quoted}"
