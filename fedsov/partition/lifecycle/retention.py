"""How long a region uses the rows that it stores: so many days after their source was first ingested here.

A store has one day of ingestion, in its sealed manifest. Writing the store anew from the same source, or under another
data set's name, does not make its rows younger. A rehearsed day ages nothing: these are real days.

>>> first, last = date(2026, 1, 1), last_day("2026-01-01", 30)
>>> last, is_kept("2026-01-01", 30, on=date(2026, 2, 1))
(datetime.date(2026, 1, 31), False)

A region may set a shorter period for some categories of data, and a column of dates that starts the clock of each row
in the place of the day of ingestion (`RetentionRules`, the group ``retention`` of region.yaml):

    retention_days: 3650                            of everything
    retention: {categories: {health: 365}, starts: {people: discharged}}

A row goes by the shortest period among the categories in its label, and leaves as a whole: a column that must go sooner
than the rest belongs into a data set of its own. A row that nothing binds goes by the shortest period that is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from fedsov.border.law.bundle_loader import load_categories, unknown_category
from fedsov.checks import mapping, section, text_mapping, whole
from fedsov.errors import ConfigurationError
from fedsov.label import Label
from fedsov.partition.manifest import MANIFEST, read_manifest

_EPOCH = date(1970, 1, 1).toordinal()
_FURTHEST = 80_000
"""Days from 1970 that a column of dates may hold, either way: about the years 1750 to 2190."""


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """What a region says of how long rows are used, beside the period of everything.

    Attributes:
        categories: category of data to days.
        starts: data set to its stored column of dates, from which a row's period counts.
    """

    categories: Mapping[str, int] = field(default_factory=dict)
    starts: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def from_settings(plain: Any) -> RetentionRules:
        """The group ``retention``; {} for none. Raises ConfigurationError, naming the key."""
        given = section("retention", plain, RetentionRules)
        periods = mapping("retention.categories", given.get("categories", {}), "a mapping as {CATEGORY: DAYS}")
        for category in periods:
            if category not in load_categories():
                where = "@CATEGORIES in the law's regimes.yaml"
                raise ConfigurationError(f"retention.categories: {unknown_category(str(category), see=where)}")
        return RetentionRules(
            {name: whole(f"retention.categories.{name}", days, at_least=0) for name, days in periods.items()},
            text_mapping("retention.starts", given.get("starts", {})),
        )

    def period(self, label: Label, days: int | None) -> int | None:
        """For how many days rows under a label are used; None for without end.

        Args:
            days: the period of everything.
        """
        bound = self.categories.values() if label.is_public else map(self.categories.get, label.categories)
        periods = [period for period in (days, *bound) if period is not None]
        return min(periods, default=None)


@dataclass(frozen=True, slots=True)
class StoredAges:
    """What the age of stored rows follows from: their labels, the day of ingestion, and the column that starts a clock.

    `labels`, `label_of` and `arrived` are as in `Records`; `starts` is (rows,) days since 1970, NaN where the date is
    missing, or None where the day of ingestion, or of a row's own arrival, starts the clock.
    """

    labels: tuple[Label, ...]
    label_of: np.ndarray
    ingested: str
    starts: np.ndarray | None = None
    arrived: np.ndarray | None = None


def expired(ages: StoredAges, rules: RetentionRules, days: int | None, *, on: date) -> np.ndarray:
    """(rows,) True for those past their period on a day; a row without a date of its own goes by the ingestion's.

    Rows whose day nobody knows are past any period.
    """
    periods = [rules.period(label, days) for label in ages.labels]
    limits = np.array([np.inf if period is None else period for period in periods] or [np.inf], np.float64)
    try:
        ingested = float(date.fromisoformat(ages.ingested).toordinal() - _EPOCH)
    except ValueError:
        ingested = -np.inf
    begun = np.full(len(ages.label_of), ingested)
    for own in (ages.arrived, ages.starts):
        if own is not None:
            begun = np.where(np.isnan(own), begun, own)
    last = begun + (limits[ages.label_of] if len(ages.label_of) else np.zeros(0))
    return np.asarray(np.where(np.isnan(last), False, last < on.toordinal() - _EPOCH))


def check_dates(dataset: str, column: str, values: np.ndarray | None) -> np.ndarray:
    """(rows,) days since 1970 of the column that starts a clock.

    Raises ConfigurationError where it is not stored, or holds what can be no days.
    """
    fault = ""
    if values is None:
        fault = f"which {dataset} does not store"
    elif values.dtype.kind != "f" or (np.abs(values[~np.isnan(values)]) > _FURTHEST).any():
        fault = "which holds no dates"
    if fault or values is None:
        raise ConfigurationError(
            f"retention.starts.{dataset} names the column '{column}', {fault}; name a column that `fedsov ingest "
            "--dry-run` calls a date, or null for the day of ingestion"
        )
    return values


def days_of(day: date) -> int:
    """Days since 1970."""
    return day.toordinal() - _EPOCH


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
