"""`retention ...`: what of a region's rows is past its period, and what keeps rows: plan, apply, hold, release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from fedsov.cli.arguments import Arguments, By, RegionName, Why, print_json, print_line
from fedsov.cli.declaration import command, group_app

if TYPE_CHECKING:
    from fedsov.region.lifecycle.legal_holds import Hold
    from fedsov.region.lifecycle.retention import Due

Dataset = Annotated[str, typer.Option("--dataset", metavar="NAME", help="The data set whose rows are kept.")]
Subject = Annotated[
    str | None, typer.Option("--subject", metavar="ID", help="One person's rows alone, by the subject column.")
]
app = group_app(
    "How long a region uses rows, by its region.yaml; and legal holds, which keep rows beyond that.",
    examples=(
        "fedsov retention plan DE",
        'fedsov retention apply DE --why "yearly"',
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodArguments(Arguments):
    """Whose rows."""

    name: RegionName


@command(app, examples=("fedsov retention plan DE", "fedsov retention plan DE --json"))
def plan(arguments: PeriodArguments) -> None:
    """Prints what of each store is past its period, and the legal holds in force. Removes nothing.

    `fedsov region set NAME` sets the periods (`retention_days=3650 retention.categories.health=365`), and a column of
    dates that starts the clock (`retention.starts.DATASET=COLUMN`).
    """
    from fedsov.api.lifecycle.retention import plan as planned

    stores, holds = planned(arguments.workspace, arguments.name)
    if arguments.json:
        listed = [{**reason, "dataset": hold.dataset, "subject": hold.subject} for hold, reason in holds.items()]
        print_json({"stores": [due.to_json() for due in stores], "holds": listed})
        return
    _print_due(stores)
    for hold, reason in holds.items():
        print_line(f"on hold since {reason['at'][:10]}: {hold.words()}, by {reason['by']}: {reason['why']}")
    if any(due.past > due.on_hold for due in stores):
        print_line(f"`fedsov retention apply {arguments.name} --why TEXT` removes what is past and on no hold")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyArguments(Arguments):
    """Whose rows, and the person's word."""

    name: RegionName
    why: Why
    by: By = ""


@command(app, examples=('fedsov retention apply DE --why "yearly"',))
def apply(arguments: ApplyArguments) -> None:
    """Removes the rows that are past their period and on no hold; the ledger has a tombstone for each store.

    Nobody uses such rows anyway. Rows without a home go by this region's periods too; their tombstone is in the
    quarantine's own ledger. The emptied store stays, so that the same source ingested anew is as old as it was.
    """
    from fedsov.api.lifecycle.retention import apply as applied

    stores = applied(arguments.workspace, arguments.name, by=arguments.by, why=arguments.why)
    if arguments.json:
        print_json([due.to_json() for due in stores])
        return
    _print_due(stores)
    removed = sum(due.past - due.on_hold for due in stores)
    print_line(f"{removed:,} rows removed, and noted in the ledger" if removed else "nothing to remove")


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldArguments(Arguments):
    """Whose rows are kept, and the person's word."""

    name: RegionName
    dataset: Dataset
    why: Why
    subject: Subject = None
    by: By = ""


@command(
    app,
    examples=(
        'fedsov retention hold DE --dataset people --why "case 12 C 34/26"',
        'fedsov retention hold DE --dataset people --subject X4711 --why "claim 7"',
    ),
)
def hold(arguments: HoldArguments) -> None:
    """Keeps rows for a legal claim: neither a period nor an erasure removes them until `retention release`.

    Rows past their period are kept and not used.
    """
    from fedsov.api.lifecycle.retention import hold as held

    _act(arguments, held, "on hold")


@command(app, examples=('fedsov retention release DE --dataset people --why "the case is closed"',))
def release(arguments: HoldArguments) -> None:
    """Ends a legal hold; what is past its period leaves with the next `retention apply`."""
    from fedsov.api.lifecycle.retention import release as released

    _act(arguments, released, "released")


def _act(arguments: HoldArguments, act: Callable[..., Hold], state: str) -> None:
    place = (arguments.workspace, arguments.name, arguments.dataset, arguments.subject)
    words = act(*place, by=arguments.by, why=arguments.why).words()
    if arguments.json:
        print_json({"region": arguments.name, "held": words, "state": state})
    else:
        print_line(f"{arguments.name}: {words}: {state}, and noted in the ledger")


def _print_due(stores: list[Due]) -> None:
    for due in stores:
        print_line(due.line())
    if not stores:
        print_line("no rows are stored here")
