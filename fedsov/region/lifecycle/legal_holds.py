"""Legal holds: rows that a court, an authority or a claim forbids to delete, whatever a period or a request says.

A hold is an entry of the region's ledger, for a data set or for one subject of it, and ends by another entry: nobody
forgets one by deleting a file. Held rows that are past their period are kept and not used.

    place(ledger, Hold("people"), by="A. Person", why="case 12 C 34/26")
    holds(ledger)
    release(ledger, Hold("people"), by="A. Person", why="the case is closed")
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger, entry_time

NOTE = "legal_hold"


@dataclass(frozen=True, slots=True)
class Hold:
    """What is held: a data set's rows, or those of one subject, by the keyed digest that the ledger knows it by."""

    dataset: str
    subject: str = ""

    def words(self) -> str:
        """In words."""
        return f"{self.dataset}, subject {self.subject}" if self.subject else self.dataset


def holds(ledger: Ledger) -> dict[Hold, dict[str, str]]:
    """The holds in force, each with `at`, `by` and `why`. Raises LedgerBroken."""
    in_force: dict[Hold, dict[str, str]] = {}
    for entry in ledger.notes(NOTE):
        said = entry.body["note"][NOTE]
        hold = Hold(said["dataset"], said["subject"])
        if said["act"] == "release":
            in_force.pop(hold, None)
        else:
            in_force[hold] = {"at": entry.body["at"], "by": said["by"], "why": said["why"]}
    return in_force


def place(ledger: Ledger, hold: Hold, *, by: str, why: str) -> None:
    """Begins a hold. Raises ConfigurationError where it is in force, LedgerBroken."""
    if hold in holds(ledger):
        raise ConfigurationError(f"{hold.words()} is on hold already; `fedsov retention plan {ledger.owner}` shows it")
    _note(ledger, hold, "hold", by=by, why=why)


def release(ledger: Ledger, hold: Hold, *, by: str, why: str) -> None:
    """Ends a hold. Raises ConfigurationError where there is none, LedgerBroken."""
    if hold not in holds(ledger):
        listed = "; ".join(one.words() for one in holds(ledger)) or "none"
        raise ConfigurationError(f"{hold.words()} is not on hold in {ledger.owner}; holds in force: {listed}")
    _note(ledger, hold, "release", by=by, why=why)


def _note(ledger: Ledger, hold: Hold, act: str, *, by: str, why: str) -> None:
    note = {NOTE: {**asdict(hold), "act": act, "by": by, "why": why}}
    ledger.append({"at": entry_time(), "run": "", "act": "note", "owner": ledger.owner, "note": note})
