"""The record of processing of a workspace: its ledgers, registers and privacy budgets, put together; nothing is run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from fedsov.api.audit.parties import shared_books
from fedsov.api.budgets import account
from fedsov.api.ledger_audit import books, own_registers, register_paths
from fedsov.border.evidence.register import Document
from fedsov.control_plane.compliance.controller import ControllerRecord, read_controller
from fedsov.control_plane.compliance.record import Record, record_of
from fedsov.errors import ConfigurationError, FedsovError
from fedsov.storage.bounded_files import TooLarge, read_bounded
from fedsov.storage.workspace import Workspace

CONTROLLER = "controller.yaml"
"""The tenant's answers to Art. 30 GDPR, beside its register."""


def workspace_record(
    root: Path,
    *,
    on: date,
    register: Sequence[Document] | None = None,
    files: Collection[str] | None = None,
    controllers: Sequence[ControllerRecord] = (),
) -> Record:
    """The record of a workspace, also where a ledger or a budget does not hold: it says so first.

    Args:
        on: the day of the report.
        register: the tenant's documents; by default those that each region's own settings name.
        files: SHA-256 (hex) of the documents' own files, where they are at hand.
        controllers: the tenant's answers to Art. 30 GDPR (`controllers_of`).

    Raises ConfigurationError where no run was here yet.
    """
    registers = own_registers(root) if register is None else None
    return record_of(
        [*books(root), *shared_books(root)],
        on=on,
        register=register,
        registers=registers,
        files=files,
        accounts=privacy_accounts(root),
        controllers=controllers,
    )


def controllers_of(root: Path, *, file: Path | None, register: Path | None) -> list[ControllerRecord]:
    """The answers to Art. 30 GDPR: those of `file`, else of the controller.yaml beside the register, or registers.

    Args:
        register: the register that the report reads; by default those that each region's own settings name.

    Raises ConfigurationError for a file that cannot be read, or holds something else.
    """
    if file is not None:
        return [_controller(file)]
    paths = register_paths(root).values() if register is None else [register]
    beside = dict.fromkeys(path.parent / CONTROLLER for path in paths)
    return [_controller(path) for path in beside if path.is_file()]


def _controller(path: Path) -> ControllerRecord:
    try:
        return read_controller(read_bounded(path), str(path))
    except OSError as problem:
        raise ConfigurationError(f"cannot read {path}: {problem.strerror}") from problem
    except TooLarge as problem:
        raise ConfigurationError(f"cannot read {path}: {problem}") from problem


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
