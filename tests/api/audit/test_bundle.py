"""One bundle that verifies offline, without fedsov; whatever is changed in it is found and named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from fedsov.api.audit.bundle import AuditBundle, export
from fedsov.api.audit.workspace_witnesses import witness_all
from fedsov.api.region_settings import set_settings
from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_head import Signer
from fedsov.ledger.standalone_audit import BUNDLE
from tests.api.audit.world import NAMES, as_hub_alone, crossing, federation, happen, note, path_of

DAY = date(2026, 11, 30)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A federation that witnessed itself, with entries before and after."""
    root = federation(tmp_path_factory.mktemp("federation"))
    happen(root, "DE", crossing(1), note(1), crossing(2))
    witness_all(root)
    happen(root, "FR", note(3))
    witness_all(root)
    return root


@pytest.fixture(scope="module")
def whole(root: Path) -> AuditBundle:
    return export(root, root / "audit", on=DAY)


@pytest.fixture(scope="module")
def from_the_hub(root: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditBundle:
    """The bundle of a hub whose regions are in other homes; DE shares its crossings."""
    home = Path(shutil.copytree(root, tmp_path_factory.mktemp("hub") / "w"))
    set_settings(home, ["DE"], ["shared_entries=crossings"], by="A. Person", why="for the record")
    happen(home, "DE", crossing(3))
    witness_all(home)
    as_hub_alone(home)
    return export(home, home.with_name("bundle"), on=DAY)


def verified(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The bundle's own program, from another folder and without this repository."""
    command = [sys.executable, "-P", "-s", str(folder / "verify_audit.py"), str(folder), *words]
    environment = {"PATH": "/usr/bin", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def copy(whole: AuditBundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole.folder, tmp_path / "audit"))


def test_one_command_verifies_it_offline_and_tells_every_ledger_and_who_countersigned_it(
    whole: AuditBundle,
) -> None:
    done = verified(whole.folder, *(word for name, key in whole.keys.items() for word in ("--key", f"{name}={key}")))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert {line.partition(":")[0] for line in lines[:-1]} == {"hub", *NAMES} and lines[-1].startswith("OK: 4 ledgers")
    germany = next(line for line in lines if line.startswith("DE:"))
    assert all(f"{witness} at " in germany for witness in ("hub", "FR", "US"))
    some = verified(whole.folder, "--key", f"hub={whole.keys['hub']}").stdout.splitlines()
    assert some[-2].startswith("NOT COMPARED: the keys of DE, FR, US; give each as you noted it: --key OWNER=HEX")
    assert "fedsov.ledger" not in (whole.folder / "verify_audit.py").read_text().split('"""', 2)[2]


def test_it_has_the_report_the_documents_deadlines_and_no_private_key(whole: AuditBundle) -> None:
    names = {str(path.relative_to(whole.folder)) for path in whole.folder.rglob("*") if path.is_file()}
    assert {"report.html", "report.json", "witnesses.json", "documents.json", "deadlines.json", "README.txt"} <= names
    assert not any("PRIVATE KEY" in path.read_text() for path in whole.folder.rglob("*.*") if path.is_file())
    report = json.loads((whole.folder / "report.json").read_text())
    assert {ledger["owner"] for ledger in report["ledgers"]} == {"hub", *NAMES}


@pytest.mark.parametrize(
    "name", ["report.json", "report.html", "witnesses.json", "parties/DE/entries.jsonl", "verify_ledger.py"]
)
def test_a_file_that_was_changed_is_named(copy: Path, name: str) -> None:
    (copy / name).write_bytes((copy / name).read_bytes() + b"\n")
    done = verified(copy)
    assert done.returncode == 1 and name in done.stderr


def test_a_file_that_was_added_or_taken_away_is_named(copy: Path) -> None:
    (copy / "parties" / "more.json").write_text("{}")
    assert "parties/more.json" in verified(copy).stderr
    (copy / "parties" / "more.json").unlink()
    (copy / "deadlines.json").unlink()
    assert "deadlines.json" in verified(copy).stderr


def resign(folder: Path, root: Path) -> None:
    """What an exporter can do who has the hub's key: a manifest that fits."""
    import hashlib

    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest["files"]}
    text = (json.dumps(manifest, indent=1) + "\n").encode()
    key = Signer.read(path_of(root, "hub").with_name("signing.key")).private
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.sig").write_text(key.sign(BUNDLE.encode() + b"\n" + text).hex())


def test_an_exporter_that_signs_anew_still_cannot_change_an_entry_or_cut_a_ledger(copy: Path, root: Path) -> None:
    entries = copy / "parties" / "DE" / "entries.jsonl"
    lines = entries.read_bytes().splitlines(keepends=True)
    entries.write_bytes(b"".join(lines).replace(b"update 1", b"update 7"))
    resign(copy, root)
    done = verified(copy)
    assert done.returncode == 1 and "the ledger of DE: entry" in done.stderr
    entries.write_bytes(b"".join(lines[:-1]))
    resign(copy, root)
    assert "the ledger of DE: the export ends with entry" in verified(copy).stderr


def test_an_exporter_that_hands_over_an_older_ledger_is_contradicted_by_the_witnesses(copy: Path, root: Path) -> None:
    """As if hub and DE agreed on another past than the one that FR and US countersigned, signed by DE's own key."""
    other = copy.with_name("other")
    shutil.copytree(path_of(root, "DE").parent, other)
    for path in other.glob("ledger.sqlite*"):
        path.unlink()
    with closing(Ledger(other / "ledger.sqlite", "DE")) as ledger:
        ledger.append_all({"at": "2026-11-30T12:00:00.000+00:00", "act": "note", "note": {"n": n}} for n in range(40))
        from fedsov.ledger import proofs

        shutil.rmtree(copy / "parties" / "DE")
        proofs.export(ledger, copy / "parties" / "DE")
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"] |= {f"parties/DE/{path.name}": "" for path in (copy / "parties" / "DE").iterdir()}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    resign(copy, root)
    done = verified(copy)
    assert done.returncode == 1 and "the ledger of DE: the ledger does not continue a head kept at size" in done.stderr


def test_another_key_than_the_one_that_the_auditor_noted_is_refused(whole: AuditBundle) -> None:
    done = verified(whole.folder, "--key", "DE=" + "00" * 32)
    assert done.returncode == 1 and "key" in done.stderr
    assert "whose key was given" in verified(whole.folder, "--key", "XX=" + "00" * 32).stderr


def test_what_is_no_bundle_cannot_be_read(tmp_path: Path, copy: Path) -> None:
    (copy / "manifest.json").write_text("{}")
    assert verified(copy).returncode == 2


def test_at_the_hub_it_has_what_regions_share_and_counts_what_they_withhold(from_the_hub: AuditBundle) -> None:
    done = verified(from_the_hub.folder)
    assert done.returncode == 0, done.stderr
    germany = next(line for line in done.stdout.splitlines() if line.startswith("DE:"))
    assert "withheld and only counted" in germany and "countersigned by" in germany
    text = (from_the_hub.folder / "parties" / "DE" / "shared.json").read_text()
    assert "update 1" in text and "update 3" in text and "secret act" not in text
    report = json.loads((from_the_hub.folder / "report.json").read_text())
    ledger = next(each for each in report["ledgers"] if each["owner"] == "DE")
    assert ledger["withheld"] > 0 and ledger["verifies"] and report["crossings"]["permitted"] >= 3
    assert any("DE withholds" in warning["text"] for warning in report["warnings"])


def test_shared_entries_that_were_changed_are_found_although_the_exporter_signed_them(
    from_the_hub: AuditBundle, root: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(from_the_hub.folder, tmp_path / "audit"))
    shared = folder / "parties" / "DE" / "shared.json"
    shared.write_text(shared.read_text().replace("update 1", "update 7"))
    resign(folder, root)
    done = verified(folder)
    assert done.returncode == 1 and "the ledger of DE" in done.stderr


def test_a_folder_that_holds_something_is_left_as_it_is(whole: AuditBundle, root: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds something"):
        export(root, whole.folder, on=DAY)
