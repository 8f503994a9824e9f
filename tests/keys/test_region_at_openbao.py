"""A region whose keyring OpenBao protects: ingested, trained, read again, its key rotated and retired."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from fedsov.errors import KeyUnavailable
from fedsov.keys import KeySettings, open_keys
from fedsov.keys.protocol import KEYRING
from fedsov.partition.store import Store
from tests.cli.world import call
from tests.hostile.people_region import PeopleRegion, drawn
from tests.keys.servers import TRAINER, Servers
from tests.world import answered, fedsov


@pytest.fixture
def region(tmp_path: Path, servers: Servers) -> PeopleRegion:
    service = servers.service("openbao", "EU", f"test-{uuid4().hex}", tmp_path)
    words = [f"key_service.{name}={value}" for name, value in service.to_json().items()]
    words += ["datasets.people.document=made up", "datasets.people.examples=true"]
    assert call("region", "init", "DE", *words, f"workspace={tmp_path / 'w'}").code == 0
    Path(service.credential_file).write_text(servers.baos["EU"].token(TRAINER))
    region = PeopleRegion(tmp_path)
    region.ingest(drawn(range(60)), "dataset.examples=made up")
    return region


def _rows(region: PeopleRegion, folder: Path) -> int:
    return len(Store.open(folder / "store" / "people", open_keys(KeySettings("DE", folder))).read())


@pytest.mark.long
def test_a_region_ingests_trains_and_is_read_again_by_a_token_that_may_only_decrypt(
    region: PeopleRegion, tmp_path: Path
) -> None:
    assert "sealing_key" not in (region.folder / KEYRING).read_text()
    words = region.words("dataset.examples=made up", "federation.rounds=1")
    answered(fedsov("train", *words, "--json", "--quiet"))
    assert _rows(region, region.folder) == 60
    shown = call("keys", "status", "DE", f"workspace={tmp_path / 'w'}")
    (tmp_path / "EU.token").write_text("s.another")
    refused = fedsov("train", *words, "federation.rounds=2", "--json", "--quiet")
    assert "the token of DE may not decrypt" in refused.stderr and "s.another" not in refused.stderr
    assert refused.returncode and shown.code == 0, shown.err


@pytest.mark.long
def test_a_rotation_rewrites_no_row_and_an_old_backup_opens_until_its_key_is_retired(
    region: PeopleRegion, servers: Servers, tmp_path: Path
) -> None:
    (tmp_path / "EU.token").write_text(servers.baos["EU"].root_token)
    place, backup = f"workspace={tmp_path / 'w'}", tmp_path / "backup"
    shutil.copytree(region.folder, backup)
    rows = {path: path.read_bytes() for path in region.folder.rglob("*.parquet")}
    shown = call("keys", "rotate", "DE", place, "--why", "yearly", "--json").json
    assert shown["versions"] == {"1": 0, "2": len(rows)} and shown["service_version"] == "2"
    assert {path: path.read_bytes() for path in region.folder.rglob("*.parquet")} == rows
    assert _rows(region, region.folder) == _rows(region, backup) == 60
    assert "add --yes" in call("keys", "retire", "DE", place).line
    assert "version 1 is destroyed" in call("keys", "retire", "DE", place, "--yes", "--why", "yearly").out
    assert _rows(region, region.folder) == 60 and call("region", "check", "DE", place).code == 0
    with pytest.raises(KeyUnavailable, match="does not decrypt"):
        _rows(region, backup)
    assert "one version" in call("keys", "retire", "DE", place, "--yes").line
    answered(fedsov("train", *region.words("dataset.examples=made up", "federation.rounds=1"), "--json", "--quiet"))
    assert call("ledger", "verify", place).code == 0


def test_settings_move_a_keyring_to_a_service_and_back(tmp_path: Path, servers: Servers) -> None:
    region, place = PeopleRegion(tmp_path), f"workspace={tmp_path / 'w'}"
    region.ingest(drawn(range(60)), "dataset.examples=made up")
    service = servers.service("openbao", "EU", f"test-{uuid4().hex}", tmp_path)
    words = [f"key_service.{name}={value}" for name, value in service.to_json().items()]
    moved = call("region", "set", "DE", *words, "--yes", place)
    assert "older versions of its key, and copies of its former keyring.json, open" in moved.out, moved.err
    assert open_keys(KeySettings("DE", region.folder, service)).key_id and _rows(region, region.folder) == 60
    assert call("region", "check", "DE", place).code == 0
    other = replace(service, key="another")
    with pytest.raises(KeyUnavailable, match="settings say"):
        open_keys(KeySettings("DE", region.folder, other))
    assert "would be ignored by local" in call("region", "set", "DE", "key_service.backend=local", "--yes", place).line
    cleared = [f"key_service.{name}=null" for name in service.to_json() if name != "backend"]
    assert call("region", "set", "DE", "key_service.backend=local", *cleared, "--yes", place).code == 0
    assert "sealing_key" in (region.folder / KEYRING).read_text() and _rows(region, region.folder) == 60
    assert call("keys", "status", "DE", place, "--json").json["versions"] == {"1": 0, "2": 0, "3": 2}
