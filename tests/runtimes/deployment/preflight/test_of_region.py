import shutil
from contextlib import closing

import pytest

from fedsov.keys import KeySettings
from fedsov.ledger.gaps import note_restored
from fedsov.ledger.ledger import Ledger
from fedsov.partition.manifest import MANIFEST
from fedsov.storage.workspace import Workspace, ledger_of
from tests.runtimes.deployment.preflight.a_party import findings, hub_of, problems, region_of


@pytest.fixture
def examined(workspace, hub):
    return region_of(workspace)


@pytest.fixture
def folder(workspace):
    return Workspace(workspace).region("EU")


def test_a_ledger_that_is_gone_is_told(examined, folder):
    ledger_of(folder).unlink()
    found = findings(examined)
    assert "there is no ledger at" in found["ledger"].problem and "fedsov region init EU" in found["ledger"].mend
    assert [name for name, each in found.items() if not each.made] == ["region.yaml", "keys", "stores", "revocation"]


def test_a_ledger_of_another_party_and_one_that_does_not_verify_are_told(examined, folder, workspace):
    path = ledger_of(folder)
    for beside in path.parent.glob(f"{path.name}-*"):
        beside.unlink()
    shutil.copy(ledger_of(Workspace(workspace).region("US")), path)
    assert "is of US, not of EU" in problems(examined)["ledger"]
    path.write_bytes(path.read_bytes()[:5000])
    assert "restore your copy of the ledger" in problems(examined)["ledger"]


def test_a_ledger_that_was_put_back_is_told_until_its_owner_accepts_that(examined, folder):
    with closing(Ledger(ledger_of(folder), "EU")) as ledger:
        note_restored(ledger, archive="00", backed_up="2026-11-30")
    assert "`fedsov ledger accept-gap EU --why TEXT`" in problems(examined)["ledger"]


def test_settings_that_were_edited_are_told(examined, folder):
    file = folder / "region.yaml"
    file.write_text(file.read_text() + "# a word\n")
    found = problems(examined)["region.yaml"]
    assert "is not the file that the ledger noted last" in found and found.count("; ") >= 1


def test_keys_that_are_gone_are_told(examined, folder):
    KeySettings("EU", folder).path.unlink()
    assert set(problems(examined)) == {"keys"}
    assert not findings(examined)["stores"].made


def test_a_store_that_was_changed_and_a_region_without_one_are_told(examined, folder):
    (manifest,) = folder.rglob(MANIFEST)
    manifest.write_text(manifest.read_text().replace('"rows":', '"rows": 1, "was":', 1))
    assert set(problems(examined)) == {"stores"}
    manifest.unlink()
    assert "EU has no store yet; `fedsov region ingest EU dataset=@FILE`" in problems(examined)["stores"]


def test_a_hub_has_a_ledger_and_no_store(workspace, hub):
    found = findings(hub_of(workspace))
    assert found["ledger"].seen.endswith(" verify") and "stores" not in found
