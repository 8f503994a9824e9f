"""An append-only ledger, one for each party, that cannot be rewritten without being found out.

Each entry is canonical JSON (RFC 8785) and, behind its number, a leaf of a Merkle tree (RFC 6962). The tree's root and
the number of entries are the ledger's `Head`, signed by its owner (Ed25519) whenever an entry is added. Whoever kept an
old head can tell whether the ledger still continues it (`contains`). That is the only way to find a ledger whose owner
rewrote it and signed again; everybody else is found by the owner's signature.

An append returns after the entry and the new head are on the disk; several processes may append to one ledger. Nothing
is ever signed on top of a head that does not verify. Whatever goes wrong while writing raises LedgerBroken, and then
nothing may cross. The ledger holds no personal data: its callers see to that. Reading needs the public key alone, and
that is in the ledger.

    ledger = Ledger(folder / "ledger.sqlite", "eu")       # its key: folder / "signing.key", made with the ledger
    ledger.append({"act": "note", "text": "opened"})
    ledger.verify()
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from fedsov.errors import LedgerBroken, counted
from fedsov.ledger import clock, merkle
from fedsov.ledger.backends.opening import open_backend
from fedsov.ledger.backends.protocol import Transaction
from fedsov.ledger.canonical_json import canonical
from fedsov.ledger.entry_hashes import FIRST, LAST, ROWS, follow, rows_of
from fedsov.ledger.parallel_verify import LONG, ParallelVerifier, middle
from fedsov.ledger.signed_head import Head, Signer, head_fault

__all__ = ["Entry", "Head", "Ledger", "Verification", "entry_time"]

_DOUBT = "do not rely on it"

Tip = tuple[Head, list[bytes]]
"""A head and the perfect subtrees below it, from which the next head follows."""


def entry_time(moment: datetime | None = None) -> str:
    """The time of an entry as it is written: ISO 8601 to the millisecond; of now, in UTC, where no moment is given."""
    return (moment or datetime.now(UTC)).isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger: its number from 1, its leaf's hash in hex, what it says."""

    seq: int
    digest: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verification:
    """That so many entries verify (those after `since`, where a head was given), up to this head."""

    entries: int
    head: Head
    since: int = 0


