"""Any sequence of appends, erasures and expiries leaves the rows that a model in memory has, and no other file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.partition.further import compaction
from fedsov.partition.lifecycle.erasure import remove_rows, rows_of, subject_pseudonym
from fedsov.partition.lifecycle.retention import RetentionRules, StoredAges, expired
from tests.partition.further.world import FIRST, appended, stored
from tests.partition.world import bytes_under, keys_of, people, read, run, spec_of, store_of, written

ROWS, DAYS = 24, 30
TABLE = people(ROWS, passport=[f"P{row // 2}" for row in range(ROWS)])
SUBJECTS = TABLE.column("passport").to_pylist()
AGES = TABLE.column("age").to_pylist()
HOMES = ["US" if country in ("US", "United States") else "EU" for country in TABLE.column("country").to_pylist()]

APPEND = st.tuples(st.just("append"), st.frozensets(st.integers(0, ROWS - 1), min_size=1, max_size=8))
ERASE = st.tuples(st.just("erase"), st.sampled_from(sorted(set(SUBJECTS))))
EXPIRE = st.tuples(st.just("expire"), st.integers(0, 25))


@dataclass
class Model:
    """Region to what it stores: (row number, day of arrival, batch)."""

    rows: dict[str, list[tuple[int, date, object]]] = field(default_factory=lambda: {"EU": [], "US": []})

    def append(self, batch: frozenset[int], today: date) -> None:
        for region, rows in self.rows.items():
            if not any(key == batch for _, _, key in rows):
                rows += [(row, today, batch) for row in batch if HOMES[row] == region]

    def keep(self, region: str, kept: list[tuple[int, date, object]]) -> None:
        self.rows[region] = kept


def _followed(place: Path, steps: list[tuple[str, object]]) -> Iterator[tuple[object, object]]:
    """After each step, of each region: rows, people, files, as they are and as the model has them."""
    workspace, model, today, erased = place / "w", Model(), FIRST, set[str]()
    run(spec_of(written(place, TABLE)), workspace)
    for region in model.rows:
        model.keep(region, [(row, FIRST, None) for row in range(ROWS) if HOMES[row] == region])
    for act, what in steps:
        if act == "append":
            assert isinstance(what, frozenset)
            batch = frozenset(row for row in what if SUBJECTS[row] not in erased)  # the gate refuses the others
            if batch:
                appended(workspace, TABLE.take(pa.array(sorted(batch))), str(sorted(batch)), today=today)
                model.append(batch, today)
        today += timedelta(days=int(str(what)) if act == "expire" else 0)
        for region, rows in list(model.rows.items()):
            store, records = store_of(workspace, region), read(workspace, region)
            if act == "erase":
                erased.add(str(what))
                remove_rows(store, rows_of(store, subject_pseudonym(store.keys, str(what))))
                model.keep(region, [row for row in rows if SUBJECTS[row[0]] != what])
            elif act == "expire":
                ages = StoredAges(records.labels, records.label_of, store.manifest.ingested, arrived=records.arrived)
                remove_rows(store, expired(ages, RetentionRules(), DAYS, on=today))
                model.keep(region, [row for row in rows if row[1] + timedelta(days=DAYS) >= today])
            yield _state(workspace, region), _expected(workspace, region, model)


def _state(workspace: Path, region: str) -> tuple[object, ...]:
    store = store_of(workspace, region)
    files = set(bytes_under(store.folder)) == {"manifest.json", *store.manifest.sha256}
    return stored(workspace, region), store.manifest.rows, store.manifest.notes["people"], files


def _expected(workspace: Path, region: str, model: Model) -> tuple[object, ...]:
    keys, rows = keys_of(workspace, region), [row for row, _, _ in model.rows[region]]
    expected = Counter((subject_pseudonym(keys, SUBJECTS[row]), AGES[row]) for row in rows)
    return expected, len(rows), len({SUBJECTS[row] for row in rows}), True


@given(st.lists(st.one_of(APPEND, APPEND, ERASE, EXPIRE), min_size=1, max_size=6), st.sampled_from([2, 16]))
@settings(max_examples=12, deadline=None)
def test_any_sequence_of_appends_erasures_and_expiries_equals_the_model(
    steps: list[tuple[str, object]], merged: int
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction, "MERGED", merged)
        for is_so, expected in _followed(Path(folder), steps):
            assert is_so == expected


def test_rows_that_came_later_leave_later_and_their_batch_may_then_come_again(tmp_path: Path) -> None:
    steps = [("expire", 20), ("append", frozenset({1, 2, 3})), ("expire", 11), ("append", frozenset({1, 2, 3}))]
    states = list(_followed(tmp_path, [*steps, ("expire", 20), ("append", frozenset({1, 2, 3}))]))
    assert [is_so for is_so, _ in states] == [expected for _, expected in states]
    assert [rows for (_, rows, _, _), _ in states[-2:]] == [  # type: ignore[misc]
        sum(HOMES[row] == region for row in (1, 2, 3)) for region in ("EU", "US")
    ]
