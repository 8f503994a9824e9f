"""`fedsov doctor` as notebooks call it: whose papers are examined."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.api.deployment.doctor import examine
from fedsov.errors import ConfigurationError
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress, PartyFile, write_party


def _party(home: Path, name: str, role: str) -> None:
    DeploymentFolder(home).root.mkdir(parents=True)
    write_party(DeploymentFolder(home).party, PartyFile(name, role, HubAddress("127.0.0.1", 1)))


def _seen(*given: object) -> str:
    return next(found.seen for found in examine(*given, health_port=0) if found.check == "party file")  # type: ignore[arg-type]


def test_a_home_is_its_own_partys_and_a_trial_has_its_regions_beside(tmp_path: Path) -> None:
    _party(tmp_path, "hub", "hub")
    _party(tmp_path / "deployment" / "regions" / "DE", "DE", "region")
    assert _seen(tmp_path) == "hub hub, whose hub is 127.0.0.1:1"
    assert _seen(tmp_path, "DE") == "region DE, whose hub is 127.0.0.1:1"


def test_a_region_that_is_not_there_is_refused_before_any_check(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unknown region of the trial"):
        examine(tmp_path, "DE")
