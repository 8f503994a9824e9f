"""Which party a home keeps, and what of it is listed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from fedsov.api.backups.party_files import (
    PartyHome,
    deployed_party,
    files_of,
    is_in_file,
    is_passing,
    left_out,
    party_at,
)
from fedsov.errors import ConfigurationError
from fedsov.inference.use.cells import UseFrame
from fedsov.inference.use.spool import UseSpool, Window
from fedsov.ledger.ledger import Ledger
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import ledger_of


def _ledger(folder: Path, owner: str) -> None:
    with closing(Ledger(ledger_of(folder), owner)) as ledger:
        ledger.note({"a": 1})


def test_a_home_without_a_ledger_keeps_nobody(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="keeps no party"):
        party_at(tmp_path, None)


def test_the_only_party_needs_no_name_and_one_of_several_does(tmp_path: Path) -> None:
    _ledger(tmp_path / "regions" / "DE", "DE")
    only = party_at(tmp_path, None)
    assert only == PartyHome(tmp_path, "DE", "region") and only.is_alone
    _ledger(tmp_path / "hub", "hub")
    assert not party_at(tmp_path, "DE").is_alone and party_at(tmp_path, "hub").role == "hub"
    with pytest.raises(ConfigurationError, match="name one"):
        party_at(tmp_path, None)


def test_whose_deployment_a_home_has_is_in_its_file(tmp_path: Path) -> None:
    assert deployed_party(tmp_path) == ""
    deployment = DeploymentFolder(tmp_path)
    make_private_folder(deployment.root)
    for text, party in (("name: DE\nrole: region\n", "DE"), ("name: acme\nrole: hub\n", "hub")):
        deployment.party.write_text(text)
        assert deployed_party(tmp_path) == party


@pytest.mark.parametrize("name", ["lock", "privacy.jsonl.lock", "ledger.sqlite-wal", "x.db-shm", "worker.log"])
def test_locks_logs_and_half_written_files_are_passing(name: str) -> None:
    assert is_passing(name) and is_passing(".region.yaml.0123456789abcdef") and not is_passing("region.pending")


def test_a_link_is_named_and_never_followed(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    _ledger(home / "regions" / "DE", "DE")
    (home / "regions" / "DE" / "folder").symlink_to(outside)
    (home / "regions" / "DE" / "file").symlink_to(outside / "secret")
    party = party_at(home, "DE")
    assert {each.name for each in files_of(party)} == {"regions/DE/ledger.sqlite", "regions/DE/signing.key"}
    assert sum("a link" in line for line in left_out(party)) == 2


def test_a_ledger_in_postgresql_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "regions" / "DE"
    make_private_folder(folder)
    (folder / "ledger.postgresql").write_text("postgresql://de@db/de\n")
    party = party_at(tmp_path, None)
    assert not is_in_file(party)
    assert any("PostgreSQL" in line and "pg_dump" in line for line in left_out(party))


def test_windows_in_which_it_is_counted_who_asks_are_in_no_backup(tmp_path: Path) -> None:
    folder = tmp_path / "regions" / "DE"
    _ledger(folder, "DE")
    spool, window = UseSpool(ServingFolder(folder).use), Window(3600, 3600)
    spool.secret(window)
    assert spool.append(UseFrame(3600, {}, {}, 1), window)
    names = [each.name for each in files_of(party_at(tmp_path, None))]
    assert "regions/DE/ledger.sqlite" in names and not [name for name in names if "serving/use" in name]
