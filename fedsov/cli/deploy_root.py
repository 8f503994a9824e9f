"""`deploy root`: the root of the hub's repository, from which regions believe what it hands out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, By, Why, comma_list, print_json, print_line
from fedsov.cli.declaration import command, command_app
from fedsov.errors import ConfigurationError

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class RootArguments(Arguments):
    """Whether a new root is signed, and which keys it replaces."""

    renew: Annotated[bool, typer.Option("--renew", help="Sign a new root; two of its three keys must be at hand.")] = (
        False
    )
    replace: Annotated[
        Sequence[str] | None,
        typer.Option(
            "--replace",
            metavar="A,B",
            help="With new keys for these: targets, snapshot, timestamp.",
            parser=comma_list,
        ),
    ] = None
    lost: Annotated[
        str, typer.Option("--lost", metavar="HEX", help="How the root key begins that a new one takes the place of.")
    ] = ""
    by: By = ""
    why: Why = ""


@command(
    app,
    examples=(
        "fedsov deploy root --workspace deployment/hub",
        'fedsov deploy root --renew --workspace deployment/hub --why "yearly"',
        'fedsov deploy root --renew --replace snapshot,timestamp --workspace deployment/hub --why "restored"',
    ),
)
def root(arguments: RootArguments) -> None:
    """Shows until when the hub's repository holds; with --renew, signs a new root, which regions follow by themselves.

    Renew it within a year; after the hub was restored from a backup, with --replace snapshot,timestamp, since regions
    refuse what is older than they have; and with --lost where a root key is gone.
    """
    from fedsov.api.control.repository.repository_root import renew, show

    replaced = list(arguments.replace or [])
    if not arguments.renew and (replaced or arguments.lost):
        raise ConfigurationError("--replace and --lost are about a new root; add --renew")
    shown = (
        renew(arguments.workspace, replaced=replaced, lost=arguments.lost, by=arguments.by, why=arguments.why)
        if arguments.renew
        else show(arguments.workspace)
    )
    if arguments.json:
        print_json(shown.to_json())
        return
    print_line(f"root {shown.version}, valid until {shown.until:%Y-%m-%d}; `fedsov deploy root --renew` signs the next")
    for name, is_there in shown.keys.items():
        print_line(f"root key {name}…: {'at hand' if is_there else 'kept elsewhere'}")
    for each in shown.roles:
        print_line(f"{each.role} {each.version}: until {each.until:%Y-%m-%d %H:%M} UTC; the service signs it anew")
    print_line(f"regions: {', '.join(shown.regions) or 'none yet'}")
