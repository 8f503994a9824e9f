"""How a deployment stands: who is in it, for how long still, and what is to be done."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from fedsov.api.deployment.approvals import revoke
from fedsov.api.deployment.joining.joining import renew
from fedsov.api.deployment.standing import standing
from fedsov.errors import CertificateRefused, ConfigurationError
from tests.api.deployment.world import NOW, SAID, Deployment


def _states(deployment: Deployment, days: int = 0) -> dict[str, str]:
    found = standing(deployment.hub, now=NOW + timedelta(days=days))
    return {party.name: party.state for party in found.parties}


def test_the_hub_knows_who_was_invited_joined_and_was_revoked(deployment: Deployment) -> None:
    assert _states(deployment) == {"hub": "valid", "operator": "valid", "DE": "invited", "US": "invited"}
    deployment.member("DE")
    assert _states(deployment)["DE"] == "valid"
    revoke(deployment.hub, "DE", now=NOW, by="A", why="stolen")
    assert _states(deployment)["DE"] == "revoked"
    assert any("revoked: DE at" in line and "stolen" in line for line in standing(deployment.hub, now=NOW).sentences())


def test_a_certificate_that_ends_soon_is_named_with_what_renews_it(deployment: Deployment) -> None:
    deployment.member("DE")
    found = standing(deployment.hub, now=NOW + timedelta(days=353))
    assert {party.state for party in found.parties if party.name != "US"} == {"expires soon"}
    assert (
        f"hub: its certificate expires in 12 days; run `fedsov deploy renew --workspace {deployment.hub}"
        in found.lines[1]
    )
    assert "DE: its certificate expires in 12 days; its owner runs `fedsov deploy renew`" in found.lines
    assert _states(deployment, days=366)["DE"] == "expired"


def test_a_region_sees_its_own_certificate_and_what_it_waits_for(deployment: Deployment) -> None:
    deployment.join("DE")
    home = deployment.home("DE")
    assert standing(home, now=NOW).parties[0].state == "waits for its package"
    deployment.member("DE")
    found = standing(home, now=NOW + timedelta(days=1, hours=1))
    assert (found.parties[0].state, found.parties[0].days, found.lines) == ("valid", 363, ())
    renew(home, now=NOW, **SAID)
    assert "request-DE.json waits for the authority's answer" in standing(home, now=NOW).lines[0]
    assert json.dumps(found.to_json())


def test_a_region_told_of_its_revocation_says_so_and_a_list_put_back_at_the_hub_is_refused(
    deployment: Deployment,
) -> None:
    deployment.member("DE")
    old = deployment.of("hub").revoked.read_bytes()
    revoke(deployment.hub, "DE", now=NOW, **SAID)
    deployment.of("DE").revoked.write_bytes(deployment.of("hub").revoked.read_bytes())
    assert standing(deployment.home("DE"), now=NOW).parties[0].state == "revoked"
    deployment.of("hub").revoked.write_bytes(old)
    with pytest.raises(CertificateRefused, match="an old one was put back"):
        standing(deployment.hub, now=NOW)


def test_a_folder_without_a_deployment_is_refused(deployment: Deployment) -> None:
    with pytest.raises(ConfigurationError, match="party.yaml cannot be read"):
        standing(deployment.root, now=NOW)
