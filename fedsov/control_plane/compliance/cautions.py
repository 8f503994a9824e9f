"""What stands in the way of relying on a record, the gravest first: sentences from what it was made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fedsov.control_plane.compliance import documents as documents_steps
from fedsov.control_plane.compliance.bulk_us import BulkTransaction
from fedsov.control_plane.compliance.controller import ControllerRecord
from fedsov.control_plane.compliance.entries import EntryView, LedgerView
from fedsov.control_plane.compliance.filings import Filing
from fedsov.control_plane.compliance.papers import RecipientAssessment
from fedsov.errors import counted
from fedsov.protocol.ingestion_report import LIES_ABROAD, LOCATION_ASSUMED

STALE = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Warned:
    """Something a reader must know first. `grave` where figures below cannot be relied on."""

    grave: bool
    text: str


def broken_ledgers(books: Iterable[LedgerView]) -> Iterable[Warned]:
    """Ledgers that do not verify, and entries that were not understood."""
    for book in books:
        if book.fault:
            counted = "What it holds is shown and counted, but proves nothing." if book.size else ""
            yield Warned(True, f"The ledger of {book.owner} does not verify: {book.fault}. {counted}".rstrip())
        if book.strange:
            numbers = ", ".join(map(str, book.strange[:10])) + (" and others" if len(book.strange) > 10 else "")
            yield Warned(True, f"The ledger of {book.owner} has entries that were not understood: {numbers}.")


def withheld_entries(books: Iterable[LedgerView]) -> Iterable[Warned]:
    """Ledgers of which not every entry is shared."""
    for book in books:
        if book.withheld:
            whole = book.size + book.withheld
            yield Warned(
                False,
                f"{book.owner} withholds {book.withheld:,} of the {whole:,} entries of its ledger: they are under its "
                "signed head and counted, and nothing below tells of them.",
            )


def open_border(unsafe: int) -> Iterable[Warned]:
    """That an open border took decisions."""
    if unsafe:
        yield Warned(
            True,
            f"UNSAFE: an open border (border=unsafe_open), which permits everything and checks nothing, took "
            f"{counted(unsafe, 'decision')}, marked below.",
        )


MARKS = {
    "example rows": "about rows that a document calls published, made up or examples; no lifetime budget applied",
    "rehearsed day": "taken as on another day than the real one",
    LOCATION_ASSUMED: "about rows of which nobody said where they lay (dataset.location): with the hub, it was assumed",
}


def marked(decisions: Sequence[EntryView]) -> Iterable[Warned]:
    """Decisions about example rows, on a rehearsed day, or by additional rules."""
    for mark, words in MARKS.items():
        if count := sum(mark in line.marks for line in decisions):
            yield Warned(True, f"{mark.upper()}: {counted(count, 'decision')} {words}.")
    added = [line for line in decisions if line.added_rules]
    if added:
        rules = sorted({rule for line in added for rule in line.added_rules})
        yield Warned(
            True, f"ADDITIONAL RULES: {counted(len(added), 'decision')} by rules that were not shipped: {_some(rules)}."
        )


def rows_abroad(books: Iterable[LedgerView]) -> Iterable[Warned]:
    """Rows that lay where their law does not let them be, and rows that went home without the border's permit."""
    for book in books:
        for note in book.sources:
            origins = ", ".join(note.origins)
            what = (
                f"lay in {note.location} when they were ingested, where the law of {origins} does not let them be"
                if note.about == LIES_ABROAD
                else f"went home from {note.location} to {book.owner}, which the border does not permit ({origins}); "
                "they are examples, or nobody said where they lay (dataset.location)"
            )
            why = f"{note.reason} {note.remedy}".rstrip()
            yield Warned(False, f"Rows of {note.dataset} {what} ({book.owner}, {note.at[:10]}): {why}")


