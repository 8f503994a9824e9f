"""A backup holds all of a party at one moment, opens for its passphrase alone, and says what it does not hold."""

from __future__ import annotations

import json
import os
import threading
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.api.backups.archive import VARIABLE, take_out
from fedsov.api.backups.backup import ERASURE
from fedsov.errors import ConfigurationError, KeyUnavailable
from fedsov.ledger.ledger import Ledger
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.workspace import ledger_of
from tests.api.backups.world import backup, contents, quiet
from tests.hostile.people_region import PeopleRegion


def _nobody(_: int) -> None:
    """Nobody is told of bytes."""


def test_all_of_a_region_is_in_the_archive_as_it_lies_and_nothing_of_it_can_be_read_there(
    region: PeopleRegion, home: Path, tmp_path: Path
) -> None:
    archived = backup(home, "DE", tmp_path / "de")
    names = {each.name for each in archived.contents.files}
    assert {
        f"regions/DE/{name}"
        for name in ("ledger.sqlite", "signing.key", "keyring.json", "region.yaml", "answers/answers.json")
    } <= names
    assert any(name.startswith("regions/DE/store/people/records-") for name in names)
    assert not [name for name in names if name.endswith(("lock", "-wal", "-shm", ".log")) or "hub" in name]
    archive = archived.path.read_bytes()
    assert archived.path.stat().st_mode & 0o777 == 0o600
    for secret in (b"PRIVATE KEY", json.loads((region.folder / "keyring.json").read_text())["sealing_key"].encode()):
        assert secret not in archive
    found = take_out(archived.path, tmp_path / "out", "", _nobody)
    before, after = contents(region.folder), contents(tmp_path / "out" / "regions" / "DE")
    assert before.keys() == after.keys() and found == archived.contents
    assert {name for name in before if before[name] != after[name]} <= {"ledger.sqlite"}, "a database is copied"
    with closing(Ledger.read(tmp_path / "out" / "regions" / "DE" / "ledger.sqlite")) as ledger:
        assert ledger.verify().head.to_json() == archived.contents.head
    assert archived.erasure == ERASURE and ERASURE in archived.lines()
    assert not [*home.glob(".backup-*")]


def test_the_hubs_archive_has_no_region_and_a_regions_home_its_own_quarantine_and_deployment(
    region: PeopleRegion, home: Path, tmp_path: Path
) -> None:
    hub = backup(home, "hub", tmp_path / "hub")
    assert {each.name.partition("/")[0] for each in hub.contents.files} == {"hub"} and hub.erasure == ""
    assert any("quarantine" in line for line in backup(home, "DE", tmp_path / "de").contents.left_out)
    ledger_of(home / "hub").unlink()
    deployment = DeploymentFolder(home)
    make_private_folder(deployment.root)
    deployment.party.write_text("name: DE\nrole: region\n")
    deployment.key.write_text("the key\n")
    alone = backup(home, None, tmp_path / "alone").contents
    tops = {each.name.partition("/")[0] for each in alone.files}
    assert tops == {"regions", "quarantine", "deployment"} and not alone.left_out
    deployment.party.write_text("name: FR\nrole: region\n")
    assert "deployment/party.key" not in {each.name for each in backup(home, None, tmp_path / "fr").contents.files}


def test_an_archive_without_a_passphrase_over_a_file_in_the_home_or_of_nobody_is_not_made(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(home)
    (tmp_path / "there").write_text("mine")
    for match, name, out in (
        ("exists, and no backup is written over", "DE", tmp_path / "there"),
        ("lies in the home itself", "DE", home / "de"),
        ("unknown party 'FR'", "FR", tmp_path / "fr"),
        ("keeps hub, DE; name one", None, tmp_path / "one"),
    ):
        with pytest.raises(ConfigurationError, match=match):
            backup(home, name, out)
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(ConfigurationError, match="--passphrase FILE"):
        backup(home, "DE", tmp_path / "de")
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(KeyUnavailable, match="fewer than 12 letters"):
        backup(home, "DE", tmp_path / "de")
    words = tmp_path / "words"
    words.write_text("a passphrase in a file")
    words.chmod(0o644)
    with pytest.raises(KeyUnavailable, match="open to other users"):
        backup(home, "DE", tmp_path / "de", passphrase_file=str(words))
    assert contents(home) == before and sorted(path.name for path in tmp_path.iterdir()) == ["place", "there", "words"]
    assert (tmp_path / "there").read_text() == "mine"


def test_a_party_that_writes_all_the_while_is_backed_up_at_one_moment(
    region: PeopleRegion, home: Path, tmp_path: Path
) -> None:
    """Each entry is noted after a file that has its number: in the archive the file is never behind the ledger."""
    stop, path = threading.Event(), region.folder / "number"

    def work() -> None:
        with closing(Ledger(ledger_of(region.folder), "DE")) as ledger:
            number = 0
            while not stop.is_set():
                number += 1
                aside = path.with_name("number.new")
                aside.write_text(str(number))
                os.replace(aside, path)
                ledger.note({"number": number})

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for turn in range(3):
            archived = backup(home, "DE", tmp_path / f"de{turn}")
            out = tmp_path / f"out{turn}" / "regions" / "DE"
            take_out(archived.path, out.parent.parent, "", _nobody)
            with closing(Ledger.read(out / "ledger.sqlite")) as ledger:
                ledger.verify()
                noted = ledger.notes("number")[-1].body["note"]["number"]
            assert noted <= int((out / "number").read_text()) <= noted + 1
    finally:
        stop.set()
        worker.join()


def test_what_lies_elsewhere_is_named_with_how_to_back_it_up(region: PeopleRegion, home: Path, tmp_path: Path) -> None:
    register = tmp_path / "register.yaml"
    register.write_text("documents: []\n")
    region.set(f"evidence={register}")
    (region.folder / "models").symlink_to(tmp_path)
    manifest = region.folder / "store" / "people" / "manifest.json"
    plain = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**plain, "place": {"bucket": "s3://fedsov-de/people"}}))
    ring = region.folder / "keyring.json"
    secrets = json.loads(ring.read_text())
    ring.write_text(json.dumps({**secrets, "service": {"backend": "openbao", "url": "https://bao", "key": "de"}}))
    archived = backup(home, "DE", tmp_path / "de").contents
    assert "elsewhere/evidence/register.yaml" in {each.name for each in archived.files}
    said = "\n".join(archived.left_out)
    assert "models: a link, which is not followed" in said and "s3://fedsov-de/people; keep versions" in said
    assert "it lies in backend=openbao" in said and "without which no store opens" in said
    register.unlink()
    assert f"evidence={register}: region.yaml names it and it is not there" in "\n".join(
        backup(home, "DE", tmp_path / "later").contents.left_out
    )


def test_a_folder_gets_an_archive_named_by_party_and_moment(home: Path, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    archived = backup(home, "DE", tmp_path / "backups")
    assert archived.path.parent == tmp_path / "backups" and archived.path.match("DE-*Z.fedsov-backup")
    assert archived.to_json()["archive_bytes"] == archived.path.stat().st_size
    quiet("")
