"""`keys ...`: a region's keys: which versions there are, a new one, and the end of old ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, By, Why, print_json, print_line, print_shown
from fedsov.cli.declaration import command, group_app
from fedsov.errors import ConfigurationError
from fedsov.keys.principals import PRINCIPALS

Name = Annotated[str, typer.Argument(metavar="NAME", help="The region, by its name; or quarantine.")]
app = group_app(
    "A region's keys: show their versions, make a new one, destroy old ones.",
    examples=("fedsov keys status DE", 'fedsov keys rotate DE --why "yearly"', "fedsov keys retire DE --yes"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusArguments(Arguments):
    """Whose keys."""

    name: Name


@command(app, examples=("fedsov keys status DE", "fedsov keys status DE --json"))
def status(arguments: StatusArguments) -> None:
    """Prints what protects a region's keyring, and for each version of its key how many files it opens.

    No key is printed. `fedsov region set NAME key_service.backend=openbao key_service.url=https://...` moves the
    keyring to another service, and so do the settings of the others.
    """
    from fedsov.api.region_keys import status as read

    print_shown(read(arguments.workspace, arguments.name), as_json=arguments.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateArguments(Arguments):
    """Whose keys, and the person's word."""

    name: Name
    by: By = ""
    why: Why = ""


@command(app, examples=('fedsov keys rotate DE --why "yearly"',))
def rotate(arguments: RotateArguments) -> None:
    """Makes a new version of a region's key, here and at the service that protects it.

    Every file's key is wrapped by it anew; no row is rewritten. Old backups open until `keys retire`. Killed, run it
    again.
    """
    from fedsov.api.region_keys import rotate as make

    rotated = make(arguments.workspace, arguments.name, by=arguments.by, why=arguments.why)
    print_shown(rotated, as_json=arguments.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireArguments(Arguments):
    """Whose keys, and the person's word."""

    name: Name
    by: By = ""
    why: Why = ""
    yes: Annotated[bool, typer.Option("--yes", help="Destroy them: no backup of before opens again.")] = False


@command(app, examples=('fedsov keys retire DE --why "yearly" --yes',))
def retire(arguments: RetireArguments) -> None:
    """Destroys the older versions of a region's key: backups that only they open are lost for good.

    What they still wrap here is wrapped anew before. A keyring that no service protects can be copied: the answer says
    which copies open old backups still.
    """
    from fedsov.api.region_keys import retire as destroy

    if not arguments.yes:
        raise ConfigurationError(
            f"backups of {arguments.name} from before the last rotation will open nowhere; add --yes for that"
        )
    lines = destroy(arguments.workspace, arguments.name, by=arguments.by, why=arguments.why)
    _print_done(arguments.name, lines, as_json=arguments.json)


def _print_done(name: str, lines: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"region": name, "done": lines})
        return
    for line in lines:
        print_line(f"{name}: {line}")


Principal = Annotated[str, typer.Argument(metavar="PRINCIPAL", help=f"One of {', '.join(PRINCIPALS)}.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalArguments(Arguments):
    """Whose keys are whose, and the person's word."""

    name: Name
    principal: Principal
    by: By = ""
    why: Why = ""


@command(
    app,
    examples=(
        "fedsov keys grant DE trainer key_service.backend=passphrase key_service.credential_file=trainer.passphrase",
        'fedsov keys grant DE auditor --why "the audit of 2026"',
    ),
    reads="run settings",
)
def grant(arguments: PrincipalArguments) -> None:
    """Gives a principal keys of its own, for its part of a region's stores alone, under a credential of its own.

    From then on its work is done with these keys. Without `key_service.backend` they lie in the clear, for the eyes of
    the file's owner alone.
    """
    from fedsov.api.principals import grant as give

    said = {"by": arguments.by, "why": arguments.why}
    granted = give(arguments.workspace, arguments.name, arguments.principal, arguments.beside_workspace, **said)
    if arguments.json:
        print_json(granted.to_json())
    else:
        print_line(f"{arguments.name}: {granted.line()}")


@command(app, examples=('fedsov keys revoke DE trainer --why "left the project"',))
def revoke(arguments: PrincipalArguments) -> None:
    """Removes a principal's keys, and says what is left to do."""
    from fedsov.api.principals import revoke as take

    said = {"by": arguments.by, "why": arguments.why}
    lines = take(arguments.workspace, arguments.name, arguments.principal, **said)
    _print_done(arguments.name, lines, as_json=arguments.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalsArguments(Arguments):
    """Whose principals."""

    name: Name


@command(app, examples=("fedsov keys principals DE",))
def principals(arguments: PrincipalsArguments) -> None:
    """Prints who may open a region's stores for what, with which of its keys, and what protects theirs."""
    from fedsov.api.principals import principals as read

    shown = read(arguments.workspace, arguments.name)
    if arguments.json:
        print_json([principal.to_json() for principal in shown])
        return
    for principal in shown:
        print_line(f"{arguments.name}: {principal.line()}")
