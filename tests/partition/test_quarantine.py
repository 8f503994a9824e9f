"""Rows that no store takes: each waits where it may lie, and goes home, or away, by a person's word alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.errors import StoreDamaged
from fedsov.partition.ingest import NAMED, REASON, VALUES, quarantine_of, store_folder
from fedsov.partition.store import Store
from tests.partition.world import bytes_under, keys_of, people, read, run, spec_of, store_of, written

HELD = quarantine_of("people")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two rows of DE and one of US lack their target, and two rows have no home."""
    wages = [None, None, None, *([3.0, 4.0, 5.0] * 19)]
    countries = ["DE", "Germany", "US", "Atlantis", None, *["DE", "US"] * 27, "DE"]
    path = written(tmp_path, people(wage=wages, country=countries))
    run(spec_of(path, missing_target="quarantine"), tmp_path / "w")
    return tmp_path / "w"


def names_in(store: Store) -> list[str]:
    return sorted(store.identifiers()["name"].tolist())


def test_a_row_whose_home_is_known_waits_there_and_one_without_a_home_beside(workspace: Path) -> None:
    assert names_in(store_of(workspace, "EU", HELD)) == ["Jane Canary", "Person 1"]
    assert names_in(store_of(workspace, "US", HELD)) == ["Person 2"]
    assert names_in(store_of(workspace, "quarantine")) == ["Person 3", "Person 4"]
    assert set(read(workspace, "EU", HELD).columns[REASON]) == {"target 'wage' missing"}
    assert read(workspace, "EU", HELD).label.origins == {"DE"}


def test_a_quarantine_is_encrypted_and_does_not_pass_for_the_store_beside_it(workspace: Path) -> None:
    for content in bytes_under(workspace).values():
        assert b"Jane Canary" not in content and b"Person 3" not in content
    held, store = (store_folder(workspace, "EU", name) for name in (HELD, "people"))
    manifest = (held / "manifest.json").read_bytes().replace(HELD.encode(), b"people")
    (store / "manifest.json").write_bytes(manifest)
    with pytest.raises(StoreDamaged, match="changed or cut"):
        Store.open(store, keys_of(workspace, "EU"))


def test_what_names_a_waiting_row_gives_the_pseudonyms_that_its_home_would_give(workspace: Path) -> None:
    held = store_of(workspace, "EU", HELD)
    named, keys = held.identifiers(), keys_of(workspace, "EU")
    assert keys.pseudonyms(named[NAMED]) == held.read().subjects.tolist() and len(set(named[VALUES])) == 2


def test_a_source_without_faults_leaves_no_quarantine_of_before(workspace: Path) -> None:
    run(spec_of(written(workspace.parent, people()), missing_target="quarantine"), workspace)
    assert not store_folder(workspace, "EU", HELD).exists() and not store_folder(workspace, "US", HELD).exists()
    assert len(read(workspace, "quarantine")) == 0
