"""The accounts of a hub's people, and the OpenID provider by which some sign in: what `fedsov account` calls.

    with hub_accounts(home) as accounts:
        accounts.add(PersonAccount("anna", roles), by="O. Perator", now=time.time())

A running service knows each change at the next request: nobody remembers an account.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from fedsov.control_plane.database.place import open_database
from fedsov.control_plane.people.accounts import NOTE, Accounts, PersonAccount
from fedsov.control_plane.people.openid import RETURN_PATH, OpenIdProvider
from fedsov.control_plane.repository.tables import verify_keys
from fedsov.errors import ConfigurationError, WorkspaceUnusable, unknown
from fedsov.ledger.ledger import Ledger
from fedsov.storage.atomic_files import write_file
from fedsov.storage.bounded_files import TooLarge, parsed_json, read_bounded
from fedsov.storage.control_folder import HubControlFolder
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import read_party
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.workspace import Workspace, is_there, ledger_of

PROVIDER = "openid_provider"
"""What the hub's ledger calls the note of a change of the provider."""


_RIGHTS = ("roles", "regions", "signs_in_by")


@contextmanager
def hub_accounts(home: Path) -> Iterator[Accounts]:
    """The accounts of a hub's home. Raises ConfigurationError where it is none, LedgerBroken, WorkspaceUnusable."""
    with closing(_ledger(home)) as ledger, closing(open_database(home)) as database:
        yield Accounts(database, note=ledger.note)


def unknown_regions(home: Path, names: Iterable[str]) -> list[str]:
    """A sentence for each region that is none of the hub's; an account may be for one that joins later.

    A hub to which no region belongs yet knows nothing of the kind.
    """
    with closing(open_database(home)) as database, database.reading() as connection:
        enrolled = verify_keys(connection)
    strangers = sorted({*names} - {*enrolled}) if enrolled else []
    return [f"{unknown('region', name, enrolled)}; the account sees it once it joins" for name in strangers]


def unnoted(home: Path, accounts: Iterable[PersonAccount]) -> dict[str, str]:
    """Accounts that are otherwise than the hub's ledger notes them, by name, each with what is wrong and what mends it.

    Whoever can write the database could give themselves an account; the ledger they cannot rewrite unseen.
    """
    noted: dict[str, dict[str, Any]] = {}
    with closing(_ledger(home)) as ledger:
        for body in (entry.body["note"][NOTE] for entry in ledger.notes(NOTE)):
            if body["act"] == "removed":
                noted.pop(body["name"], None)
            elif body["act"] in ("added", "changed"):
                noted[body["name"]] = {name: body[name] for name in _RIGHTS}
    return {
        account.name: "the hub's ledger notes "
        + (f"no account {account.name}" if account.name not in noted else f"other rights of {account.name}")
        + f": somebody wrote it into the database; `fedsov account remove {account.name}`, and see who can write it"
        for account in accounts
        if noted.get(account.name) != {name: account.to_json()[name] for name in _RIGHTS}
    }


def read_provider(home: Path) -> OpenIdProvider | None:
    """The provider that a hub names; None where it names none. Raises WorkspaceUnusable for a file that is none."""
    path = HubControlFolder(home).openid
    if not path.is_file():
        return None
    try:
        plain = parsed_json(read_bounded(path))
        return OpenIdProvider(**{name: str(plain[name]) for name in ("issuer", "client", "secret", "label")})
    except (OSError, TooLarge, ValueError, TypeError, KeyError):
        raise WorkspaceUnusable(f"{path} names no OpenID provider; `fedsov account openid` writes it anew") from None


def name_provider(home: Path, provider: OpenIdProvider, *, by: str, why: str) -> None:
    """Has people whose account has a subject sign in there, from the service's next start on.

    Raises ConfigurationError for an issuer that is no https address; LedgerBroken, WorkspaceUnusable.
    """
    provider.check()
    folder = HubControlFolder(home)
    with closing(_ledger(home)) as ledger:
        ledger.note(
            {PROVIDER: {"act": "named", "issuer": provider.issuer, "client": provider.client, "by": by, "why": why}}
        )
    make_private_folder(folder.root)
    write_file(folder.openid, json.dumps(provider.to_json()).encode())


def remove_provider(home: Path, *, by: str, why: str) -> None:
    """Nobody signs in by a provider from the service's next start on. Raises ConfigurationError where none is named."""
    folder = HubControlFolder(home)
    if not folder.openid.is_file():
        raise ConfigurationError("this hub names no OpenID provider; `fedsov account openid` names one")
    with closing(_ledger(home)) as ledger:
        ledger.note({PROVIDER: {"act": "removed", "by": by, "why": why}})
    folder.openid.unlink()


def return_address(home: Path) -> str:
    """Where a provider sends people back to: the redirect URI that is registered there."""
    return f"https://{read_party(DeploymentFolder(home).party).hub.pages}{RETURN_PATH}"


def password_in(file: Path | None) -> str:
    """The password in a file, its last newline aside; "" where none is named. Raises ConfigurationError."""
    if file is None:
        return ""
    try:
        password = read_bounded(file, largest=4096).decode().rstrip("\r\n")
    except (OSError, TooLarge, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is no text of 4 KiB at most"
        raise ConfigurationError(f"the password's file {file} cannot be read: {reason}") from None
    if not password:
        raise ConfigurationError(f"the password's file {file} is empty; write the password into it")
    return password


def _ledger(home: Path) -> Ledger:
    path = ledger_of(Workspace(home).hub)
    if not is_there(path):
        raise ConfigurationError(
            f"{home} is no hub's home: it has no hub/ledger.sqlite; name the home by --workspace DIR"
        )
    return Ledger.existing(path)
