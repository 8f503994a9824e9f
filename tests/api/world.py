"""A workspace whose regions' privacy budgets were drawn on, each noted by its region's ledger."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from fedsov.ledger.ledger import Ledger
from fedsov.privacy.budget import Budget
from fedsov.privacy.events import Event

NOISE = 6.0
"""The noise multiplier of each of DE's releases."""


def spent_twice(folder: Path) -> Path:
    """DE spent in two runs, and its ledger noted it; US never did."""
    (folder / "hub").mkdir()
    for name in ("DE", "US"):
        with closing(Ledger(folder / "regions" / name / "ledger.sqlite", name)) as ledger:
            if name == "DE":
                budget = Budget.open(folder / "regions" / "DE" / "privacy.jsonl", lifetime=(4.0, 1e-6))
                for run in ("r1", "r2"):
                    _, head = budget.reserve(run, "training", [Event("gaussian", NOISE)], dataset="people", rows=1000)
                    note = {"privacy": {"head": head._asdict()}}
                    ledger.append({"at": "2026-01-01", "run": run, "act": "note", "owner": name, "note": note})
    return folder
