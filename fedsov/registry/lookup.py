"""Which versions a registry holds, read without MLflow: its import takes seconds, and loading a model needs a path.

    found = find(listed(folder), "people-de@candidate")      # or "people-de/3", or "people-de", the newest

MLflow keeps models in the tables of its SQLite file, which stay as they are within one version of it (a test compares
with what MLflow says). The file is opened for reading alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fedsov.errors import ConfigurationError, WorkspaceUnusable, unknown
from fedsov.storage.workspace import registry_of

_DELETED = "Deleted_Internal"
_VERSIONS = (
    "SELECT name, version, source, run_id FROM model_versions WHERE current_stage IS NOT ? ORDER BY name, version"
)
_ALIASES = "SELECT name, version, alias FROM registered_model_aliases ORDER BY alias"
_PARAMS = "SELECT key, value FROM params WHERE run_uuid = ?"
_METRICS = (
    "SELECT key, value FROM latest_metrics JOIN runs ON runs.run_uuid = latest_metrics.run_uuid "
    "WHERE runs.name = ? AND NOT is_nan ORDER BY key"
)
_TAGS = "SELECT name, version, key, value FROM model_version_tags ORDER BY key"


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """A version that a registry holds: its number, the aliases that point to it, its files' folder, its tags, its run.

    `run` is MLflow's id.
    """

    name: str
    version: int
    folder: Path
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    run: str = ""


def listed(folder: Path) -> tuple[ListedVersion, ...]:
    """Every version in the registry of a folder, by name, oldest first; none where there is no registry.

    Raises WorkspaceUnusable for a damaged one.
    """
    path = registry_of(folder)
    if not path.exists():
        return ()
    aliases: dict[tuple[str, int], list[str]] = {}
    tags: dict[tuple[str, int], dict[str, str]] = {}
    with _reading(path) as file:
        versions = file.execute(_VERSIONS, (_DELETED,)).fetchall()
        for name, version, alias in file.execute(_ALIASES):
            aliases.setdefault((name, int(version)), []).append(alias)
        for name, version, key, value in file.execute(_TAGS):
            tags.setdefault((name, int(version)), {})[key] = value
    keyed = ((str(name), int(version), source, run or "") for name, version, source, run in versions)
    return tuple(
        ListedVersion(
            name,
            version,
            folder_of(source),
            tuple(aliases.get((name, version), ())),
            tags.get((name, version), {}),
            run,
        )
        for name, version, source, run in keyed
    )


def params_of(folder: Path, run: str) -> dict[str, str]:
    """The settings of a run (MLflow's id) as the registry of a folder noted them. Raises WorkspaceUnusable."""
    with _reading(registry_of(folder)) as file:
        return {str(key): str(value) for key, value in file.execute(_PARAMS, (run,))}


def metrics_of(folder: Path, name: str) -> dict[str, float]:
    """The last value of each metric of the run of this name, as the registry of a folder noted it; none of no run.

    Raises WorkspaceUnusable.
    """
    if not registry_of(folder).exists():
        return {}
    with _reading(registry_of(folder)) as file:
        return {str(key): float(value) for key, value in file.execute(_METRICS, (name,))}


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The file of a registry, open for reading alone. Raises WorkspaceUnusable for a damaged one."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as file:
            yield file
    except sqlite3.Error as error:
        raise WorkspaceUnusable(f"the registry {path} cannot be read ({error}); restore your copy") from error


def folder_of(source: str) -> Path:
    """The folder that a version's address names."""
    return Path(unquote(urlsplit(source).path))


def name_of(reference: str) -> str:
    """The model's name in ``NAME``, ``NAME@ALIAS`` or ``NAME/VERSION``. Raises ConfigurationError for no such words."""
    name = reference.partition("@")[0].partition("/")[0]
    if not name or ("@" in reference and "/" in reference):
        raise ConfigurationError(f"{reference!r} names no model; write NAME, NAME@ALIAS or NAME/VERSION")
    return name


def find(versions: Sequence[ListedVersion], reference: str) -> ListedVersion | None:
    """The version that a reference names; None where no model has its name.

    Args:
        reference: ``NAME@ALIAS``, ``NAME/VERSION``, or ``NAME`` for the newest version.

    Raises:
        ConfigurationError: the model has no such version or alias; says what it has.
    """
    name = name_of(reference)
    own = [version for version in versions if version.name == name]
    if not own:
        return None
    if "@" in reference:
        return _by_alias(own, reference.partition("@")[2])
    if "/" not in reference:
        return own[-1]
    number = reference.partition("/")[2]
    found = next((version for version in own if str(version.version) == number), None)
    if found is None:
        has = ", ".join(str(version.version) for version in own)
        raise ConfigurationError(f"model {name} has no version {number!r}; it has {has}")
    return found


def _by_alias(own: Sequence[ListedVersion], alias: str) -> ListedVersion:
    by_alias = {name: version for version in own for name in version.aliases}
    if alias not in by_alias:
        raise ConfigurationError(unknown(f"alias of model {own[0].name}", alias, sorted(by_alias)))
    return by_alias[alias]
