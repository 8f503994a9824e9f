"""Appended rows are as those of one whole source, stored exactly once, whatever happens between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fedsov.errors import InputError
from fedsov.keys.rotation import rotate
from fedsov.partition.classify import ConsentRule
from fedsov.partition.further.append import OtherColumns
from fedsov.partition.further.stored_before import KeyReused
from fedsov.partition.ingest import REASONS, key_settings
from fedsov.partition.lifecycle.erasure import remove_rows, rows_of, subject_pseudonym
from fedsov.partition.lifecycle.rekeying import rekey
from tests.partition.further.world import appended, stored
from tests.partition.world import CANARY, bytes_under, people, read, run, spec_of, store_of, two_regions, written

TABLE = people(60)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    run(spec_of(written(tmp_path, TABLE.slice(0, 40))), tmp_path / "w")
    return tmp_path / "w"


def whole(place: Path, **changed: object) -> Path:
    """A workspace in which all rows came in one source."""
    place.mkdir()
    run(spec_of(written(place, TABLE), **changed), place / "w")
    return place / "w"


def test_rows_appended_equal_rows_of_one_whole_source(workspace: Path, tmp_path: Path) -> None:
    outcome = appended(workspace, TABLE.slice(40))
    for name in ("EU", "US"):
        ours, theirs = store_of(workspace, name), store_of(whole(tmp_path / f"whole-{name}"), name)
        rows, expected = ours.read(), theirs.read()
        assert len(rows) == ours.manifest.rows and ours.manifest.notes == theirs.manifest.notes
        assert rows.kinds == expected.kinds and rows.label == expected.label
        assert outcome.stored[name] == len(rows) - len(store_of(workspace, name).file("records")[1])
        lengths = {len(values) for values in ours.identifiers().values()}
        assert lengths == {len(rows)} and set(ours.identifiers()) == set(theirs.identifiers())
        assert ours.identifiers()["subject"].tolist() == rows.subjects.tolist()
    assert sum(outcome.stored.values()) == outcome.fresh == 20


def test_an_appended_row_without_a_subject_waits(workspace: Path) -> None:
    passports = pa.array([None, *TABLE["passport"].to_pylist()[41:]], pa.string())
    outcome = appended(workspace, TABLE.slice(40).set_column(1, "passport", passports))
    assert outcome.quarantined == {"subject 'passport' missing": 1} and sum(outcome.stored.values()) == 19


def test_each_store_keeps_its_own_rows_under_its_own_key_in_one_whole_order(workspace: Path, tmp_path: Path) -> None:
    appended(workspace, TABLE.slice(40))
    beside = whole(tmp_path / "whole")
    for name in ("EU", "US"):
        assert sorted(age for _, age in stored(workspace, name).elements()) == sorted(
            age for _, age in stored(beside, name).elements()
        )
        assert len(stored(workspace, name)) == len(stored(beside, name))


def test_a_batch_is_stored_once_however_often_it_comes(workspace: Path) -> None:
    first = appended(workspace, TABLE.slice(40))
    before = bytes_under(workspace)
    again = appended(workspace, TABLE.slice(40))
    assert (first.fresh, again.fresh) == (20, 0) and again.stored == first.stored
    assert again.sentence().startswith("already stored: 20 rows") and bytes_under(workspace) == before
    assert appended(workspace, TABLE.slice(40), "another key").fresh == 20


def test_a_key_that_comes_with_other_rows_is_refused_and_nothing_is_stored(workspace: Path) -> None:
    appended(workspace, TABLE.slice(40, 10))
    before = bytes_under(workspace)
    with pytest.raises(KeyReused, match="idempotency key"):
        appended(workspace, TABLE.slice(50, 10))
    assert bytes_under(workspace) == before


def test_equal_rows_of_nobody_are_different_people_however_they_come(tmp_path: Path) -> None:
    alike = pa.concat_tables([people(30), people(30).slice(1, 1)])
    run(spec_of(written(tmp_path, alike), subject=None), tmp_path / "w")
    for key in "abc":
        appended(tmp_path / "w", pa.concat_tables([people(30).slice(1, 1)] * 2), key, subject=None)
    subjects = np.concatenate([read(tmp_path / "w", name).subjects for name in ("EU", "US")])
    assert len(subjects) == 37 == len(set(subjects.tolist()))
    notes = [store_of(tmp_path / "w", name).manifest.notes["people"] for name in ("EU", "US")]
    assert sum(notes) == 37


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (lambda table: table.drop_columns(["job"]), "job"),
        (lambda table: table.append_column("extra", pa.array([1] * 20)), "extra"),
        (lambda table: table.set_column(3, "age", pa.array(["old"] * 20)), "age"),
        (lambda table: table.set_column(5, "wage", pa.array(["much"] * 20)), "wage"),
    ],
    ids=["missing", "too many", "another kind", "another target"],
)
def test_rows_of_other_columns_are_refused_by_the_columns_name(workspace: Path, change: object, column: str) -> None:
    before = bytes_under(workspace)
    with pytest.raises(InputError, match=f"'{column}'") as refused:
        appended(workspace, change(TABLE.slice(40)))  # type: ignore[operator]
    assert column in ("age", "wage") or isinstance(refused.value, OtherColumns)
    assert bytes_under(workspace) == before


def test_rows_without_a_home_wait_and_are_counted_once(workspace: Path) -> None:
    rows = people(60, country=["Atlantis"] * 30 + ["DE"] * 30).slice(20, 20)
    outcome = appended(workspace, rows)
    assert outcome.quarantined == {"jurisdiction unknown": 10} and outcome.stored == {"EU": 10}
    assert appended(workspace, rows).fresh == 0
    assert store_of(workspace, "quarantine").manifest.notes[REASONS] == {"jurisdiction unknown": 10}
    again = run(spec_of(workspace.parent / "people.parquet"), workspace)
    assert again.up_to_date and again.rows_in == 60 and again.quarantined == {"jurisdiction unknown": 10}


def test_an_ingestion_of_another_source_does_not_replace_what_was_appended(workspace: Path, tmp_path: Path) -> None:
    appended(workspace, TABLE.slice(40))
    before = bytes_under(workspace)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(InputError, match="--drop-appended"):
        run(spec_of(written(other, TABLE.slice(0, 50))), workspace)
    assert bytes_under(workspace) == before


def test_an_erasure_and_a_new_key_reach_appended_rows(workspace: Path) -> None:
    appended(workspace, people(60, country=["Germany"] * 60).slice(0, 1), "canary again")
    store = store_of(workspace, "EU")
    pseudonym = subject_pseudonym(store.keys, CANARY[1])
    assert rows_of(store, pseudonym).sum() == 2
    rotate(key_settings(workspace, "EU"))
    assert rekey([store.folder], store_of(workspace, "EU").keys) == 4
    remove_rows(store_of(workspace, "EU"), rows_of(store_of(workspace, "EU"), pseudonym))
    assert not rows_of(store_of(workspace, "EU"), pseudonym).any()
    assert set(bytes_under(store.folder)) == {"manifest.json", *store_of(workspace, "EU").manifest.sha256}


def test_consent_that_decides_a_persons_other_rows_is_not_appended(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="consent"):
        appended(workspace, TABLE.slice(40), consent=ConsentRule(column="contract", equals="open", document="x"))
    with pytest.raises(InputError, match="other settings"):
        appended(workspace, TABLE.slice(40), subject=None)
    with pytest.raises(InputError, match="fedsov ingest"):
        appended(tmp_path / "empty", TABLE.slice(40))
    assert replace(run(spec_of(tmp_path / "people.parquet"), workspace, two_regions())).up_to_date


def test_an_infinite_value_that_nobody_allowed_is_refused_as_in_a_whole_source(workspace: Path) -> None:
    rows = TABLE.slice(40)
    ages = [float("inf"), *rows.column("age").to_pylist()[1:]]
    odd = rows.set_column(rows.column_names.index("age"), "age", pa.array(ages, pa.float64()))
    before = bytes_under(workspace)
    with pytest.raises(InputError, match="'age' has 1 infinite value, first in row 1; set dataset.nonfinite=missing"):
        appended(workspace, odd)
    assert bytes_under(workspace) == before
    assert sum(appended(workspace, rows).stored.values()) == 20
