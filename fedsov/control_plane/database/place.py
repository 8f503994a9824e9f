"""Which database a hub's home has: SQLite in its folder, or PostgreSQL where ``control/control.postgresql`` names it.

    with closing(open_database(home)) as database: ...

The file has one line, an address as SQLAlchemy writes it, for its owner's eyes only (it may hold a password).
"""

from __future__ import annotations

from pathlib import Path

from fedsov.control_plane.database.engine import Database
from fedsov.errors import WorkspaceUnusable
from fedsov.storage.atomic_files import write_file
from fedsov.storage.bounded_files import TooLarge, read_bounded
from fedsov.storage.control_folder import HubControlFolder
from fedsov.storage.private_files import make_private_folder

SCHEME = "postgresql+psycopg://"
LARGEST_ADDRESS = 4096


def open_database(home: Path) -> Database:
    """The database of a hub's home. Raises WorkspaceUnusable."""
    return Database.open(database_url(HubControlFolder(home)))


def database_url(folder: HubControlFolder) -> str:
    """Its address. Raises WorkspaceUnusable for a file that names none."""
    if folder.database_address.is_file():
        return _read_address(folder.database_address)
    make_private_folder(folder.root)
    return f"sqlite:///{folder.database.resolve()}"


def name_database(folder: HubControlFolder, url: str) -> None:
    """Has a home's control plane use a PostgreSQL database from now on. Raises WorkspaceUnusable."""
    plain = SCHEME + url.split("://", 1)[1] if url.startswith(("postgresql://", "postgres://")) else url
    write_file(folder.database_address, plain.encode())
    _read_address(folder.database_address)


def _read_address(path: Path) -> str:
    try:
        url = read_bounded(path, largest=LARGEST_ADDRESS).decode().strip()
    except (OSError, TooLarge, ValueError) as problem:
        raise WorkspaceUnusable(
            f"{path} cannot be read ({problem}); it names a PostgreSQL database, or remove it"
        ) from None
    if not url.startswith(SCHEME):
        raise WorkspaceUnusable(f"{path} names no PostgreSQL database; expected {SCHEME}USER@HOST/NAME, or remove it")
    return url
