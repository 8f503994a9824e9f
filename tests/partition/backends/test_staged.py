"""What is staged is nobody's until it is in force, and a store that leaves has no file anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.errors import StoreDamaged
from fedsov.keys.local import LocalKeyring
from fedsov.partition.backends.place import FOLDER, StorePlace
from fedsov.partition.backends.staged import remove_store
from fedsov.partition.manifest import read_manifest
from fedsov.partition.store import Store, StoreWriter, stage_store, write_store
from tests.buckets import Buckets
from tests.partition.test_store import contents, rows


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, bucket: StorePlace) -> StorePlace:
    return bucket if request.param == "bucket" else FOLDER


@pytest.fixture
def keys(tmp_path: Path) -> LocalKeyring:
    return LocalKeyring.create(tmp_path / "eu.json", "EU")


def test_the_old_store_is_read_until_the_new_one_is_put_in_force(
    tmp_path: Path, keys: LocalKeyring, place: StorePlace
) -> None:
    folder = tmp_path / "people"
    old = write_store(folder, rows(), contents=contents(), keys=keys, place=place)
    writer = StoreWriter(folder, contents(), keys, place=place)
    writer.append(rows().slice(0, 2))
    staged = stage_store(writer, {})
    assert read_manifest(folder) == old and len(Store.open(folder, keys).read()) == 3
    staged.commit()
    store = Store.open(folder, keys)
    assert len(store.read()) == 2 and {*store.files.names()} == {*store.manifest.sha256}


def test_what_is_discarded_leaves_nothing_behind(tmp_path: Path, keys: LocalKeyring, place: StorePlace) -> None:
    folder = tmp_path / "people"
    write_store(folder, rows(), contents=contents(), keys=keys, place=place)
    writer = StoreWriter(folder, contents(), keys, place=place)
    writer.append(rows())
    stage_store(writer, {})
    writer.discard()
    store = Store.open(folder, keys)
    assert {*store.files.names()} == {*store.manifest.sha256} and len(store.read()) == 3


def test_a_store_that_leaves_has_no_file_anywhere_and_a_changed_manifest_removes_nothing(
    tmp_path: Path, keys: LocalKeyring, bucket: StorePlace, buckets: Buckets
) -> None:
    folder = tmp_path / "people"
    write_store(folder, rows(), contents=contents(), keys=keys, place=bucket)
    path, text = folder / "manifest.json", (folder / "manifest.json").read_text()
    path.write_text(text.replace('"rows": 3', '"rows": 4'))
    with pytest.raises(StoreDamaged, match="changed or cut"):
        remove_store(folder, lambda: keys)
    assert len(buckets.objects(bucket.name)) == 2
    path.write_text(text)
    remove_store(folder, lambda: keys)
    assert not folder.exists() and not buckets.objects(bucket.name)
