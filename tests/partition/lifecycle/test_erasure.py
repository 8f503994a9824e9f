"""A subject's rows leave a store: no byte, no decrypted file and no number tells of them, and the others stay."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from fedsov.partition import store as store_module
from fedsov.partition.lifecycle.erasure import (
    keyed_digests,
    remove_rows,
    rows_of,
    subject_pseudonym,
    sweep,
)
from fedsov.partition.manifest import read_manifest
from fedsov.partition.pipeline import row_groups
from fedsov.partition.sources import table_files
from fedsov.partition.store import Store
from tests.killed import lines_of_a_killed
from tests.partition.world import CANARY, bytes_under, decrypted, keys_of, people, read, run, spec_of, store_of, written


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """DE's rows lie in EU; the canary's are the first and the fourth, and one of its rows has no home."""
    passports = [CANARY[1], "P1", "P2", CANARY[1], CANARY[1], *(f"P{row}" for row in range(5, 60))]
    countries = ["Germany", "DE", "DE", "DE", "Atlantis", *["DE", "US"] * 27, "DE"]
    run(spec_of(written(tmp_path, people(passport=passports, country=countries))), tmp_path / "w")
    return tmp_path / "w"


def erase(store: Store, subject: str = CANARY[1]) -> int:
    """Erases a subject; how many rows left."""
    gone = rows_of(store, subject_pseudonym(store.keys, subject))
    remove_rows(store, gone)
    return int(gone.sum())


@pytest.mark.parametrize("name", ["EU", "quarantine"])
def test_of_an_erased_subject_nothing_is_left_in_what_the_key_opens(workspace: Path, name: str) -> None:
    store = store_of(workspace, name)
    pseudonym = subject_pseudonym(store.keys, CANARY[1])
    before = decrypted(store)
    assert pseudonym in before and CANARY[1] in before
    assert erase(store) == {"EU": 2, "quarantine": 1}[name]
    after = decrypted(store_of(workspace, name))
    assert all(word not in after for word in (pseudonym, *CANARY))
    for content in bytes_under(workspace).values():
        assert all(word.encode() not in content for word in CANARY)


def test_the_others_rows_stay_as_they_were_and_the_manifest_counts_them(workspace: Path) -> None:
    before, store = read(workspace, "EU"), store_of(workspace, "EU")
    others = before.subjects != subject_pseudonym(store.keys, CANARY[1])
    names = store.identifiers()["name"]
    erase(store)
    after, store = read(workspace, "EU"), store_of(workspace, "EU")
    assert after.subjects.tolist() == before.subjects[others].tolist()
    assert after.columns["age"].tolist() == before.columns["age"][others].tolist()
    assert after.target.tolist() == before.target[others].tolist() and after.label == before.label
    assert store.identifiers()["name"].tolist() == names[others].tolist()
    assert store.manifest.rows == others.sum() and store.manifest.notes["people"] == len(set(after.subjects))


def test_files_that_do_not_hold_the_subject_are_not_written_anew(workspace: Path) -> None:
    us, eu = store_of(workspace, "US"), store_of(workspace, "EU")
    before = bytes_under(us.folder)
    assert erase(us) == 0 and bytes_under(us.folder) == before
    files = set(bytes_under(eu.folder))
    erase(eu)
    assert set(bytes_under(eu.folder)) & files == {"manifest.json"}


def test_of_a_large_store_only_the_files_that_hold_the_subject_are_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "ROWS_OF_FILE", 16)
    monkeypatch.setattr(row_groups, "MOST_OF_GROUP", 8)
    monkeypatch.setattr(table_files, "MOST_ROWS", 8)
    table = people(60, country=["DE"] * 59 + ["US"], passport=[CANARY[1], *(f"P{row % 50}" for row in range(1, 60))])
    run(spec_of(written(tmp_path, table)), tmp_path / "w")
    store, before = store_of(tmp_path / "w", "EU"), read(tmp_path / "w", "EU")
    parts = [part for part in store.manifest.files if part.startswith("records")]
    assert len(parts) == 4 and before.columns["age"].tolist() == table["age"].to_pylist()[:59]
    assert store.manifest.notes["people"] == len(set(before.subjects)) == 51
    assert erase(store, "P20") == 1
    after, names = store_of(tmp_path / "w", "EU").manifest.files, store.manifest.files
    assert [part for part in after if after[part] != names[part]] == ["identifiers-000000001", "records-000000001"]
    assert erase(store_of(tmp_path / "w", "EU"), "P3") == 2
    rows, left = read(tmp_path / "w", "EU"), [row not in (3, 20, 53) for row in range(59)]
    assert rows.columns["age"].tolist() == before.columns["age"][left].tolist()
    store = store_of(tmp_path / "w", "EU")
    assert store.identifiers()["name"].tolist() == [
        f"Person {row}" if row else CANARY[0] for row in range(59) if left[row]
    ]
    assert store.manifest.notes["people"] == 49 and len(rows) == store.manifest.rows == 56


def test_an_emptied_store_is_a_tombstone_that_its_source_is_known_by(workspace: Path) -> None:
    store = store_of(workspace, "EU")
    remove_rows(store, np.ones(store.manifest.rows, bool))
    left = store_of(workspace, "EU").manifest
    assert (left.rows, left.source_sha256, left.ingested) == (0, store.manifest.source_sha256, "2026-01-02")
    assert len(read(workspace, "EU")) == 0


def test_a_second_ingestion_of_the_same_source_does_not_bring_the_erased_back(workspace: Path) -> None:
    erase(store_of(workspace, "EU"))
    assert run(spec_of(workspace.parent / "people.parquet"), workspace).up_to_date
    assert subject_pseudonym(keys_of(workspace, "EU"), CANARY[1]) not in read(workspace, "EU").subjects


def test_the_digest_of_a_ledger_is_neither_the_subject_nor_its_pseudonym_nor_another_regions(workspace: Path) -> None:
    pseudonyms = {name: subject_pseudonym(keys_of(workspace, name), CANARY[1]) for name in ("EU", "US")}
    digests = {keyed_digests(keys_of(workspace, name), [pseudonym])[0] for name, pseudonym in pseudonyms.items()}
    assert len({*pseudonyms.values(), *digests, CANARY[1]}) == 5


ERASING = """
import sys
from pathlib import Path
from fedsov.keys.local import LocalKeyring
from fedsov.partition.lifecycle.erasure import remove_rows, rows_of, subject_pseudonym
from fedsov.partition.store import Store

