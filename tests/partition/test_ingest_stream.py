"""An ingestion is a stream: the same stores whatever its batches, memory that the rows do not grow, nothing left."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from fedsov.partition import store as store_module
from fedsov.partition.classify import ClassifyRules, ConsentRule, RestrictionRule
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.people import repeats, subjects
from fedsov.partition.pipeline import row_groups
from fedsov.partition.sources import csv_files, scans, table_files
from tests.partition.world import CANARY, agree, bytes_under, people, read, run, spec_of, store_of, written
from tests.world import ROOT


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of 7 rows, groups of 5, files of 12, blocks of 512 bytes; after 8 rows or people all is forgotten."""
    for module in (scans, table_files):
        monkeypatch.setattr(module, "MOST_ROWS", 7)
    monkeypatch.setattr(csv_files, "_BLOCK", 512)
    monkeypatch.setattr(row_groups, "MOST_OF_GROUP", 5)
    monkeypatch.setattr(store_module, "ROWS_OF_FILE", 12)
    monkeypatch.setattr(repeats, "IN_MEMORY", 8)
    monkeypatch.setattr(subjects, "MOST", 8)


def _mixed() -> pa.Table:
    """Rows that repeat, of unknown places, with infinite values and without a target; some people have two."""
    table = people(120, passport=[CANARY[1], *(f"P{row % 90}" for row in range(1, 120))])
    ages, wages = table.column("age").to_numpy().copy(), table.column("wage").to_pylist()
    ages[[30, 80]], wages[50] = np.inf, None
    places = [None if row == 9 else "Atlantis" if row in (3, 77) else word.as_py() for row, word in
              enumerate(table.column("country"))]  # fmt: skip
    columns = {"age": ages, "wage": wages, "country": places}
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, [pa.array(values)])
    return pa.concat_tables([table, table.slice(20, 40), table.slice(20, 10)])


def _held(workspace: Path, spec: DatasetSpec) -> dict[str, list[object]]:
    """All that each region and the quarantine hold, but for what is keyed; people by the rows they share."""
    found: dict[str, list[object]] = {}
    for name in ("US", "EU", "quarantine"):
        rows, identifiers = read(workspace, name), store_of(workspace, name).identifiers()
        names = [*rows.columns.values(), rows.target, rows.folds, *(identifiers[each] for each in ("name", "passport"))]
        labels = [str(rows.labels[place]) for place in rows.label_of]
        alike = Counter(rows.subjects.tolist())
        found[name] = [
            *zip(*(map(str, column) for column in names), labels, map(alike.get, rows.subjects), strict=True)
        ]
        found[f"{name}: people"] = [len(alike), len(set(rows.row_digests.tolist()))]  # type: ignore[union-attr]
        found[f"{name}: notes"] = [store_of(workspace, name).manifest.notes]
    return found


def _spec(path: Path, **changed: object) -> DatasetSpec:
    rules = ClassifyRules({"wage": ("financial",)}, restrictions=(RestrictionRule("contract", "closed", "no-export"),))
    return spec_of(path, classify=rules, nonfinite="quarantine", missing_target="quarantine", **changed)


CONSENTS = {"drawn": ConsentRule(share=0.3, seed=3, document="d"),
            "column": ConsentRule(column="job", equals="nurse", document="d"), "none": None}  # fmt: skip


@pytest.mark.parametrize("consent", CONSENTS)
@pytest.mark.parametrize("subject", ["passport", None])
def test_stores_are_the_same_whatever_the_batches(
    tmp_path: Path, consent: str, subject: str | None, request: pytest.FixtureRequest
) -> None:
    spec = _spec(written(tmp_path, _mixed()), consent=CONSENTS[consent], subject=subject)
    spec = replace(spec, kinds={"passport": "identifier"})
    whole = run(spec, tmp_path / "whole", release=agree)
    request.getfixturevalue("small_batches")
    assert run(spec, tmp_path / "batches", release=agree) == whole
    assert _held(tmp_path / "batches", spec) == _held(tmp_path / "whole", spec)


