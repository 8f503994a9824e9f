"""`stop`: the end of a job at the hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, print_json, print_line
from fedsov.cli.declaration import command, command_app
from fedsov.cli.status import HubOption

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class StopArguments(Arguments):
    """Which job."""

    job: Annotated[str, typer.Argument(metavar="JOB", help="Its id, its run's name, or `latest`.")]
    hub: HubOption = ""


@command(app, examples=("fedsov stop latest", "fedsov stop 20261130T101500-1a2b3c"))
def stop(arguments: StopArguments) -> None:
    """Stops a job at the hub. Its run can go on later: `fedsov train --resume` in the same home.

    An operator stops their own jobs, and the hub's own operator every job.
    """
    from fedsov.api.deployment.submission import operator_connection, stopped

    with operator_connection(arguments.workspace, arguments.hub or None) as connection:
        job = stopped(connection, arguments.job)
    if arguments.json:
        print_json(job)
    else:
        print_line(f"job {job['id']} is {job['state']}")
