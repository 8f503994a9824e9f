"""`report`: the record of processing and cross-border transfers, as a page and as JSON."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsov.cli.words import CODES, Command, Words, words_of
from fedsov.errors import LedgerBroken

if TYPE_CHECKING:
    from fedsov.control_plane.compliance.record import Record

HELP = f"""usage: python -m fedsov report [workspace=DIR] [--evidence FILE] [--out DIR] [--json]

Writes report.html (one file, for reading and printing) and report.json: who sent what to whom, on which ground and
documents; what was refused, why, and what would mend it; reviews and approvals; releases; privacy spent; which origins
bind which model; and whether each ledger verifies. It is made from the ledgers alone, offline.

  --evidence FILE   the register of documents: adds what each document is, and which expire within 90 days
  --out DIR         where to write (default: report/ in the workspace)
  --json            print the JSON too, on standard output

Where a ledger does not verify, the report is written, says so first, and the command ends with 5.
{CODES}
"""


def _report(arguments: list[str]) -> int:
    from fedsov.api.ledger_audit import books

    words = words_of(arguments, flags=("--json",), values=("--evidence", "--out"), keys=("workspace",))
    found = books(words.workspace)
    page, sheet = _write(_record(words, found), Path(words.value("--out") or words.workspace / "report"))
    if words.json:
        print(sheet.read_text(encoding="utf-8"), end="")
    else:
        print(f"report for people:   {page}\nreport for machines: {sheet}")
    broken = [book for book in found if book.fault]
    if broken:
        raise LedgerBroken("; ".join(f"{book.owner} does not verify: {book.fault}" for book in broken))
    return 0


def _record(words: Words, found: Any) -> Record:
    from fedsov.border.evidence.register_file import load_register
    from fedsov.control_plane.compliance.record import record_of

    file = words.value("--evidence")
    register = load_register(Path(file)).documents if file else None
    return record_of(found, on=datetime.now(UTC).date(), register=register)


def _write(record: Record, folder: Path) -> tuple[Path, Path]:
    from fedsov.border.law.bundle_loader import document_names
    from fedsov.control_plane.compliance.page import as_html

    text = json.dumps(record.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    page, sheet = folder / "report.html", folder / "report.json"
    sheet.write_text(text, encoding="utf-8")
    page.write_text(as_html(record, names=document_names(), json_digest=digest), encoding="utf-8")
    return page, sheet


COMMANDS = {"report": Command(_report, HELP)}
