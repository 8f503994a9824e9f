"""A region's bucket is its owner's setting: said once, kept by every act on its rows, and moved to as ciphertext."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fedsov.partition.backends.files_at import MARKER, BucketFiles
from fedsov.partition.backends.place import StorePlace
from fedsov.partition.manifest import read_manifest
from fedsov.storage.workspace import store_of
from tests.buckets import Buckets, credentials_in, settings_of
from tests.cli.world import Ended, call
from tests.hostile.people_region import PeopleRegion, drawn
from tests.world import fedsov

PEOPLE = 40


@pytest.fixture(scope="module")
def ingested_once(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    region = PeopleRegion(tmp_path_factory.mktemp("people"))
    region.ingest(drawn(range(PEOPLE)))
    return region


@dataclass(frozen=True, slots=True)
class Owner:
    """DE, whose owner has a bucket for it."""

    region: PeopleRegion
    place: StorePlace
    buckets: Buckets

    def call(self, *words: object) -> Ended:
        return call(*words, f"workspace={self.region.place / 'w'}")

    def set(self, *words: str) -> Ended:
        return self.call("region", "set", "DE", *words, "--yes", "--why", "a test")

    @property
    def folder(self) -> Path:
        return store_of(self.region.folder, "people")

    def objects(self) -> set[str]:
        """The names of the store's files in the bucket."""
        return {Path(key).name for key in self.buckets.objects(self.place.name)} - {MARKER}

    def check_in_bucket(self) -> None:
        assert self.objects() == {*read_manifest(self.folder).sha256}
        assert [path.name for path in self.folder.iterdir()] == ["manifest.json"]

    def check_in_folder(self) -> None:
        assert {path.name for path in self.folder.iterdir()} == {"manifest.json", *read_manifest(self.folder).sha256}


@pytest.fixture
def owner(ingested_once: PeopleRegion, buckets: Buckets, tmp_path: Path) -> Owner:
    place = buckets.make(f"de-{uuid.uuid4().hex[:12]}")
    credentials = credentials_in(tmp_path / "credentials.yaml")
    return Owner(ingested_once.copied(tmp_path / "copy"), replace(place, credentials_file=credentials), buckets)


def rows_used(region: PeopleRegion) -> list[str]:
    """Whose rows the region's worker has for a job, by their pseudonyms."""
    opened = region.opened()
    opened.close()
    return list(opened.outbound.session.records.subjects.tolist())


def test_files_move_to_the_bucket_and_back_and_the_rows_stay(owner: Owner) -> None:
    files = {*read_manifest(owner.folder).sha256}
    ended = owner.set(*settings_of(owner.place))
    assert f"the files of people were moved to {owner.place.bucket}" in ended.out, ended.err
    owner.check_in_bucket()
    assert owner.objects() == files, "a file was written anew"
    rows = rows_used(owner.region)
    assert len(rows) == PEOPLE
    ended = owner.set(*(f"store.{name}=null" for name in owner.place.to_json()))
    assert "were moved to the region's folder" in ended.out, ended.err
    owner.check_in_folder()
    assert not owner.objects() and rows_used(owner.region) == rows


def test_an_ingestion_an_append_an_erasure_an_expiry_and_a_new_key_keep_the_files_in_the_bucket(
    owner: Owner,
) -> None:
    owner.set(*settings_of(owner.place))
    owner.region.ingest(drawn(range(PEOPLE + 5)))
    owner.check_in_bucket()
    (owner.region.place / "people.csv").write_text("country,person,income,ward,ill\nDE,p77,7.5,A,1\n")
    ended = call("ingest", "--append", *owner.region.words(), "--quiet")
    assert ended.code == 0, ended.err
    owner.check_in_bucket()
    assert read_manifest(owner.folder).rows == PEOPLE + 6
    ended = owner.call("erase", "--region", "DE", "--subject", "p77", "--why", "asked")
    assert ended.code == 0, ended.err
    owner.check_in_bucket()
    assert read_manifest(owner.folder).rows == PEOPLE + 5
    files = owner.objects()
    assert owner.call("keys", "rotate", "DE").code == 0
    assert owner.objects() == files
    owner.set("retention_days=30")
    owner.region.pass_days(35)
    ended = owner.call("retention", "apply", "DE", "--why", "over")
    assert ended.code == 0, ended.err
    owner.check_in_bucket()
    emptied = {name for name in files if "-000000001-" in name}  # by the erasure of its one row
    assert read_manifest(owner.folder).rows == 0 and owner.objects() & files == emptied


