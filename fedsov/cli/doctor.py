"""`doctor`: what must hold before a party of a deployment runs, and what mends it where it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from click.exceptions import Exit

from fedsov.cli.arguments import Arguments, count, print_json, print_line
from fedsov.cli.declaration import command, command_app
from fedsov.errors import ConfigurationError, counted
from fedsov.infrastructure.workload.values import HEALTH_PORT

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorArguments(Arguments):
    """Whose home."""

    region: Annotated[
        str | None, typer.Option("--region", metavar="NAME", help="This region of a trial that `fedsov up` runs here.")
    ] = None
    health_port: Annotated[
        int,
        typer.Option("--health-port", metavar="PORT", help="Where its health is told, 0 for nowhere.", parser=count),
    ] = HEALTH_PORT


@command(app, examples=("fedsov doctor --workspace /var/lib/fedsov-region-de", "fedsov doctor --region DE --json"))
def doctor(arguments: DoctorArguments) -> None:
    """Checks what a party of a deployment needs to run: each check, its problem, and what mends it.

    Packages as pinned, telemetry off, room on the disk, ports; certificate, key and revocation; ledger, region.yaml,
    keys and stores; the hub's name, port, certificate and clock. A check that needs another one that failed is told as
    not made. Nothing is written, no row is read, and nobody is asked but the hub. Ends with 2 where there is a problem.
    """
    from fedsov.api.deployment.doctor import examine

    findings = []
    for finding in examine(arguments.workspace, arguments.region, health_port=arguments.health_port):
        findings.append(finding)
        if not arguments.json:
            print_line(finding.line())
    problems = [finding for finding in findings if not finding.is_well]
    if arguments.json:
        print_json([finding.to_json() for finding in findings])
    elif not problems:
        print_line("nothing is amiss")
    else:
        print_line(f"{counted(len(problems), 'check')} of {len(findings)} not passed")
    if problems:
        raise Exit(ConfigurationError.exit_code)
