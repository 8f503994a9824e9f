"""A store does the same with its files in its folder and in a bucket; a bucket has ciphertext alone, and no say."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import numpy as np
import pytest

from fedsov.errors import ConfigurationError, KeyUnavailable, StoreDamaged, WorkspaceUnusable
from fedsov.keys import rotation
from fedsov.keys.local import LocalKeyring
from fedsov.partition.arrival import Conditions
from fedsov.partition.backends import files_at as files_at_module
from fedsov.partition.backends.files_at import MARKER, claim, files_at
from fedsov.partition.backends.place import FOLDER, StorePlace
from fedsov.partition.further import compaction
from fedsov.partition.ingest import ingest, key_settings, quarantine_of, store_folder
from fedsov.partition.lifecycle.erasure import remove_rows, rows_of, subject_pseudonym, sweep
from fedsov.partition.lifecycle.quarantine import chosen_rows, send_home
from fedsov.partition.lifecycle.rekeying import rekey
from fedsov.partition.manifest import read_manifest
from fedsov.partition.sorting import IngestReport
from tests.buckets import Buckets, credentials_in
from tests.keys.servers import private_file
from tests.partition.further.world import appended
from tests.partition.world import (
    ATLAS,
    CANARY,
    bytes_under,
    decrypted,
    people,
    read,
    spec_of,
    store_of,
    two_regions,
    written,
)

HELD = quarantine_of("people")
COUNTRIES = ["Germany", "DE", "US", "Atlantis", *["DE", "US"] * 28]
"""The canary's is the first row; the fourth has no home, and the second lacks its target."""
WAGES = [1.0, None, *([3.0, 4.0, 5.0] * 20)][:60]


@dataclass(frozen=True, slots=True)
class World:
    """The small world, where the files of EU lie in a place."""

    workspace: Path
    place: StorePlace
    buckets: Buckets

    def ingest(self, *, rebuild: bool = False, place: StorePlace | None = None) -> IngestReport:
        eu = self.place if place is None else place
        conditions = Conditions(rebuild=rebuild, place_of={"EU": eu, "US": FOLDER}.__getitem__)
        path = written(self.workspace.parent, people(country=COUNTRIES, wage=WAGES))
        return ingest(
            spec_of(path, missing_target="quarantine"), atlas=ATLAS, regions=two_regions(), workspace=self.workspace,
            release=None, today=lambda: date(2026, 1, 2), conditions=conditions,
        )  # fmt: skip

    def folder(self, dataset: str = "people") -> Path:
        return store_folder(self.workspace, "EU", dataset)

    def files(self, dataset: str = "people") -> set[str]:
        """The data files of EU's store, wherever they lie."""
        return {*files_at(self.folder(dataset), self.place).names()}

    def check_swept(self) -> None:
        """Exactly the files that the manifests name are there, and in the folder only if they belong there."""
        for dataset in ("people", HELD):
            assert self.files(dataset) == {*read_manifest(self.folder(dataset)).sha256}
            if self.place.bucket:
                assert [*bytes_under(self.folder(dataset))] == ["manifest.json"]


@pytest.fixture(params=["folder", "bucket"])
def world(request: pytest.FixtureRequest, tmp_path: Path, bucket: StorePlace, buckets: Buckets) -> World:
    (tmp_path / "source").mkdir()
    world = World(tmp_path / "source" / "w", bucket if request.param == "bucket" else FOLDER, buckets)
    world.ingest()
    return world


@pytest.fixture
def remote(tmp_path: Path, bucket: StorePlace, buckets: Buckets) -> World:
    (tmp_path / "source").mkdir()
    world = World(tmp_path / "source" / "w", bucket, buckets)
    world.ingest()
    return world


def erase(world: World) -> None:
    store = store_of(world.workspace, "EU")
    remove_rows(store, rows_of(store, subject_pseudonym(store.keys, CANARY[1])))


