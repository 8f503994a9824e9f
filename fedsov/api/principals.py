"""A region's principals: granted keys of their own, shown, and their keys taken away. What `fedsov keys` calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsov.api.region_settings import UNSAID, names_of, opened, user
from fedsov.errors import ConfigurationError, unknown
from fedsov.keys import KeyService, KeySettings, grants
from fedsov.keys.principals import PARTS, PRINCIPALS
from fedsov.region.settings import FILES
from fedsov.region.settings_file import read_settings
from fedsov.region.trust.access import granted, note_grant

_GROUP = "key_service."


@dataclass(frozen=True, slots=True)
class Granted:
    """A principal of a region, and what protects its keyring; None where it has none."""

    principal: str
    service: KeyService | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        its = PRINCIPALS[self.principal]
        service = None if self.service is None else self.service.to_json()
        return {"principal": self.principal, "purposes": list(its.purposes), "parts": list(its.parts), "keys": service}

    def line(self) -> str:
        """In words."""
        its = PRINCIPALS[self.principal]
        keys = "no keys of its own" if self.service is None else f"keys protected by {self.service.words()}"
        parts = ", ".join(PARTS[part] for part in its.parts)
        return f"{self.principal}: {', '.join(its.purposes) or 'reads no row'}; opens {parts}; {keys}"


def principals(root: Path, name: str) -> list[Granted]:
    """Each principal of a region. Raises ConfigurationError, LedgerBroken."""
    names_of(root, name, every=False)
    with opened(root, name, writes=False) as (_, ledger):
        services = granted(ledger)
    return [Granted(principal, services.get(principal)) for principal in PRINCIPALS]


def grant(root: Path, name: str, principal: str, words: Sequence[str] = (), *, by: str = "", why: str = "") -> Granted:
    """Gives a principal keys of its own, protected as the words ``key_service.KEY=VALUE`` say.

    Raises ConfigurationError, KeyUnavailable, WorkspaceUnusable, LedgerBroken.
    """
    service = KeyService.from_settings(dict(map(_setting, words)))
    names_of(root, name, every=False)
    with opened(root, name, writes=True) as (folder, ledger):
        owner = KeySettings(name, folder, read_settings(folder, ledger).key_service)
        service = grants.grant(owner, principal, service)
        note_grant(ledger, principal, service, by=by or user(), why=why or UNSAID)
    return Granted(principal, service)


def revoke(root: Path, name: str, principal: str, *, by: str = "", why: str = "") -> list[str]:
    """Takes a principal's keys away; what is left to do, in lines. Raises as `grant`."""
    names_of(root, name, every=False)
    with opened(root, name, writes=True) as (folder, ledger):
        if principal not in (known := granted(ledger)):
            raise ConfigurationError(unknown("principal with keys of its own", principal, known))
        note_grant(ledger, principal, None, by=by or user(), why=why or UNSAID)
        return grants.revoke(KeySettings(name, folder), principal)


def _setting(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals or not key.startswith(_GROUP):
        raise ConfigurationError(f"{word!r} is no setting of a key service; write key_service.backend=openbao")
    names_file = key in FILES and value
    return key.removeprefix(_GROUP), str(Path(value).expanduser().absolute()) if names_file else value
