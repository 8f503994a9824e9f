"""What must be done by when, of the record of processing: one list, the nearest day first.

    deadlines(record, erasures, on=date.today())

An erasure that was begun and not ended is due 30 days after it was begun (Art. 12(3) GDPR gives a month from the
request, which no ledger knows; other laws give other times, which a lawyer must confirm). A review has no day of its
own: it is listed with the day it was first asked, and an approval with the day it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fedsov.control_plane.compliance.documents import SOON
from fedsov.control_plane.compliance.entries import ErasureNote
from fedsov.control_plane.compliance.record import Record

ERASURE = timedelta(days=30)
OVERDUE, NEAR, LATER, NO_DATE = "overdue", "soon", "later", "no date"


@dataclass(frozen=True, slots=True)
class Deadline:
    """Something to be done.

    Attributes:
        day: the last day; None where there is none, or it cannot be computed.
        status: overdue, soon (within 90 days), later, or no date.
        kind: document, filing, assessment, review, approval, erasure or certificate.
        party: whose it is, "" where it is everybody's.
    """

    day: date | None
    status: str
    kind: str
    party: str
    what: str
    to_do: str

    def sentence(self) -> str:
        """In one line."""
        when = "no date" if self.day is None else f"{self.day} ({self.status})"
        whose = f" of {self.party}" if self.party else ""
        return f"{when}: {self.kind}{whose}: {self.what}; {self.to_do}"


def deadlines(record: Record, erasures: Iterable[tuple[str, ErasureNote]] = ()) -> tuple[Deadline, ...]:
    """Everything that is due, by the day of the record.

    Args:
        erasures: those that are begun and not ended, each with the owner of its ledger.
    """
    on = record.on
    several = [*_of_documents(record), *_of_filings(record), *_of_reviews(record), *_of_erasures(erasures, on)]
    return in_order(several)


def in_order(several: Iterable[Deadline]) -> tuple[Deadline, ...]:
    """The nearest day first; those without a day before all."""
    return tuple(sorted(several, key=lambda each: (each.day or date.min, each.kind, each.what)))


def standing(day: date | None, on: date) -> str:
    """Whether a day is past, near or far."""
    if day is None:
        return NO_DATE
    return OVERDUE if day < on else NEAR if day <= on + SOON else LATER


def _of_documents(record: Record) -> Iterator[Deadline]:
    for document in record.documents:
        if document.expires is not None:
            yield Deadline(
                document.expires,
                standing(document.expires, record.on),
                "document",
                document.owner,
                f"'{document.id}' ({document.kind}) expires",
                "renew it, enter the new one by `fedsov evidence add`; nothing new may rely on it afterwards",
            )
    for assessment in record.assessments:
        if assessment.next_review:
            day = date.fromisoformat(assessment.next_review)
            what = f"'{assessment.id}' ({assessment.kind}) is to be reviewed"
            yield Deadline(day, standing(day, record.on), "assessment", assessment.author, what, "review it")


def _of_filings(record: Record) -> Iterator[Deadline]:
    for filing in record.filings:
        if filing.done is None:
            what = f"'{filing.document}' with {filing.authority} ({filing.cite})"
            to_do = f"file it, then state the day in the register; without {filing.since} no day can be computed"
            yield Deadline(filing.due, standing(filing.due, record.on), "filing", "", what, to_do)


def _of_reviews(record: Record) -> Iterator[Deadline]:
    for review in record.reviews:
        route = f"{review.kind} of {'+'.join(review.origins)} to {review.importer.name}"
        for approval in review.approvals:
            if approval.status == "in force" and approval.until:
                day = date.fromisoformat(approval.until[:10])
                what = f"the approval of review {review.review} ({route}) ends"
                to_do = f"have it reviewed again: `fedsov border approve {review.review} ...`"
                yield Deadline(day, standing(day, record.on), "approval", approval.by, what, to_do)
        if review.status != "in force":
            what = f"{review.review} ({route}) waits since {review.first[:10]}"
            to_do = f"`fedsov border approve {review.review} --by NAME --until DAY --key FILE --why TEXT`, or leave it"
            yield Deadline(None, NO_DATE, "review", review.exporter.name, what, to_do)


def _of_erasures(erasures: Iterable[tuple[str, ErasureNote]], on: date) -> Iterator[Deadline]:
    for party, erasure in erasures:
        day = date.fromisoformat(erasure.begun[:10]) + ERASURE
        what = f"of subject {erasure.subject[:16]} was begun on {erasure.begun[:10]} and did not end"
        to_do = f"run the same `fedsov erase --region {party}` again; killed, it goes on where it was"
        yield Deadline(day, standing(day, on), "erasure", party, what, to_do)


def is_pressing(several: Sequence[Deadline]) -> tuple[Deadline, ...]:
    """Those that are overdue, near, or without a day."""
    return tuple(each for each in several if each.status != LATER)
