"""A party is put back whole or not at all, never over what the archive has not, and does not go on by itself."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.api.backups.archive import new_archive, put_contents, put_files
from fedsov.api.backups.party_files import party_at
from fedsov.api.backups.snapshot import still_files
from fedsov.errors import ConfigurationError, FedsovError, LedgerBroken, LedgerRestored, StoreDamaged, WorkspaceUnusable
from fedsov.ledger import gaps
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_head import Signer
from fedsov.region.settings_file import read_settings
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace, ledger_of
from tests.api.backups.world import backup, contents, restore
from tests.hostile.people_region import PeopleRegion, drawn


def test_a_region_is_put_back_into_an_empty_home_and_its_store_opens_there(
    region: PeopleRegion, home: Path, tmp_path: Path
) -> None:
    archived = backup(home, "DE", tmp_path / "de")
    before = contents(region.folder)
    shutil.rmtree(region.place)
    back = restore(archived.path, region.place / "w")
    after = contents(region.folder)
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {"ledger.sqlite"}
    assert back.aside is None and back.contents == archived.contents
    assert all(path.stat().st_mode & 0o077 == 0 for path in (home, *home.rglob("*")))
    with closing(Ledger(ledger_of(region.folder), "DE")) as ledger:
        assert ledger.verify().entries == archived.contents.head["size"] + 1
        (note,) = [entry.body["note"][gaps.RESTORED] for entry in ledger.notes(gaps.RESTORED)]
        manifest = archived.contents
        assert note == {"archive": manifest.digest, "backed_up": manifest.day, "size": manifest.head["size"]}
        read_settings(region.folder, ledger)
        gaps.accept_own(ledger, by="A", why="w")
    assert "profile" in region.asked("query.profile"), "rows, keys, settings and answers are there"


def test_a_region_that_was_put_back_takes_no_job_and_says_why(region: PeopleRegion, home: Path, tmp_path: Path) -> None:
    archived = backup(home, "DE", tmp_path / "de")
    back = restore(archived.path, tmp_path / "new")
    moved = PeopleRegion(tmp_path, "DE")
    shutil.move(tmp_path / "new", tmp_path / "w")
    with pytest.raises(AssertionError, match="LedgerRestored"):
        moved.opened()
    with (
        closing(Ledger.read(ledger_of(moved.folder))) as ledger,
        pytest.raises(LedgerRestored, match=archived.contents.day[:19]),
    ):
        gaps.check_open(ledger)
    assert "accept-gap DE" in back.next[-1] and "fedsov erase --region DE" in back.next[-2]


def test_a_home_that_has_more_stays_as_it_is_until_the_party_is_named(
    region: PeopleRegion, home: Path, tmp_path: Path
) -> None:
    archived = backup(home, "DE", tmp_path / "de")
    region.ingest(drawn(range(300), seed=1))
    before = contents(home)
    for named in ("", "hub", "FR"):
        with pytest.raises(ConfigurationError, match=r"its ledger has \d+ entries, the archive's \d+.*--replace DE"):
            restore(archived.path, home, replaces=named)
    assert contents(home) == before and not [*home.glob(".restore-*")] and not [*home.glob("replaced-*")]
    back = restore(archived.path, home, replaces="DE")
    assert back.aside is not None
    aside = {name: body for name, body in contents(back.aside).items() if name.startswith("regions/")}
    assert aside == {name: body for name, body in before.items() if name.startswith("regions/")}
    hub = {name: body for name, body in contents(home).items() if name.startswith("hub/")}
    assert hub == {name: body for name, body in before.items() if name.startswith("hub/")}, "another party's stays"


def test_the_hub_is_put_back_beside_its_lock(home: Path, tmp_path: Path) -> None:
    archived = backup(home, "hub", tmp_path / "hub")
    with closing(Ledger(ledger_of(home / "hub"), "hub")) as ledger:
        ledger.note({"later": 1})
    (home / "hub" / "later").write_text("x")
    back = restore(archived.path, home, replaces="hub")
    assert not (home / "hub" / "later").exists() and (back.aside / "hub" / "later").read_text() == "x"
    assert (home / "hub" / "lock").exists()
    with closing(Ledger(ledger_of(home / "hub"), "hub")) as ledger:
        assert not ledger.notes("later")
        with pytest.raises(LedgerRestored, match="accept-gap hub"):
            gaps.check_open(ledger)


def test_a_home_in_use_is_left_alone(home: Path, tmp_path: Path) -> None:
    archived = backup(home, "DE", tmp_path / "de")
    before = contents(home)
    with hold_workspace(Workspace(home)), pytest.raises(WorkspaceUnusable, match="in use"):
        restore(archived.path, home, replaces="DE")
    assert contents(home) == before


def _forged(home: Path, out: Path, **changes: object) -> Path:
    """An archive of DE that its own key signed, with something of its manifest changed."""
    archived = backup(home, "DE", out.with_name("true")).contents
    party = party_at(home, "DE")
    signer = Signer.read(party.folder / "signing.key")
    with new_archive(out, "DE", "") as archive, still_files(party) as files:
        plain = {name: getattr(archived, name) for name in archived.__slots__} | {
            "files": put_files(archive, files, lambda _: None)
        }
        contents_ = type(archived)(**{**plain, **changes})
        put_contents(archive, contents_, signer.private.sign(contents_.message()).hex())
    return out


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"party": "FR"}, StoreDamaged, "holds regions/DE/.* which is another party's"),
        ({"party": "hub", "role": "hub"}, StoreDamaged, "which is another party's"),
        ({"party": "../x"}, ConfigurationError, "must be letters"),
        ({"role": "operator"}, StoreDamaged, "of no party"),
        ({"head": {"size": 1, "digest": "0" * 64}}, LedgerBroken, "not the one of its manifest"),
    ],
)
def test_an_archive_that_says_what_it_is_not_changes_nothing(
    home: Path, tmp_path: Path, changes: dict[str, object], error: type[FedsovError], match: str
) -> None:
    archive = _forged(home, tmp_path / "forged", **changes)
    with pytest.raises(error, match=match):
        restore(archive, tmp_path / "new")
    assert not contents(tmp_path / "new")


def test_files_outside_the_home_come_back_beside_it_and_are_named(
    region: PeopleRegion, home: Path, tmp_path: Path
) -> None:
    register = tmp_path / "register.yaml"
    register.write_text("documents: []\n")
    region.set(f"evidence={register}")
    archived = backup(home, "DE", tmp_path / "de")
    register.unlink()
    back = restore(archived.path, tmp_path / "new")
    copy = tmp_path / "new" / "elsewhere" / "evidence" / "register.yaml"
    assert copy.read_text() == "documents: []\n"
    assert any(str(register) in line and str(copy) in line for line in back.next)
    assert json.loads(json.dumps(back.to_json()))["files"] == len(archived.contents.files)
