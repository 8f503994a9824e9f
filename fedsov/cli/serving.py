"""Options of the commands that run a party until it is told to end."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from fedsov.cli.arguments import Arguments, positive
from fedsov.errors import ConfigurationError

if TYPE_CHECKING:
    from fedsov.api.deployment.serving import Display
    from fedsov.runtimes.deployment.hub.jobs import JobRetention


def port(text: str) -> int:
    """A port of this machine, 0 for any free one. Raises ConfigurationError."""
    if not text.isdecimal() or int(text) > 65535:
        raise ConfigurationError(f"a port is {text!r}; expected a whole number of 0 to 65535")
    return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeArguments(Arguments):
    """Where a party tells its health, and how it logs: lines of JSON, or sentences on a terminal."""

    health: Annotated[
        int,
        typer.Option(
            "--health-port", metavar="N", help="Tells /healthz, /readyz, /metrics there; 0 nowhere.", parser=port
        ),
    ] = 0
    health_host: Annotated[
        str, typer.Option("--health-host", metavar="ADDRESS", help="The address of that, in the party's own zone.")
    ] = "127.0.0.1"

    def display(self) -> Display:
        """How the party shows itself."""
        from fedsov.api.deployment.serving import Display
        from fedsov.runtimes.deployment.supervision.health import HealthListener

        listener = HealthListener(self.health_host, self.health) if self.health else None
        return Display(health=listener, plain=sys.stderr.isatty() and not self.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorArguments(ServeArguments):
    """What a coordinator is told besides: where Flower's own tools reach it, and where Flower's state is kept."""

    stock: Annotated[
        int,
        typer.Option(
            "--stock-port",
            metavar="N",
            help="Where Flower's own tools of this machine reach it; 0 nowhere.",
            parser=port,
        ),
    ] = 0
    database: Annotated[
        str,
        typer.Option("--database", metavar="FILE", help="Keeps Flower's state in SQLite: slower; by default memory."),
    ] = ""
    keep_jobs: Annotated[
        int, typer.Option("--keep-jobs", metavar="N", help="Keeps the newest N jobs that ended.", parser=positive)
    ] = 500
    keep_job_days: Annotated[
        int,
        typer.Option(
            "--keep-job-days", metavar="N", help="Keeps jobs that ended for N days, at most.", parser=positive
        ),
    ] = 90

    def retention(self) -> JobRetention:
        """Of jobs that ended."""
        from fedsov.runtimes.deployment.hub.jobs import JobRetention

        return JobRetention(most=self.keep_jobs, days=self.keep_job_days)
