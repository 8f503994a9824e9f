"""What the authority approves, and every request that it must not."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from fedsov.api.deployment.approvals import examine, request_in, revoke
from fedsov.api.deployment.hub_home import hub_home
from fedsov.api.deployment.joining.joining import renew
from fedsov.api.deployment.joining.requests import read_request, written_request
from fedsov.errors import CertificateRefused, ConfigurationError, KeyUnavailable
from fedsov.keys import KeySettings, create_keys
from fedsov.keys.certificates import check_issued, new_key, request
from fedsov.keys.members import read_members
from fedsov.ledger.known_keys import add_key
from fedsov.ledger.ledger import Ledger
from fedsov.region.trust.known_peers import signed_sealing_key
from fedsov.storage.workspace import Workspace, ledger_of
from tests.api.deployment.world import NOW, SAID, Deployment


def _examined(deployment: Deployment, text: bytes) -> tuple[str, ...]:
    return examine(deployment.hub, text, deployment.authority().text).lines


def _ledger(deployment: Deployment, name: str) -> Ledger:
    return Ledger(ledger_of(Workspace(deployment.home(name)).region(name)), name)


def test_a_person_is_shown_what_they_approve(deployment: Deployment) -> None:
    text = deployment.join("DE").read_bytes()
    asked, lines = read_request(text), "\n".join(_examined(deployment, text))
    assert all(word in lines for word in ("region DE", asked.verify_key, asked.settings_digest, asked.key_digest))
    assert read_members(deployment.of("hub").members).keys() == {"hub", "operator"}  # shown, and nothing done


def test_an_approval_is_noted_with_who_and_why(deployment: Deployment) -> None:
    text = deployment.join("DE").read_bytes()
    done = deployment.approve(text)
    with hub_home(deployment.hub) as home:
        (act,) = home.approved()["DE"]
        assert home.members()["DE"].serial == act["serial"] == done.serial
    assert (act["by"], act["why"], act["settings"]) == ("A. Person", "as agreed", read_request(text).settings_digest)


def test_another_regions_request_under_a_members_name_is_refused(deployment: Deployment) -> None:
    deployment.member("DE")
    imposter = deployment.join("DE", deployment.home("imposter"), NOW + timedelta(days=1)).read_bytes()
    with pytest.raises(CertificateRefused, match="another region asks under its name"):
        deployment.approve(imposter)


def test_a_members_ledger_cannot_ask_under_another_invited_name(deployment: Deployment) -> None:
    deployment.member("DE")
    asked = read_request(deployment.join("US").read_bytes())
    with closing(_ledger(deployment, "DE")) as ledger:
        text = written_request(replace(asked, verify_key=ledger.key), ledger.sign)
    with pytest.raises(CertificateRefused, match="the sealing key in the request of US is not signed"):
        _examined(deployment, text)


def test_a_region_that_nobody_invited_is_refused(deployment: Deployment) -> None:
    asked = read_request(deployment.join("DE").read_bytes())
    ledger = Ledger(deployment.root / "FR" / "ledger.sqlite", "FR")
    sealing = signed_sealing_key(create_keys(KeySettings("FR", deployment.root / "FR")))
    csr = request(new_key(), "region", "FR").decode()
    keys = {"verify_key": ledger.key, "sealing_key": sealing[0], "sealing_signature": sealing[1]}
    text = written_request(replace(asked, name="FR", csr=csr, **keys), ledger.sign)
    with pytest.raises(ConfigurationError, match="unknown region that was invited 'FR'; there are DE, US"):
        _examined(deployment, text)


def test_a_request_is_approved_once(deployment: Deployment) -> None:
    text = deployment.join("DE").read_bytes()
    deployment.approve(text)
    with pytest.raises(CertificateRefused, match="request 1 of DE, or a later one, was approved before; send"):
        deployment.approve(text)


def test_an_old_request_that_nobody_approved_is_refused_after_a_newer_one(deployment: Deployment) -> None:
    old = deployment.join("DE").read_bytes()
    deployment.member("DE")
    with pytest.raises(CertificateRefused, match="request 1 of DE, or a later one, was approved before"):
        deployment.approve(old)


def test_a_request_of_another_deployment_is_refused(deployment: Deployment) -> None:
    other = Deployment(deployment.root / "other")
    other.set_up()
    with pytest.raises(CertificateRefused, match="it joined another deployment"):
        _examined(deployment, other.join("DE").read_bytes())


def test_a_region_whose_key_the_hub_knows_otherwise_is_refused(deployment: Deployment) -> None:
    add_key(Workspace(deployment.hub).hub, "DE", "ab" * 32)
    with pytest.raises(KeyUnavailable, match="knows DE by the key abab"):
        deployment.approve(deployment.join("DE").read_bytes())
    assert "DE" not in read_members(deployment.of("hub").members)


def test_a_revoked_region_is_no_member_and_comes_back_by_a_renewal_that_says_so(deployment: Deployment) -> None:
    deployment.member("DE")
    serial = read_members(deployment.of("hub").members)["DE"].serial
    listed = revoke(deployment.hub, "DE", now=NOW, by="A. Person", why="the machine was stolen")
    assert [(one.serial, one.name, one.why) for one in listed.revoked] == [(serial, "DE", "the machine was stolen")]
    assert "DE" not in read_members(deployment.of("hub").members)
    text = renew(deployment.home("DE"), now=NOW, **SAID).read_bytes()
    assert any(line.startswith("CAUTION: DE was revoked") and "stolen" in line for line in _examined(deployment, text))
    deployment.accept("DE", deployment.approve(text).package.read_bytes())
    assert read_members(deployment.of("hub").members)["DE"].serial != serial


def test_who_is_no_member_cannot_be_revoked_and_the_hub_neither(deployment: Deployment) -> None:
    for name in ("DE", "hub"):
        with pytest.raises(ConfigurationError, match=f"unknown member that can be revoked '{name}'; there is operator"):
            revoke(deployment.hub, name, now=NOW, **SAID)
    revoke(deployment.hub, "operator", now=NOW, **SAID)
    assert "operator" not in read_members(deployment.of("hub").members)


def test_the_certificate_is_of_the_requests_key_and_ends_when_it_was_said(deployment: Deployment) -> None:
    deployment.member("DE")
    certificate = deployment.of("DE").certificate.read_bytes()
    identity = check_issued(certificate, deployment.authority().text, now=NOW)
    assert (identity.role, identity.name, identity.not_after) == ("region", "DE", NOW + timedelta(days=365))


def test_what_is_no_file_is_said(deployment: Deployment) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        request_in(deployment.root / "request-XX.json")
    with pytest.raises(CertificateRefused, match="the request cannot be read"):
        _examined(deployment, b"\x00" * 100)
