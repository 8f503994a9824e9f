"""`ingest`: a source sorted into the regions' stores, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, Quiet, print_json, print_line, progress, run_settings
from fedsov.cli.declaration import command, command_app

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestArguments(Arguments):
    """The settings of a run, and whether stores that are up to date are written anew."""

    rebuild: Annotated[bool, typer.Option("--rebuild", "--again", help="Write stores that are up to date anew.")] = (
        False
    )
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be stored where, and why; write nothing.")
    ] = False
    quiet: Quiet = False


def _show_preview(arguments: IngestArguments) -> None:
    from fedsov.api.train import preview_settings

    preview = preview_settings(run_settings(arguments.overrides))
    if arguments.json:
        print_json(preview.to_json())
        return
    for line in preview.lines():
        print_line(line)


@command(
    app,
    examples=(
        "fedsov ingest",
        "fedsov ingest --rebuild",
        "fedsov ingest --dry-run dataset=table dataset.path=people.csv dataset.jurisdiction=country \\",
        "    dataset.target=y federation.regions=auto",
        "fedsov ingest dataset=table dataset.path=people.csv dataset.jurisdiction=country dataset.target=y \\",
        "    federation.regions=auto --workspace my-people",
    ),
    reads="run settings",
)
def ingest(arguments: IngestArguments) -> None:
    """Sorts the source into the regions' encrypted stores: classify, route, encrypt.

    Rows without a region go to quarantine. Does nothing where the stores are up to date. Takes the same settings as
    `train`.
    """
    say = progress(arguments.quiet)
    say("starting: loading Flower and Hydra")
    if arguments.dry_run:
        _show_preview(arguments)
        return
    from fedsov.runtimes import kind_in, warm_up

    with warm_up(kind_in(arguments.overrides), trains=False):
        from fedsov.api import train
        from fedsov.protocol.ingestion_report import TO_USE_A_COLUMN, settled_line, unused_line

        report = train.ingest_settings(run_settings(arguments.overrides), progress=say, rebuild=arguments.rebuild)
    if arguments.json:
        print_json(report.to_json())
        return
    print_line(report.sentence())
    if report.settled:
        print_line(f"settings: {settled_line(report.settled, report.loose)}")
    for remark in report.remarks:
        print_line(f"settings: {remark}")
    for warning in report.warnings():
        print_line(f"warning: {warning}")
    print_line("columns: " + ", ".join(f"{name} {kind}" for name, kind in sorted(report.kinds.items())))
    if report.unused:
        print_line(f"unused columns: {unused_line(report.unused)}; {TO_USE_A_COLUMN}")