folder, keys = Path(sys.argv[1]), LocalKeyring.open(Path(sys.argv[2]), "EU")
print("begun", flush=True)
for subject in sys.argv[3:]:
    store = Store.open(folder, keys)
    remove_rows(store, rows_of(store, subject_pseudonym(keys, subject)))
    print(subject, flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_an_erasure_that_is_killed_and_run_again_ends_the_same(workspace: Path, seed: int) -> None:
    store = store_of(workspace, "EU")
    subjects = [CANARY[1], "P1", "P2", "P7", "P9", "P11"]
    words = (str(store.folder), str(store.folder.parents[1] / "keyring.json"), *subjects)
    done = lines_of_a_killed(ERASING, *words, chance=random.Random(seed))
    left = store_of(workspace, "EU")
    for line in done[1:]:
        assert not rows_of(left, subject_pseudonym(left.keys, line.strip())).any()
    for subject in subjects:
        erase(store_of(workspace, "EU"), subject)
    assert len(read(workspace, "EU")) == store.manifest.rows - len(subjects) - 1
    assert set(bytes_under(store.folder)) == {"manifest.json", *read_manifest(store.folder).sha256}


def test_what_a_killed_writer_left_is_swept_and_what_is_in_force_is_not(workspace: Path) -> None:
    store = store_of(workspace, "EU")
    before = bytes_under(store.folder)
    for name in ("records-000000000000.parquet", ".manifest.json.000000000000"):
        (store.folder / name).write_bytes(b"old rows")
    sweep(store.folder, store.manifest)
    assert bytes_under(store.folder) == before
