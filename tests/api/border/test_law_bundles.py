"""Which law a workspace decides by, from Python; the commands are in tests/cli/test_border_bundle."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from fedsov.api import region_settings
from fedsov.api.border import law_bundles
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.border.law.law_owner import make_owner_key
from fedsov.errors import ConfigurationError

SHIPPED = load_bundle()


def test_a_new_workspace_decides_by_the_shipped_law_and_says_which_regimes_change_sooner(tmp_path: Path) -> None:
    shown = law_bundles.show(tmp_path)
    assert shown.bundle.digest == SHIPPED.digest and not shown.is_installed and not shown.confirmations
    assert all(until < SHIPPED.law_until("") for until in shown.early.values()) and "IN-DPDP" in shown.early
    assert shown.to_json(SHIPPED.dated + timedelta(days=3))["age_days"] == 3


def test_a_confirmation_needs_a_later_day_a_person_and_a_reason(tmp_path: Path) -> None:
    region_settings.init(tmp_path, "DE")
    later = SHIPPED.dated + timedelta(days=900)
    for day, by, why in ((SHIPPED.dated, "A", "read"), (later, "", "read"), (later, "A", " ")):
        with pytest.raises(ConfigurationError):
            law_bundles.confirm(tmp_path, until=day, by=by, why=why)
    law_bundles.confirm(tmp_path, until=later, by="A. Person", why="read again")
    assert law_bundles.show(tmp_path).bundle.law_until("") == later


def test_a_law_owner_that_a_region_pins_signs_what_is_confirmed(tmp_path: Path) -> None:
    region_settings.init(tmp_path, "DE")
    region_settings.owner_key(tmp_path, ["DE"], tmp_path / "owner.key")
    make_owner_key(tmp_path / "other.key")
    later = date(SHIPPED.dated.year + 3, 1, 1)
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
