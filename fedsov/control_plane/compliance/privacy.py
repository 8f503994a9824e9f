"""What each region released under differential privacy: its budget's account, beside what its ledger noted of it.

    private_regions(books, {"DE": account("regions/DE", "DE").to_json()})

Figures are those of `fedsov budget`, where the budget could be read, else those that the ledger noted. Where the two
differ that is a fault of the region. A run whose decisions bear the mark of example rows is marked as such; where all
runs of a region are, no lifetime applies, so none is said to be left.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedsov.control_plane.compliance.entries import LedgerView, PrivacyNote

EXAMPLES = "example rows"
_NOTHING = PrivacyNote("", "", None, None, None, None)
CLOSE = 1e-6
"""Relative difference of two epsilons that are the same figure, computed twice."""


@dataclass(frozen=True, slots=True)
class RunSpent:
    """A run's release: epsilon by itself, and spent with all before it. None where nothing tells."""

    run: str
    at: str
    purpose: str
    dataset: str
    epsilon: float | None
    delta: float | None
    spent: float | None
    examples: bool


_OF_A_RUN = ("run", "at", "purpose", "dataset", "epsilon", "delta", "spent")


@dataclass(frozen=True, slots=True)
class PrivateRegion:
    """A region that released something under privacy.

    Attributes:
        spent, delta: what all its releases together guarantee: (spent, delta) for one record.
        lifetime, left: its lifetime epsilon, and what is left of it; None for example rows, which have no lifetime.
        examples: every run was about example rows.
        unbounded_since, unprotected_before: days of answers without privacy about the same people, or "".
        fault: why budget and ledger do not agree, or cannot be compared, as a sentence; or "".
    """

    region: str
    spent: float | None
    delta: float | None
    lifetime: float | None
    left: float | None
    unit: str
    neighbours: str
    examples: bool
    runs: tuple[RunSpent, ...]
    unbounded_since: str
    unprotected_before: str
    fault: str


def private_regions(
    books: Iterable[LedgerView], accounts: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[PrivateRegion, ...]:
    """The regions that released something under privacy, in the order of their ledgers.

    Args:
        accounts: by region what `fedsov budget --json` prints of it, or {"fault": sentence} where it cannot be read.
    """
    accounts = accounts or {}
    regions = (_region(book, accounts.get(book.owner, {})) for book in books)
    return tuple(region for region in regions if region.runs or region.fault)


def _region(book: LedgerView, account: Mapping[str, Any]) -> PrivateRegion:
    marked = {line.run for line in book.lines if EXAMPLES in line.marks}
    noted = {note.run: note for note in book.privacy}  # a run that was resumed noted its reservation again
    reserved = {str(run["run"]): run for run in account.get("runs", ())}
    if reserved:
        runs = tuple(_reserved_run(run, name in marked) for name, run in reserved.items())
    else:
        runs = tuple(_noted_run(note, note.run in marked) for note in noted.values())
    last = next(reversed(noted.values()), _NOTHING)
    lifetime = account["lifetime"]["epsilon"] if reserved else last.lifetime
    spent = account["spent"] if reserved else last.spent
    examples = all(run.examples for run in runs)
    left = account["left"] if reserved else _left(lifetime, spent)
    return PrivateRegion(
        region=book.owner,
        spent=spent,
        delta=account["lifetime"]["delta"] if reserved else last.delta,
        lifetime=None if examples else lifetime,
        left=None if examples else left,
        unit=str(account.get("unit", "record")),
        neighbours=str(account.get("neighbours", "")),
        examples=examples,
        runs=runs,
        unbounded_since=account.get("unbounded_since") or book.unbounded_since,
        unprotected_before=account.get("unprotected_before") or "",
        fault=str(account.get("fault", "")) or _difference(noted, reserved),
    )


def _reserved_run(run: Mapping[str, Any], examples: bool) -> RunSpent:
    return RunSpent(examples=examples, **{name: run[name] for name in _OF_A_RUN})


def _noted_run(note: PrivacyNote, examples: bool) -> RunSpent:
    return RunSpent(note.run, note.at, "", "", note.epsilon, note.delta, note.spent, examples)


def _left(lifetime: float | None, spent: float | None) -> float | None:
    return None if lifetime is None or spent is None else max(0.0, lifetime - spent)


def _difference(noted: Mapping[str, PrivacyNote], reserved: Mapping[str, Mapping[str, Any]]) -> str:
    """A run that the ledger and the budget's file tell otherwise; a note of an earlier version has no figures."""
    for name, note in noted.items() if reserved else ():
        if name not in reserved:
            return f"the ledger notes a reservation of run {name} that the budget does not hold"
        pairs = ((note.epsilon, reserved[name]["epsilon"]), (note.spent, reserved[name]["spent"]))
        if note.delta == reserved[name]["delta"] and any(_differ(*pair) for pair in pairs):
            return f"the budget replays run {name} as epsilon {pairs[0][1]:.6g}, the ledger noted {pairs[0][0]:.6g}"
    return ""


def _differ(noted: float | None, replayed: float) -> bool:
    return noted is not None and not math.isclose(noted, replayed, rel_tol=CLOSE)


def faults(regions: Sequence[PrivateRegion]) -> list[str]:
    """What keeps the figures of privacy from being relied on, a sentence each."""
    return [
        f"The privacy budget of {region.region} cannot be relied on: {region.fault}."
        for region in regions
        if region.fault
    ]
