"""MLflow itself: the calls behind `fedsov.registry`, all through `mlflow.MlflowClient`.

Importing this module imports MLflow and its SQLite stores (2 to 3 s, 200 MB); it opens nothing, starts no thread and
changes no setting, so a process may import it and fork. MLflow reads its environment variables then: set those of
`fedsov.registry.QUIET` before, as `fedsov.registry.prepare` does. Afterwards a new registry with one run and one model
takes 0.2 s.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import alembic.command  # noqa: F401  MLflow checks the schema with it
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
from mlflow import MlflowClient, MlflowException
from mlflow.entities import Metric, Param
from sqlalchemy.exc import SQLAlchemyError

from fedsov.errors import ConfigurationError, WorkspaceUnusable
from fedsov.model.packaging.signature import DESCRIPTION, WEIGHTS
from fedsov.registry import schema
from fedsov.registry.lookup import folder_of
from fedsov.registry.mlmodel import flavour_files
from fedsov.registry.values import ModelRecord, RunRecord, Version
from fedsov.storage.bounded_files import parsed_json
from fedsov.storage.private_files import make_private_folder

CANDIDATE, CHAMPION = "candidate", "champion"
METRICS_A_CALL, PARAMS_A_CALL = 1000, 100  # MLflow's limits of one log_batch


@contextmanager
def opened(path: Path) -> Iterator[MlflowClient]:
    """MLflow's client for the registry at `path`, made where absent.

    What MLflow rejects becomes ConfigurationError; whatever goes wrong with the files becomes
    WorkspaceUnusable.
    """
    path = path.absolute()
    if set("%?") & set(str(path)):
        raise ConfigurationError(f"MLflow cannot address {path}; choose a workspace without % and ? in its path")
    address = f"sqlite:///{path}"
    try:
        if schema.create(path):
            _inspect(path)
        yield MlflowClient(address, address)
    except MlflowException as error:
        if error.error_code == "INVALID_PARAMETER_VALUE":
            raise ConfigurationError(f"MLflow cannot store this run: {_line(error)}") from None
        raise _unusable(path, error) from None
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        raise _unusable(path, error) from None


def _inspect(path: Path) -> None:
    """Raise sqlite3.Error where the file cannot be read or locked for writing: MLflow would retry for two
    minutes."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as file:
        file.execute("BEGIN IMMEDIATE")
        (verdict,) = file.execute("PRAGMA quick_check(1)").fetchone()
        file.execute("ROLLBACK")
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)


def _unusable(path: Path, error: BaseException) -> WorkspaceUnusable:
    return WorkspaceUnusable(
        f"the registry {path} cannot be used ({_line(getattr(error, 'orig', None) or error)});"
        " make room or allow writing, or move a damaged mlflow.db away, and run again"
    )


def _line(error: BaseException) -> str:
    return " ".join(str(error).partition("(Background on this error")[0].split())[:200]


def write(client: MlflowClient, run: RunRecord, *, artifacts: Path) -> tuple[tuple[str, int], ...]:
    """Write a whole run, its files under `artifacts`; the (name, version) of each of its models.

    A run that was written before, whole and with the same models, is left as it is: a run that was killed and went on
    may record itself again. What is there of it otherwise, half written or with other models, gives way.
    """
    experiment = _experiment(client, run.experiment, artifacts)
    if versions_before := _written_before(client, run, experiment):
        return versions_before
    run_id = client.create_run(experiment, run_name=run.run, tags=dict(run.tags)).info.run_id
    now = int(time.time() * 1000)
    for metrics in _slices([Metric(key, value, now, step) for key, value, step in run.metrics], METRICS_A_CALL):
        client.log_batch(run_id, metrics=metrics)
    for params in _slices([Param(key, value) for key, value in run.params.items()], PARAMS_A_CALL):
        client.log_batch(run_id, params=params)
    for name, text in run.artifacts.items():
        client.log_text(run_id, text, name)
    versions = tuple(_register(client, model, experiment=experiment, run=run_id) for model in run.models)
    client.set_terminated(run_id)
    return versions


