"""`restore`: a party put back from its archive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, Quiet, print_shown, progress
from fedsov.cli.backup import Passphrase
from fedsov.cli.declaration import command, command_app

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreArguments(Arguments):
    """Which archive, and what may give way."""

    archive: Annotated[Path, typer.Argument(metavar="FILE", help="The archive that `fedsov backup` wrote.")]
    passphrase: Passphrase = ""
    replace: Annotated[
        str, typer.Option("--replace", metavar="PARTY", help="Move aside what this party has in the home already.")
    ] = ""
    quiet: Quiet = False


@command(
    app,
    name="restore",
    examples=(
        "fedsov restore DE-20261130T120000Z.fedsov-backup --workspace /srv/fedsov/DE --passphrase backup.passphrase",
        "fedsov restore hub.fedsov-backup --workspace /srv/fedsov/hub --replace hub",
    ),
)
def restore(arguments: RestoreArguments) -> None:
    """Puts a party back into a home, once every file of the archive was found to be the one that was signed.

    A home that has more than the archive is left as it is; --replace PARTY moves that aside. The party's ledger notes
    that it was put back, and the party goes on only after `fedsov ledger accept-gap`.
    """
    from fedsov.api.backups.restore import restore as put_back

    back = put_back(
        arguments.archive,
        arguments.workspace,
        passphrase_file=arguments.passphrase,
        replaces=arguments.replace,
        progress=progress(arguments.quiet),
    )
    print_shown(back, as_json=arguments.json)