def unbounded_privacy(books: Iterable[LedgerView]) -> Iterable[Warned]:
    """Since when a guarantee of privacy is unbounded."""
    for book in books:
        if book.unbounded_since:
            yield Warned(
                False,
                f"The privacy guarantee of {book.owner} is unbounded since {book.unbounded_since}: answers without "
                "privacy left about people whom a private release was about.",
            )


def old_rules(bundles: Iterable[documents_steps.BundleRecord]) -> Iterable[Warned]:
    """Bundles of rules in use that are old, or do not tell their date."""
    for bundle in bundles:
        who = ", ".join(bundle.in_use_by)
        if who and not bundle.unsafe and bundle.age is not None and bundle.age > STALE.days:
            yield Warned(
                False,
                f"The bundle of rules {bundle.digest[:12]} (last used by {who}) is dated {bundle.dated}, {bundle.age} "
                f"days before this report. Law may have changed since: have rules older than {STALE.days} days read "
                "again.",
            )
    undated = sum(bundle.decisions for bundle in bundles if bundle.dated is None)
    if undated:
        yield Warned(False, f"The date of the bundle of rules is not told in {counted(undated, 'decision')}.")


def papers_of_decisions(
    relied: Sequence[documents_steps.Relied], reviews: Sequence[documents_steps.ReviewRecord]
) -> Iterable[Warned]:
    """Documents that ended, soon do, are examples or not at hand; reviews that nobody approved."""
    warnings = {
        "expired": "Documents have expired, and nothing new may rely on them",
        "expires soon": f"Documents expire within {documents_steps.SOON.days} days",
        "not yet valid": "Documents were relied on that are signed only after this day",
        "not in the register": "Documents were relied on that are not in the register given",
    }
    for status, what in warnings.items():
        ids = [document.id for document in relied if document.status == status]
        if ids:
            yield Warned(False, f"{what}: {_some(ids)}.")
    examples = [document.id for document in relied if document.example and (document.crossings or document.releases)]
    if examples:
        yield Warned(False, f"Documents marked as made-up examples were relied on: {_some(examples)}.")
    waiting = [review for review in reviews if review.status != "in force"]
    if waiting:
        yield Warned(False, f"No approval is in force for {counted(len(waiting), 'review')}.")


def deadlines(
    filed: Sequence[Filing], bulk: Sequence[BulkTransaction], assessed: Sequence[RecipientAssessment], on: date
) -> Iterable[Warned]:
    """Filings and reports that are late, or whose day cannot be computed; assessments to be looked at again."""
    for filing in filed:
        if filing.status in ("overdue", "filed late"):
            word = "is overdue" if filing.status == "overdue" else f"was late ({filing.done})"
            yield Warned(
                False, f"The filing of '{filing.document}' with {filing.authority} {word}: it was due on {filing.due}."
            )
        elif filing.status == "no date":
            yield Warned(False, f"'{filing.document}' does not state {filing.since}, from which its filing is due.")
    late = [each for each in bulk if each.report_by is not None and each.report_by < on]
    if late:
        yield Warned(
            False,
            f"{counted(len(late), 'refused transaction')} under 28 CFR 202 happened more than 14 days ago: where one "
            "was an offer of data brokerage, its report was due (202.1104).",
        )
    due = [assessment.id for assessment in assessed if assessment.due]
    if due:
        yield Warned(False, f"Assessments are to be reviewed, for their day is past: {_some(due)}.")


def unanswered(controllers: Sequence[ControllerRecord]) -> Iterable[Warned]:
    """What Art. 30 GDPR asks and the tenant left empty."""
    for controller in controllers:
        if not controller.source:
            yield Warned(False, "No controller.yaml was given (--controller FILE): what Art. 30 GDPR asks is empty.")
        elif controller.example:
            yield Warned(False, f"{controller.source} is a made-up example of a demonstration.")
        elif controller.empty:
            yield Warned(False, f"{controller.source} leaves empty: {', '.join(controller.empty)}.")


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:8]) + (f" and {len(ids) - 8} others" if len(ids) > 8 else "")
