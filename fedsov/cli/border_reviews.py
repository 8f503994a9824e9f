"""`border reviews`, `approve`, `withdraw`: what waits for a person, and the person's answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, day, print_json, print_line, today
from fedsov.cli.declaration import command, command_app
from fedsov.errors import counted

By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides, by name.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the record.")]
app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewsArguments(Arguments):
    """Nothing but the workspace."""


@command(app, examples=("fedsov border reviews", "fedsov border reviews --json"))
def reviews(arguments: ReviewsArguments) -> None:
    """Lists crossings that wait for a person, and those that were approved."""
    from fedsov.api.border.reviews import reviews as pending_reviews

    on = today()
    pending = pending_reviews(arguments.workspace)
    if arguments.json:
        print_json([review.to_json(on) for review in pending])
        return
    waiting = 0
    for review in pending:
        body, approval = review.body, review.standing(on)
        waiting += approval is None
        status = f"approved by {approval.by} until {approval.until} ({approval.id})" if approval else "waits"
        if approval is None and review.faults:
            status += "".join(f" (approval {name} does not count: {fault})" for name, fault in review.faults.items())
        route = f"{body['exporter']['name']} -> {body['importer']['name']} ({body['destination']})"
        origins = "+".join(body["origins"])
        print_line(f"{review.id}: {status}: {body['kind']} of {origins}, {route}: {body['reason']}")
    verb = "waits" if waiting == 1 else "wait"
    print_line(f"{counted(len(pending), 'review')}, {waiting} {verb} for a person")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveArguments(Arguments):
    """A review, and the person's yes."""

    review: Annotated[str, typer.Argument(metavar="ID", help="The review's id; `fedsov border reviews` lists them.")]
    by: By
    why: Why
    until: Annotated[date, typer.Option("--until", metavar="DATE", help="The last day of the approval.", parser=day)]
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The reviewer's private key, which signs it.")]


@command(
    app,
    examples=(
        'fedsov border approve R0aed072c2a --by "A. Person" --why "covered by contract" --until 2027-03-01 --key a.pem',
    ),
)
def approve(arguments: ApproveArguments) -> None:
    """Records that a registered reviewer approves a review, until a day, under the reviewer's signature.

    The next decision may rely on it. An approval is for that origin's data, those categories, that kind of thing,
    that recipient and purpose alone.
    """
    from fedsov.api.border.reviews import approve as record_approval

    approval = record_approval(
        arguments.workspace,
        arguments.review,
        by=arguments.by,
        why=arguments.why,
        until=arguments.until,
        today=today(),
        key=arguments.key,
    )
    if arguments.json:
        print_json(approval.to_json())
    else:
        print_line(
            f"{approval.id} approves {approval.review} until {approval.until}; "
            f"`fedsov border withdraw {approval.id}` takes it back"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawArguments(Arguments):
    """An approval, and why it is taken back."""

    approval: Annotated[str, typer.Argument(metavar="ID", help="The approval's id, or the review's.")]
    by: By
    why: Why


@command(app, examples=('fedsov border withdraw R0aed072c2a --by "A. Person" --why "the contract ended"',))
def withdraw(arguments: WithdrawArguments) -> None:
    """Takes back an approval; no decision relies on it from then on."""
    from fedsov.api.border.reviews import withdraw as take_back

    withdrawn = take_back(arguments.workspace, arguments.approval, by=arguments.by, why=arguments.why)
    if arguments.json:
        print_json([approval.to_json() for approval in withdrawn])
    else:
        ids = ", ".join(approval.id for approval in withdrawn)
        print_line(f"withdrawn: {ids}; no decision relies on it from now on")
