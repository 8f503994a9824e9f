from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fedsov.keys import create_keys
from fedsov.label import Label
from fedsov.partition.arrow_columns import numbers, text
from fedsov.partition.further.merged_files import LABEL
from fedsov.partition.ingest import key_settings
from fedsov.partition.pipeline import row_groups
from fedsov.partition.pipeline.row_groups import SharedGroups
from fedsov.partition.pipeline.side_threads import Lane
from fedsov.partition.store import FOLD, JURISDICTION, ROW, SUBJECT, TARGET, Contents, StoreWriter


def _rows(first: int, rows: int) -> pa.Table:
    every = np.arange(first, first + rows)
    columns = {name: numbers(every) for name in (FOLD, ROW)} | {TARGET: numbers(every.astype(float))}
    columns |= {JURISDICTION: text(["DE"] * rows), LABEL: numbers(np.zeros(rows, np.int64))}
    return pa.table({**columns, SUBJECT: text([f"{row:032x}" for row in every.tolist()])})


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[StoreWriter], list[list[int]]]:
    """Two writers, and for each the rows of every group that was written to it."""
    contents = Contents("people", frozenset({"DE"}), {}, (Label(frozenset({"DE"}), frozenset(), frozenset()),))
    keys = create_keys(key_settings(tmp_path, "EU"))
    writers = [StoreWriter(tmp_path / name, contents, keys) for name in ("large", "small")]
    groups: list[list[int]] = [[], []]
    usual = pq.ParquetWriter.write_table

    def write_table(self: pq.ParquetWriter, table: pa.Table) -> None:
        whose = next(place for place, writer in enumerate(writers) if self in writer._parts.values())
        groups[whose].append(table.num_rows)
        usual(self, table)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", write_table)
    return writers, groups


def test_the_store_with_most_rows_writes_first_and_all_are_written(
    written: tuple[list[StoreWriter], list[list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    writers, groups = written
    monkeypatch.setattr(row_groups, "BYTES_IN_MEMORY", _rows(0, 100).nbytes)
    with Lane() as lane:
        shared = SharedGroups(writers, lane)
        for first in range(0, 300, 30):
            shared.append(0, _rows(first, 29))
            shared.append(1, _rows(first, 1))
        shared.finish([_rows(0, 0), _rows(0, 0)])
    assert [writer.rows for writer in writers] == [290, 10]
    assert len(groups[0]) > 2 and groups[1] == [10]


def test_a_large_group_is_written_at_once(
    written: tuple[list[StoreWriter], list[list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    writers, groups = written
    monkeypatch.setattr(row_groups, "MOST_OF_GROUP", 50)
    with Lane() as lane:
        shared = SharedGroups(writers, lane)
        for first in range(0, 100, 20):
            shared.append(0, _rows(first, 20))
        shared.finish([_rows(0, 0), _rows(0, 0)])
    assert groups == [[60, 40], [0]]
