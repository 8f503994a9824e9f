"""What must be filed with an authority, and by when, computed from the dates of documents.

| paper | asked | by |
|---|---|---|
| CAC standard contract | Order 13 (2023), Art. 7 | 10 working days after it takes effect |
| Vietnam's dossier | Law 91/2025/QH15, Art. 20 | 60 days after the first transfer |
| KVKK standard contract | Law 6698, Art. 9(5) | 5 working days after the last signature |

A working day is a Monday to Friday here: public holidays can only put a deadline off, so the day shown is never late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from fedsov.border.evidence.register import Document
from fedsov.border.law.vocabulary import days_after
from fedsov.control_plane.compliance.entries import EntryView


class FilingRule(NamedTuple):
    """A filing: with whom, the fact that tells since when and its words, how many days, the fact that tells it done."""

    authority: str
    begins: str
    since: str
    days: int
    working: bool
    done: str
    cite: str


RULES: Mapping[str, FilingRule] = {
    "cn_standard_contract": FilingRule(
        "Cyberspace Administration of China (provincial)",
        *("effective", "the contract takes effect", 10, True, "filed"),
        cite="CAC Order 13 (2023), Art. 7",
    ),
    "vn_ctia": FilingRule(
        "Ministry of Public Security (Viet Nam)",
        *("first_transfer", "the first transfer", 60, False, "filed"),
        cite="Law 91/2025/QH15, Art. 20; Decree 356/2025, Arts 17-18",
    ),
    "scc_tr": FilingRule(
        "KVKK (Turkey)",
        *("signed", "the last signature", 5, True, "notified"),
        cite="Law 6698, Art. 9(5); By-law on transfers abroad, Art. 14",
    ),
}


@dataclass(frozen=True, slots=True)
class Filing:
    """A filing that a document calls for.

    Attributes:
        began, since: the day that the time runs from, and what happened on it; None where nobody stated it.
        due: the last day; None where it cannot be computed. done: the day it was filed.
        status: filed, filed late, due, overdue, or no date.
    """

    document: str
    kind: str
    authority: str
    since: str
    began: date | None
    due: date | None
    done: date | None
    status: str
    cite: str


def filings(register: Iterable[Document], lines: Sequence[EntryView], on: date) -> tuple[Filing, ...]:
    """The filings of all documents of a register, the earliest deadline first; those without a date before all."""
    several = (_filing(document, RULES[document.kind], lines, on) for document in register if document.kind in RULES)
    return tuple(sorted(several, key=lambda filing: (filing.due or date.min, filing.document)))


def _filing(document: Document, rule: FilingRule, lines: Sequence[EntryView], on: date) -> Filing:
    began = _began(document, rule, lines)
    due = None if began is None else days_after(began, rule.days, working=rule.working)
    done = _day(document.terms.get(rule.done))
    return Filing(
        document=document.id,
        kind=document.kind,
        authority=rule.authority,
        since=rule.since,
        began=began,
        due=due,
        done=done,
        status=_status(due, done, on),
        cite=rule.cite,
    )


def _began(document: Document, rule: FilingRule, lines: Sequence[EntryView]) -> date | None:
    """The day that a document states; else the first permitted crossing under it, or the day it was signed."""
    if rule.begins == "effective":
        return document.effective or document.signed
    if rule.begins == "signed":
        return document.signed
    stated = _day(document.terms.get(rule.begins))
    used = (line.day for line in lines if line.verdict == "permit" and document.id in line.documents)
    first = min(used, default="")
    crossed = date.fromisoformat(first) if first else None
    return min((day for day in (stated, crossed) if day is not None), default=None)


def _status(due: date | None, done: date | None, on: date) -> str:
    if done is not None:
        return "filed late" if due is not None and done > due else "filed"
    if due is None:
        return "no date"
    return "overdue" if on > due else "due"


def _day(value: Any) -> date | None:
    return value if type(value) is date else None
