"""`logs`: a job at the hub, followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, print_json, print_line
from fedsov.cli.declaration import command, command_app
from fedsov.cli.status import HubOption

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsArguments(Arguments):
    """Which job."""

    job: Annotated[str, typer.Argument(metavar="JOB", help="Its id, its run's name, or `latest`.")] = "latest"
    hub: HubOption = ""


@command(app, examples=("fedsov logs", "fedsov logs 20261130T101500-1a2b3c --json"))
def logs(arguments: LogsArguments) -> None:
    """Prints who submitted a job and its lines from the first, until it ends; Ctrl-C leaves it as it is.

    An operator reads their own jobs, and the hub's own operator every job.
    """
    from fedsov.api.deployment.submission import follow, operator_connection

    lines: list[str] = []
    with operator_connection(arguments.workspace, arguments.hub or None) as connection:
        tell = lines.append if arguments.json else print_line
        ended = follow(connection, arguments.job, progress=tell, heading=not arguments.json)
    if arguments.json:
        told = {key: ended[key] for key in ("id", "by", "submitted", "state", "result")}
        print_json({**told, "lines": lines})
    else:
        print_line(f"the job is {ended['state']}")