def test_what_is_ingested_is_read_and_ingested_anew(world: World) -> None:
    before = read(world.workspace, "EU")
    assert len(before) and store_of(world.workspace, "EU").identifiers()["name"][0] == CANARY[0]
    assert (len(read(world.workspace, "EU", HELD)), len(read(world.workspace, "quarantine"))) == (1, 1)
    world.check_swept()
    files = world.files()
    assert world.ingest().up_to_date and world.files() == files
    world.ingest(rebuild=True)
    world.check_swept()
    assert not world.files() & files
    assert np.array_equal(read(world.workspace, "EU").subjects, before.subjects)


def test_rows_are_appended_and_small_files_merged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MERGED", 3)
    rows, more = len(read(world.workspace, "EU")), people(8, country=["DE", "US"] * 4)
    for number in range(4):
        batch = more.slice(2 * number, 2)
        assert appended(world.workspace, batch, f"k{number}", missing_target="quarantine").fresh == 2
        world.check_swept()
    store = store_of(world.workspace, "EU")
    assert len(store.read()) == rows + 4 and len(store.manifest.files) == 2 * 3, "four files were not merged"


def test_a_subject_is_erased_and_so_is_what_a_killed_writer_left(world: World) -> None:
    store = store_of(world.workspace, "EU")
    assert CANARY[1] in decrypted(store)
    left = world.folder() / "records-000000000000.parquet"
    left.write_bytes(b"old rows")
    if world.place.bucket:
        files_at(world.folder(), world.place).put(left.name, left)
    sweep(store.folder, store.manifest)
    world.check_swept()
    files = world.files()
    erase(world)
    world.check_swept()
    assert not world.files() & files and CANARY[1] not in decrypted(store_of(world.workspace, "EU"))


def test_a_new_key_wraps_the_files_keys_and_no_file_is_written_anew(world: World) -> None:
    before, files = read(world.workspace, "EU"), world.files()
    keys = rotation.rotate(key_settings(world.workspace, "EU"))
    assert rekey([world.folder(), world.folder(HELD)], keys) == 4
    assert world.files() == files
    assert np.array_equal(read(world.workspace, "EU").subjects, before.subjects)


def test_a_row_without_a_home_is_sent_home_and_one_that_waits_is_removed(world: World) -> None:
    rows, held = len(read(world.workspace, "EU")), store_of(world.workspace, "quarantine")
    chosen = chosen_rows(held, reason="jurisdiction unknown")
    assert send_home(held, chosen, store_of(world.workspace, "EU"), "DE") == 1
    assert len(read(world.workspace, "EU")) == rows + 1
    remove_rows(store_of(world.workspace, "EU", HELD), np.ones(1, bool))
    assert len(read(world.workspace, "EU", HELD)) == 0
    world.check_swept()


def test_a_bucket_has_ciphertext_alone_and_the_region_s_folder_no_file_of_data(remote: World) -> None:
    objects = remote.buckets.objects(remote.place.name)
    assert {key.split("/")[1] for key in objects} == {"people", HELD}
    for content in (*objects.values(), *bytes_under(remote.workspace).values()):
        assert all(word.encode() not in content for word in (*CANARY, "Person 1", "nurse"))
    assert [*remote.folder().parent.rglob("*.parquet")] == []


def test_an_object_that_was_changed_or_is_missing_is_named_and_not_decrypted(remote: World) -> None:
    (name,) = (name for name in remote.files() if name.startswith("records"))
    client, key = remote.buckets.client(), f"people/people/{name}"
    content = client.get_object(Bucket=remote.place.name, Key=key)["Body"].read()
    address = re.escape(f"s3://{remote.place.name}/{key}")
    client.put_object(Bucket=remote.place.name, Key=key, Body=content[:-9] + b"?" + content[-8:])
    with pytest.raises(StoreDamaged, match=f"{address} was changed or cut"):
        read(remote.workspace, "EU")
    client.delete_object(Bucket=remote.place.name, Key=key)
    with pytest.raises(StoreDamaged, match=f"{address} is missing"):
        read(remote.workspace, "EU")


