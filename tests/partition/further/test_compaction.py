"""Stores to which rows came in many small groups: few files, the same rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.partition.further import compaction
from fedsov.partition.further.compaction import MERGED, compacted, to_merge
from fedsov.partition.lifecycle.erasure import remove_rows, rows_of, subject_pseudonym
from fedsov.partition.store import Store
from tests.partition.further.world import appended
from tests.partition.world import bytes_under, people, run, spec_of, store_of, written

TABLE = people(60)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of 40 rows a source brought, twelve came in groups of two; none of a region's files was merged."""
    run(spec_of(written(tmp_path, TABLE.slice(0, 40))), tmp_path / "w")
    monkeypatch.setattr(compaction, "MERGED", 100)
    for group in range(6):
        appended(tmp_path / "w", TABLE.slice(40 + 2 * group, 2), f"k{group}")
    monkeypatch.setattr(compaction, "MERGED", 3)
    return tmp_path / "w"


def further(store: Store) -> list[str]:
    return [part for part in store.manifest.files if "-" in part]


def test_merged_files_hold_the_same_rows_in_the_same_order_with_the_same_notes(workspace: Path) -> None:
    store = store_of(workspace, "US")
    assert len(further(store)) >= 6, "of records, and of identifiers"
    rows, named = store.read(), store.identifiers()
    after = compacted(store)
    again = store_of(workspace, "US")
    assert after.manifest == again.manifest and len(further(again)) == 2
    merged, names = again.read(), again.identifiers()
    assert merged.subjects.tolist() == rows.subjects.tolist() and merged.label == rows.label
    assert {name: values.tolist() for name, values in names.items()} == {
        name: values.tolist() for name, values in named.items()
    }
    assert merged.columns["age"].tolist() == rows.columns["age"].tolist()
    assert merged.row_digests is not None and rows.row_digests is not None
    assert merged.row_digests.tolist() == rows.row_digests.tolist()
    assert again.manifest.notes == store.manifest.notes
    assert again.manifest.rows_digest() == store.manifest.rows_digest(), "a plan finds the same rows"
    assert set(bytes_under(again.folder)) == {"manifest.json", *again.manifest.files.values()}


def test_after_a_merge_a_batch_is_still_known_and_its_people_are_still_erased(workspace: Path) -> None:
    compacted(store_of(workspace, "US"))
    again = appended(workspace, TABLE.slice(44, 2), "k2")
    assert again.fresh == 0 and sum(again.stored.values()) == 2
    store = store_of(workspace, "US")
    person = TABLE["passport"].to_pylist()[
        next(row for row in range(40, 52) if TABLE["country"][row].as_py() in ("US", "United States"))
    ]
    gone = rows_of(store, subject_pseudonym(store.keys, person))
    assert gone.any()
    rows = len(store.read())
    remove_rows(store, gone)
    assert len(store_of(workspace, "US").read()) == rows - int(gone.sum())


def test_files_of_appended_groups_are_merged_as_they_come(workspace: Path) -> None:
    appended(workspace, TABLE.slice(52), "last")
    assert len(further(store_of(workspace, "US"))) == 2 and len(store_of(workspace, "US").read())


@given(st.lists(st.integers(1, 1 << 20), max_size=200))
def test_no_row_is_written_anew_but_into_a_file_of_twice_the_size_and_files_stay_few(groups: list[int]) -> None:
    files: list[tuple[int, int]] = []  # bytes, and how often the oldest of them were written
    for size in groups:
        files.append((size, 0))
        if count := to_merge([size for size, _ in files]):
            last = files[-count:]
            assert count >= MERGED and all(2 * size <= sum(each for each, _ in last) for size, _ in last)
            files[-count:] = [(sum(size for size, _ in last), max(often for _, often in last) + 1)]
    assert sum(size for size, _ in files) == sum(groups)
    assert all(often <= sum(groups).bit_length() for _, often in files)
    assert len(files) <= MERGED * max(1, sum(groups).bit_length())


def test_a_file_that_a_merge_could_not_hold_in_memory_stays_as_it_is() -> None:
    assert to_merge([compaction.MOST] * 40) == 0 and to_merge([compaction.MOST, *[1000] * MERGED]) == MERGED
