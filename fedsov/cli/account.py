"""`account`: who may open the hub's pages and call its REST interface, and as what."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, By, Why, comma_list, note, positive, print_json, print_line
from fedsov.cli.declaration import command, group_app
from fedsov.errors import ConfigurationError, LedgerBroken, counted

app = group_app(
    "People of the hub's pages: add, list, change, reset, remove, token; openid.",
    examples=(
        "fedsov account add anna --role approver,operator --workspace deployment/hub",
        "fedsov account list --workspace deployment/hub",
    ),
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The account's name: small letters, digits, dots, hyphens.")]
Roles = Annotated[
    Sequence[str] | None,
    typer.Option("--role", metavar="A,B", help="Of operator, approver, auditor, viewer.", parser=comma_list),
]
Regions = Annotated[
    Sequence[str] | None,
    typer.Option("--region", metavar="A,B", help="The regions that the account is for.", parser=comma_list),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="Has the password; without it a temporary one is made."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAddArguments(Arguments):
    """A new account."""

    name: Name
    roles: Roles = None
    regions: Regions = None
    subject: Annotated[
        str, typer.Option("--subject", metavar="ID", help="Signs in by OpenID, as this subject (`sub`).")
    ] = ""
    password: PasswordFile = None
    by: By = ""
    why: Why = ""


@command(
    app,
    examples=(
        "fedsov account add anna --role approver --region DE --workspace deployment/hub",
        "fedsov account add otto --role operator --subject 248289761001 --workspace deployment/hub",
    ),
)
def add(arguments: AccountAddArguments) -> None:
    """Adds an account to a hub: a name, its roles, and how the person signs in.

    operator proposes, starts, freezes and takes back rollouts; approver approves them; auditor reads the record of
    processing and who did what; viewer sees regions, rollouts and metrics, as all do. An account for some regions
    neither sees nor touches the others. Without --password-file or --subject a temporary password is printed once; it
    is good for 72 hours, and the person chooses another at the first sign-in. The hub's ledger notes the account.
    """
    from fedsov.api.control.hub.accounts import hub_accounts, password_in, unknown_regions
    from fedsov.control_plane.people.accounts import PersonAccount
    from fedsov.control_plane.people.roles import roles_of

    account = PersonAccount(
        arguments.name, roles_of(arguments.roles or ()), frozenset(arguments.regions or ()), arguments.subject
    )
    with hub_accounts(arguments.workspace) as accounts:
        temporary = accounts.add(
            account, password=password_in(arguments.password), by=_by(arguments.by), why=arguments.why, now=time.time()
        )
        added = accounts.get(account.name)
    for sentence in unknown_regions(arguments.workspace, added.regions):
        note(sentence)
    if arguments.json:
        print_json({**added.to_json(), "password": temporary or None})
        return
    print_line(f"{added.in_words}")
    _print_password(temporary)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsArguments(Arguments):
    """Nothing but where."""


@command(app, examples=("fedsov account list --workspace deployment/hub",), name="list")
def listed(arguments: AccountsArguments) -> None:
    """Lists the accounts of a hub, and by which OpenID provider people sign in.

    An account that is otherwise than the hub's ledger notes it is named, and the command ends with 5.
    """
    from fedsov.api.control.hub.accounts import hub_accounts, read_provider, unnoted

    provider = read_provider(arguments.workspace)
    with hub_accounts(arguments.workspace) as accounts:
        every = accounts.listed()
    wrong = unnoted(arguments.workspace, every)
    if arguments.json:
        issuer = None if provider is None else provider.issuer
        print_json({"accounts": [account.to_json() for account in every], "openid_issuer": issuer, "unnoted": wrong})
    else:
        for account in every:
            print_line(account.in_words)
        if provider is not None:
            print_line(f"OpenID provider: {provider.issuer} ({provider.label})")
        print_line(counted(len(every), "account"))
    if wrong:
        raise LedgerBroken("; ".join(wrong.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeArguments(Arguments):
    """Other roles or regions."""

    name: Name
    roles: Roles = None
    regions: Regions = None
    every: Annotated[bool, typer.Option("--all-regions", help="The account is for every region.")] = False
    by: By = ""
    why: Why = ""


@command(
    app,
    examples=(
        "fedsov account change anna --role auditor --workspace deployment/hub",
        "fedsov account change anna --all-regions --workspace deployment/hub",
    ),
)
def change(arguments: ChangeArguments) -> None:
    """Gives an account other roles or regions, whole; the person has to sign in again."""
    from fedsov.api.control.hub.accounts import hub_accounts, unknown_regions
    from fedsov.control_plane.people.roles import roles_of

    if arguments.every and arguments.regions:
        raise ConfigurationError("--all-regions and --region exclude each other; give one of them")
    if not (arguments.every or arguments.regions or arguments.roles):
        raise ConfigurationError("nothing to change; give --role, --region or --all-regions")
    with hub_accounts(arguments.workspace) as accounts:
        before = accounts.get(arguments.name)
        regions = frozenset(arguments.regions) if arguments.regions else before.regions
        after = accounts.change(
            arguments.name,
            roles=roles_of(arguments.roles) if arguments.roles else before.roles,
            regions=frozenset() if arguments.every else regions,
            by=_by(arguments.by),
            why=arguments.why,
        )
    for sentence in unknown_regions(arguments.workspace, after.regions):
        note(sentence)
    _print(arguments, after.to_json(), after.in_words)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetArguments(Arguments):
    """Whose password."""

    name: Name
    password: PasswordFile = None
    by: By = ""
    why: Why = ""


@command(app, examples=("fedsov account reset anna --workspace deployment/hub",))
def reset(arguments: ResetArguments) -> None:
    """Sets another password and ends the person's sessions; also for who was locked out by failed sign-ins."""
    from fedsov.api.control.hub.accounts import hub_accounts, password_in

    with hub_accounts(arguments.workspace) as accounts:
        temporary = accounts.reset(
            arguments.name,
            password=password_in(arguments.password),
            by=_by(arguments.by),
            why=arguments.why,
            now=time.time(),
        )
    if arguments.json:
        print_json({"name": arguments.name, "password": temporary or None})
        return
    print_line(f"{arguments.name} has another password, and is signed out everywhere")
    _print_password(temporary)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveArguments(Arguments):
    """Whose account."""

    name: Name
    by: By = ""
    why: Why = ""


