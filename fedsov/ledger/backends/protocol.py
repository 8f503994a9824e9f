"""The seam between a ledger and where its rows are stored: a transaction that reads, and one that writes.

Both backends (`sqlite`, `postgresql`) have the same three tables: `book` of one row (owner, public key), `head` of
one row (size, root, signature) that only moves forward, and `entries` (number, text, leaf's hash, the subtrees that it
completed). Only the newest signed head is kept: an older one left beside it would let whoever holds the rows cut the
ledger back to that head, and it would still verify.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Transaction(Protocol):
    """One transaction. Values stand as ``?`` in a statement."""

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Runs a statement; all the rows it answers with."""

    def stream(self, statement: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Runs a statement; its rows one after the other, never all in memory."""

    def run_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Runs a statement once for each row of values."""


Birth = Callable[[Transaction], None]
"""Writes what a new ledger begins with: its owner, the owner's key and the first head."""


class LedgerBackend(Protocol):
    """A store for rows. What goes wrong in it is raised as LedgerBroken."""

    def reading(self) -> AbstractContextManager[Transaction]:
        """A transaction that sees one moment of the ledger."""

    def writing(self) -> AbstractContextManager[Transaction]:
        """A transaction of one writer at a time, on the disk when the block ends and undone where it fails."""

    def close(self) -> None:
        """Lets the file or the connection go; the next use takes it again."""