def _written_before(client: MlflowClient, run: RunRecord, experiment: str) -> tuple[tuple[str, int], ...]:
    """The versions of a run that was written whole before; none, and all of it taken away, where it was not."""
    named = "" if "'" in run.run else f"attributes.run_name = '{run.run}'"
    several = _pages(partial(client.search_runs, [experiment], filter_string=named))
    old = {each.info.run_id: each.info.status for each in several if each.info.run_name == run.run}
    there = [each for run_id in old for each in _pages(partial(client.search_model_versions, f"run_id = '{run_id}'"))]
    if not old:
        return ()
    content = {model.name: model.path.read_bytes() for model in run.models}
    same = {each.name: int(each.version) for each in there if _weights(each) == content.get(each.name)}
    if len(there) == len(same) == len(content) and list(old.values()) == ["FINISHED"]:
        return tuple((model.name, same[model.name]) for model in run.models)
    for each in there:
        client.delete_model_version(each.name, each.version)
    for run_id in old:
        client.delete_run(run_id)
    return ()


def _weights(version: Any) -> bytes | None:
    """The weights a version points to; None where there are none."""
    try:
        return (folder_of(version.source) / WEIGHTS).read_bytes()
    except OSError:
        return None


def _experiment(client: MlflowClient, name: str, artifacts: Path) -> str:
    make_private_folder(artifacts)
    existing = client.get_experiment_by_name(name)
    if existing is not None:
        return str(existing.experiment_id)
    return str(client.create_experiment(name, artifact_location=artifacts.as_uri()))


def _slices(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _register(client: MlflowClient, model: ModelRecord, *, experiment: str, run: str) -> tuple[str, int]:
    """The weights, with all that lets them be loaded, as a LoggedModel of the run, then as the newest version and
    candidate of the registered model."""
    tags = dict(model.tags)
    logged = client.create_logged_model(experiment, source_run_id=run, tags=tags, model_type="safetensors")
    with tempfile.TemporaryDirectory() as folder:
        _gather(model, Path(folder), run=run, logged=logged.model_id)
        client.log_model_artifacts(logged.model_id, folder)
    client.finalize_logged_model(logged.model_id, "READY")
    _name(client, model.name)
    version = client.create_model_version(
        model.name, logged.artifact_location, run, tags, await_creation_for=0, model_id=logged.model_id
    ).version
    client.set_registered_model_alias(model.name, CANDIDATE, str(version))
    return model.name, int(version)


def _gather(model: ModelRecord, folder: Path, *, run: str, logged: str) -> None:
    """Puts the files of a registered model into a folder."""
    described = model.path.with_name(DESCRIPTION).read_bytes()
    files = flavour_files(
        parsed_json(described), run=run, model=logged, at=datetime.now(UTC), size=model.path.stat().st_size
    )
    shutil.copyfile(model.path, folder / WEIGHTS)
    (folder / DESCRIPTION).write_bytes(described)
    for name, text in files.items():
        (folder / name).write_text(text)


def _name(client: MlflowClient, name: str) -> None:
    """Make a registered model of this name where there is none."""
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def crown(client: MlflowClient, name: str, version: int) -> None:
    """Give the alias "champion" to a version that exists."""
    client.set_registered_model_alias(name, CHAMPION, str(version))


def versions(client: MlflowClient) -> tuple[Version, ...]:
    """Every version of every registered model, by name, oldest first."""
    aliases: dict[tuple[str, int], list[str]] = {}
    for model in _pages(client.search_registered_models):
        for alias, version in model.aliases.items():
            aliases.setdefault((model.name, int(version)), []).append(alias)
    several = (_version(each, aliases) for each in _pages(client.search_model_versions))
    return tuple(sorted(several, key=lambda each: (each.name, each.version)))


def tag(client: MlflowClient, name: str, version: int, key: str, value: str) -> None:
    """Give a version that exists a tag, in the place of what it said before."""
    client.set_model_version_tag(name, str(version), key, value)


def _version(registered: Any, aliases: dict[tuple[str, int], list[str]]) -> Version:
    key = (registered.name, int(registered.version))
    return Version(*key, tuple(sorted(aliases.get(key, ()))), dict(registered.tags))


def _pages(search: Callable[..., Any]) -> Iterator[Any]:
    """Everything that a search of MLflow's finds, over all of its pages."""
    page = search(max_results=200)
    yield from page
    while page.token:
        page = search(max_results=200, page_token=page.token)
        yield from page
