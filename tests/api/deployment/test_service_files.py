"""Files for a party's services, from its own party.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.api.deployment.service_files import looked_up, service_of, write_files
from fedsov.errors import ConfigurationError
from fedsov.infrastructure.workload.render import render
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress, PartyFile, write_party


def _home(folder: Path, role: str, host: str = "localhost") -> Path:
    DeploymentFolder(folder).root.mkdir(parents=True)
    write_party(DeploymentFolder(folder).party, PartyFile("DE", role, HubAddress(host, 9443)))
    return folder


def test_a_partys_own_file_says_who_it_is_and_its_files_are_written_whole(tmp_path: Path) -> None:
    workload = service_of(_home(tmp_path / "de", "region"), memory=8192)
    assert (workload.party, workload.role, workload.hub.port, workload.memory) == ("DE", "region", 9443, 8192)
    for _ in range(2):
        paths = write_files(workload, tmp_path / "services")
        assert {str(path.relative_to(tmp_path / "services")): path.read_text() for path in paths} == render(workload)


def test_a_hubs_name_is_looked_up_where_nobody_said_its_addresses(tmp_path: Path) -> None:
    workload = service_of(_home(tmp_path / "de", "region"))
    assert "127.0.0.1/32" in looked_up(workload).hub_networks
    said = service_of(tmp_path / "de", hub_networks=("203.0.113.7/32",))
    assert looked_up(said) == said
    unknown = service_of(_home(tmp_path / "fr", "region", "hub.invalid"))
    assert looked_up(unknown) == unknown
    hub = service_of(_home(tmp_path / "hub", "hub"))
    assert looked_up(hub) == hub


def test_a_folder_that_is_no_partys_home_and_an_operators_have_no_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        service_of(tmp_path)
    with pytest.raises(ConfigurationError, match="unknown role of a party that runs 'operator'"):
        service_of(_home(tmp_path / "op", "operator"))
