"""What is kept at the hub: members, and a list of revoked ones as new as the ledger says."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.api.deployment.hub_home import hub_home, read_revoked
from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.keys.members import Member
from fedsov.keys.revocation import RevocationList
from tests.api.deployment.world import NOW, SAID


def test_members_come_and_go(tmp_path: Path) -> None:
    with hub_home(tmp_path, owner="hub") as home:
        home.enter("DE", Member("region", "PEM", "ab", "2027"))
        home.enter("US", Member("region", "PEM", "cd", "2027"))
        home.drop("DE")
        assert set(home.members()) == {"US"}
        assert home.revoked() == RevocationList()


def test_a_list_that_is_gone_or_older_than_the_ledgers_note_is_refused(tmp_path: Path) -> None:
    with hub_home(tmp_path, owner="hub") as home:
        home.revoke("ab", "DE", at=NOW, **SAID)
        first = home.folder.revoked.read_bytes()
        home.revoke("cd", "US", at=NOW, **SAID)
        assert home.revoke("cd", "US", at=NOW, **SAID).counter == 2  # once is enough
        assert [act["counter"] for act in home.acts()] == [1, 2]
        home.folder.revoked.write_bytes(first)
        with pytest.raises(CertificateRefused, match="number 1, and the hub's ledger noted number 2"):
            home.revoked()
        home.folder.revoked.unlink()
        with pytest.raises(CertificateRefused, match="cannot be read"):
            home.revoked()


def test_a_list_of_another_hub_is_refused(tmp_path: Path) -> None:
    with hub_home(tmp_path / "a", owner="hub") as ours, hub_home(tmp_path / "b", owner="hub") as theirs:
        theirs.revoke("ab", "DE", at=NOW, **SAID)
        with pytest.raises(CertificateRefused, match="is not signed by whom it must be"):
            read_revoked(theirs.folder.revoked, ours.ledger.key)


def test_a_folder_without_a_hub_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no hub's home"), hub_home(tmp_path):
        pass
