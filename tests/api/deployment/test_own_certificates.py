"""Which certificate is kept, and which is made anew."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from fedsov.api.deployment.hub_home import hub_home
from fedsov.api.deployment.own_certificates import CertificatePlace, certify, hub_places, is_valid, member_of
from fedsov.keys.certificates import OpenAuthority, identity_of, new_authority, new_key
from fedsov.storage.deployment_folder import DeploymentFolder
from tests.api.deployment.world import NOW, SAID, WORDS


@pytest.fixture(scope="module")
def authority() -> OpenAuthority:
    return new_authority(WORDS, now=NOW).opened(WORDS)


@pytest.fixture
def place(tmp_path: Path, authority: OpenAuthority) -> CertificatePlace:
    """The hub's own, certified for 30 days."""
    own = hub_places(DeploymentFolder(tmp_path), "hub", "operator", "hub.example.org")[0]
    with hub_home(tmp_path, owner="hub") as home:
        certify(own, authority, home, days=30, now=NOW, **SAID)
    return own


def test_a_certificate_is_kept_until_a_day_before_its_end(place: CertificatePlace, authority: OpenAuthority) -> None:
    assert is_valid(place, authority.text, NOW)
    assert is_valid(place, authority.text, NOW + timedelta(days=29))
    assert not is_valid(place, authority.text, NOW + timedelta(days=29, seconds=1))


def test_another_authority_name_host_or_key_is_not_valid(place: CertificatePlace, authority: OpenAuthority) -> None:
    assert not is_valid(place, new_authority(WORDS, now=NOW).certificate, NOW)
    others = [("hub", "other", place.hosts), ("region", "hub", ()), ("hub", "hub", (*place.hosts, "10.0.0.5"))]
    for role, name, hosts in others:
        assert not is_valid(CertificatePlace(role, name, place.key, place.certificate, hosts), authority.text, NOW)
    place.key.write_bytes(new_key())
    assert not is_valid(place, authority.text, NOW)
    place.key.unlink()
    assert not is_valid(place, authority.text, NOW)


def test_what_was_certified_is_noted_and_makes_a_member(place: CertificatePlace, tmp_path: Path) -> None:
    certificate = place.certificate.read_bytes()
    member = member_of(certificate, verify_key="ab")
    with hub_home(tmp_path) as home:
        (act,) = home.acts()
    assert act["serial"] == member.serial == identity_of(certificate).serial
    assert (member.role, member.verify_key, member.sealing_key) == ("hub", "ab", "")
