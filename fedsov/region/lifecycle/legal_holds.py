"""Legal holds: rows that a court, an authority or a claim forbids to delete, whatever a period or a request says.

A hold is an entry of the region's ledger, for a data set or for one subject of it, and ends by another entry: nobody
forgets one by deleting a file. Held rows that are past their period are kept and not used. What would remove or
replace a row asks `held_rows` first.

    place(ledger, Hold("people"), by="A. Person", why="case 12 C 34/26")
    holds(ledger)
    release(ledger, Hold("people"), by="A. Person", why="the case is closed")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fedsov.errors import ConfigurationError
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger.ledger import Ledger
from fedsov.partition.ingest import quarantine_of
from fedsov.partition.lifecycle.erasure import keyed_digests
from fedsov.partition.lifecycle.quarantine import dataset_of
from fedsov.partition.manifest import MANIFEST
from fedsov.partition.store import Store
from fedsov.storage.workspace import store_of

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


def holds_on(ledger: Ledger, dataset: str) -> list[Hold]:
    """The holds in force on rows of a data set. Raises LedgerBroken."""
    return [hold for hold in holds(ledger) if hold.dataset == dataset]


def held_rows(ledger: Ledger, keys: RegionKeys, store: Path, subjects: np.ndarray) -> np.ndarray:
    """(rows,) True for the rows of a store that a hold keeps. Raises LedgerBroken.

    Args:
        subjects: (rows,) whose they are, under the region's key.
    """
    return held_among(holds_on(ledger, dataset_of(store.name)), keys, subjects)


def held_among(own: Sequence[Hold], keys: RegionKeys, subjects: np.ndarray) -> np.ndarray:
    """(rows,) True for the rows that holds on their data set keep; see `held_rows`."""
    digests = {hold.subject for hold in own}
    if not digests or "" in digests:
        return np.full(len(subjects), bool(digests))
    people = sorted({*subjects.tolist()})
    known = keyed_digests(keys, people)
    return np.isin(subjects, [person for person, digest in zip(people, known, strict=True) if digest in digests])


def lost_by(
    ledger: Ledger, keys: RegionKeys, folder: Path, dataset: str, arriving: Callable[[], np.ndarray]
) -> str | None:
    """Why arriving rows may not take the place of a region's rows of a data set: one on hold is not among them.

    Args:
        folder: the region's.
        arriving: gives the digests of their values, under the region's key.

    Raises as `Store.read`, and LedgerBroken.
    """
    own = holds_on(ledger, dataset)
    for path in (store_of(folder, name) for name in (dataset, quarantine_of(dataset))):
        if not own or not (path / MANIFEST).exists():
            continue
        records = Store.open(path, keys).read()
        on_hold = held_among(own, keys, records.subjects)
        if on_hold.any() and (
            records.row_digests is None or not np.isin(records.row_digests[on_hold], arriving()).all()
        ):
            return (
                f"region {ledger.owner} keeps rows of {dataset} on a legal hold, and the source lacks some of them, or "
                f"holds them with other values; nothing was stored; put them back into the source as they were, or "
                f"{ending(ledger.owner, own)}"
            )
    return None


def ending(region: str, own: Sequence[Hold]) -> str:
    """The commands that end holds, of which one may be for every subject on hold."""
    wholes = {hold.dataset + ("" if not hold.subject else " --subject ID") for hold in own}
    commands = (f"`fedsov retention release {region} --dataset {whole} --why TEXT`" for whole in sorted(wholes))
    return f"{' and '.join(commands)} {'ends the hold' if len(wholes) == 1 else 'end the holds'}"


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
    ledger.note({NOTE: {**asdict(hold), "act": act, "by": by, "why": why}})
