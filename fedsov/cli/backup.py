"""`backup`: a party's files of one moment, in one encrypted and signed archive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, Quiet, print_shown, progress
from fedsov.cli.declaration import command, command_app

app = command_app()
Passphrase = Annotated[
    str,
    typer.Option("--passphrase", metavar="FILE", help="The archive's passphrase; or FEDSOV_BACKUP_PASSPHRASE."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupArguments(Arguments):
    """Whose files, and where to."""

    party: Annotated[
        str | None, typer.Argument(metavar="PARTY", help="hub, or a region; where the home keeps one, that.")
    ] = None
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="The archive, or a folder for it.")]
    passphrase: Passphrase = ""
    quiet: Quiet = False


@command(
    app,
    name="backup",
    examples=(
        "fedsov backup DE --out /mnt/backups --passphrase backup.passphrase",
        "fedsov backup hub --out hub.fedsov-backup --workspace /srv/fedsov/hub --json",
    ),
)
def backup(arguments: BackupArguments) -> None:
    """Writes all that a party needs to be put back into one archive, while the party goes on.

    Store (ciphertext as it lies) with its keys, ledger, privacy budget, journals, answers, quarantine, registry with
    artifacts, identity and deployment. It is encrypted by a passphrase and ends with a manifest that the party signs.
    What lies elsewhere (PostgreSQL, a bucket, a key service) is named. `fedsov restore` puts it back.
    """
    from fedsov.api.backups.backup import backup as make

    archived = make(
        arguments.workspace,
        arguments.party,
        out=arguments.out,
        passphrase_file=arguments.passphrase,
        progress=progress(arguments.quiet),
    )
    print_shown(archived, as_json=arguments.json)
