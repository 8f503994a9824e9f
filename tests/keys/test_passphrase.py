"""A passphrase protects a keyring."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.errors import KeyUnavailable
from fedsov.keys import KeyService, KeySettings, create_keys, open_keys
from tests.keys.servers import private_file


@pytest.fixture
def settings(tmp_path: Path) -> KeySettings:
    file = private_file(tmp_path / "passphrase", "correct horse battery\n")
    return KeySettings("EU", tmp_path / "EU", KeyService("passphrase", credential_file=file))


def test_another_passphrase_opens_nothing_and_is_not_told(settings: KeySettings, tmp_path: Path) -> None:
    create_keys(settings)
    (tmp_path / "passphrase").write_text("another long passphrase")
    with pytest.raises(KeyUnavailable, match="the passphrase does not open the keyring of EU") as refusal:
        open_keys(settings)
    assert "another long" not in str(refusal.value)


def test_a_passphrase_that_is_short_or_missing_is_refused(
    settings: KeySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "passphrase").write_text("eleven char")
    with pytest.raises(KeyUnavailable, match="fewer than 12 letters"):
        create_keys(settings)
    monkeypatch.delenv("FEDSOV_PASSPHRASE", raising=False)
    unnamed = KeySettings("EU", tmp_path / "EU", KeyService("passphrase"))
    with pytest.raises(KeyUnavailable, match="no passphrase of EU; .*or set FEDSOV_PASSPHRASE"):
        create_keys(unnamed)
    monkeypatch.setenv("FEDSOV_PASSPHRASE", "correct horse battery")
    create_keys(unnamed)
    assert b"correct horse" not in (tmp_path / "EU" / "keyring.json").read_bytes()
    assert open_keys(unnamed).region == "EU"
