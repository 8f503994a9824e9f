"""`hub`: a deployment's hub, until it is told to end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from fedsov.cli.declaration import command, command_app
from fedsov.cli.serving import CoordinatorArguments

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class HubArguments(CoordinatorArguments):
    """Where it listens, and where Flower's state is kept."""

    listen: Annotated[
        str, typer.Option("--listen", metavar="ADDRESS", help="The address to listen at; by default the hub's name.")
    ] = ""


@command(app, examples=("fedsov hub --workspace deployment/hub", "fedsov hub --health-port 8080 --keep-job-days 30"))
def hub(arguments: HubArguments) -> None:
    """Runs the hub of a deployment: its coordinator, which regions call, and the jobs that operators submit.

    The home is what `fedsov deploy init` made; its party.yaml says where it listens. Every connection needs a
    certificate: a region's reaches the fleet alone, an operator's submits. It logs lines of JSON, and sentences on a
    terminal; it ends at SIGTERM or Ctrl-C, and a job that runs goes on at the next start.
    """
    from fedsov.api.deployment.serving import serve_hub
    from fedsov.runtimes.deployment.supervision.parties import HubOptions

    options = HubOptions(
        listen=arguments.listen,
        stock_port=arguments.stock,
        database=arguments.database,
        retention=arguments.retention(),
    )
    serve_hub(arguments.workspace, options, arguments.display())
