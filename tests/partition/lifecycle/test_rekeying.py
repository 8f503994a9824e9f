"""A new version of a region's key rewrites manifests, and no row."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.errors import KeyUnavailable
from fedsov.keys import KeySettings, create_keys, open_keys
from fedsov.keys.rotation import retire, rotate
from fedsov.partition.lifecycle.rekeying import rekey
from fedsov.partition.manifest import MANIFEST
from fedsov.partition.store import Store, write_store
from tests.partition.test_store import contents, rows


@pytest.fixture
def place(tmp_path: Path) -> KeySettings:
    return KeySettings("EU", tmp_path / "EU")


@pytest.fixture
def stores(tmp_path: Path, place: KeySettings) -> list[Path]:
    keys = create_keys(place)
    folders = [tmp_path / "store" / str(number) for number in range(3)]
    for folder in folders:
        write_store(folder, rows(), contents=contents(), keys=keys)
    return folders


def _files(stores: list[Path], name: str) -> dict[Path, bytes]:
    return {path: path.read_bytes() for folder in stores for path in folder.glob(name)}


def test_a_rotation_rewrites_manifests_and_no_row(stores: list[Path], place: KeySettings) -> None:
    kept, manifests = _files(stores, "*.parquet"), _files(stores, MANIFEST)
    keys = rotate(place)
    assert rekey(stores, keys) == 6
    assert _files(stores, "*.parquet") == kept
    assert not set(_files(stores, MANIFEST).values()) & set(manifests.values())
    assert not [path for folder in stores for path in folder.glob(".*")]
    assert rekey(stores, keys) == 0, "what the newest version wrapped is left alone"
    retire(place)
    for folder in stores:
        assert len(Store.open(folder, open_keys(place)).read()) == 3


def test_no_manifest_is_written_where_one_store_does_not_open(stores: list[Path], place: KeySettings) -> None:
    other = create_keys(KeySettings("US", place.folder.with_name("US")))
    write_store(stores[2], rows(), contents=contents(), keys=other)
    before = _files(stores, MANIFEST)
    with pytest.raises(KeyUnavailable, match="a store of US"):
        rekey(stores, rotate(place))
    assert _files(stores, MANIFEST) == before


def test_a_store_that_was_not_wrapped_anew_is_lost_once_its_version_is_retired(
    stores: list[Path], place: KeySettings
) -> None:
    rekey(stores[:2], rotate(place))
    retire(place)
    assert len(Store.open(stores[0], open_keys(place)).read()) == 3
    with pytest.raises(KeyUnavailable, match="version 1 .* a copy from before `fedsov keys retire` opens nowhere"):
        Store.open(stores[2], open_keys(place))
