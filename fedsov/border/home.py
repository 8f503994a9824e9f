"""Where a ledger's rows rest: in the file at its path, or in PostgreSQL.

A file with the same name and the ending `.postgresql` beside the path names the database's address.
"""

from __future__ import annotations

from pathlib import Path

from fedsov.border.book import Book
from fedsov.border.sqlite_book import SqliteBook


def is_there(path: Path) -> bool:
    """True where a ledger was made at this path, or PostgreSQL was named as its home."""
    return path.is_file() or _address_file(path).is_file()


def home(path: Path, *, reads_only: bool = False) -> Book:
    """Opens the home of the ledger at `path`. Raises LedgerBroken where it cannot be opened."""
    address = _address_file(path)
    if not address.is_file():
        return SqliteBook(path, reads_only=reads_only)
    from fedsov.border.postgresql import PostgresBook  # needs psycopg, which the extra `postgres` installs

    return PostgresBook(address, reads_only=reads_only)


def _address_file(path: Path) -> Path:
    return path.with_suffix(".postgresql")
