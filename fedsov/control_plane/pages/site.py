"""What the pages are given when they are composed: the database, a clock, the hub's ledger, and what people can do.

The control plane cannot import the composition (`fedsov.api`), so each act comes as a function in `Acts`. An act takes
who did it and why, decides for itself whether it may be (a state, a signature, a crossing), and raises a FedsovError
that says what mends it. The pages check the person's right before they call it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.people.accounts import Accounts
from fedsov.control_plane.people.openid import OpenIdProvider


class RolloutAct(Protocol):
    """Something that a person does to a rollout; returns its state afterwards, for people."""

    def __call__(self, number: int, *, region: str, by: str, why: str) -> str: ...


class StartAct(Protocol):
    """Starts a rollout or its next wave, where it is as far as the person saw (`Rollout.progress`); its state then."""

    def __call__(self, number: int, *, region: str, by: str, why: str, seen: str) -> str: ...


class Propose(Protocol):
    """Proposes a rollout; returns its number."""

    def __call__(self, model: str, version: int, *, regions: list[str], canary: str, by: str, why: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Acts:
    """What people can do; None where this hub cannot, and its buttons are not there.

    Attributes:
        approve: `region` is "" for the hub's approval.
        start, rollback, freeze: `region` is "" (all of the rollout's).
        regions_here: the regions of the hub's own workspace, for which `approve` can work.
    """

    propose: Propose | None = None
    approve: RolloutAct | None = None
    start: StartAct | None = None
    rollback: RolloutAct | None = None
    freeze: RolloutAct | None = None
    regions_here: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Site:
    """What the application stands on.

    Attributes:
        origins: the addresses that people use, such as ``https://hub.example:8443``; a request for any other host, or
            sent by another site's page, is refused.
        note: notes an act in the hub's ledger; raises where it cannot be written, and then nothing is done.
        noted: what that ledger notes of people and their accounts, the oldest first.
        audit: whose ledgers verify, who countersigned them, and what is due; None where this hub's pages cannot tell.
        provider: the OpenID provider, where the hub has one.
        name: the hub's, for the pages' title.
    """

    database: Database
    origins: frozenset[str]
    note: Callable[[Mapping[str, Any]], object]
    noted: Callable[[], Iterable[dict[str, Any]]] = tuple
    audit: Callable[[], dict[str, Any]] | None = None
    acts: Acts = field(default_factory=Acts)
    provider: OpenIdProvider | None = None
    name: str = "hub"
    now: Callable[[], float] = time.time

    @property
    def accounts(self) -> Accounts:
        """The people's accounts."""
        return Accounts(self.database, self.note)
