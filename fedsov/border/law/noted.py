"""What a workspace's ledgers noted of a file in it, so that a file that was put there by hand is known as such.

The hub's ledger decides where there is one; else every ledger of the workspace must say the same. Only a note that is
proven to be under its ledger's signed head counts. Whoever holds the ledgers' keys can note anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import prove
from fedsov.storage.workspace import Workspace

NOTE = "law"
"""What a ledger calls its notes of installed bundles, publishers and confirmations."""
Notes = list[Mapping[str, Any]]


def notes(root: Path, name: str) -> list[Notes]:
    """By deciding ledger, what its notes hold under this name, in order; nothing where the workspace has no ledger.

    Raises LedgerBroken for a note that was written past the ledger's key.
    """
    paths = Workspace(root).ledgers()
    deciding = [paths["hub"]] if "hub" in paths else list(paths.values())
    return [_proven(path, name) for path in deciding]


def last(listed: list[Notes], part: str) -> Mapping[str, Any]:
    """The last note with this part, where every deciding ledger holds the same one; else an empty one."""
    found = [next((note for note in reversed(each) if part in note), {}) for each in listed]
    return found[0] if found and all(each == found[0] for each in found) else {}


def is_noted(listed: list[Notes], holds: Callable[[Mapping[str, Any]], bool]) -> bool:
    """Whether every deciding ledger holds such a note; False where there is none."""
    return bool(listed) and all(any(map(holds, each)) for each in listed)


def _proven(path: Path, name: str) -> Notes:
    with closing(Ledger.read(path)) as ledger:
        found = ledger.notes(name)
        for entry in found:
            prove(ledger, entry.seq)
        return [note for entry in found if isinstance(note := entry.body["note"][name], Mapping)]
