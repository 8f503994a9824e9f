"""`quarantine ...`: rows that no store took: list, show, assign, delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from fedsov.cli.arguments import Arguments, By, comma_list, positive, print_json, print_line
from fedsov.cli.declaration import command, group_app
from fedsov.errors import ConfigurationError, counted

if TYPE_CHECKING:
    from fedsov.api.lifecycle.quarantine import Chosen

Dataset = Annotated[str, typer.Option("--dataset", metavar="NAME", help="The data set that the rows are of.")]
Region = Annotated[
    str | None,
    typer.Option("--region", metavar="NAME", help="Rows that wait in this region; else those without a home."),
]
Rows = Annotated[
    Sequence[str] | None, typer.Option("--rows", metavar="A,B", help="Rows by their names.", parser=comma_list)
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="All rows that wait for this reason.")]
Every = Annotated[bool, typer.Option("--all", help="All rows of this quarantine.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason of the act, for the ledger.")]
app = group_app(
    "Rows that no store took: those without a home, and in each region those with a fault. Encrypted, used by nobody.",
    examples=(
        "fedsov quarantine list",
        "fedsov quarantine show --dataset people",
        'fedsov quarantine assign --dataset people --reason "jurisdiction unknown" --to DE --why "checked by hand"',
        'fedsov quarantine delete --dataset people --all --why "the source was mended"',
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingArguments(Arguments):
    """Nothing but the workspace."""


@command(app, name="list", examples=("fedsov quarantine list", "fedsov quarantine list --json"))
def list_waiting(arguments: WaitingArguments) -> None:
    """Lists the quarantines with rows: where, of which data set, how many for which reason."""
    from fedsov.api.lifecycle.quarantine import listed

    waiting = listed(arguments.workspace)
    if arguments.json:
        print_json([asdict(each) for each in waiting])
        return
    for each in waiting:
        where = f"in region {each.region}" if each.region else "without a home"
        for reason, count in each.reasons.items():
            print_line(f"{each.dataset}: {counted(count, 'row')} {where}: {reason}")
    if not waiting:
        print_line("no row is in quarantine")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedArguments(Arguments):
    """Which rows are shown."""

    dataset: Dataset
    region: Region = None
    most: Annotated[int, typer.Option("--most", metavar="N", help="Rows at most.", parser=positive)] = 20


@command(
    app, examples=("fedsov quarantine show --dataset people", "fedsov quarantine show --dataset people --region DE")
)
def show(arguments: MaskedArguments) -> None:
    """Prints rows that wait, each by its name, why it waits, and its values masked: letters as x, digits as 9."""
    from fedsov.api.lifecycle.quarantine import shown

    rows = shown(arguments.workspace, arguments.dataset, arguments.region, most=arguments.most)
    if arguments.json:
        print_json([asdict(row) for row in rows])
        return
    for row in rows:
        values = ", ".join(f"{name}='{value}'" for name, value in row.masked.items())
        print_line(f"{row.name}: {row.reason}: {values}")
    if not rows:
        print_line("no row waits here")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignArguments(Arguments):
    """Which rows, where to, and the person's word."""

    dataset: Dataset
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="The region that they go to.")]
    why: Why
    jurisdiction: Annotated[
        str,
        typer.Option(
            "--jurisdiction", metavar="CODE", help="Under whose law they are; the region's name if not given."
        ),
    ] = ""
    rows: Rows = None
    reason: Reason = ""
    every: Every = False
    by: By = ""


@command(
    app,
    examples=(
        'fedsov quarantine assign --dataset people --rows 7f3a2b4c5d6e7f80 --to DE --why "checked by hand"',
        'fedsov quarantine assign --dataset people --all --to EU --jurisdiction DE --why "a branch in Bonn"',
    ),
)
def assign(arguments: AssignArguments) -> None:
    """Gives rows without a home a jurisdiction, and puts them into the store of a region that holds it.

    The region's ledger says who and why. It lasts until the source changes and is ingested anew: for good, map the
    spelling with dataset.aliases. Rows in a region's own quarantine have a home; their fault is mended in the source.
    """
    from fedsov.api.lifecycle.quarantine import assign as assigned

    chosen = _chosen(arguments.dataset, None, arguments.rows, arguments.reason, every=arguments.every)
    count = assigned(
        arguments.workspace, chosen, arguments.to, arguments.jurisdiction, by=arguments.by, why=arguments.why
    )
    if arguments.json:
        print_json({"assigned": count, "region": arguments.to})
    else:
        print_line(f"{counted(count, 'row')} of {arguments.dataset} went to {arguments.to}, and its ledger says why")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteArguments(Arguments):
    """Which rows, and the person's word."""

    dataset: Dataset
    why: Why
    region: Region = None
    rows: Rows = None
    reason: Reason = ""
    every: Every = False
    by: By = ""


@command(app, examples=('fedsov quarantine delete --dataset people --all --why "the source was mended"',))
def delete(arguments: DeleteArguments) -> None:
    """Removes rows that wait; the files that hold them are written anew without them."""
    from fedsov.api.lifecycle.quarantine import delete as deleted

    chosen = _chosen(arguments.dataset, arguments.region, arguments.rows, arguments.reason, every=arguments.every)
    count = deleted(arguments.workspace, chosen, by=arguments.by, why=arguments.why)
    if arguments.json:
        print_json({"deleted": count})
    else:
        print_line(f"{counted(count, 'row')} of {arguments.dataset} removed, and noted in the ledger")


def _chosen(dataset: str, region: str | None, rows: Sequence[str] | None, reason: str, *, every: bool) -> Chosen:
    """Which rows are meant. Raises ConfigurationError unless exactly one of the three ways is used."""
    from fedsov.api.lifecycle.quarantine import Chosen

    if sum((bool(rows), bool(reason), every)) != 1:
        raise ConfigurationError(
            "name rows by --rows or by --reason, or give --all; `fedsov quarantine show` lists them"
        )
    return Chosen(dataset, region, rows or (), reason)
