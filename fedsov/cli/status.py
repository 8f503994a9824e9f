"""`status`: a deployment's regions and jobs, as its hub sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, print_json, print_line
from fedsov.cli.declaration import command, command_app

app = command_app()
HubOption = Annotated[
    str, typer.Option("--hub", metavar="HOST:PORT", help="The hub; by default the one that this home knows.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingArguments(Arguments):
    """Which hub."""

    hub: HubOption = ""


@command(app, examples=("fedsov status", "fedsov status --hub hub.example:9092 --json"))
def status(arguments: StandingArguments) -> None:
    """Prints which regions are connected to the hub, and its jobs, the newest last; of a trial its endpoints, too.

    In the hub's home it also says which versions run in each region, and where that is not what the hub wants.
    Who submitted a job is told of each, the run's name to its own operator alone, and to the hub's own.
    """
    from fedsov.api.control.serving.region_standing import region_standings
    from fedsov.api.deployment.submission import operator_connection, standing
    from fedsov.api.inference.endpoints.endpoint_standing import endpoints

    with operator_connection(arguments.workspace, arguments.hub or None) as connection:
        told = standing(connection)
    serving, standings = endpoints(arguments.workspace), region_standings(arguments.workspace)
    if arguments.json:
        running = {name: each.to_json() for name, each in standings.items()}
        print_json({**told, "endpoints": [each.to_json() for each in serving], "running": running})
        return
    for name, region in told["regions"].items():
        print_line(f"region {name}: {'connected' if region['connected'] else 'away'}")
    for name, each_region in sorted(standings.items()):
        for sentence in each_region.sentences():
            print_line(f"versions {name}: {sentence}")
    for each in serving:
        print_line(each.line())
    for job in told["jobs"][-20:]:
        run = f", run {job['run']}" if job["run"] else ""
        print_line(f"job {job['id']} ({job['kind']}, by {job['by']}): {job['state']}{run}")
    if not told["jobs"]:
        print_line("no job yet; `fedsov train runtime=deployment` submits one")
