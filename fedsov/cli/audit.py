"""`audit ...`: the record across all parties, who witnesses whose ledger, what is due, one bundle for an auditor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from fedsov.cli.arguments import Arguments, ControllerFile, print_json, print_line, today
from fedsov.cli.declaration import command, group_app
from fedsov.errors import LedgerBroken, counted

app = group_app(
    """The record across all parties: their ledgers, who witnessed them, what is due, one bundle for an auditor.

    Parties of a deployment watch each other's ledgers by themselves, over the channel of `fedsov hub` and
    `fedsov region serve`.
    """,
    examples=("fedsov audit status", "fedsov audit export audit-2026"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditStatusArguments(Arguments):
    """Nothing but the home."""


@command(app, examples=("fedsov audit status", "fedsov audit status --json"))
def status(arguments: AuditStatusArguments) -> None:
    """Whose ledgers verify and who countersigned them, open alarms, and what is due.

    Due are documents that expire, filings, reviews, approvals, erasures that did not end, certificates. At the hub
    with what regions in other homes share of their ledgers. Ends with 5 where a ledger does not verify or an alarm is
    open: a fork, a ledger that was put back, another key.
    """
    from fedsov.api.audit.standing import standing

    stands = standing(arguments.workspace, on=today())
    if arguments.json:
        print_json(stands.to_json())
    else:
        for line in stands.lines():
            print_line(line)
    if stands.faults:
        raise LedgerBroken("; ".join(stands.faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditExportArguments(Arguments):
    """Where to, and who processes."""

    to: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")]
    controller: ControllerFile = None


@command(app, examples=("fedsov audit export audit-2026",))
def export(arguments: AuditExportArguments) -> None:
    """Writes the record of all parties to one folder that verifies offline.

    The report (HTML and JSON), every ledger or the part of it that is shared, countersignatures, alarms, deadlines,
    the digests of the documents, and verify_audit.py, which checks it all without fedsov. Documents themselves are not
    in it. One ledger alone: `fedsov ledger export`.
    """
    from fedsov.api.audit.bundle import export as export_bundle
    from fedsov.api.compliance import controllers_of

    controllers = controllers_of(arguments.workspace, file=arguments.controller, register=None)
    bundle = export_bundle(arguments.workspace, arguments.to, on=today(), controllers=controllers)
    if arguments.json:
        print_json(bundle.to_json())
        return
    for alarm in bundle.alarms:
        print_line(alarm)
    print_line(f"{counted(len(bundle.keys), 'ledger')} and the report, in {bundle.folder}; check anywhere with")
    print_line(f"  {bundle.command}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessArguments(Arguments):
    """Nothing but the workspace."""


@command(app, examples=("fedsov audit witness",))
def witness(arguments: WitnessArguments) -> None:
    """Has every party of one workspace countersign the others' ledgers now.

    For a workspace that no deployment runs in; there, hub and regions do it over their channel. Each party notes the
    heads that it takes in its own ledger. A ledger that was rewritten or put back is an alarm, and the command ends
    with 5.
    """
    from fedsov.api.audit.workspace_witnesses import witness_all

    witnessed = witness_all(arguments.workspace)
    if arguments.json:
        print_json(witnessed.to_json())
    else:
        for line in witnessed.lines():
            print_line(line)
    if witnessed.alarms:
        raise LedgerBroken("; ".join(each.sentence() for each in witnessed.alarms))
