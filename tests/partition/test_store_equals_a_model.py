"""Any sequence of ingestions, erasures and expiries leaves the rows that a model in memory has, and the same files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.partition.ingest import ingest
from fedsov.partition.lifecycle.erasure import remove_rows, rows_of, subject_pseudonym
from fedsov.partition.lifecycle.retention import RetentionRules, StoredAges, expired
from tests.partition.world import ATLAS, bytes_under, keys_of, people, read, spec_of, store_of, two_regions, written

ROWS, DAYS, FIRST = 40, 30, date(2026, 1, 2)
TABLE = people(ROWS, passport=[f"P{row // 2}" for row in range(ROWS)])
SUBJECTS = TABLE.column("passport").to_pylist()
HOMES = ["US" if country in ("US", "United States") else "EU" for country in TABLE.column("country").to_pylist()]

INGEST = st.tuples(st.just("ingest"), st.sets(st.integers(0, ROWS - 1), min_size=24))
ERASE = st.tuples(st.just("erase"), st.sampled_from(sorted(set(SUBJECTS))))
EXPIRE = st.tuples(st.just("expire"), st.integers(0, 25))


@dataclass
class Model:
    """What the stores hold, by row number; when their source first came; who was erased."""

    rows: set[int] = field(default_factory=set)
    source: frozenset[int] = frozenset()
    ingested: date = FIRST
    erased: set[str] = field(default_factory=set)

    def ingest(self, rows: frozenset[int], today: date) -> None:
        if rows != self.source:
            self.rows, self.source, self.ingested = set(rows), rows, today

    def expire(self, today: date) -> None:
        if today > self.ingested + timedelta(days=DAYS):
            self.rows = set()


def _expire(workspace: Path, region: str, today: date) -> None:
    store, records = store_of(workspace, region), read(workspace, region)
    ages = StoredAges(records.labels, records.label_of, store.manifest.ingested)
    remove_rows(store, expired(ages, RetentionRules(), DAYS, on=today))


def _stored(workspace: Path, region: str) -> Counter[tuple[str, float]]:
    records = read(workspace, region)
    return Counter(zip(records.subjects.tolist(), records.columns["age"].tolist(), strict=True))


def _expected(workspace: Path, region: str, model: Model) -> Counter[tuple[str, float]]:
    keys, ages = keys_of(workspace, region), TABLE.column("age").to_pylist()
    rows = [row for row in model.rows if HOMES[row] == region]
    return Counter((subject_pseudonym(keys, SUBJECTS[row]), ages[row]) for row in rows)


@given(st.lists(st.one_of(INGEST, ERASE, EXPIRE), min_size=1, max_size=6))
@settings(max_examples=12, deadline=None)
def test_any_sequence_of_ingestions_erasures_and_expiries_equals_the_model(steps: list[tuple[str, object]]) -> None:
    with TemporaryDirectory() as folder:
        for stored, expected in _followed(Path(folder), [("ingest", set(range(ROWS))), *steps]):
            assert stored == expected


def _followed(place: Path, steps: list[tuple[str, object]]) -> Iterator[tuple[object, object]]:
    """After each step, of each region: rows, files and their number, as they are and as the model has them."""
    workspace, model, today = place / "w", Model(), FIRST
    for act, what in steps:
        if act == "ingest":
            assert isinstance(what, set)
            rows = frozenset(row for row in what if SUBJECTS[row] not in model.erased)  # the gate refuses these
            if len({HOMES[row] for row in rows}) < 2:
                continue
            path = written(place, TABLE.take(pa.array(sorted(rows))))
            ingest(
                spec_of(path), atlas=ATLAS, regions=two_regions(), workspace=workspace, release=None,
                today=partial(date.fromordinal, today.toordinal()),
            )  # fmt: skip
            model.ingest(rows, today)
        elif act == "erase":
            for name in ("EU", "US", "quarantine"):
                store = store_of(workspace, name)
                remove_rows(store, rows_of(store, subject_pseudonym(store.keys, str(what))))
            model.erased.add(str(what))
            model.rows = {row for row in model.rows if SUBJECTS[row] != what}
        else:
            today += timedelta(days=int(str(what)))
            for name in ("EU", "US"):
                _expire(workspace, name, today)
            model.expire(today)
        for name in ("EU", "US"):
            store, expected = store_of(workspace, name), _expected(workspace, name, model)
            files = {"manifest.json", *store.manifest.sha256}
            yield (
                (_stored(workspace, name), set(bytes_under(store.folder)), store.manifest.rows),
                (expected, files, expected.total()),
            )
