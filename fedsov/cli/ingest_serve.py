"""`ingest serve`: rows that are sent over HTTP, appended to the regions' stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, note, positive, run_settings
from fedsov.cli.declaration import command, command_app

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestServeArguments(Arguments):
    """The settings of the first ingestion, and where rows are taken."""

    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen at.")] = "127.0.0.1"
    port: Annotated[int, typer.Option("--port", metavar="N", help="The port.", parser=positive)] = 8315
    region: Annotated[
        str, typer.Option("--region", metavar="NAME", help="Take records of this region alone; others get 421.")
    ] = ""
    body: Annotated[int, typer.Option("--most-body", metavar="BYTES", help="The largest body.", parser=positive)] = (
        67108864
    )
    waiting: Annotated[
        int, typer.Option("--most-waiting", metavar="BYTES", help="Bodies that wait; more get 429.", parser=positive)
    ] = 268435456


@command(
    app,
    name="serve",
    examples=(
        "fedsov ingest serve dataset=@people.yaml",
        "fedsov ingest serve --region DE --port 8400 dataset=@people.yaml",
    ),
    reads="run settings",
)
def serve(arguments: IngestServeArguments) -> None:
    """Takes rows over HTTP, stores them in their regions and answers once they are on the disk.

    POST /rows with an Idempotency-Key and a body of application/json or application/vnd.apache.arrow.stream. The
    connection is neither encrypted nor authenticated: serve at 127.0.0.1, or behind a gateway that does both.
    """
    from fedsov.api.lifecycle.served_rows import serve_rows

    serve_rows(
        run_settings(arguments.overrides),
        host=arguments.host,
        port=arguments.port,
        region=arguments.region,
        most=(arguments.body, arguments.waiting),
        ready=note,
    )
