"""What 28 CFR 202 asks a United States person to keep and report of transactions with countries of concern.

| section | asked | here |
|---|---|---|
| 202.1101(a) | records of each transaction, for ten years | `keep_until` |
| 202.1101(b) | volumes, parties and their owners, end use, method, dates, agreements, certification | a row |
| 202.1104 | a report within 14 days of rejecting prohibited data brokerage, by software too | `report_by` |

A crossing is one of these where a rule of that law answered it. Where the refused crossing offered no brokerage, no
report is due; a ledger does not tell that, so a person must look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fedsov.border.evidence.register import Document
from fedsov.control_plane.compliance.counts import grouped, union
from fedsov.control_plane.compliance.entries import EntryView, PartyView

RULES = ("us.doj.", "us.concern.small", "us.concern.unnamed", "us.concern.figures")
"""How the rules' ids begin; below its thresholds, too, the rule asks for records (202.1101)."""
KEPT_YEARS, REPORT_DAYS = 10, 14


@dataclass(frozen=True, slots=True)
class BulkTransaction:
    """Crossings between the same parties that the rule answered alike; "" or () for what nobody stated.

    Attributes:
        people: most people within twelve months, as a gate counted them; volumes: what a document says of them.
        owners: whose persons own half of the importer or more; ownership: what a document says of it.
        keep_until: ten years after the last of them; report_by: fourteen days after the first, where refused.
    """

    exporter: PartyView
    importer: PartyView
    destination: str
    origins: tuple[str, ...]
    categories: tuple[str, ...]
    kinds: tuple[str, ...]
    verdict: str
    rules: tuple[str, ...]
    count: int
    people: int
    volumes: str
    owners: tuple[str, ...]
    ownership: str
    end_use: str
    method: str
    documents: tuple[str, ...]
    certified_by: str
    certified_on: str
    first: str
    last: str
    keep_until: date
    report_by: date | None


def bulk_transactions(lines: Sequence[EntryView], register: Mapping[str, Document]) -> tuple[BulkTransaction, ...]:
    """What the rule answered, the latest first."""
    subject = [line for line in lines if any(rule.startswith(RULES) for rule in line.rules) and line.day]
    cases = grouped(subject, lambda line: (line.exporter, line.importer, line.verdict, line.categories))
    several = (_transaction(case, register) for case in cases.values())
    return tuple(sorted(several, key=lambda transaction: transaction.last, reverse=True))


def _transaction(case: Sequence[EntryView], register: Mapping[str, Document]) -> BulkTransaction:
    latest, names = max(case, key=lambda line: line.at), union(line.documents for line in case)
    records = [register[name].record for name in names if name in register]
    first, last = (choose(line.day for line in case) for choose in (min, max))
    return BulkTransaction(
        exporter=latest.exporter,
        importer=latest.importer,
        destination=latest.destination,
        origins=latest.bound_by,
        categories=latest.categories,
        kinds=union((line.kind,) for line in case),
        verdict=latest.verdict,
        rules=union([rule for rule in line.rules if rule.startswith(RULES)] for line in case),
        count=len(case),
        people=max(line.people for line in case),
        volumes=_stated(records, "volumes"),
        owners=latest.importer.owners,
        ownership=_stated(records, "ownership"),
        end_use=_stated(records, "end_use") or latest.purpose,
        method=_stated(records, "method") or latest.flow,
        documents=names,
        certified_by=_stated(records, "certified_by"),
        certified_on=_stated(records, "certified_on"),
        first=first,
        last=last,
        keep_until=_years_after(date.fromisoformat(last), KEPT_YEARS),
        report_by=date.fromisoformat(first) + timedelta(days=REPORT_DAYS) if latest.verdict == "refuse" else None,
    )


def _stated(records: Sequence[Mapping[str, str]], name: str) -> str:
    return "; ".join(dict.fromkeys(record[name] for record in records if name in record))


def _years_after(day: date, years: int) -> date:
    leap = (day.month, day.day) == (2, 29)
    return date(day.year + years, 3, 1) if leap else day.replace(year=day.year + years)