@command(app, examples=("fedsov account remove anna --why 'left the team' --workspace deployment/hub",))
def remove(arguments: RemoveArguments) -> None:
    """Removes an account and ends the person's sessions; what the ledgers note of the person stays."""
    from fedsov.api.control.hub.accounts import hub_accounts

    with hub_accounts(arguments.workspace) as accounts:
        gone = accounts.remove(arguments.name, by=_by(arguments.by), why=arguments.why)
    _print(arguments, gone.to_json(), f"{gone.name} is removed, and signed out everywhere")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTokenArguments(Arguments):
    """For whose programs, and how long."""

    name: Name
    days: Annotated[int, typer.Option("--days", metavar="N", help="Days that it is good for.", parser=positive)] = 1
    by: By = ""
    why: Why = ""


@command(app, examples=("fedsov account token anna --days 30 --workspace deployment/hub",))
def token(arguments: AccountTokenArguments) -> None:
    """Makes a token by which a program calls the hub's REST interface (/api/v1) as this person, and prints it once.

    The program sends it as `Authorization: Bearer TOKEN`. It ends after its days, and with any change of the account.
    """
    from fedsov.api.control.hub.accounts import hub_accounts

    with hub_accounts(arguments.workspace) as accounts:
        issued = accounts.token(
            arguments.name, days=arguments.days, by=_by(arguments.by), why=arguments.why, now=time.time()
        )
    _print(arguments, {"name": arguments.name, "days": arguments.days, "token": issued}, issued)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdArguments(Arguments):
    """Which provider."""

    issuer: Annotated[
        str, typer.Option("--issuer", metavar="URL", help="The provider's address, as its tokens name it.")
    ] = ""
    client: Annotated[str, typer.Option("--client", metavar="ID", help="The hub's name at the provider.")] = ""
    secret: Annotated[
        Path | None, typer.Option("--secret-file", metavar="FILE", help="Has the hub's secret at the provider.")
    ] = None
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="What the button says after 'Sign in by'.")] = (
        "OpenID"
    )
    none: Annotated[bool, typer.Option("--none", help="Nobody signs in by a provider any more.")] = False
    by: By = ""
    why: Why = ""


@command(
    app,
    examples=(
        "fedsov account openid --issuer https://id.example --client hub --secret-file id.secret",
        "fedsov account openid --none --workspace deployment/hub",
    ),
)
def openid(arguments: OpenIdArguments) -> None:
    """Names the OpenID provider by which people sign in whose account has a --subject.

    The provider says who somebody is; what the person may do is the hub's account. Register the address that is printed
    as the hub's redirect URI there. A running hub takes it at its next start.
    """
    from fedsov.api.control.hub.accounts import (
        name_provider,
        password_in,
        read_provider,
        remove_provider,
        return_address,
    )
    from fedsov.control_plane.people.openid import OpenIdProvider

    who = {"by": _by(arguments.by), "why": arguments.why}
    if arguments.none:
        remove_provider(arguments.workspace, **who)
        _print(arguments, {"issuer": None}, "nobody signs in by an OpenID provider any more, from the next start on")
        return
    if not arguments.issuer and not arguments.client:
        provider = read_provider(arguments.workspace)
        if provider is None:
            raise ConfigurationError("this hub names no OpenID provider; give --issuer, --client and --secret-file")
    else:
        provider = OpenIdProvider(
            arguments.issuer, arguments.client, password_in(arguments.secret), label=arguments.label
        )
        name_provider(arguments.workspace, provider, **who)
    address = return_address(arguments.workspace)
    _print(
        arguments,
        {"issuer": provider.issuer, "client": provider.client, "redirect_uri": address},
        f"people sign in at {provider.issuer} as client {provider.client}; its redirect URI: {address}",
    )


def _print(arguments: Arguments, answer: dict[str, object], line: str) -> None:
    if arguments.json:
        print_json(answer)
    else:
        print_line(line)


def _print_password(temporary: str) -> None:
    if temporary:
        print_line(f"temporary password, shown once: {temporary}")


def _by(name: str) -> str:
    from fedsov.api.region_settings import user

    return name or user()