def test_a_manifest_that_says_another_place_is_changed(remote: World) -> None:
    path = remote.folder() / "manifest.json"
    path.write_text(path.read_text().replace(f"s3://{remote.place.name}/", "s3://elsewhere/"))
    with pytest.raises(StoreDamaged, match="changed or cut"):
        store_of(remote.workspace, "EU")


def test_without_the_bucket_or_the_right_credentials_it_is_one_clear_line(
    remote: World, bucket: StorePlace, tmp_path: Path
) -> None:
    before = read(remote.workspace, "EU")
    nowhere = replace(bucket, bucket="s3://nowhere/people")
    with pytest.raises(WorkspaceUnusable, match="s3://nowhere/people.* does not exist; look at store.bucket") as fault:
        remote.ingest(rebuild=True, place=nowhere)
    assert "\n" not in str(fault.value)
    stranger = replace(bucket, credentials_file=credentials_in(tmp_path / "wrong", "WRONGKEY", "wrong-secret"))
    with remote.buckets.strict():
        for place in (stranger, bucket):
            with pytest.raises(WorkspaceUnusable, match="the service refused to write .*credentials_file") as fault:
                remote.ingest(rebuild=True, place=place)
            assert "\n" not in str(fault.value) and not re.search("WRONGKEY|secret", str(fault.value))
        with pytest.raises(WorkspaceUnusable, match="the service refused to read"):
            read(remote.workspace, "EU")
        with pytest.raises(WorkspaceUnusable, match="the service refused to list"):
            files_at(remote.folder(), stranger).names()
    assert np.array_equal(read(remote.workspace, "EU").subjects, before.subjects)
    remote.check_swept()


@pytest.mark.parametrize(
    ("content", "mode", "fault"),
    [
        (None, 0o600, "No such file"),
        ("access_key_id: 'sesame'\n", 0o644, "open to other users"),
        ("sesame", 0o600, "is no YAML"),
        ("access_key_id: 4711\n", 0o600, "must hold lines of text"),
        ("endpoint: https://sesame.example\n", 0o600, "must hold lines of text, some of access_key_id"),
    ],
)
def test_a_file_of_credentials_that_cannot_be_is_refused_without_a_word_of_it(
    bucket: StorePlace, tmp_path: Path, content: str | None, mode: int, fault: str
) -> None:
    path = tmp_path / "credentials"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(KeyUnavailable, match=fault) as refusal:
        files_at(tmp_path, replace(bucket, credentials_file=str(path))).names()
    assert "sesame" not in str(refusal.value) and "4711" not in str(refusal.value)


def test_credentials_of_a_file_let_in_where_those_of_the_environment_do_not(
    buckets: Buckets, bucket: StorePlace, tmp_path: Path
) -> None:
    iam = boto3.client("iam", region_name="us-east-1", endpoint_url=buckets.address)
    iam.create_user(UserName=tmp_path.name)
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
    iam.put_user_policy(UserName=tmp_path.name, PolicyName="buckets", PolicyDocument=policy)
    key = iam.create_access_key(UserName=tmp_path.name)["AccessKey"]
    file = credentials_in(tmp_path / "right", key["AccessKeyId"], key["SecretAccessKey"])
    with buckets.strict():
        assert files_at(tmp_path, replace(bucket, credentials_file=file)).names() == {}
        with pytest.raises(WorkspaceUnusable, match="refused"):
            files_at(tmp_path, bucket).names()


KILLED = """
import os, signal, sys
from fedsov.partition.lifecycle import erasure
from tests.partition.backends.test_files_at import CANARY
from tests.partition.world import store_of
from pathlib import Path

def die(*_arguments, **_words):
    os.kill(os.getpid(), signal.SIGKILL)

opened = store_of(Path(sys.argv[1]), "EU")
erasure.write_pending = die
gone = erasure.rows_of(opened, erasure.subject_pseudonym(opened.keys, CANARY[1]))
erasure.remove_rows(opened, gone)
"""


