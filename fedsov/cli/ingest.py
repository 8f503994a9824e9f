"""`ingest`: a source sorted into the regions' stores, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from fedsov.cli.arguments import Arguments, Quiet, print_json, print_line, print_shown, progress, run_settings
from fedsov.cli.declaration import command, command_app
from fedsov.errors import ConfigurationError

if TYPE_CHECKING:
    from fedsov.protocol.ingestion_report import IngestionReport

app = command_app()


Rebuild = Annotated[bool, typer.Option("--rebuild", "--again", help="Write stores that are up to date anew.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be stored where, and why; write nothing.")]
Append = Annotated[bool, typer.Option("--append", help="Add the source's rows to those that are stored, exactly once.")]
Key = Annotated[
    str, typer.Option("--key", metavar="TEXT", help="The batch's idempotency key; the source's digest if not given.")
]
DropAppended = Annotated[bool, typer.Option("--drop-appended", help="Replace rows that were appended, too.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestArguments(Arguments):
    """The settings of a run, and whether stores that are up to date are written anew."""

    rebuild: Rebuild = False
    dry_run: DryRun = False
    append: Append = False
    key: Key = ""
    drop_appended: DropAppended = False
    quiet: Quiet = False

    def __post_init__(self) -> None:
        Arguments.__post_init__(self)
        beside = {"--rebuild": self.rebuild, "--dry-run": self.dry_run, "--drop-appended": self.drop_appended}
        check_append(self.append, self.key, beside)


def check_append(append: bool, key: str, beside: Mapping[str, bool]) -> None:
    """Raises ConfigurationError for options that exclude each other; `beside` are those of a whole ingestion."""
    given = [name for name, is_given in beside.items() if is_given]
    if append and given:
        raise ConfigurationError(f"--append adds rows and {given[0]} does not; give one of them")
    if key and not append:
        raise ConfigurationError("--key is the key of a batch that is appended; add --append")


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
        from fedsov.api.train import preview_settings

        print_shown(preview_settings(run_settings(arguments.overrides)), as_json=arguments.json)
        return
    from fedsov.runtimes import kind_in, warm_up

    with warm_up(kind_in(arguments.overrides), trains=False):
        from fedsov.api import train

        report = train.ingest_settings(
            run_settings(arguments.overrides),
            progress=say,
            rebuild=arguments.rebuild,
            append=arguments.key if arguments.append else None,
            drops_appended=arguments.drop_appended,
        )
    show_report(report, as_json=arguments.json)


def show_report(report: IngestionReport, *, as_json: bool) -> None:
    """Prints what was ingested."""
    from fedsov.protocol.ingestion_report import TO_USE_A_COLUMN, settled_line, unused_line

    if as_json:
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
