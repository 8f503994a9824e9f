"""What is lost by a restoration is accepted, by the owner and by each other party: `fedsov ledger accept-gap`.

    accept_own(home, "DE", by="A. Person", why="disk of 3 March", out=Path("gap-DE.json"))     # in the region
    accept_statement(hub_home, "hub", Path("gap-DE.json"), by="B. Person", why="told by phone")     # at the hub

Both are entries of the ledgers that they are about, with by and why. The owner's takes the region's privacy budget as
spent (`fedsov.region.lost_budget`): what left meanwhile under noise is in no ledger of the region any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsov.api.ledger_audit import path_of
from fedsov.api.region_settings import user
from fedsov.errors import ConfigurationError
from fedsov.ledger import gaps
from fedsov.ledger.gaps import Accepted
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_head import Head
from fedsov.region import lost_budget
from fedsov.region.settings_file import has_settings, read_settings
from fedsov.storage.atomic_files import write_file
from fedsov.storage.bounded_files import parsed_json, read_bounded
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace

HUB = "hub"


@dataclass(frozen=True, slots=True)
class OwnLoss:
    """An owner's acceptance: its ledger's head with it, what was taken as spent, and where the statement is."""

    owner: str
    head: Head
    spent: str
    statement: Path

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "owner": self.owner,
            "head": self.head.to_json(),
            "spent": self.spent,
            "statement": str(self.statement),
        }

    def lines(self) -> list[str]:
        """The same in sentences."""
        others = "the hub" if self.owner != HUB else "each region"
        to = HUB if self.owner != HUB else "REGION"
        lines = [f"{self.owner} goes on at {self.head.size:,} entries, as its ledger says"]
        lines += [f"privacy budget taken as spent: {self.spent}"] if self.spent else []
        return [
            *lines,
            f"{self.statement}: hand it to {others}, whose owner takes it by `fedsov ledger accept-gap {to} "
            f"--statement {self.statement.name} --why TEXT`; until then a run is refused where a later head was noted",
        ]


def accept_own(
    home: Path, owner: str, *, by: str, why: str, out: Path | None = None, head: Path | None = None
) -> OwnLoss:
    """Lets a party go on without what its ledger lost, and writes the statement for the others.

    A region's budget is taken as spent before, so that a kill in between spends, and accepts nothing.

    Args:
        owner: "hub" or a region.
        out: where the statement is written; ``gap-OWNER.json`` in the home where it is not given.
        head: a file with a head of this ledger that another party noted, where nothing in the ledger shows the loss.

    Raises:
        ConfigurationError: no such ledger, no reason, or nothing that shows a loss. LedgerBroken, BudgetBroken.
    """
    _check_reason(why)
    with _held(home, owner) as (ledger, folder):
        lacks_budget = owner != HUB and lost_budget.lacks_entries(folder, ledger)
        if not lacks_budget or head is not None:
            gaps.check_evidence(ledger, None if head is None else _head_in(head))
        spent = _spend(folder, ledger) if owner != HUB else ""
        gaps.accept_own(ledger, by=by or user(), why=why, spent=spent)
        path = out or home / f"gap-{owner}.json"
        write_file(path, (json.dumps(gaps.stated(ledger), indent=1) + "\n").encode())
        return OwnLoss(owner, ledger.head(), spent, path)


def accept_statement(home: Path, owner: str, statement: Path, *, by: str, why: str) -> Accepted:
    """Lets the ledger of `owner` take the head that another party states, in the place of the one noted before.

    Raises ConfigurationError, LedgerBroken as `fedsov.ledger.gaps.accept_other`.
    """
    _check_reason(why)
    try:
        plain = parsed_json(read_bounded(statement))
    except (OSError, ValueError) as problem:
        raise ConfigurationError(f"{statement} is no statement of `fedsov ledger accept-gap` ({problem})") from problem
    with _held(home, owner) as (ledger, _):
        return gaps.accept_other(ledger, plain, by=by or user(), why=why)


def _spend(folder: Path, ledger: Ledger) -> str:
    """What of a region's budget was taken as spent, in words; a region without settings never took a job."""
    if not has_settings(folder, ledger):
        return "nothing: the region has no settings yet"
    return lost_budget.take_as_spent(folder, ledger, read_settings(folder, ledger))


@contextmanager
def _held(home: Path, owner: str) -> Iterator[tuple[Ledger, Path]]:
    """An owner's ledger, verified, and its folder; nobody else uses the home meanwhile."""
    workspace = Workspace(home)
    path = path_of(workspace, owner)
    with hold_workspace(workspace), closing(Ledger.existing(path)) as ledger:
        ledger.verify()
        yield ledger, path.parent


def _head_in(path: Path) -> Head:
    try:
        return Head.from_json(parsed_json(read_bounded(path)))
    except (OSError, ValueError) as problem:
        raise ConfigurationError(f"{path} holds no head ({problem}); give the head that the other noted") from problem


def _check_reason(why: str) -> None:
    if not why.strip():
        raise ConfigurationError("--why TEXT is needed: the ledger says why entries may be missing")
