"""Ledgers to report on: those of real gates, and bodies of entries made by hand."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fedsov.api.ledger_audit import books
from fedsov.artifact import Artifact
from fedsov.border.gate import Gate, Refused
from fedsov.control_plane.compliance.entries import read_book
from fedsov.control_plane.compliance.record import Record, record_of
from fedsov.ledger.ledger import Ledger
from tests.border.world import DAY, demo_register, law, party

CLAIMS = re.compile(r"compliant|lawful|anonymous", re.IGNORECASE)
NEWER: Mapping[str, Any] = {
    "destination_name": "United States",
    "basis": ["DE scc_eu", "GB scc_uk_idta", "US free"],
    "bundle_dated": "2026-11-01",
    "privacy": {"eps": 1.5, "delta": 1e-6, "mechanism": "gaussian"},
}


def gate_of(root: Path, code: str, **other: Any) -> Gate:
    """A gate whose ledger stands where a workspace has it; IE is the hub's."""
    folder = root / "hub" if code == "IE" else root / "regions" / code
    parts = {"bundle": law(), "evidence": demo_register(), "run": "r1", "today": lambda: DAY}
    return Gate(party(code), ledger=Ledger(folder / "ledger.sqlite", code), **(parts | other))


def try_to_cross(gate: Gate, thing: Artifact, target: str) -> None:
    with pytest.raises(Refused):
        gate.cross(thing, party(target))


def bodies(root: Path) -> list[dict[str, Any]]:
    """What the ledgers hold, read without the code under test."""
    found = []
    for path in sorted(root.rglob("ledger.sqlite")):
        with sqlite3.connect(path) as book:
            found += [json.loads(row[0]) for row in book.execute("SELECT body FROM entries")]
    return found


def record(root: Path, on: date = DAY, **other: Any) -> Record:
    return record_of(books(root), on=on, **other)


def made_of(*entries: dict[str, Any], fault: str = "", on: date = DAY, **other: Any) -> Record:
    """The record of one ledger that holds these bodies."""
    book = read_book("DE", [(seq, f"{seq:064x}", body) for seq, body in enumerate(entries, 1)], head="0", fault=fault)
    return record_of([book], on=on, **other)


def crossing(root: Path, **changed: Any) -> dict[str, Any]:
    """The body of the global model's permitted crossing to the United States, with some fields changed."""
    wanted = (one for one in bodies(root) if one.get("destination") == "US" and one["kind"] == "model")
    return next(wanted) | changed


def said(record: Record) -> str:
    return " ".join(one.text for one in record.warnings)


def path_of(root: Path, owner: str) -> Path:
    return (root / "hub" if owner == "hub" else root / "regions" / owner) / "ledger.sqlite"


REVIEW: Mapping[str, Any] = {"review": "R7", "verdict": "review", "reason": "A person must look."}
APPROVE: Mapping[str, Any] = {
    "act": "approve",
    "review": "R7",
    "by": "Example Person",
    "why": "Looked at the contract.",
    "since": "2026-11-01",
    "until": "2026-12-31",
    "at": "2026-11-02T09:00:00.000+00:00",
    "crossing": {"origins": ["DE"], "destination": "US", "kind": "model"},
}
WITHDRAW: Mapping[str, Any] = {
    "act": "withdraw",
    "review": "R7",
    "by": "Other Person",
    "why": "The contract ended.",
    "at": "2026-11-03T09:00:00.000+00:00",
}