class Ledger:
    """The ledger of one owner."""

    def __init__(self, path: Path, owner: str, *, key: Path | None = None) -> None:
        """Opens the ledger at `path`, making it, its folder and its signing key where there is none.

        Where a file with the same name and the ending `.postgresql` lies beside it, the ledger is stored at the address
        in it (see `postgresql`), and there is no file at `path`.

        Args:
            key: the owner's private key; `signing.key` beside the ledger where it is not given.

        Raises LedgerBroken where the file is no ledger, is another owner's, cannot be written, or where its signing
        key is gone or another.
        """
        self._path, self._owner = Path(path), owner
        key = key or self._path.with_name("signing.key")
        self._backend = open_backend(self._path, birth=partial(self._begin, key=key))
        self._tip: Tip | None = None
        self._last: tuple[int, str] = (0, "")
        try:
            self._signer, self._key = self._claimed(key)
        except LedgerBroken:
            self._backend.close()
            raise

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Opens an existing ledger for looking only: it makes no file, changes none and needs no private key.

        Raises LedgerBroken where there is no file or it is no ledger.
        """
        ledger = cls.__new__(cls)
        ledger._path, ledger._signer, ledger._tip, ledger._last = Path(path), None, None, (0, "")
        ledger._backend = open_backend(ledger._path, reads_only=True)
        with ledger._backend.reading() as transaction:
            ledger._owner, ledger._key = ledger._named(transaction)
        return ledger

    @classmethod
    def existing(cls, path: Path) -> Ledger:
        """Opens the ledger at `path` for writing, whoever owns it; makes none. Raises LedgerBroken."""
        with closing(cls.read(path)) as there:
            owner = there.owner
        return cls(path, owner)  # not inside: a file that is closed drops this process's locks of it

    @property
    def owner(self) -> str:
        """Whose ledger it is."""
        return self._owner

    @property
    def key(self) -> str:
        """The owner's public key, in hex."""
        return self._key

    def append(self, entry: Mapping[str, Any]) -> Entry:
        """Adds an entry and returns it once it is on the disk, under a newly signed head.

        Raises LedgerBroken ("nothing crossed") where it cannot be written: full or read-only disk, a ledger
        opened for reading, a head that does not verify, a value that JSON cannot hold.
        """
        return self.append_all([entry])[0]

    def note(self, note: Mapping[str, Any], *, run: str = "") -> Entry:
        """Adds a note of the owner's, of now: what is noted, by name (`notes` finds it again). Raises as `append`."""
        return self.append(self._noted(note, run))

    def note_all(self, notes: Iterable[Mapping[str, Any]], *, run: str = "") -> tuple[Entry, ...]:
        """The same of several notes under one signed head: all of them, or none."""
        return self.append_all(self._noted(note, run) for note in notes)

    def _noted(self, note: Mapping[str, Any], run: str) -> dict[str, Any]:
        return {"at": entry_time(), "run": run, "act": "note", "owner": self.owner, "note": dict(note)}

    def append_all(self, entries: Iterable[Mapping[str, Any]]) -> tuple[Entry, ...]:
        """Adds several entries under one signed head: all of them, or none. Raises as `append` does."""
        if self._signer is None:
            raise LedgerBroken(f"ledger {self._path} was opened for reading; nothing crossed")
        added = list(entries)
        if not added:
            return ()
        with self._backend.writing() as transaction:
            head, frontier = self._tip_of(transaction)
            added, last = clock.forward(added, self._last_time(transaction, head.size))
            rows, frontier = rows_of(self._texts_of(added), head.size, frontier)
            transaction.run_many("INSERT INTO entries (seq, body, leaf, above) VALUES (?, ?, ?, ?)", rows)
            head = self._signer.signed(self._owner, size=head.size + len(rows), root=merkle.root(frontier))
            transaction.run("UPDATE head SET size = ?, root = ?, signature = ?", _stored(head))
        self._tip, self._last = (head, frontier), (head.size, last)
        return tuple(Entry(row[0], row[2].hex(), dict(entry)) for row, entry in zip(rows, added, strict=True))

    def today(self) -> date:
        """The day it is now (UTC) for whoever decides by this ledger: the clock's, and never before the last entry's.

        Raises LedgerBroken where the ledger cannot be read.
        """
        with self._backend.reading() as transaction:
            last = clock.moment(self._last_time(transaction, self._head(transaction).size))
        now = datetime.now(UTC)
        return (now if last is None else max(now, last)).date()

    def sign(self, message: bytes) -> bytes:
        """The owner's signature (64 bytes) of what is no head. Raises LedgerBroken for a ledger opened for reading."""
        if self._signer is None:
            raise LedgerBroken(f"ledger {self._path} was opened for reading; nothing is signed with its key")
        return self._signer.private.sign(message)

    def entries(self, run: str | None = None, *, since: int = 0) -> tuple[Entry, ...]:
        """All entries in order, or those whose `run` is this one; those after entry `since`. It verifies none."""
        return self._parsed(self.texts(since=since), lambda body: run is None or body.get("run") == run)

    def notes(self, name: str) -> tuple[Entry, ...]:
        """Every note that holds something under this name, in order; hardly another entry is parsed, none verified."""
        mark = json.dumps(name).encode() + b":"
        return self._parsed(
            (row for row in self.texts() if mark in row[1]),
            lambda body: body.get("act") == "note" and name in body.get("note", {}),
        )

    def _parsed(
        self, rows: Iterable[tuple[int, bytes, bytes]], is_wanted: Callable[[Mapping[str, Any]], bool]
    ) -> tuple[Entry, ...]:
        try:
            entries = (Entry(seq, leaf.hex(), json.loads(body)) for seq, body, leaf in rows)
            return tuple(entry for entry in entries if is_wanted(entry.body))
        except (ValueError, AttributeError, TypeError, RecursionError) as problem:
            raise LedgerBroken(f"ledger {self._path} holds an entry that is no JSON; verify it") from problem

    def texts(self, size: int | None = None, *, since: int = 0) -> Iterator[tuple[int, bytes, bytes]]:
        """Number, text and leaf's hash of each entry in order, after `since`, up to `size` if given; not verified."""
        with self._backend.reading() as transaction:
            for seq, body, leaf, _ in transaction.stream(ROWS, (since + 1 if since else FIRST, LAST)):
                if size is None or seq <= size:
                    yield seq, body, leaf

    def head(self) -> Head:
        """The number of entries and the root over them, signed by the owner."""
        with self._backend.reading() as transaction:
            return self._head(transaction)

    def contains(self, head: Head) -> bool:
        """True where this ledger continues the one that had this head: nothing up to it was cut or changed.

        A head that names an owner or a key must name this ledger's.
        """
        if head.owner not in ("", self._owner) or head.key not in ("", self._key):
            return False
        with self._backend.reading() as transaction:
            if self._head(transaction).size < head.size:
                return False
            return merkle.root(self._frontier(transaction, head.size)).hex() == head.digest

    def inclusion(self, seq: int) -> tuple[bytes, list[bytes], Head]:
        """The text of entry `seq`, the hashes that prove it to be under the head, and that head.

        Raises ValueError for a number that no entry has.
        """
        with self._backend.reading() as transaction:
            head = self._head(transaction)
            path = self._hashes(transaction, merkle.inclusion_ranges(seq, head.size))
            rows = transaction.run("SELECT body FROM entries WHERE seq = ?", (seq,))
        if not rows:
            raise LedgerBroken(f"ledger {self._path}: entry {seq} is missing; {_DOUBT}")
        return rows[0][0], path, head

    def consistency(self, old: int, *, size: int | None = None) -> tuple[list[bytes], Head]:
        """The hashes that prove the head, or an earlier one of `size`, to continue the one of size `old`; and the head.

        Raises ValueError for a size that this ledger has not reached.
        """
        with self._backend.reading() as transaction:
            head = self._head(transaction)
            ranges = merkle.consistency_ranges(old, head.size if size is None else min(size, head.size))
            return self._hashes(transaction, ranges), head

    def verify(self, since: Head | None = None, *, long: int = LONG) -> Verification:
        """Recomputes every leaf, every subtree and the root, and checks the head's signature.

        Args:
            since: a head kept earlier. That this ledger continues it is checked, and then only what came after it.
            long: entries from which two processes share the work, where there are two cores.

        Raises LedgerBroken naming the first bad entry and what is wrong with it, or what is wrong with the head.
        """
        with self._backend.reading() as transaction:
            if self._named(transaction) != (self._owner, self._key):
                raise LedgerBroken(f"ledger {self._path} names another owner or key than it did when opened")
            head, size, frontier = self._head(transaction), 0, list[bytes]()
            if since is not None:
                size, frontier = since.size, self._continued(transaction, since)
            size, fault = self._followed(transaction, size, head.size, frontier, long=long)
        if fault := fault or head_fault(head, size, merkle.root(frontier).hex()):
            raise LedgerBroken(f"ledger {self._path}: {fault}; {_DOUBT}")
        start = since.size if since else 0
        return Verification(size - start, head, start)

    def close(self) -> None:
        """Closes the file; the next use opens it again."""
        self._backend.close()

    def _claimed(self, key: Path) -> tuple[Signer | None, str]:
        """The owner's key, after a new ledger was given its owner and an old one turned out to be this owner's."""
        with self._backend.reading() as transaction:
            is_new = not transaction.run("SELECT 1 FROM book")
        if is_new:
            with self._backend.writing() as transaction:
                self._begin(transaction, key=key)
        with self._backend.reading() as transaction:
            owner, public = self._named(transaction)
        if owner != self._owner:
            raise LedgerBroken(f"ledger {self._path} belongs to '{owner}', not to '{self._owner}'")
        if not key.exists():
            raise LedgerBroken(
                f"signing key {key} is gone, and ledger {self._path} can be continued with no other; "
                "restore it from your copy, or move the ledger away; nothing crossed"
            )
        signer = Signer.read(key)
        if signer.public != public:
            raise LedgerBroken(
                f"ledger {self._path} is signed with key {public[:16]}, but {key} is {signer.public[:16]}; "
                "one of them was replaced; nothing crossed"
            )
        return signer, public

    def _begin(self, transaction: Transaction, *, key: Path) -> None:
        """Gives a ledger without an owner this one and a first head, unless another process was first."""
        if transaction.run("SELECT 1 FROM book"):
            return
        signer = Signer.made(key)
        transaction.run("INSERT INTO book (owner, key) VALUES (?, ?)", (self._owner, bytes.fromhex(signer.public)))
        first = _stored(signer.signed(self._owner, size=0, root=merkle.EMPTY))
        transaction.run("INSERT INTO head (one, size, root, signature) VALUES (1, ?, ?, ?)", first)

    def _named(self, transaction: Transaction) -> tuple[str, str]:
        rows = transaction.run("SELECT owner, key FROM book")
        if len(rows) != 1 or not isinstance(rows[0][0], str) or not isinstance(rows[0][1], bytes):
            raise LedgerBroken(f"ledger {self._path} does not name one owner and key; {_DOUBT}")
        return rows[0][0], rows[0][1].hex()

    def _head(self, transaction: Transaction) -> Head:
        rows = transaction.run("SELECT size, root, signature FROM head")
        if [tuple(map(type, row)) for row in rows] != [(int, bytes, bytes)]:
            raise LedgerBroken(f"ledger {self._path} does not have one head; {_DOUBT}")
        size, root, signature = rows[0]
        return Head(size, root.hex(), self._owner, self._key, signature.hex())

    def _texts_of(self, entries: Sequence[Mapping[str, Any]]) -> list[bytes]:
        try:
            return [canonical(entry) for entry in entries]
        except ValueError as problem:
            raise LedgerBroken(f"ledger {self._path}: entry is no JSON ({problem}); nothing crossed") from problem

    def _last_time(self, transaction: Transaction, size: int) -> str:
        """The time of the last entry that has one; "" where none has, or none of the last many."""
        if self._last[0] != size:
            rows = transaction.run("SELECT body FROM entries WHERE seq <= ? ORDER BY seq DESC LIMIT 64", (size,))
            self._last = size, clock.time_of(bytes(row[0]) for row in rows if isinstance(row[0], bytes))
        return self._last[1]

    def _tip_of(self, transaction: Transaction) -> Tip:
        """The head to continue, once more checked where it is not the one that this process wrote last."""
        head = self._head(transaction)
        if self._tip is not None and self._tip[0] == head:
            return self._tip
        head.check()
        frontier = self._frontier(transaction, head.size)
        if merkle.root(frontier).hex() != head.digest:
            raise LedgerBroken(
                f"ledger {self._path}: entries do not make up the signed head; verify it; nothing crossed"
            )
        return head, frontier

    def _frontier(self, transaction: Transaction, size: int) -> list[bytes]:
        return self._nodes(transaction, list(merkle.peaks(size)))

    def _hashes(self, transaction: Transaction, ranges: Sequence[merkle.Range]) -> list[bytes]:
        """The hash of each range, from the rows that hold its perfect subtrees."""
        wanted = [peak for start, end in ranges for peak in merkle.peaks(end - start, start)]
        nodes = dict(zip(wanted, self._nodes(transaction, wanted), strict=True))
        return [merkle.range_hash(lambda last, k: nodes[last, k], leaves) for leaves in ranges]

    def _nodes(self, transaction: Transaction, wanted: Sequence[tuple[int, int]]) -> list[bytes]:
        """The subtrees of 2^k leaves that end with a given leaf, by (leaf, k)."""
        if not wanted:
            return []
        places = ", ".join("?" * len(wanted))
        rows = transaction.run(
            f"SELECT seq, leaf, above FROM entries WHERE seq IN ({places})", [seq for seq, _ in wanted]
        )
        hashes = {row[0]: row[1] + row[2] for row in rows if isinstance(row[1], bytes) and isinstance(row[2], bytes)}
        nodes = [hashes.get(seq, b"")[k * merkle.HASH : (k + 1) * merkle.HASH] for seq, k in wanted]
        for (seq, _), node in zip(wanted, nodes, strict=True):
            if len(node) != merkle.HASH:
                raise LedgerBroken(f"ledger {self._path}: entry {seq} is missing or lacks its hashes; {_DOUBT}")
        return nodes

    def _followed(
        self, transaction: Transaction, size: int, end: int, frontier: list[bytes], *, long: int
    ) -> tuple[int, str]:
        """Follows all rows after `size`, as `rows.follow`, with a second process where `end` is far."""
        half, claimed = middle(size, end, long=long), list[bytes]()
        with suppress(LedgerBroken):  # rows are missing: followed alone, the first of them is named
            claimed = [] if half is None else self._frontier(transaction, half)
        if half is not None and claimed:
            there = list(claimed)
            with closing(ParallelVerifier(self._path, size, half, frontier)) as second_process:
                reached, fault = follow(transaction.stream(ROWS, (half + 1, LAST)), half, there)
                if not fault and second_process.arrives_at(claimed):
                    frontier[:] = there
                    return reached, ""
        return follow(transaction.stream(ROWS, (size + 1 if size else FIRST, LAST)), size, frontier)

    def _continued(self, transaction: Transaction, since: Head) -> list[bytes]:
        """The frontier at an earlier head. Raises LedgerBroken where this ledger does not continue it."""
        if since.signature:
            since.check()
        if since.owner not in ("", self._owner) or since.key not in ("", self._key):
            raise LedgerBroken(f"ledger {self._path}: the head given is of another owner or key; {_DOUBT}")
        size = self._head(transaction).size
        if size < since.size:
            raise LedgerBroken(
                f"ledger {self._path} was cut: it holds {counted(size, 'entry', 'entries')}, "
                f"the head given {since.size:,}; {_DOUBT}"
            )
        frontier = self._frontier(transaction, since.size)
        if merkle.root(frontier).hex() != since.digest:
            raise LedgerBroken(
                f"ledger {self._path} does not continue the head given: its first "
                f"{counted(since.size, 'entry was', 'entries were')} rewritten; {_DOUBT}"
            )
        return frontier


def _stored(head: Head) -> tuple[int, bytes, bytes]:
    return head.size, bytes.fromhex(head.digest), bytes.fromhex(head.signature)
