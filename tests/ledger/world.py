"""What the ledger's tests share: a ledger of 13 entries, what someone does who holds its file, and any JSON at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from fedsov.errors import LedgerBroken
from fedsov.ledger.entry_hashes import leaf_of
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_head import Head

SIZE = 13
EXPORTED = 21
"""Entries of the ledger that is exported (tests/ledger/conftest.py)."""


def new_ledger(folder: Path, owner: str = "eu") -> Path:
    """A ledger of 13 entries, closed, written by two transactions and one of many."""
    path = folder / "ledger.sqlite"
    with closing(Ledger(path, owner)) as ledger:
        ledger.append({"act": "note", "number": 1})
        ledger.append_all({"act": "note", "number": number} for number in range(2, SIZE))
        ledger.append({"act": "note", "number": SIZE})
    return path


def tamper(path: Path, *statements: str | tuple[str, Sequence[Any]]) -> None:
    """What someone does who holds the file: drops the triggers, then writes."""
    with closing(sqlite3.connect(path)) as raw:
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            raw.execute(*((statement,) if isinstance(statement, str) else statement))
        raw.commit()


def fault(path: Path) -> str:
    with pytest.raises(LedgerBroken) as broken, closing(Ledger.read(path)) as ledger:
        ledger.verify()
    return str(broken.value)


def value(path: Path, query: str) -> bytes:
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute(query).fetchone()[0]


def forged(seq: int) -> tuple[str, Sequence[Any]]:
    """An entry as the ledger's own code would have written it, had it been written."""
    body = b'{"act":"note","number":999}'
    return "UPDATE entries SET body = ?, leaf = ? WHERE seq = ?", (body, leaf_of(seq, body), seq)


def head_of(path: Path) -> Head:
    with closing(Ledger.read(path)) as ledger:
        return ledger.head()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "format",
                    "seq",
                    "entry",
                    "path",
                    "head",
                    "size",
                    "digest",
                    "owner",
                    "key",
                    "signature",
                    "reply",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)

WRITER = """
import sys
from pathlib import Path
from fedsov.ledger.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), "eu")
number = ledger.head().size
while True:
    many = ledger.append_all([{"number": number + more, "text": "x" * 500} for more in range(1 + number % 3)])
    number = many[-1].seq
    print(many[-1].seq, many[-1].digest, flush=True)
"""
"""A process that appends for ever, and prints each number and hash once it is on the disk."""
