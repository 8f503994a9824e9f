"""An invitation: believed by its authority's fingerprint, and what its reader edited is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedsov.api.deployment.joining.invitations import parties_of, proposal, read_invitation, write_invitation
from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.keys.certificates import fingerprint, new_authority
from fedsov.region.settings import RegionSettings
from tests.api.deployment.world import HUB, NOW, WORDS, Deployment


def test_an_invitation_of_another_authority_or_hub_is_refused(deployment: Deployment, tmp_path: Path) -> None:
    folder = deployment.invitation("DE")
    pinned = (folder / "region.yaml").read_text()
    (folder / "region.yaml").write_text(pinned.replace("\n  hub: ", "\n  hub: 'ff" + "00" * 31 + "'\n  other: ", 1))
    with pytest.raises(ConfigurationError, match="pins another key for hub"):
        deployment.read("DE")
    (folder / "region.yaml").write_text(pinned)
    said = json.loads((folder / "invitation.json").read_text())
    (folder / "invitation.json").write_text(json.dumps({**said, "hub": {**said["hub"], "host": "evil.example"}}))
    with pytest.raises(CertificateRefused, match="the invitation in .* is not signed by whom it must be"):
        deployment.read("DE")
    trusted = deployment.authority().text
    (folder / "ca.crt").write_bytes(new_authority(WORDS, now=NOW).certificate)
    with pytest.raises(CertificateRefused, match="do not join"):
        read_invitation(folder, trusted=fingerprint(trusted), now=NOW)


def test_an_invitation_that_was_written_is_read_however_the_fingerprint_is_typed(tmp_path: Path) -> None:
    authority = new_authority(WORDS, now=NOW).opened(WORDS)
    settings = proposal(RegionSettings("DE"), "hub", "ab" * 32)
    write_invitation(tmp_path, settings, HUB, "hub", authority)
    typed = fingerprint(authority.text).lower().replace(":", " ")
    invited = read_invitation(tmp_path, trusted=typed, now=NOW)
    assert (invited.name, invited.hub, invited.hub_name, invited.hub_key) == ("DE", HUB, "hub", "ab" * 32)
    assert (invited.settings, invited.edited) == (settings, ())


def test_settings_of_another_region_and_a_folder_without_an_invitation_are_refused(deployment: Deployment) -> None:
    folder = deployment.invitation("DE")
    (folder / "region.yaml").write_bytes((deployment.invitation("US") / "region.yaml").read_bytes())
    with pytest.raises(ConfigurationError, match="is of US, and DE is invited"):
        deployment.read("DE")
    (folder / "region.yaml").write_text("region: DE\nmore: 1\n")
    with pytest.raises(ConfigurationError, match="more is not a setting"):
        deployment.read("DE")
    (folder / "invitation.json").unlink()
    with pytest.raises(ConfigurationError, match="name the folder of an invitation"):
        deployment.read("DE")


def test_the_parties_of_proposed_settings_are_the_region_and_its_peers(deployment: Deployment) -> None:
    assert set(parties_of(deployment.read("DE").settings)) == {"DE", "US"}
