"""Rows are used for so many days after their source first came, whatever it is written under."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from fedsov.errors import StoreDamaged
from fedsov.partition.lifecycle.retention import first_day, is_kept, last_day
from fedsov.partition.manifest import MANIFEST, Manifest

TODAY = date(2026, 3, 1)


def _store(stores: Path, name: str, source: str, ingested: str) -> None:
    manifest = Manifest(name, "quarantine", "k", 0, {}, source, "spec", ingested, {}, {})
    (stores / name).mkdir(parents=True)
    (stores / name / MANIFEST).write_text(manifest.to_json())


def test_rows_are_used_to_the_last_day_and_not_after_it() -> None:
    assert last_day("2026-01-30", 30) == TODAY
    assert is_kept("2026-01-30", 30, on=TODAY) and not is_kept("2026-01-29", 30, on=TODAY)
    assert is_kept("2026-03-01", 0, on=TODAY) and not is_kept("2026-02-28", 0, on=TODAY)
    assert last_day("2026-01-30", 10**9) == date.max


def test_without_a_limit_every_row_is_used_and_with_one_none_of_an_unknown_day() -> None:
    assert is_kept("", None, on=TODAY) and is_kept("1999-01-01", None, on=TODAY)
    assert not is_kept("", 10**6, on=TODAY) and not is_kept("yesterday", 10**6, on=TODAY)


def test_a_source_is_as_old_as_when_it_first_came_under_any_name(tmp_path: Path) -> None:
    assert first_day(tmp_path / "none", "aa", TODAY) == TODAY
    for name, source, day in (("a", "aa", "2026-01-05"), ("b", "aa", "2026-01-02"), ("c", "cc", "2020-01-01")):
        _store(tmp_path, name, source, day)
    _store(tmp_path, "d", "aa", "")
    assert first_day(tmp_path, "aa", TODAY) == date(2026, 1, 2)
    assert first_day(tmp_path, "another", TODAY) == first_day(tmp_path, "aa", TODAY).replace(month=3, day=1)
    (tmp_path / "d" / MANIFEST).write_text("[]")
    with pytest.raises(StoreDamaged):
        first_day(tmp_path, "aa", TODAY)
