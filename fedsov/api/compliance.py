"""The record of processing of a workspace: its ledgers, registers and privacy budgets, put together; nothing is run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from fedsov.api.budgets import account
from fedsov.api.ledger_audit import books, own_registers
from fedsov.border.evidence.register import Document
from fedsov.control_plane.compliance.record import Record, record_of
from fedsov.errors import FedsovError
from fedsov.storage.workspace import Workspace


def workspace_record(
    root: Path,
    *,
    on: date,
    register: Sequence[Document] | None = None,
    files: Collection[str] | None = None,
) -> Record:
    """The record of a workspace, also where a ledger or a budget does not hold: it says so first.

    Args:
        on: the day of the report.
        register: the tenant's documents; by default those that each region's own settings name.
        files: SHA-256 (hex) of the documents' own files, where they are at hand.

    Raises ConfigurationError where no run was here yet.
    """
    registers = own_registers(root) if register is None else None
    return record_of(
        books(root), on=on, register=register, registers=registers, files=files, accounts=privacy_accounts(root)
    )


def privacy_accounts(root: Path) -> dict[str, dict[str, Any]]:
    """By region what `fedsov budget --json` prints of it; {"fault": sentence} for one that cannot be read."""
    workspace = Workspace(root)
    return {name: _account(workspace.region(name), name) for name in workspace.region_names()}


def _account(folder: Path, region: str) -> dict[str, Any]:
    try:
        return account(folder, region).to_json()
    except FedsovError as problem:
        return {"fault": str(problem).rstrip(".")}
    except (LookupError, TypeError, ValueError, AttributeError):
        return {"fault": "its ledger holds a note of privacy that is none"}
