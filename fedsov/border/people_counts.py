"""How many people have crossed: this time, within twelve months, and since 1 January.

Some laws look at volume over time (28 CFR 202.205 at the preceding twelve months to one country, CAC Order 16 at the
year to all). A gate counts what its own ledger shows as permitted. Twenty rounds over the same 700 people are 700
people, not 14,000: crossings drawn from one pool (a store) are never counted for more than the pool holds. Where the
pool's size is not known, counts are added up, which can only count too many.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from fedsov.ledger.ledger import Ledger

TWELVE_MONTHS = timedelta(days=366)
_UNKNOWN = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """People in this crossing, within twelve months to this country, and since 1 January to all countries."""

    count: int
    twelve_months: int
    year: int


@dataclass(frozen=True, slots=True)
class Pool:
    """What a crossing's people were drawn from: its name, and how many it holds (0: unknown)."""

    name: str = ""
    people: int = _UNKNOWN

    def to_json(self) -> dict[str, Any]:
        """For a ledger entry."""
        return {"name": self.name, "people": self.people}


@dataclass(slots=True)
class PeopleCounter:
    """The permitted crossings out of one party's country, as its ledger has them, added up by day, country and pool."""

    ledger: Ledger
    _read_to: int = field(default=0, init=False)
    _counts: dict[tuple[date, str, str], int] = field(default_factory=dict, init=False)
    _sizes: dict[str, int] = field(default_factory=dict, init=False)

    def totals(
        self, count: int, country: str, pool: Pool, on: date, *, pending: Iterable[Mapping[str, Any]] = ()
    ) -> Totals:
        """The totals of a crossing that is about to be decided, itself included; a crossing at home moves nobody.

        Args:
            pending: entries that will be written down together with it, before it.
        """
        self._catch_up()
        counts, sizes = dict(self._counts), dict(self._sizes)
        for body in filter(_moves_people, pending):
            _count(body, counts, sizes)
        sizes[pool.name] = max(pool.people, sizes.get(pool.name, 0))
        before = [(key, moved) for key, moved in counts.items() if on - TWELVE_MONTHS < key[0] <= on]
        this = ((on, country, pool.name), count)
        to_country = [this, *(crossed for crossed in before if crossed[0][1] == country)]
        this_year = [this, *(crossed for crossed in before if crossed[0][0].year == on.year)]
        return Totals(count, _people(to_country, sizes), _people(this_year, sizes))

    def _catch_up(self) -> None:
        for entry in self.ledger.entries(since=self._read_to):
            self._read_to = entry.seq
            if _moves_people(entry.body):
                _count(entry.body, self._counts, self._sizes)


def _count(body: Mapping[str, Any], counts: dict[tuple[date, str, str], int], sizes: dict[str, int]) -> None:
    """Adds an entry's people to these counts, and its pool to these sizes."""
    pool = Pool(**body.get("pool", {}))
    key = date.fromisoformat(body["day"]), _country(body["destination"]), pool.name
    counts[key] = counts.get(key, 0) + int(body["count"])
    sizes[pool.name] = max(pool.people, sizes.get(pool.name, 0))


def _moves_people(body: Mapping[str, Any]) -> bool:
    if body.get("act") != "cross" or body.get("verdict") != "permit" or not body.get("count"):
        return False
    if not body.get("origins"):
        return False  # public: nobody's law counts it
    return _country(body["destination"]) != _country(body["exporter"]["location"])


def _country(code: Any) -> str:
    return str(code).partition("-")[0]


def _people(moved: Iterable[tuple[tuple[date, str, str], int]], sizes: Mapping[str, int]) -> int:
    counts: dict[str, int] = {}
    for (_, _, pool), count in moved:
        counts[pool] = counts.get(pool, 0) + count
    return sum(min(count, sizes[pool]) if sizes.get(pool) else count for pool, count in counts.items())