def begun_with_bucket(owner: Owner, place: Path) -> Owner:
    """DE in a new workspace, made with the bucket and ingested."""
    region = PeopleRegion(place)
    place.mkdir()
    made = call("region", "init", "DE", *settings_of(owner.place), f"workspace={place / 'w'}")
    assert made.code == 0, made.err
    region.ingest(drawn(range(PEOPLE)))
    return replace(owner, region=region)


def test_a_region_that_is_made_with_a_bucket_stores_there(owner: Owner, tmp_path: Path) -> None:
    own = begun_with_bucket(owner, tmp_path / "new")
    own.check_in_bucket()
    assert len(rows_used(own.region)) == PEOPLE


@pytest.mark.long
def test_a_region_that_is_made_with_a_bucket_trains_from_there(owner: Owner, tmp_path: Path) -> None:
    own = begun_with_bucket(owner, tmp_path / "new")
    trained = fedsov("train", *own.region.words("federation.rounds=2", "privacy=none"), "--json", "--quiet")
    assert trained.returncode == 0, trained.stderr
    own.check_in_bucket()


def test_another_region_s_bucket_is_refused_by_name_and_nothing_changes(owner: Owner, buckets: Buckets) -> None:
    assert owner.set(*settings_of(owner.place)).code == 0
    words = [f"workspace={owner.region.place / 'w'}", *settings_of(owner.place)]
    assert f"s3://{owner.place.name} is the bucket of region DE" in call("region", "init", "FR", *words).line
    elsewhere = [f"workspace={owner.region.place / 'w2'}", *settings_of(owner.place)]
    assert f"s3://{owner.place.name} belongs to region DE, as {MARKER} in it says" in (
        call("region", "init", "FR", *elsewhere).line
    )
    assert call("region", "init", "FR", f"workspace={owner.region.place / 'w'}").code == 0
    buckets.make(f"fedsov-fr-{owner.place.name}")
    assert "s3://fedsov-FR is the bucket of region FR" in owner.set("store.bucket=s3://fedsov-FR/people").line
    owner.check_in_bucket()


def test_new_credentials_are_taken_without_moving_a_file(owner: Owner, tmp_path: Path) -> None:
    owner.set(*settings_of(owner.place))
    files, other = owner.objects(), credentials_in(tmp_path / "other.yaml", "other", "other-secret")
    ended = owner.set(f"store.credentials_file={other}")
    assert "moved" not in ended.out and owner.objects() == files
    assert read_manifest(owner.folder).place["credentials_file"] == other
    assert len(rows_used(owner.region)) == PEOPLE


def test_a_move_that_fails_leaves_the_store_whole_and_the_same_command_goes_on(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, calls = BucketFiles.put, list[str]()

    def cut(files: BucketFiles, name: str, path: Path) -> None:
        calls.append(name)
        if len(calls) == 2:
            raise OSError(5, "the line was cut")
        put(files, name, path)

    files = {*read_manifest(owner.folder).sha256}
    monkeypatch.setattr(BucketFiles, "put", cut)
    assert "cannot write" in owner.set(*settings_of(owner.place)).line and len(calls) == 2 <= len(files)
    owner.check_in_folder()
    assert not owner.objects()
    checked = owner.call("region", "check", "DE").out
    assert "the files of people lie in the region's folder, by other settings than these; `fedsov region set" in checked
    assert "were moved" in owner.set(*settings_of(owner.place)).out
    owner.check_in_bucket()


def test_a_bucket_that_is_not_there_is_one_line_before_a_setting_is_written(owner: Owner) -> None:
    nowhere = replace(owner.place, bucket="s3://nowhere/people")
    assert "s3://nowhere/fedsov-region does not exist; look at store.bucket" in owner.set(*settings_of(nowhere)).line
    owner.check_in_folder()
    assert "s3://nowhere" not in owner.call("region", "show", "DE").out
