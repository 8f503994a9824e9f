"""Where the authority's passphrase comes from, and what is no authority."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.api.deployment.authority import (
    AuthorityFolder,
    certificate_in,
    given_passphrase,
    make_authority,
    open_authority,
)
from fedsov.errors import ConfigurationError, KeyUnavailable
from tests.api.deployment.world import NOW, WORDS
from tests.keys.servers import private_file


def test_the_passphrase_is_a_files_or_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEDSOV_CA_PASSPHRASE", raising=False)
    assert given_passphrase(None) == ""
    monkeypatch.setenv("FEDSOV_CA_PASSPHRASE", "of the environment")
    assert given_passphrase(None) == "of the environment"
    private_file(tmp_path / "secret", f"{WORDS}\n")
    assert given_passphrase(tmp_path / "secret") == WORDS
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(KeyUnavailable, match="chmod 600"):
        given_passphrase(tmp_path / "secret")


def test_an_authority_that_was_made_opens_and_is_never_written_over(tmp_path: Path) -> None:
    folder = AuthorityFolder(tmp_path / "ca")
    with pytest.raises(KeyUnavailable, match="no authority in .*; name its folder by --ca"):
        certificate_in(folder)
    made = make_authority(folder, WORDS, now=NOW)
    assert open_authority(folder, WORDS).text == made.certificate == certificate_in(folder)
    assert folder.key.stat().st_mode & 0o777 == 0o600 and folder.root.stat().st_mode & 0o777 == 0o700
    with pytest.raises(ConfigurationError, match="is never written over"):
        make_authority(folder, WORDS, now=NOW)
