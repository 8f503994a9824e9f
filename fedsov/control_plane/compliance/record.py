"""The record of processing and cross-border transfers, as one value made from ledger entries alone.

    record = record_of(books, on=date.today(), register=register.documents)
    record.to_json()

It says what was decided, on which grounds and documents, and when. It does not say that this was right: whoever reads
it must judge, and the record names what stands in the way of relying on it (`warnings`), the gravest first. It reads no
store, no model and no record of a person; numbers of people behind an artifact are left out on purpose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, timedelta
from typing import Any

from fedsov.border.evidence.register import Document
from fedsov.control_plane.compliance import counts, privacy
from fedsov.control_plane.compliance import documents as documents_steps
from fedsov.control_plane.compliance.counts import Count
from fedsov.control_plane.compliance.entries import EntryView, LedgerView

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
    "How long data are kept, and how they are secured, is not in a ledger; a record of processing needs both.",
    "A crossing of a value that was made from several origins is counted once in a total and once under each origin.",
)
STALE = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Warned:
    """Something a reader must know first. `grave` where figures below cannot be relied on."""

    grave: bool
    text: str


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
) -> Record:
    """The record of some ledgers.

    Args:
        on: the day of the report, by which documents, approvals and rules are judged old or young.
        register: the evidence register's documents, where it is at hand.
        registers: each ledger owner's own register as it is now, for what was rewritten; by default `register`.
        files: SHA-256 (hex) of the documents' own files, where they are at hand.
        accounts: by region what `fedsov budget --json` prints of it (`privacy.private_regions`).
    """
    private = privacy.private_regions(books, accounts)
    lines = [line for book in books for line in book.lines]
    crossings = [line for line in lines if line.act == "cross"]
    decisions = [line for line in lines if line.act in ("cross", "release")]
    relied = documents_steps.documents(decisions, register, on)
    reviews = documents_steps.reviews(lines, on)
    bundles = documents_steps.bundles(books, on)
    if register is not None:
        registers = {book.owner: register for book in books}
    rewritten = documents_steps.rewritten(decisions, registers or {}, files)
    unsafe = sum(line.unsafe for line in decisions)
    return Record(
        on=on,
        first=min((line.at for line in lines), default=""),
        last=max((line.at for line in lines), default=""),
        days=counts.union((line.day,) for line in decisions),
        crossings=counts.counted(crossings),
        unsafe=unsafe,
        warnings=(
            *_broken(books),
            *_open_border(unsafe),
            *_marked(decisions),
            *(Warned(True, f"A decision's document is not what it was: {each.text}.") for each in rewritten),
            *(Warned(True, fault) for fault in privacy.faults(private)),
            *_unbounded(books),
            *_old_rules(bundles),
            *_papers(relied, reviews),
        ),
        ledgers=tuple(map(_kept, books)),
        tallies=counts.tallies(crossings),
        matrix=counts.routes(crossings),
        flows=counts.flows(crossings),
        parties=counts.partners(crossings),
        refusals=counts.refusals(decisions),
        reviews=reviews,
        documents=relied,
        rewritten=rewritten,
        register_given=register is not None,
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
        decisions=sum(line.act in ("cross", "release") for line in book.lines),
        notes=book.notes,
        strange=book.strange,
        first=min(times, default=""),
        last=max(times, default=""),
    )


def _broken(books: Iterable[LedgerView]) -> Iterable[Warned]:
    for book in books:
        if book.fault:
            counted = "What it holds is shown and counted, but proves nothing." if book.size else ""
            yield Warned(True, f"The ledger of {book.owner} does not verify: {book.fault}. {counted}".rstrip())
        if book.strange:
            numbers = ", ".join(map(str, book.strange[:10])) + (" and others" if len(book.strange) > 10 else "")
            yield Warned(True, f"The ledger of {book.owner} has entries that were not understood: {numbers}.")


def _open_border(unsafe: int) -> Iterable[Warned]:
    if unsafe:
        yield Warned(
            True,
            f"UNSAFE: an open border (border=unsafe_open), which permits everything and checks nothing, took "
            f"{_many(unsafe, 'decision')}, marked below.",
        )


MARKS = {
    "example rows": "about rows that a document calls published, made up or examples; no lifetime budget applied",
    "rehearsed day": "taken as on another day than the real one",
}


def _marked(decisions: Sequence[EntryView]) -> Iterable[Warned]:
    for mark, words in MARKS.items():
        if count := sum(mark in line.marks for line in decisions):
            yield Warned(True, f"{mark.upper()}: {_many(count, 'decision')} {words}.")
    added = [line for line in decisions if line.added_rules]
    if added:
        rules = sorted({rule for line in added for rule in line.added_rules})
        yield Warned(
            True, f"ADDITIONAL RULES: {_many(len(added), 'decision')} by rules that were not shipped: {_some(rules)}."
        )


def _unbounded(books: Iterable[LedgerView]) -> Iterable[Warned]:
    for book in books:
        if book.unbounded_since:
            yield Warned(
                False,
                f"The privacy guarantee of {book.owner} is unbounded since {book.unbounded_since}: answers without "
                "privacy left about people whom a private release was about.",
            )


def _old_rules(bundles: Iterable[documents_steps.BundleRecord]) -> Iterable[Warned]:
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
        yield Warned(False, f"The date of the bundle of rules is not told in {_many(undated, 'decision')}.")


def _papers(
    relied: Sequence[documents_steps.Relied], reviews: Sequence[documents_steps.ReviewRecord]
) -> Iterable[Warned]:
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
        yield Warned(False, f"No approval is in force for {_many(len(waiting), 'review')}.")


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:8]) + (f" and {len(ids) - 8} others" if len(ids) > 8 else "")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        total = {"total": value.total} if isinstance(value, Count) else {}
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value)} | total
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value
