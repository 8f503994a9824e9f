"""Rows that no store takes: each waits where it may lie, and goes home, or away, by a person's word alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.errors import InputError, StoreDamaged
from fedsov.partition.further.merged_files import REASON
from fedsov.partition.ingest import quarantine_of, store_folder
from fedsov.partition.lifecycle.erasure import remove_rows
from fedsov.partition.lifecycle.quarantine import chosen_rows, send_home, waiting
from fedsov.partition.recipients import NAMED, VALUES
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


def sent(workspace: Path, *, reason: str, jurisdiction: str = "DE") -> int:
    held = store_of(workspace, "quarantine")
    return send_home(held, chosen_rows(held, reason=reason), store_of(workspace, "EU"), jurisdiction)


def test_a_row_that_is_sent_home_lies_there_as_if_an_ingestion_had_sorted_it(workspace: Path) -> None:
    before = read(workspace, "EU")
    assert sent(workspace, reason="jurisdiction unknown") == 1
    after, store = read(workspace, "EU"), store_of(workspace, "EU")
    assert len(after) == len(before) + 1 == store.manifest.rows and len(read(workspace, "quarantine")) == 1
    assert after.subjects[-1] == store.keys.pseudonyms(["subject:P0000003"])[0]
    assert after.label == before.label and after.labels[after.label_of[-1]].origins == {"DE"}
    assert store.identifiers()["name"][-1] == "Person 3" and store.identifiers()["subject"][-1] == after.subjects[-1]
    assert store.manifest.notes["people"] == len(set(after.subjects))
    run(
        spec_of(workspace.parent / "people.parquet", missing_target="quarantine", aliases={"Atlantis": "DE"}), workspace
    )
    again = read(workspace, "EU")
    assert again.row_digests is not None and after.row_digests is not None
    assert set(again.row_digests) == set(after.row_digests) and set(again.subjects) == set(after.subjects)


def test_an_assignment_that_was_killed_between_store_and_quarantine_stores_nothing_twice(workspace: Path) -> None:
    quarantine = bytes_under(store_folder(workspace, "quarantine", "people"))
    assert sent(workspace, reason="jurisdiction unknown") == 1
    rows = len(read(workspace, "EU"))
    folder = store_folder(workspace, "quarantine", "people")
    for path in folder.iterdir():
        path.unlink()
    for name, content in quarantine.items():
        (folder / name).write_bytes(content)
    assert sent(workspace, reason="jurisdiction unknown") == 0
    assert len(read(workspace, "EU")) == rows and len(read(workspace, "quarantine")) == 1


def test_rows_go_only_where_their_jurisdiction_is_held_and_only_whole(workspace: Path) -> None:
    with pytest.raises(InputError, match="region EU holds no rows of FR; it holds DE, EU"):
        sent(workspace, reason="jurisdiction unknown", jurisdiction="FR")
    with pytest.raises(InputError, match="the reasons are: jurisdiction missing; jurisdiction unknown"):
        sent(workspace, reason="other")
    held = store_of(workspace, "EU", HELD)
    with pytest.raises(InputError, match="2 rows without a target among the chosen"):
        send_home(held, chosen_rows(held), store_of(workspace, "EU"), "DE")


def test_waiting_rows_are_shown_masked_under_names_that_outlive_a_rewriting(workspace: Path) -> None:
    held = store_of(workspace, "quarantine")
    shown = waiting(held, most=10)
    assert [row.masked["name"] for row in shown] == ["Xxxxxx 9"] * 2
    assert {row.reason for row in shown} == {"jurisdiction unknown", "jurisdiction missing"}
    assert "Person" not in repr(shown) and len({row.name for row in shown}) == 2
    remove_rows(held, chosen_rows(held, names=[shown[0].name]))
    held = store_of(workspace, "quarantine")
    assert [row.name for row in waiting(held, most=10)] == [shown[1].name]
    with pytest.raises(InputError, match="no row 0000 waits"):
        chosen_rows(held, names=["0000"])
