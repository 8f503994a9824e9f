"""Submitting a job to a hub, and following it: the same lines, the same result, as if the run were here.

    with operator_connection(settings) as connection:
        result = submitted(connection, "train", settings.plain, progress=print)

The job goes on at the hub, whoever follows it; `fedsov logs` takes it up again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fedsov.api.deployment.told_result import result_from_plain
from fedsov.api.result import RunResult
from fedsov.config.settings import Settings
from fedsov.errors import ConfigurationError, FedsovError
from fedsov.hub.planning.plan_values import Plan
from fedsov.hub.region_errors import error_by_name
from fedsov.keys.certificates import OPERATOR
from fedsov.protocol.ingestion_report import IngestionReport
from fedsov.runtimes.deployment.hub.jobs import DONE, STOPPED
from fedsov.runtimes.deployment.hub_connection import (
    Credentials,
    HubConnection,
    HubUnreachable,
    again,
    parse_address,
)
from fedsov.runtimes.deployment.paths import JOBS, REGIONS
from fedsov.serialization import from_plain
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import read_party

WAIT = 20.0
Progress = Callable[[str], None]


@contextmanager
def operator_connection(home: Path, hub: str | None = None) -> Iterator[HubConnection]:
    """A connection to the hub as an operator: of an operator's home, or of the hub's own, which has one's certificate.

    Args:
        hub: its address as HOST:PORT; None for the one in the home's ``party.yaml``.

    Raises ConfigurationError where this home has no certificate of an operator; HubUnreachable, with what starts it.
    """
    folder = DeploymentFolder(home)
    if not folder.party.exists():
        raise ConfigurationError(
            f"{home} is no home of a deployment; `fedsov up` makes one for a trial, `fedsov deploy init` in earnest, "
            "and --workspace DIR names it"
        )
    party = read_party(folder.party)
    if party.role == OPERATOR and not folder.certificate.exists():
        raise ConfigurationError(
            f"{folder.request(party.name)} waits for the authority's answer: send it to the hub's owner, and take the "
            f"package by `fedsov deploy accept PACKAGE --workspace {home}`"
        )
    credentials = Credentials.of(folder) if party.role == OPERATOR else Credentials.of_operator(folder)
    with HubConnection(parse_address(hub) if hub else party.hub, credentials) as connection:
        try:
            yield connection
        except HubUnreachable as problem:
            raise HubUnreachable(f"{problem}; `fedsov hub` starts it, or `fedsov up` in a trial") from None


def train_at_hub(settings: Settings, *, progress: Progress) -> RunResult:
    """Has a run made at the hub, and gives its result. Raises the error that ended it."""
    with operator_connection(settings.workspace, settings.runtime.hub) as connection:
        return result_from_plain(_submitted(connection, "train", settings.plain, progress))


def resume_at_hub(home: Path, run: str, *, progress: Progress) -> RunResult:
    """Has a run that was killed go on at the hub, and gives its result. Raises the error that ended it."""
    with operator_connection(home) as connection:
        return result_from_plain(_submitted(connection, "resume", {"run": run}, progress))


def plan_at_hub(settings: Settings, *, progress: Progress, fresh: bool = False) -> tuple[Plan, IngestionReport]:
    """The plan that the hub would follow, and what its regions hold. Raises the error that ended it."""
    with operator_connection(settings.workspace, settings.runtime.hub) as connection:
        told = _submitted(connection, "plan", {"settings": settings.plain, "fresh": fresh}, progress)
    return from_plain(Plan, told["plan"]), from_plain(IngestionReport, told["ingested"])


def follow(connection: HubConnection, job: str, *, progress: Progress, heading: bool = False) -> Mapping[str, Any]:
    """Tells a job's lines from its first one until it ends; how it stands then, and its result.

    Args:
        heading: tells first which job it is, and who submitted it when.
    """
    after = 0
    while True:
        standing = again(partial(_after, connection, job, after), say=progress)
        if heading:
            who, when = standing["by"], standing["submitted"]
            progress(f"job {standing['id']} ({standing['kind']}), submitted by {who} at {when}")
            heading = False
        for line in standing["lines"]:
            progress(line)
        after += len(standing["lines"])
        if standing["ended"]:
            return standing


def _after(connection: HubConnection, job: str, after: int) -> Mapping[str, Any]:
    """A job's lines after so many of them, waited for, and how it stands."""
    standing: Mapping[str, Any] = connection.post_json(f"{JOBS}/follow", {"id": job, "after": after}, wait=WAIT)
    return standing


def _submitted(connection: HubConnection, kind: str, config: Mapping[str, Any], progress: Progress) -> Any:
    job = connection.post_json(JOBS, {"kind": kind, "config": config})["id"]
    progress(f"submitted to the hub as job {job}; it goes on there whoever follows it: `fedsov logs {job}`")
    try:
        ended = follow(connection, job, progress=progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"job {job} goes on at the hub; `fedsov logs {job}` follows it, `fedsov stop {job}` ends it"
        ) from None
    if ended["state"] == DONE:
        return ended["result"]
    if ended["state"] == STOPPED:
        raise FedsovError(f"job {job} was stopped at the hub")
    error = (ended["result"] or {}).get("error", {"type": "TrainingFailed", "text": "it failed, and nothing says why"})
    raise error_by_name(error["type"], error["text"])


def standing(connection: HubConnection) -> dict[str, Any]:
    """The regions and jobs of a hub, in plain values."""
    return {"regions": connection.get(REGIONS)["regions"], "jobs": connection.get(JOBS)}


def stopped(connection: HubConnection, job: str) -> Mapping[str, Any]:
    """A job that was asked to stop. Raises HubRefused for one that there is not."""
    told: Mapping[str, Any] = connection.post_json(f"{JOBS}/stop", {"id": job})
    return told
