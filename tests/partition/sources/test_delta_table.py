"""A source that is a Delta table."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import write_deltalake

from fedsov.errors import InputError
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.sources import read_source
from tests.partition.world import people, read, run, spec_of


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two versions: 40 rows, then 20 more; parted by the contract."""
    folder, table = tmp_path / "people_delta", people()
    write_deltalake(str(folder), table.slice(0, 40), partition_by=["contract"])
    write_deltalake(str(folder), table.slice(40), mode="append")
    return folder


def _spec(place: Path, **options: object) -> DatasetSpec:
    return spec_of(place, source="delta", source_options=options)


def test_a_table_is_ingested_with_the_columns_that_part_it(place: Path, tmp_path: Path) -> None:
    report = run(_spec(place), tmp_path / "w")
    assert sum(report.stored.values()) == 60 and report.kinds["contract"] == "categorical"
    assert len(read(tmp_path / "w", "EU")) == report.stored["EU"] > 0


def test_an_older_version_is_read_where_it_is_asked_for(place: Path) -> None:
    assert read_source(_spec(place, version=0)).num_rows == 40
    assert read_source(_spec(place)).num_rows == 60


@pytest.mark.parametrize("version", [7, "first"])
def test_a_version_that_is_not_there_is_refused_in_one_line(place: Path, version: object) -> None:
    with pytest.raises(InputError, match=rf"dataset\.source_options\.version={version} cannot be read") as refusal:
        read_source(_spec(place, version=version))
    assert "\n" not in str(refusal.value)


def test_a_folder_that_is_no_delta_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder _delta_log"):
        read_source(_spec(tmp_path))
