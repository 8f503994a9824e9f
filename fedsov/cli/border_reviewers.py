"""`border reviewer ...`: who may approve a review, by name, role and key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, print_json, print_line, today
from fedsov.cli.declaration import command, group_app
from fedsov.errors import ConfigurationError, counted

Name = Annotated[str, typer.Argument(metavar="NAME", help="The person, by name.")]
Role = Annotated[str, typer.Option("--role", metavar="ROLE", help="As whom the person approves.")]
app = group_app(
    "Who may approve a review: people with a role and a key.",
    examples=(
        'fedsov border reviewer init "A. Person" --role "data protection officer" --key a.pem',
        "fedsov border reviewer list",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstReviewerArguments(Arguments):
    """The first reviewer."""

    name: Name
    role: Role
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The private key; made where there is no file.")]


@command(app, examples=('fedsov border reviewer init "A. Person" --role "data protection officer" --key a.pem',))
def init(arguments: FirstReviewerArguments) -> None:
    """Makes the register of reviewers, with its first person and key. Refused where there is one.

    Approvals that were given before, without a signature, count no longer; `fedsov border reviews` names them.
    """
    from fedsov.api.border.reviewers import reviewers

    if reviewers(arguments.workspace).listed:
        raise ConfigurationError("there is a register of reviewers; `fedsov border reviewer add NAME` adds to it")
    _add(arguments, arguments.name, arguments.role, arguments.key, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherArguments(Arguments):
    """A further reviewer."""

    name: Name
    role: Role
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="The private key; made where there is no file.")
    ] = None
    public: Annotated[
        str, typer.Option("--public", metavar="HEX", help="The public key, where the private one is elsewhere.")
    ] = ""


@command(app, examples=('fedsov border reviewer add "B. Person" --role counsel --key b.pem',))
def add(arguments: FurtherArguments) -> None:
    """Adds a person to the register of reviewers."""
    _add(arguments, arguments.name, arguments.role, arguments.key, arguments.public)


def _add(arguments: Arguments, name: str, role: str, key: Path | None, public: str) -> None:
    from fedsov.api.border.reviewers import add_reviewer

    reviewer = add_reviewer(arguments.workspace, name, role=role, key=key, public=public, today=today())
    if arguments.json:
        print_json(reviewer.to_json())
    else:
        where = f"; {key} is the private key, which only {name} should have" if key else ""
        print_line(f"{reviewer.name} ({reviewer.role}) may approve with key {reviewer.key[:16]}…{where}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterArguments(Arguments):
    """Nothing but the workspace."""


@command(app, name="list", examples=("fedsov border reviewer list", "fedsov border reviewer list --json"))
def list_reviewers(arguments: RegisterArguments) -> None:
    """Lists the reviewers, also those who were revoked."""
    from fedsov.api.border.reviewers import reviewers

    listed = reviewers(arguments.workspace).listed
    if arguments.json:
        print_json([reviewer.to_json() for reviewer in listed])
        return
    for reviewer in listed:
        state = f"revoked on {reviewer.revoked}" if reviewer.revoked else f"since {reviewer.since}"
        print_line(f"{reviewer.name} ({reviewer.role}): {state}, key {reviewer.key}")
    print_line(f"{counted(len(listed), 'reviewer')}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedArguments(Arguments):
    """Who is revoked."""

    name: Name


@command(app, examples=('fedsov border reviewer remove "A. Person"',))
def remove(arguments: RevokedArguments) -> None:
    """Revokes a reviewer; what the person approved counts for nothing from the next decision on."""
    from fedsov.api.border.reviewers import remove_reviewer

    gone = remove_reviewer(arguments.workspace, arguments.name, today=today())
    if arguments.json:
        print_json(gone.to_json())
    else:
        print_line(f"{gone.name} is revoked; `fedsov border reviews` shows what waits again")
