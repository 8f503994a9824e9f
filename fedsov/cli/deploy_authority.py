"""Who acts in a deployment and why, and the authority's passphrase: from a file, a variable, or a person.

A passphrase is asked for at a terminal alone, and a new one twice.
"""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from fedsov.cli.arguments import note, positive
from fedsov.errors import KeyUnavailable

if TYPE_CHECKING:
    from fedsov.keys.certificates import OpenAuthority

Days = Annotated[int, typer.Option("--days", metavar="N", help="Days that a certificate is valid.", parser=positive)]
Authority = Annotated[
    Path, typer.Option("--ca", metavar="DIR", help="The authority's folder, DIR/ca of `deploy init`.")
]
Secret = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", metavar="FILE", help="Of the authority; else FEDSOV_CA_PASSPHRASE, else you are asked."
    ),
]


class _Person(Protocol):
    """The options by which a person answers for an act."""

    @property
    def by(self) -> str: ...

    @property
    def why(self) -> str: ...


def person(arguments: _Person) -> dict[str, str]:
    """Who acts, and why, for the ledger."""
    from fedsov.api.region_settings import UNSAID, user

    return {"by": arguments.by or user(), "why": arguments.why or UNSAID}


def note_unused_reason(arguments: _Person) -> None:
    """Says that --by and --why of an operator are written down nowhere."""
    if arguments.by or arguments.why:
        note("an operator's home has no ledger: --by and --why are noted nowhere")


def opened_authority(folder: Path, secret: Path | None) -> OpenAuthority:
    """The authority of a folder, which may sign. Raises KeyUnavailable, ConfigurationError."""
    from fedsov.api.deployment.authority import AuthorityFolder, open_authority

    return open_authority(AuthorityFolder(folder), passphrase(secret, new=False))


def passphrase(file: Path | None, *, new: bool) -> str:
    """The authority's passphrase: of a file, of the environment, or asked for; a new one twice."""
    from fedsov.api.deployment.authority import VARIABLE, given_passphrase

    if words := given_passphrase(file):
        return words
    if not sys.stdin.isatty():
        raise KeyUnavailable(f"no passphrase of the authority; name its file by --passphrase-file, or set {VARIABLE}")
    words = getpass.getpass("A new passphrase for the authority: " if new else "Passphrase of the authority: ")
    if new and getpass.getpass("The same again: ") != words:
        raise KeyUnavailable("the two passphrases differ; nothing was made")
    return words
