"""`metrics ...`: what regions tell of the use of their endpoints, and for monitors."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, note, positive, print_json, print_line
from fedsov.cli.declaration import command, group_app

DAY = 86_400
app = group_app(
    "What regions tell of the use of their endpoints, where their owners let them (`metrics.share` of region.yaml).",
    examples=(
        "fedsov metrics show",
        "fedsov metrics show --region DE --days 7 --json",
        "fedsov metrics export --format prometheus --out fedsov.prom",
    ),
)


def kind_of_export(text: str) -> str:
    """One of the forms that monitors read."""
    if text not in ("prometheus", "otlp", "json"):
        raise typer.BadParameter(f"{text!r}; there are prometheus, otlp and json")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowMetricsArguments(Arguments):
    """Whose use, since when."""

    region: Annotated[str | None, typer.Option("--region", metavar="NAME", help="Only this region.")] = None
    days: Annotated[int, typer.Option("--days", metavar="N", help="Windows of the last N days.", parser=positive)] = 30


@command(app, examples=("fedsov metrics show", "fedsov metrics show --region DE --days 7 --json"))
def show(arguments: ShowMetricsArguments) -> None:
    """Prints what regions told of their use, by region and version, and what each region here lets a hub know.

    At the hub: requests from a least to a most, how they ended, how fast, their scores, drift. In a region's own home:
    whether it shares anything (`metrics.share` of its region.yaml), until when it told, and what waits for the hub.
    """
    from fedsov.api.control.use.metrics import metrics

    shown = metrics(arguments.workspace, since=time.time() - DAY * arguments.days, region=arguments.region)
    if arguments.json:
        print_json(shown.to_json())
        return
    for line in shown.lines():
        print_line(line)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportMetricsArguments(Arguments):
    """For which monitor, and where to."""

    form: Annotated[
        str,
        typer.Option("--format", metavar="FORM", help="prometheus, otlp or json.", parser=kind_of_export),
    ] = "prometheus"
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="A file, written whole; without it the output.")
    ] = None


@command(
    app,
    examples=(
        "fedsov metrics export",
        "fedsov metrics export --format prometheus --out /var/lib/node_exporter/fedsov.prom",
        "fedsov metrics export --format otlp --out fedsov-otlp.json",
    ),
)
def export(arguments: ExportMetricsArguments) -> None:
    """Writes everything that regions told of their use for a monitor: Prometheus, OpenTelemetry (OTLP as JSON), JSON.

    Run it at the hub. Nothing is asked of a region for it.
    """
    from fedsov.api.control.use.metrics import export_file, exported

    form = arguments.form
    if arguments.out is None:
        for line in exported(arguments.workspace, "json" if arguments.json else form).splitlines():
            print_line(line)
        return
    export_file(arguments.workspace, form, arguments.out)
    if arguments.json:
        print_json({"format": form, "out": str(arguments.out)})
    else:
        note(f"{arguments.out} has what regions told of their use, as {form}")
