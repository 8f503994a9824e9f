"""The record of processing and cross-border transfers, as one value made from ledger entries alone.

    record = record_of(books, on=date.today(), register=register.documents)
    record.to_json()

It says what was decided, on which grounds and documents, and when. It does not say that this was right: whoever reads
it must judge, and the record names what stands in the way of relying on it (`warnings`), the gravest first. It reads no
store, no model and no record of a person; numbers of people behind an artifact are left out on purpose, but where
28 CFR 202 asks for volumes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from typing import Any

from fedsov.border.evidence.register import Document
from fedsov.control_plane.compliance import cautions, counts, privacy
from fedsov.control_plane.compliance import documents as documents_steps
from fedsov.control_plane.compliance.bulk_us import BulkTransaction, bulk_transactions
from fedsov.control_plane.compliance.cautions import Warned
from fedsov.control_plane.compliance.controller import ControllerRecord, no_controller
from fedsov.control_plane.compliance.counts import Count
from fedsov.control_plane.compliance.entries import DECIDED, LedgerView
from fedsov.control_plane.compliance.filings import Filing, filings
from fedsov.control_plane.compliance.papers import RecipientAssessment, Safeguard, assessments, safeguards
from fedsov.control_plane.compliance.public_crossings import PublicCrossing, public_crossings

TITLE = "Record of processing and cross-border transfers"
STATEMENT = (
    "The bundle of rules permitted this, on these documents, at this time; it is not a legal opinion. Rules and facts "
    "of law were written by engineers, and a lawyer must confirm them."
)
LIMITS = (
    "It is made from the ledgers alone and tells what passed the gates; what left a machine another way is not here.",
    "A ledger that verifies was not changed after it was written, up to the head shown. Compare the heads with copies "
    "that were kept elsewhere: entries cut from all ledgers at once are not seen otherwise.",
    "Documents are named as the register named them. Nobody has checked here that they exist or say what is claimed.",
    "Who the controller is, how long data are kept and how they are secured is what the tenant wrote in "
    "controller.yaml; no ledger holds it.",
    "A crossing of a value that was made from several origins is counted once in a total and once under each origin.",
)


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """A ledger: entries, head, whether it verifies, and the numbers of entries that were not understood."""

    owner: str
    verifies: bool
    fault: str
    entries: int
    head: str
    decisions: int
    notes: int
    strange: tuple[int, ...]
    first: str
    last: str
    withheld: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """The whole record; `on` is the day it was made, and that its warnings are about."""

    on: date
    first: str
    last: str
    days: tuple[str, ...]
    crossings: Count
    unsafe: int
    warnings: tuple[Warned, ...]
    controllers: tuple[ControllerRecord, ...]
    ledgers: tuple[LedgerStatus, ...]
    tallies: Mapping[str, Mapping[str, Count]]
    matrix: tuple[counts.RouteRecord, ...]
    flows: tuple[counts.Flow, ...]
    parties: tuple[counts.Partner, ...]
    refusals: tuple[counts.RefusalRecord, ...]
    reviews: tuple[documents_steps.ReviewRecord, ...]
    documents: tuple[documents_steps.Relied, ...]
    rewritten: tuple[documents_steps.Rewritten, ...]
    register_given: bool
    safeguards: tuple[Safeguard, ...]
    assessments: tuple[RecipientAssessment, ...]
    filings: tuple[Filing, ...]
    public: tuple[PublicCrossing, ...]
    bulk: tuple[BulkTransaction, ...]
    releases: tuple[documents_steps.ReleaseRecord, ...]
    privacy: tuple[privacy.PrivateRegion, ...]
    models: tuple[counts.Model, ...]
    bundles: tuple[documents_steps.BundleRecord, ...]
    duties: Mapping[str, int]
    runs: tuple[counts.Run, ...]
    places: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain values: dates as ISO texts, tuples as lists."""
        head = {"title": TITLE, "statement": STATEMENT, "limits": list(LIMITS)}
        return head | {part.name: _plain(getattr(self, part.name)) for part in fields(self)}


