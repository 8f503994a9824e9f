"""`ingest`: a source sorted into the regions' stores, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, Quiet, print_json, print_line, progress, run_settings
from fedsov.cli.declaration import command, command_app
from fedsov.errors import ConfigurationError

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
    append: Annotated[
        bool, typer.Option("--append", help="Add the source's rows to those that are stored, exactly once.")
    ] = False
    key: Annotated[
        str,
        typer.Option("--key", metavar="TEXT", help="The batch's idempotency key; the source's digest if not given."),
    ] = ""
    drop_appended: Annotated[bool, typer.Option("--drop-appended", help="Replace rows that were appended, too.")] = (
        False
    )
    quiet: Quiet = False

    def __post_init__(self) -> None:
        Arguments.__post_init__(self)
        beside = [name for name, given in self._of_whole().items() if given]
        if self.append and beside:
            raise ConfigurationError(f"--append adds rows and {beside[0]} does not; give one of them")
        if self.key and not self.append:
            raise ConfigurationError("--key is the key of a batch that is appended; add --append")

    def _of_whole(self) -> dict[str, bool]:
        return {"--rebuild": self.rebuild, "--dry-run": self.dry_run, "--drop-appended": self.drop_appended}


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
        "fedsov ingest --append --key 2026-11-30 dataset=@people.yaml dataset.path=more.csv",
        "fedsov ingest --dry-run dataset=table dataset.path=people.csv dataset.jurisdiction=country \\",
        "    dataset.target=y",
        "fedsov ingest dataset=table dataset.path=people.csv dataset.jurisdiction=country dataset.target=y \\",
        "    --workspace my-people",
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

        report = train.ingest_settings(
            run_settings(arguments.overrides),
            progress=say,
            rebuild=arguments.rebuild,
            append=arguments.key if arguments.append else None,
            drops_appended=arguments.drop_appended,
        )
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