def test_killed_between_its_files_and_its_manifest_the_old_store_is_whole_and_the_next_write_sweeps(
    remote: World,
) -> None:
    before, files = read(remote.workspace, "EU"), remote.files()
    ended = subprocess.run([sys.executable, "-c", KILLED, str(remote.workspace)], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert remote.files() > files, "it was killed before a file was put"
    assert np.array_equal(read(remote.workspace, "EU").subjects, before.subjects)
    erase(remote)
    remote.check_swept()


def test_a_bucket_is_claimed_by_one_region_and_refused_to_any_other(bucket: StorePlace, tmp_path: Path) -> None:
    keys = {name: LocalKeyring.create(tmp_path / f"{name}.json", name) for name in ("EU", "US")}
    claim(bucket, keys["EU"])
    claim(bucket, keys["EU"])
    with pytest.raises(ConfigurationError, match=f"s3://{bucket.name} belongs to region EU, as {MARKER} in it says"):
        claim(bucket, keys["US"])
    with pytest.raises(ConfigurationError, match="belongs to a region EU with another keyring"):
        claim(bucket, LocalKeyring.create(tmp_path / "again.json", "EU"))


def test_a_marker_that_says_nothing_is_nobody_s_to_take(bucket: StorePlace, buckets: Buckets, tmp_path: Path) -> None:
    buckets.client().put_object(Bucket=bucket.name, Key=MARKER, Body=b"mine")
    with pytest.raises(ConfigurationError, match="belongs to somebody else"):
        claim(bucket, LocalKeyring.create(tmp_path / "eu.json", "EU"))


def test_a_region_that_gets_no_rows_any_more_has_none_in_its_bucket(remote: World) -> None:
    path = written(remote.workspace.parent, people(country=["US"] * 60))
    ingest(
        spec_of(path), atlas=ATLAS, regions="auto", workspace=remote.workspace, release=None,
        today=lambda: date(2026, 1, 3),
    )  # fmt: skip
    assert not remote.folder().exists() and not remote.buckets.objects(remote.place.name)


GOOGLE = '{"disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": ""}'


@pytest.mark.parametrize(
    ("url", "credentials", "asked"),
    [
        ("az://fedsov-de/eu", "account_name: fedsov\naccount_key: 'YWNjb3VudA=='\n", "/fedsov-de?restype=container&"),
        ("gs://fedsov-de/eu", GOOGLE, "/fedsov%2Dde?list-type=2&"),
    ],
)
def test_azure_s_and_google_s_buckets_are_asked_by_the_same_code(
    url: str, credentials: str, asked: str, tmp_path: Path
) -> None:
    """No service of theirs runs here: this shows how they would be asked, and what is said where there is no bucket."""
    paths = []

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name
            paths.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        file = private_file(tmp_path / "credentials", credentials)
        place = StorePlace(url, f"http://127.0.0.1:{server.server_port}", "", file)
        with pytest.raises(WorkspaceUnusable, match=f"cannot list {url}/people/ .*; look at store.bucket"):
            files_at(tmp_path / "people", place).names()
        server.shutdown()
    (path,) = paths
    assert path.startswith(asked) and "prefix=eu%2Fpeople%2F" in path


def test_what_lies_deeper_in_a_bucket_is_none_of_a_store_s_files(remote: World) -> None:
    remote.buckets.client().put_object(Bucket=remote.place.name, Key="people/people/2026/notes", Body=b"not ours")
    remote.ingest(rebuild=True)
    remote.check_swept()
    assert remote.buckets.objects(remote.place.name)["people/people/2026/notes"] == b"not ours"


def test_a_client_is_opened_once_in_a_process(bucket: StorePlace, tmp_path: Path) -> None:
    files_at(tmp_path, bucket).names()
    before = files_at_module._opened.cache_info().misses
    files_at(tmp_path, bucket).names()
    assert files_at_module._opened.cache_info().misses == before