@pytest.mark.usefixtures("small_batches")
def test_parquet_and_csv_packed_or_not_end_in_the_same_stores(tmp_path: Path) -> None:
    table = people(100)
    pq.write_table(table, tmp_path / "a.parquet")
    pyarrow.csv.write_csv(table, tmp_path / "b.csv")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress((tmp_path / "b.csv").read_bytes()))
    found = []
    for name in ("a.parquet", "b.csv", "c.csv.gz"):
        run(spec_of(tmp_path / name), tmp_path / f"w-{name}")
        rows = {each: read(tmp_path / f"w-{name}", each) for each in ("US", "EU")}
        found.append([[*map(str, zip(each.target, each.folds, *each.columns.values(), strict=True))]  # type: ignore[arg-type]
                      for each in rows.values()])  # fmt: skip
    assert found[0] == found[1] == found[2]


@pytest.mark.usefixtures("small_batches")
def test_equal_rows_of_different_batches_are_different_people(tmp_path: Path) -> None:
    table = people(60).select(["country", "age", "job", "wage"])
    run(spec_of(written(tmp_path, pa.concat_tables([table, table])), subject=None), tmp_path / "w")
    rows = [read(tmp_path / "w", name) for name in ("US", "EU")]
    assert sum(len(set(each.subjects)) for each in rows) == 120 == sum(map(len, rows))


@pytest.mark.usefixtures("small_batches")
def test_the_router_leaves_nothing_and_what_it_puts_aside_has_no_name_and_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(aside))
    looked_at: list[bytes] = []
    told = repeats.Repeats.told

    def look_and_tell(self: repeats.Repeats) -> repeats.Repeated:
        assert not list(aside.iterdir()), "a file with a name would outlive a process that is killed"
        for file in self._files:
            file.flush()
        open_files = [Path(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
        for path in open_files:
            if path.exists() and str(aside) in os.readlink(path):
                looked_at.append(path.read_bytes())
        return told(self)

    monkeypatch.setattr(repeats.Repeats, "told", look_and_tell)
    run(spec_of(written(tmp_path, people())), tmp_path / "w")
    assert sum(map(len, looked_at)) >= 16 * 8, "rows were put aside"
    assert not list(aside.iterdir())
    kept = [*looked_at, *bytes_under(tmp_path / "w").values()]
    for secret in CANARY:
        assert all(secret.encode() not in content for content in kept)


def test_a_source_that_is_larger_by_far_needs_no_more_arrow_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (scans, table_files):
        monkeypatch.setattr(module, "MOST_ROWS", 1000)
    monkeypatch.setattr(row_groups, "BYTES_IN_MEMORY", 1 << 18)
    peaks = []
    usual = pa.default_memory_pool()
    for rows in (5_000, 40_000):
        path = tmp_path / f"{rows}.parquet"
        table = people(rows, passport=[f"P{row % 500}" for row in range(rows)])
        pq.write_table(table, path, row_group_size=2_000)
        pool = pa.proxy_memory_pool(usual)
        pa.set_memory_pool(pool)
        try:
            run(spec_of(path), tmp_path / str(rows))
        finally:
            pa.set_memory_pool(usual)
        peaks.append(pool.max_memory())
    assert 0 < peaks[1] < 1.5 * peaks[0], peaks


@pytest.mark.long
def test_four_times_the_rows_take_at_most_half_more_memory() -> None:
    peaks = []
    for rows in (500_000, 2_000_000):  # beyond what waits in memory
        command = [sys.executable, "scripts/benchmark_ingest.py", "--json", "--without-more", "--rows", str(rows)]
        done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True)
        measured = json.loads(done.stdout)
        peaks.append([each["MB"] for act, each in measured.items() if "pyarrow" not in act])
    assert all(more < 1.5 * less for less, more in zip(*peaks, strict=True)), peaks


def test_the_benchmark_measures_ours_and_pyarrows_own_on_the_same_rows() -> None:
    command = [sys.executable, "scripts/benchmark_ingest.py", "--json", "--without-more", "--rows", "2000"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout)
    assert {each["rows"] for each in measured.values()} == {2000.0}
    assert len(measured) == 4 and all(each["seconds"] > 0 and each["MB"] > 0 for each in measured.values())
