"""Which law a workspace decides by, from Python; the commands are in tests/cli/test_border_bundle."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from fedsov.api import region_settings
from fedsov.api.border import law_bundles
from fedsov.border.law.bundle_file import INSTALLED, installed
from fedsov.border.law.bundle_loader import HERE, load_bundle, packaged
from fedsov.border.law.in_force import law_in_force
from fedsov.border.law.law_owner import make_owner_key
from fedsov.errors import ConfigurationError, LedgerBroken

SHIPPED = load_bundle()


def test_a_new_workspace_decides_by_the_shipped_law_and_says_which_regimes_change_sooner(tmp_path: Path) -> None:
    shown = law_bundles.show(tmp_path)
    assert shown.bundle.digest == SHIPPED.digest and not shown.is_installed and not shown.confirmations
    assert all(until < SHIPPED.law_until("") for until in shown.early.values()) and "IN-DPDP" in shown.early
    assert shown.to_json(SHIPPED.dated + timedelta(days=3))["age_days"] == 3


def test_a_confirmation_needs_a_later_day_a_person_and_a_reason(tmp_path: Path) -> None:
    region_settings.init(tmp_path, "DE")
    later = SHIPPED.dated + timedelta(days=500)
    for day, by, why in ((SHIPPED.dated, "A", "read"), (later, "", "read"), (later, "A", " ")):
        with pytest.raises(ConfigurationError):
            law_bundles.confirm(tmp_path, until=day, by=by, why=why)
    law_bundles.confirm(tmp_path, until=later, by="A. Person", why="read again")
    assert law_bundles.show(tmp_path).bundle.law_until("") == later


def test_a_law_owner_that_a_region_pins_signs_what_is_confirmed(tmp_path: Path) -> None:
    region_settings.init(tmp_path, "DE")
    region_settings.owner_key(tmp_path, ["DE"], tmp_path / "owner.key")
    make_owner_key(tmp_path / "other.key")
    later = date(SHIPPED.dated.year + 2, 1, 1)
    for key in (None, tmp_path / "other.key"):
        with pytest.raises(ConfigurationError, match="DE pins a law owner"):
            law_bundles.confirm(tmp_path, until=later, by="A", why="read", key=key)
    assert law_bundles.confirm(tmp_path, until=later, by="A", why="read", key=tmp_path / "owner.key").key


def test_law_that_nobody_signed_or_that_is_no_newer_is_not_installed(tmp_path: Path) -> None:
    region_settings.init(tmp_path, "DE")
    public = make_owner_key(tmp_path / "publisher.key")
    law_bundles.export(tmp_path / "unsigned.json", root=tmp_path)
    law_bundles.export(tmp_path / "signed.json", root=tmp_path, key=tmp_path / "publisher.key")
    with pytest.raises(ConfigurationError, match="not signed"):
        law_bundles.install(tmp_path, tmp_path / "unsigned.json", publisher=public)
    with pytest.raises(ConfigurationError, match="no newer"):
        law_bundles.install(tmp_path, tmp_path / "signed.json", publisher=public)


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A folder of law that somebody read again on 2029-01-01."""
    folder = tmp_path / "newer"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    text = (folder / "regimes.yaml").read_text()
    (folder / "regimes.yaml").write_text(text.replace(f"dated: {SHIPPED.dated}", "dated: 2029-01-01"))
    return folder


def installed_bundle(root: Path, newer: Path) -> tuple[Path, str]:
    """A workspace with an installed bundle of a pinned publisher: the file in its place, and the publisher's key."""
    region_settings.init(root, "DE")
    public = make_owner_key(root / "publisher.key")
    law_bundles.export(root / "law.json", root=root, folder=newer, key=root / "publisher.key")
    law_bundles.install(root, root / "law.json", publisher=public)
    return root / "law" / INSTALLED, public


@pytest.mark.parametrize("signer", [None, "stranger.key"])
def test_a_bundle_that_was_put_into_the_workspace_by_hand_decides_nothing(
    tmp_path: Path, newer: Path, signer: str | None
) -> None:
    region_settings.init(tmp_path, "DE")
    make_owner_key(tmp_path / "stranger.key")
    (tmp_path / "law").mkdir()
    by_hand = tmp_path / "law" / INSTALLED
    law_bundles.export(by_hand, root=tmp_path, folder=newer, key=None if signer is None else tmp_path / signer)
    for read in (law_in_force, installed):
        with pytest.raises(ConfigurationError, match=r"put there by hand; remove it, then `fedsov border bundle"):
            read(tmp_path / "law")
    with pytest.raises(ConfigurationError, match="by hand"):
        region_settings.set_settings(tmp_path, ["DE"], ["law.bundle=installed"])
    by_hand.unlink()
    assert law_in_force(tmp_path / "law").digest == SHIPPED.digest


def test_an_installed_bundle_that_was_exchanged_is_refused_also_where_its_publisher_signed_the_other_one(
    tmp_path: Path, newer: Path
) -> None:
    path, _ = installed_bundle(tmp_path, newer)
    assert law_in_force(tmp_path / "law").dated == date(2029, 1, 1)
    right = path.read_bytes()
    for key in (None, tmp_path / "publisher.key"):
        path.unlink()
        law_bundles.export(path, root=tmp_path, key=key)
        with pytest.raises(ConfigurationError, match="not the bundle that the ledger noted last"):
            law_in_force(tmp_path / "law")
    path.write_bytes(right)
    assert law_in_force(tmp_path / "law").dated == date(2029, 1, 1)


def test_a_note_written_past_the_ledger_s_key_makes_no_bundle_installed(tmp_path: Path, newer: Path) -> None:
    path, _ = installed_bundle(tmp_path, newer)
    older = load_bundle(files=packaged(newer)).digest
    with closing(sqlite3.connect(tmp_path / "regions" / "DE" / "ledger.sqlite")) as database, database:
        database.execute("DROP TRIGGER no_update")
        changed = "UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), ?, ?) AS BLOB)"
        database.execute(changed, (older, SHIPPED.digest))
    path.unlink()
    law_bundles.export(path, root=tmp_path, key=tmp_path / "publisher.key")
    with pytest.raises(LedgerBroken, match="does not verify"):
        law_in_force(tmp_path / "law")


def test_the_pinned_publisher_is_the_one_that_the_ledger_noted(tmp_path: Path, newer: Path) -> None:
    _, public = installed_bundle(tmp_path, newer)
    pin, other = tmp_path / "law" / law_bundles.PUBLISHER, make_owner_key(tmp_path / "other.key")
    pin.write_text(other)
    with pytest.raises(ConfigurationError, match=f"not the publisher that the ledger noted as pinned .{public}"):
        law_bundles.show(tmp_path)
    pin.unlink()
    assert law_bundles.show(tmp_path).publisher == public
    with pytest.raises(ConfigurationError, match="another one cannot take its place"):
        law_bundles.install(tmp_path, tmp_path / "law.json", publisher=other)


def test_without_a_ledger_to_note_it_in_no_law_is_installed(tmp_path: Path, newer: Path) -> None:
    public = make_owner_key(tmp_path / "publisher.key")
    law_bundles.export(tmp_path / "law.json", root=tmp_path, folder=newer, key=tmp_path / "publisher.key")
    with pytest.raises(ConfigurationError, match="no ledger to note it in"):
        law_bundles.install(tmp_path, tmp_path / "law.json", publisher=public)
