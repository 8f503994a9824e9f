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
    """Prints the lines of a job from its first, and follows it until it ends; Ctrl-C leaves it as it is."""
    from fedsov.api.deployment.submission import follow, operator_connection

    lines: list[str] = []
    with operator_connection(arguments.workspace, arguments.hub or None) as connection:
        state, result = follow(connection, arguments.job, progress=lines.append if arguments.json else print_line)
    if arguments.json:
        print_json({"state": state, "lines": lines, "result": result})
    else:
        print_line(f"the job is {state}")
