"""`report`: the record of processing and cross-border transfers, as a page and as JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedsov.cli.arguments import Arguments, ControllerFile, print_json, print_line, today
from fedsov.cli.declaration import command, command_app
from fedsov.errors import LedgerBroken

if TYPE_CHECKING:
    from fedsov.control_plane.compliance.record import Record

app = command_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportArguments(Arguments):
    """What the report adds, and where it is written."""

    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", metavar="FILE", help="The register: says what each document is, which expire soon."),
    ] = None
    controller: ControllerFile = None
    files: Annotated[
        Path | None,
        typer.Option("--files", metavar="DIR", help="The documents' own files: names those changed or missing since."),
    ] = None
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to write (default: report/ in the workspace).")
    ] = None


@command(app, examples=("fedsov report", "fedsov report --evidence documents.yaml --out audit-2026"))
def report(arguments: ReportArguments) -> None:
    """Writes the record of processing and cross-border transfers.

    Writes report.html (one file, for reading and printing) and report.json: who sent what to whom, on which ground
    and documents; what was refused, why, and what would mend it; reviews and approvals; releases; privacy spent;
    which origins bind which model; and whether each ledger verifies. It is made from the ledgers alone, offline. With
    --json the JSON is printed, too.

    A document that was rewritten after a decision leaned on it is named first, by its id. Where a ledger does not
    verify, the report is written, says so first, and the command ends with 5.
    """
    from fedsov.api.compliance import controllers_of, workspace_record
    from fedsov.border.evidence.register_file import load_register

    register = load_register(arguments.evidence).documents if arguments.evidence else None
    record = workspace_record(
        arguments.workspace,
        on=today(),
        register=register,
        files=_files(arguments.files),
        controllers=controllers_of(arguments.workspace, file=arguments.controller, register=arguments.evidence),
    )
    page, sheet = _write(record, arguments.out or arguments.workspace / "report")
    if arguments.json:
        print_json(record.to_json())
    else:
        print_line(f"report for people:   {page}")
        print_line(f"report for machines: {sheet}")
    broken = [ledger for ledger in record.ledgers if ledger.fault]
    if broken:
        raise LedgerBroken("; ".join(f"{ledger.owner} does not verify: {ledger.fault}" for ledger in broken))


def _write(record: Record, folder: Path) -> tuple[Path, Path]:
    from fedsov.border.law.bundle_loader import document_names
    from fedsov.control_plane.compliance.page import as_html
    from fedsov.storage.atomic_files import write_file

    text = json.dumps(record.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    page, sheet = folder / "report.html", folder / "report.json"
    write_file(sheet, text.encode())
    write_file(page, as_html(record, names=document_names(), json_digest=digest).encode())
    return page, sheet


def _files(folder: Path | None) -> frozenset[str] | None:
    """The digests of the files at hand. Raises ConfigurationError where there is no such folder."""
    from fedsov.cli.evidence import file_digests

    return None if folder is None else frozenset(file_digests(folder))
