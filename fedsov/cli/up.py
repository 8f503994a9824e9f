"""`up`: a hub and every region on this machine, for a trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from fedsov.cli.arguments import note, run_settings
from fedsov.cli.declaration import command, command_app
from fedsov.cli.serving import CoordinatorArguments, port

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpArguments(CoordinatorArguments):
    """Where the hub of the trial listens."""

    port: Annotated[int, typer.Option("--port", metavar="N", help="The hub's port.", parser=port)] = 9092
    serve: Annotated[bool, typer.Option("--serve", help="Each region also serves its approved models.")] = False
    serve_port: Annotated[
        int,
        typer.Option("--serve-port", metavar="N", help="Of the first region's endpoint; others follow.", parser=port),
    ] = 8080
    tls: Annotated[
        bool, typer.Option("--tls", help="Endpoints speak TLS, with certificates made for this machine.")
    ] = False


@command(
    app,
    examples=(
        "fedsov up                              # the demo",
        "fedsov up --serve                      # and an endpoint for each region",
        "fedsov up dataset=@people.yaml --port 9443",
    ),
    reads="run settings",
)
def up(arguments: UpArguments) -> None:
    """Runs the hub and every region of a workspace on this machine, each in processes of its own, until Ctrl-C.

    It makes certificates for them, and ingests the data set first where the workspace holds none of it. Then, in
    another terminal: `fedsov train runtime=deployment`. For a trial alone: all of them are one user's. The first lines
    say which walls this system permits between them (docs/how-to/try-a-deployment.md).

    With --serve each region answers questions of its people at a port of its own, in plain HTTP on this machine alone
    unless --tls is given; `fedsov token --trial` makes tokens that these endpoints believe.
    """
    from fedsov.api.deployment.serving import serve_all
    from fedsov.api.inference.endpoints.endpoint import Listening
    from fedsov.runtimes.deployment.supervision.parties import HubOptions
    from fedsov.storage.party_file import HubAddress

    serve_all(
        run_settings(arguments.overrides),
        HubAddress("127.0.0.1", arguments.port),
        HubOptions(stock_port=arguments.stock, database=arguments.database, retention=arguments.retention()),
        arguments.display(),
        progress=note,
        endpoints=Listening(port=arguments.serve_port, tls=arguments.tls) if arguments.serve else None,
    )
