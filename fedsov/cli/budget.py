"""`budget`: what of each region's privacy budget is spent and left, and by which run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, print_json, print_line
from fedsov.cli.declaration import command, command_app

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetArguments(Arguments):
    """Whose budget."""

    region: Annotated[str | None, typer.Option("--region", metavar="NAME", help="Only this region.")] = None


@command(app, examples=("fedsov budget", "fedsov budget --region DE --json"))
def budget(arguments: BudgetArguments) -> None:
    """Prints what of each region's privacy budget is spent and left, and by which run.

    For each region: the epsilon that all its private releases have spent together, what is left of its lifetime
    budget, at which delta, and each run with its epsilon by itself and the total that it brought. Noises compose, so
    the total is less than the sum. Replays the events of regions/NAME/privacy.jsonl; that file is checked line by
    line, and against the region's ledger, which notes its head at each entry. Answers without privacy that left before
    the first private release are told, and since when a guarantee is unbounded because some left after it.
    """
    from fedsov.api.budgets import accounts

    budgets = accounts(arguments.workspace, arguments.region)
    if arguments.json:
        print_json({account.region: account.to_json() for account in budgets})
        return
    for account in budgets:
        for line in account.lines():
            print_line(line)
