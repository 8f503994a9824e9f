"""Where a ledger's rows are stored: in the file at its path, or in PostgreSQL.

A file with the same name and the ending `.postgresql` beside the path names the database's address.
"""

from __future__ import annotations

from pathlib import Path

from fedsov.ledger.backends.protocol import Birth, LedgerBackend
from fedsov.ledger.backends.sqlite import SqliteBackend
from fedsov.storage.workspace import _address_file


def open_backend(path: Path, *, reads_only: bool = False, birth: Birth | None = None) -> LedgerBackend:
    """Opens the store of the ledger at `path`. Raises LedgerBroken where it cannot be opened.

    Args:
        birth: writes what a new file begins with; a database's tables are there before, without an owner.
    """
    address = _address_file(path)
    if not address.is_file():
        return SqliteBackend(path, reads_only=reads_only, birth=birth)
    from fedsov.ledger.backends.postgresql import (
        PostgresqlBackend,  # needs psycopg, which the extra `postgres` installs
    )

    return PostgresqlBackend(address, reads_only=reads_only)
