"""What a store says in the clear, and that a seal holds it: of its region's key, and of every word of it."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from fedsov.errors import KeyUnavailable, StoreDamaged
from fedsov.keys import create_keys
from fedsov.keys.protocol import KeySettings, RegionKeys
from fedsov.partition.manifest import MANIFEST, Manifest, check_seal, read_manifest, sealing

BARE = Manifest(
    dataset="people",
    region="EU",
    key_id="",
    rows=3,
    kinds={"age": "numeric"},
    source_sha256="a" * 64,
    spec_digest="b" * 64,
    ingested="2026-01-02",
    files={"records": "records-1.parquet"},
    sha256={"records-1.parquet": "c" * 64},
)


@pytest.fixture
def keys(tmp_path: Path) -> RegionKeys:
    return create_keys(KeySettings("EU", tmp_path / "EU"))


@pytest.fixture
def manifest(keys: RegionKeys) -> Manifest:
    unsealed = replace(BARE, key_id=keys.key_id)
    return replace(unsealed, seal=sealing(keys, unsealed))


def test_a_manifest_is_read_back_as_it_was_written_and_its_seal_holds(
    tmp_path: Path, manifest: Manifest, keys: RegionKeys
) -> None:
    (tmp_path / MANIFEST).write_text(manifest.to_json())
    assert read_manifest(tmp_path) == manifest
    check_seal(tmp_path, manifest, keys)


def test_the_seal_of_an_older_manifest_without_a_description_still_holds(
    tmp_path: Path, manifest: Manifest, keys: RegionKeys
) -> None:
    older = manifest.to_json().replace('"description": "",', "")
    assert "description" not in older
    (tmp_path / MANIFEST).write_text(older)
    check_seal(tmp_path, read_manifest(tmp_path), keys)


OTHERS: dict[str, Any] = {"rows": 4, "kinds": {}, "files": {}, "sha256": {}, "notes": {"x": 1}}


@pytest.mark.parametrize("name", [part.name for part in fields(Manifest) if part.name not in ("region", "key_id")])
def test_a_seal_holds_every_word_of_the_manifest(
    tmp_path: Path, manifest: Manifest, keys: RegionKeys, name: str
) -> None:
    changed = replace(manifest, **{name: OTHERS.get(name, "other")})
    with pytest.raises(StoreDamaged, match=r"manifest\.json was changed or cut"):
        check_seal(tmp_path, changed, keys)


def test_another_regions_keys_and_another_key_of_the_same_region_are_named(
    tmp_path: Path, manifest: Manifest, keys: RegionKeys
) -> None:
    others = create_keys(KeySettings("US", tmp_path / "US"))
    with pytest.raises(KeyUnavailable, match=f"store of EU under key {keys.key_id}; the keyring at hand is US's"):
        check_seal(tmp_path, manifest, others)
    fresh = create_keys(KeySettings("EU", tmp_path / "elsewhere"))
    with pytest.raises(KeyUnavailable, match=fresh.key_id):
        check_seal(tmp_path, manifest, fresh)


def test_the_seal_of_another_data_set_does_not_fit(tmp_path: Path, manifest: Manifest, keys: RegionKeys) -> None:
    other = replace(manifest, dataset="others")
    with pytest.raises(StoreDamaged):
        check_seal(tmp_path, replace(manifest, seal=sealing(keys, other)), keys)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"rows": 3}', "\x00"])
def test_what_is_no_manifest_is_damage_and_its_way_out_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(StoreDamaged, match=f"delete {tmp_path} and run"):
        read_manifest(tmp_path)


def test_a_missing_or_unreadable_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreDamaged, match=r"manifest\.json is missing; run: .*ingest"):
        read_manifest(tmp_path)
    (tmp_path / MANIFEST).mkdir()
    with pytest.raises(StoreDamaged, match=r"cannot read .*manifest\.json"):
        read_manifest(tmp_path)


def test_the_digest_of_rows_is_that_of_what_they_are_and_not_of_where_and_when_they_were_written() -> None:
    for same in (replace(BARE, ingested="2027-01-01"), replace(BARE, files={}, sha256={}), replace(BARE, seal="x")):
        assert same.rows_digest() == BARE.rows_digest()
    for other in (replace(BARE, rows=4), replace(BARE, source_sha256="d" * 64), replace(BARE, region="US")):
        assert other.rows_digest() != BARE.rows_digest()