def record_of(
    books: Sequence[LedgerView],
    *,
    on: date,
    register: Sequence[Document] | None = None,
    registers: Mapping[str, Sequence[Document]] | None = None,
    files: Collection[str] | None = None,
    accounts: Mapping[str, Mapping[str, Any]] | None = None,
    controllers: Sequence[ControllerRecord] = (),
) -> Record:
    """The record of some ledgers.

    Args:
        on: the day of the report, by which documents, approvals and rules are judged old or young.
        register: the evidence register's documents, where it is at hand.
        registers: each ledger owner's own register as it is now, for what was rewritten; by default `register`.
        files: SHA-256 (hex) of the documents' own files, where they are at hand.
        accounts: by region what `fedsov budget --json` prints of it (`privacy.private_regions`).
        controllers: what the tenant says of who processes; by default nothing, which is shown.
    """
    private = privacy.private_regions(books, accounts)
    lines = [line for book in books for line in book.lines]
    crossings = [line for line in lines if line.is_crossing]
    decisions = [line for line in lines if line.act in DECIDED]
    registers = registers or {} if register is None else {book.owner: register for book in books}
    listed = {document.id: document for documents in registers.values() for document in documents}
    given = None if register is None and not listed else tuple(listed.values())
    relied = documents_steps.documents(decisions, given, on)
    reviews = documents_steps.reviews(lines, on)
    bundles = documents_steps.bundles(books, on)
    rewritten = documents_steps.rewritten(decisions, registers, files)
    unsafe = sum(line.unsafe for line in decisions)
    assessed, filed = assessments(crossings, listed, on), filings(listed.values(), crossings, on)
    bulk = bulk_transactions(crossings, listed)
    controllers = controllers or (no_controller(),)
    return Record(
        on=on,
        first=min((line.at for line in lines), default=""),
        last=max((line.at for line in lines), default=""),
        days=counts.union((line.day,) for line in decisions),
        crossings=counts.counted(crossings),
        unsafe=unsafe,
        warnings=(
            *cautions.broken_ledgers(books),
            *cautions.withheld_entries(books),
            *cautions.open_border(unsafe),
            *cautions.marked(decisions),
            *(Warned(True, f"A decision's document is not what it was: {each.text}.") for each in rewritten),
            *(Warned(True, fault) for fault in privacy.faults(private)),
            *cautions.rows_abroad(books),
            *cautions.unbounded_privacy(books),
            *cautions.old_rules(bundles),
            *cautions.papers_of_decisions(relied, reviews),
            *cautions.deadlines(filed, bulk, assessed, on),
            *cautions.unanswered(controllers),
        ),
        controllers=tuple(controllers),
        ledgers=tuple(map(_kept, books)),
        tallies=counts.tallies(crossings),
        matrix=counts.routes(crossings),
        flows=counts.flows(crossings),
        parties=counts.partners(crossings),
        refusals=counts.refusals(decisions),
        reviews=reviews,
        documents=relied,
        rewritten=rewritten,
        register_given=given is not None,
        safeguards=safeguards(crossings, listed),
        assessments=assessed,
        filings=filed,
        public=public_crossings(decisions),
        bulk=bulk,
        releases=documents_steps.releases(lines),
        privacy=private,
        models=counts.models(crossings),
        bundles=bundles,
        duties=documents_steps.duties(decisions),
        runs=counts.runs(decisions),
        places=counts.places(decisions),
    )


def _kept(book: LedgerView) -> LedgerStatus:
    times = [line.at for line in book.lines]
    return LedgerStatus(
        owner=book.owner,
        verifies=not book.fault,
        fault=book.fault,
        entries=book.size,
        head=book.head,
        decisions=sum(line.act in DECIDED for line in book.lines),
        notes=book.notes,
        strange=book.strange,
        first=min(times, default=""),
        last=max(times, default=""),
        withheld=book.withheld,
    )


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        total = {"total": value.total} if isinstance(value, Count) else {}
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value)} | total
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value
