"""What the database holds of the repository: signed metadata, small files, and which region may fetch which file."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Column, Connection, Integer, LargeBinary, String, Table, delete, func, insert, select, update

from fedsov.control_plane.database.engine import METADATA

ROLES = Table(
    "repository_roles",
    METADATA,
    Column("role", String(80), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
)
"""Each version of each role's metadata, as it was signed."""
REGIONS = Table(
    "repository_regions",
    METADATA,
    Column("region", String(63), primary_key=True),
    Column("verify_key", String(64), nullable=False),
    Column("drafted", Integer, nullable=False),
)
"""The regions that have a role, and the highest version of it that was ever drafted."""
CONTENTS = Table(
    "repository_contents",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("length", Integer, nullable=False),
    Column("content", LargeBinary),
)
"""Files by their digest; a large one has no content here, and lies in the folder of artifacts."""
FILES = Table(
    "repository_files",
    METADATA,
    Column("path", String(500), primary_key=True),
    Column("sha256", String(64), nullable=False),
)
"""The files of models and configuration that are published, by path."""
READERS = Table(
    "repository_readers",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("region", String(63), primary_key=True),
)
"""Which region may fetch which file."""


def newest(connection: Connection, role: str) -> bytes | None:
    """A role's metadata; None of a role that was never published."""
    query = select(ROLES.c.content).where(ROLES.c.role == role).order_by(ROLES.c.version.desc()).limit(1)
    content = connection.scalar(query)
    return None if content is None else bytes(content)


def of_version(connection: Connection, role: str, version: int) -> bytes | None:
    """One version of a role's metadata; None where there is none, or none any more."""
    content = connection.scalar(select(ROLES.c.content).where(ROLES.c.role == role, ROLES.c.version == version))
    return None if content is None else bytes(content)


def versions(connection: Connection, role: str) -> list[bytes]:
    """Every version of a role's metadata that is left, the newest first."""
    rows = connection.execute(select(ROLES.c.content).where(ROLES.c.role == role).order_by(ROLES.c.version.desc()))
    return [bytes(row[0]) for row in rows]


def newest_versions(connection: Connection) -> dict[str, int]:
    """The newest version of every role."""
    rows = connection.execute(select(ROLES.c.role, func.max(ROLES.c.version)).group_by(ROLES.c.role))
    return {str(role): int(version) for role, version in rows}


def add_version(connection: Connection, role: str, version: int, content: bytes, *, stay: int) -> None:
    """Adds a version of a role, and drops the oldest but for the last `stay` numbers; none where `stay` is 0."""
    connection.execute(insert(ROLES).values(role=role, version=version, content=content))
    if stay:
        connection.execute(delete(ROLES).where(ROLES.c.role == role, ROLES.c.version <= version - stay))


def verify_keys(connection: Connection) -> dict[str, str]:
    """The verify key of each region that has a role."""
    return {str(name): str(key) for name, key in connection.execute(select(REGIONS.c.region, REGIONS.c.verify_key))}


def next_draft(connection: Connection, region: str, *, after: int) -> int:
    """A version of a region's role that was never drafted before, and is higher than `after`; 0 for no such region."""
    chosen = REGIONS.c.region == region
    drafted = connection.scalar(select(REGIONS.c.drafted).where(chosen))
    if drafted is None:
        return 0
    version = max(int(drafted), after) + 1
    connection.execute(update(REGIONS).where(chosen).values(drafted=version))
    return version


def add_content(connection: Connection, sha256: str, length: int, content: bytes | None) -> None:
    """Adds a file, unless it is there."""
    if connection.scalar(select(CONTENTS.c.sha256).where(CONTENTS.c.sha256 == sha256)) is None:
        connection.execute(insert(CONTENTS).values(sha256=sha256, length=length, content=content))


def content_of(connection: Connection, sha256: str) -> tuple[int, bytes | None] | None:
    """Length and content of a file, None for a content that lies in the folder; None of no file."""
    row = connection.execute(select(CONTENTS.c.length, CONTENTS.c.content).where(CONTENTS.c.sha256 == sha256)).first()
    return None if row is None else (int(row[0]), None if row[1] is None else bytes(row[1]))


def let_read(connection: Connection, files: Iterable[str], regions: Iterable[str]) -> None:
    """Lets regions fetch files, by their digests."""
    for sha256 in files:
        readers = {row[0] for row in connection.execute(select(READERS.c.region).where(READERS.c.sha256 == sha256))}
        for region in sorted(set(regions) - readers):
            connection.execute(insert(READERS).values(sha256=sha256, region=region))


def may_read(connection: Connection, sha256: str, region: str) -> bool:
    """Whether a region may fetch a file."""
    query = select(READERS.c.region).where(READERS.c.sha256 == sha256, READERS.c.region == region)
    return connection.scalar(query) is not None


def put_path(connection: Connection, path: str, sha256: str) -> None:
    """Notes what is published under a path."""
    connection.execute(delete(FILES).where(FILES.c.path == path))
    connection.execute(insert(FILES).values(path=path, sha256=sha256))


def digests_of(connection: Connection, paths: Iterable[str]) -> dict[str, str]:
    """The digest of each of these paths that is published."""
    rows = (connection.execute(select(FILES.c.path, FILES.c.sha256).where(FILES.c.path == path)) for path in paths)
    return {str(path): str(sha256) for several in rows for path, sha256 in several}


def drop_path(connection: Connection, path: str) -> str:
    """Forgets a path; the digest of its content where no other path has it, and that is forgotten too; else ""."""
    sha256 = digests_of(connection, [path]).get(path, "")
    connection.execute(delete(FILES).where(FILES.c.path == path))
    if not sha256 or connection.scalar(select(FILES.c.path).where(FILES.c.sha256 == sha256).limit(1)) is not None:
        return ""
    connection.execute(delete(READERS).where(READERS.c.sha256 == sha256))
    connection.execute(delete(CONTENTS).where(CONTENTS.c.sha256 == sha256))
    return sha256
