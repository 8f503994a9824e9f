"""Where a ledger's rows rest: in the file at its path, or in PostgreSQL.

A file with the same name and the ending `.postgresql` beside the path names the database's address.
"""

from __future__ import annotations

from pathlib import Path

from fedsov.ledger.backends.protocol import Book
from fedsov.ledger.backends.sqlite import SqliteBook
from fedsov.storage.workspace import _address_file


def open_backend(path: Path, *, reads_only: bool = False) -> Book:
    """Opens the home of the ledger at `path`. Raises LedgerBroken where it cannot be opened."""
    address = _address_file(path)
    if not address.is_file():
        return SqliteBook(path, reads_only=reads_only)
    from fedsov.ledger.backends.postgresql import PostgresBook  # needs psycopg, which the extra `postgres` installs

    return PostgresBook(address, reads_only=reads_only)
