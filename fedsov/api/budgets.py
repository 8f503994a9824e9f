"""A region's privacy budget beside its ledger: each keeps the other from being cut.

The budget's file (``regions/NAME/privacy.jsonl``) is synced before the region's ledger notes its head, and both before
a row is touched. So the ledger never notes an entry that is not in the file, and a file that was lost, cut or
put back to an older copy is found by the ledger's last note, and so is the file of the people that it covers. The
ledger also knows what left without privacy, before the first private release or after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedsov.control_plane.compliance.privacy import EXAMPLES
from fedsov.errors import ConfigurationError, unknown
from fedsov.ledger.ledger import Ledger
from fedsov.privacy.accounting import epsilon
from fedsov.privacy.budget import BudgetState, read
from fedsov.region.people_budgets import covered_people
from fedsov.region.privacy_life import PrivacyNotes, PrivacyPast
from fedsov.region.private_run import BUDGET_FILE
from fedsov.storage.workspace import Workspace, is_there, ledger_of


@dataclass(frozen=True, slots=True)
class Account:
    """A region's budget for people: None for `book` where nothing private was ever released; `past` is the ledger's.

    Where all its runs are of rows that are `examples`, no lifetime applies, and nothing is left of one.
    """

    region: str
    book: BudgetState | None
    past: PrivacyPast = field(default_factory=PrivacyPast)
    examples: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values with stable keys (README, "Privacy budget")."""
        past = {
            "unbounded_since": self.past.unbounded_since,
            "unprotected_before": self.past.unprotected_before,
        }
        if self.book is None:
            unknown = dict.fromkeys(("left", "lifetime", "unit", "neighbours", "head"))
            return {"spent": 0.0, **unknown, **past, "runs": []}
        spent = self.book.spent()
        return {
            "spent": spent.epsilon,
            "left": None if self.examples else self.book.left(),
            "lifetime": self.book.lifetime._asdict() | ({"epsilon": None} if self.examples else {}),
            "unit": spent.unit,
            "neighbours": spent.neighbours,
            "head": self.book.head._asdict(),
            **past,
            "runs": list(_runs(self.book)),
        }

    def lines(self) -> list[str]:
        """The same in sentences, one a run."""
        if self.book is None:
            return [f"{self.region}: nothing spent; no private run yet"]
        said = self.to_json()
        lifetime = self.book.lifetime
        left = f" of {lifetime.epsilon:g}, {said['left']:.3f} left" if not self.examples else ""
        of_examples = "; example rows, so no lifetime applies" if self.examples else ""
        head = (
            f"{self.region}: epsilon {said['spent']:.3f} spent{left}, "
            f"at delta {lifetime.delta:.3g}, {said['unit']}-level, add-or-remove-one adjacency{of_examples}"
        )
        return [head, *(f"  {line}" for line in self.past.lines()), *(_run_line(run) for run in said["runs"])]


def _runs(book: BudgetState) -> Iterable[dict[str, Any]]:
    """Each entry with its epsilon by itself, and what was spent with it and all before it."""
    events, delta = book.events, book.lifetime.delta
    reached = 0
    for entry in book.entries:
        reached += len(entry.events)
        yield {
            **entry.to_json(),
            "epsilon": epsilon(entry.events, delta),
            "spent": epsilon(events[:reached], delta),
        }


def _run_line(run: Mapping[str, Any]) -> str:
    return (
        f"  {run['at']}  {run['run']}  {run['purpose']} of {run['dataset']}, {run['rows']:,} rows: "
        f"epsilon {run['epsilon']:.3f}, {run['spent']:.3f} with all before"
    )


def account(folder: Path, region: str) -> Account:
    """The budget of a region's folder, checked against its ledger. Raises BudgetBroken, LedgerBroken."""
    path = ledger_of(folder)
    if not is_there(path):
        return Account(region, read(folder / BUDGET_FILE))
    bodies = [entry.body for entry in Ledger.read(path).entries()]
    notes = PrivacyNotes.of(bodies)
    book = read(folder / BUDGET_FILE, last_known_head=notes.head)
    covered_people(folder, notes, book)
    marked = {body.get("run") for body in bodies if EXAMPLES in body.get("marks", ())}
    examples = book is not None and all(entry.run in marked for entry in book.entries)
    return Account(region, book, PrivacyPast.of(bodies), examples)


def accounts(root: Path, region: str | None = None) -> list[Account]:
    """The budgets of a workspace's regions, or of one.

    Raises:
        ConfigurationError: no run was here yet, or no such region.
        BudgetBroken, LedgerBroken: one of them does not hold.
    """
    workspace = Workspace(root)
    workspace.require()
    names = workspace.region_names()
    if region is not None and region not in names:
        raise ConfigurationError(unknown("region", region, names))
    return [account(workspace.region(name), name) for name in names if region in (None, name)]
