"""The changes of the control plane's tables, one file each, in order: every database is brought to the newest.

    upgrade(engine)               # does nothing where it is there already

Alembic's own scheme, without its command: a program that opens a database brings it up to date, in one transaction,
while others wait. There is no way back; a database of a newer fedsov is not opened by an older one. After a change of a
table: python scripts/control_migration.py "what changed".
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from fedsov.errors import WorkspaceUnusable

NEWEST = "0001"
"""The newest change; a test sees that it is."""
FOLDER = Path(__file__).parent
LOCK = 0x66656473
"""The number by which services that start at once wait for each other in PostgreSQL."""


def upgrade(engine: Engine) -> None:
    """Brings a database's tables up to date. Raises WorkspaceUnusable for those of a newer fedsov."""
    if _revision(engine) == NEWEST:
        return
    with engine.connect() as connection, connection.execution_options(fedsov_writes=True).begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
        _upgrade(connection, engine)


def _revision(engine: Engine) -> str | None:
    """Up to which change a database's tables are; None before any."""
    try:
        with engine.connect() as connection:
            return str(connection.scalar(text("SELECT version_num FROM alembic_version")))
    except (OperationalError, ProgrammingError):
        return None  # no table, or no database, which what comes next says


def _upgrade(connection: Connection, engine: Engine) -> None:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    changes = ScriptDirectory(str(FOLDER))
    context = MigrationContext.configure(
        connection, opts={"fn": lambda revision, _: changes._upgrade_revs("head", revision), "as_sql": False}
    )
    try:
        with Operations.context(context):
            context.run_migrations()
        connection.execute(text("INSERT INTO changes (id, counter) VALUES (1, 0) ON CONFLICT DO NOTHING"))
    except CommandError:
        raise WorkspaceUnusable(
            f"the control plane's database {engine.url!r} is of another version of fedsov than this; install that one"
        ) from None
