"""How long a region uses the rows that it stores: so many days after their source was first ingested here.

A store has one day of ingestion, in its sealed manifest. Writing the store anew from the same source, or under another
data set's name, does not make its rows younger. A rehearsed day ages nothing: these are real days.

>>> first, last = date(2026, 1, 1), last_day("2026-01-01", 30)
>>> last, is_kept("2026-01-01", 30, on=date(2026, 2, 1))
(datetime.date(2026, 1, 31), False)

Deliberately not here: the age of single rows within a source, which their data set would have to say.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from fedsov.partition.manifest import MANIFEST, read_manifest


def last_day(ingested: str, days: int) -> date:
    """The last day on which rows may be used. Raises ValueError for a day of ingestion that is none."""
    return date.fromisoformat(ingested) + timedelta(days=min(days, (date.max - date.fromisoformat(ingested)).days))


def is_kept(ingested: str, days: int | None, *, on: date) -> bool:
    """Whether rows may be used on a day; those whose day of ingestion nobody wrote down may not, where days are set."""
    try:
        return days is None or on <= last_day(ingested, days)
    except ValueError:
        return False


def first_day(stores: Path, source_sha256: str, today: date) -> date:
    """The day on which a source was first ingested, by the stores in a folder; today where none of them is of it.

    Args:
        stores: a folder with a store of each data set.

    Raises StoreDamaged for a store whose manifest cannot be read.
    """
    days = {today}
    for path in sorted(stores.glob(f"*/{MANIFEST}")):
        manifest = read_manifest(path.parent)
        if manifest.source_sha256 == source_sha256:
            try:
                days.add(date.fromisoformat(manifest.ingested))
            except ValueError:
                continue
    return min(days)
