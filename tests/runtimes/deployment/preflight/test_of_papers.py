from datetime import UTC, datetime, timedelta

import pytest

from fedsov.api import region_settings
from fedsov.api.deployment.hub_home import hub_home
from fedsov.keys.certificates import identity_of
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress, PartyFile, read_party, write_party
from tests.runtimes.deployment.preflight.a_party import findings, hub_of, problems, region_of


@pytest.fixture
def examined(workspace, hub):
    return region_of(workspace)


def _other(workspace):
    return DeploymentFolder(workspace / "deployment" / "regions" / "US")


def test_a_party_file_that_is_none_is_told(examined):
    examined.folder.party.write_text("name: EU")
    assert "party file" in problems(examined)


def test_a_key_that_others_can_read_or_that_is_gone_is_told(examined):
    examined.folder.key.chmod(0o640)
    assert problems(examined) == {
        "key file": f"PROBLEM    key file: {examined.folder.key} has mode 0640, so others can read it; "
        f"chmod 600 {examined.folder.key}"
    }
    examined.folder.key.unlink()
    assert "is missing; `fedsov deploy join` makes it" in problems(examined)["key file"]
    assert not findings(examined)["handshake"].made


def test_the_certificate_of_another_party_or_authority_is_told(examined, workspace):
    own = examined.folder.certificate.read_bytes()
    examined.folder.certificate.write_bytes(_other(workspace).certificate.read_bytes())
    assert "of the region US, and party.yaml says region EU" in problems(examined)["certificate"]
    examined.folder.certificate.write_bytes(own)
    examined.folder.authority.write_bytes(own)
    assert "was not signed by the authority" in problems(examined)["certificate"]
    examined.folder.authority.unlink()
    assert "cannot be read" in problems(examined)["certificate"]


def test_an_expired_certificate_and_one_that_soon_ends_are_told(workspace, hub):
    ends = identity_of(region_of(workspace).folder.certificate.read_bytes()).not_after
    late = problems(region_of(workspace, now=lambda: ends + timedelta(days=1)))
    assert "expired" in late["certificate"] or "ended" in late["certificate"]
    soon = problems(region_of(workspace, now=lambda: ends - timedelta(days=3)))["days left"]
    assert "3 days are left, until " in soon and soon.endswith("; `fedsov deploy renew` asks for a new one")


def test_a_key_of_another_certificate_is_told(examined, workspace):
    examined.folder.key.write_bytes(_other(workspace).key.read_bytes())
    assert "party.key is not the key of party.crt" in problems(examined)["certificate and key"]


def test_a_hub_that_is_called_by_a_name_that_its_certificate_has_not_is_told(workspace, hub):
    examined = hub_of(workspace)
    party = read_party(examined.folder.party)
    write_party(examined.folder.party, PartyFile(party.name, party.role, HubAddress("hub.invalid", party.hub.port)))
    found = problems(examined)
    assert "has not the name hub.invalid" in found["certificate"] and "has no address" in found["hub's name"]


def test_a_revoked_party_is_told_why(examined, workspace):
    identity = identity_of(examined.folder.certificate.read_bytes())
    with hub_home(workspace) as home:
        home.revoke(identity.serial, "EU", at=datetime(2026, 11, 30, tzinfo=UTC), by="A", why="stolen")
    examined.folder.revoked.write_bytes(DeploymentFolder(workspace).revoked.read_bytes())
    assert "of EU was revoked at 2026-11-30T00:00:00+00:00: stolen" in problems(examined)["revocation"]


def test_a_list_of_revoked_ones_that_is_gone_or_not_the_hubs_is_told(examined):
    examined.folder.revoked.write_bytes(examined.folder.revoked.read_bytes().replace(b'"counter": 1', b'"counter": 2'))
    assert "revocation" in problems(examined)
    examined.folder.revoked.unlink()
    assert "cannot be read" in problems(examined)["revocation"]


def test_a_region_that_pinned_no_hub_believes_no_list(examined, workspace):
    region_settings.set_settings(workspace, ["EU"], ["keys.hub=null"], why="a test")
    assert "the key of hub is not pinned in region.yaml" in problems(examined)["revocation"]
