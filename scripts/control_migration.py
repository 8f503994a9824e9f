"""Writes a change of the control plane's tables: what the code's tables have that the migrations do not make.

python scripts/control_migration.py "what changed"      # a new file in migrations/versions
python scripts/control_migration.py --anew              # writes the first one anew, before it was ever released
"""

import importlib
import pkgutil
import re
import sys
import tempfile
from pathlib import Path

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, MetaData, create_engine, event

import fedsov.control_plane
from fedsov.control_plane.database import engine as engine_module
from fedsov.control_plane.database import migrations

VERSIONS = migrations.FOLDER / "versions"
TEXT = '''"""{what}"""

import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = {before}


def upgrade() -> None:
    """Changes the tables."""
    {body}
'''


def every_table() -> MetaData:
    """The tables of the code: of every module of the control plane."""
    for module in pkgutil.walk_packages(fedsov.control_plane.__path__, "fedsov.control_plane."):
        if ".migrations" not in module.name:
            importlib.import_module(module.name)
    return engine_module.METADATA


def sqlite(folder: str) -> Engine:
    """An empty database."""
    engine = create_engine(f"sqlite:///{folder}/control.sqlite")
    event.listen(engine, "connect", engine_module._as_sqlite_is_used)
    event.listen(engine, "begin", engine_module._begin_sqlite)
    return engine


def difference(engine: Engine) -> str:
    """What the tables of a database lack, as the body of a function; "pass" for nothing."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        changes = produce_migrations(context, every_table()).upgrade_ops
    return render_python_code(changes) if changes is not None and changes.ops else "pass"


def write(what: str, number: int, body: str) -> Path:
    """Writes a change, and says in the package that it is the newest."""
    before = f'"{number - 1:04}"' if number > 1 else "None"
    slug = re.sub(r"[^a-z0-9]+", "_", what.lower()).strip("_")[:40]
    path = VERSIONS / f"v{number:04}_{slug}.py"
    body = re.sub(r" *# ### .*\n", "", body + "\n").strip()
    path.write_text(TEXT.format(what=what, number=f"{number:04}", before=before, body=body))
    package = migrations.FOLDER / "__init__.py"
    package.write_text(re.sub(r'NEWEST = "\d+"', f'NEWEST = "{number:04}"', package.read_text()))
    return path


def main() -> None:
    """Writes what is missing."""
    is_anew, what = sys.argv[1:] == ["--anew"], " ".join(sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        engine = sqlite(folder)
        if is_anew:
            for path in VERSIONS.glob("v*.py"):
                path.unlink()
            print(write("The first tables.", 1, difference(engine)))
            return
        migrations.upgrade(engine)
        if (body := difference(engine)) == "pass":
            sys.exit("nothing changed")
        print(write(what, int(migrations.NEWEST) + 1, body))


if __name__ == "__main__":
    main()
