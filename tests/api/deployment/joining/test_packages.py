"""A package: signed by the authority as a whole."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fedsov.api.deployment.joining.packages import known_members, read_package, written_package
from fedsov.errors import CertificateRefused
from fedsov.keys.certificates import new_authority
from fedsov.keys.members import read_members
from tests.api.deployment.world import NOW, WORDS, Deployment


def test_a_package_that_the_authority_did_not_sign_is_refused(deployment: Deployment) -> None:
    text = deployment.approve(deployment.join("DE").read_bytes()).package.read_bytes()
    plain = json.loads(text)
    plain["members"]["US"] = {**plain["members"]["DE"], "verify_key": "ab" * 32}
    with pytest.raises(CertificateRefused, match="the package is not signed"):
        deployment.accept("DE", json.dumps(plain).encode())
    stranger = new_authority(WORDS, now=NOW).opened(WORDS)
    forged = written_package(read_package(text, deployment.authority().text), stranger)
    with pytest.raises(CertificateRefused, match="the package is not signed"):
        deployment.accept("DE", forged)


def test_a_package_that_was_written_is_read_and_tells_of_no_operator(deployment: Deployment) -> None:
    authority = deployment.authority()
    package = read_package(deployment.approve(deployment.join("DE").read_bytes()).package.read_bytes(), authority.text)
    assert read_package(written_package(package, authority), authority.text) == package
    assert set(package.members) == set(known_members(read_members(deployment.of("hub").members))) == {"hub", "DE"}
    assert package.hub_name == "hub"
    stated = package.stated()
    assert (stated.hub and stated.hub.name, stated.region and stated.region.name) == ("hub", "DE")


def test_a_signed_package_without_a_hub_or_of_another_form_is_refused(deployment: Deployment) -> None:
    authority = deployment.authority()
    package = read_package(deployment.approve(deployment.join("DE").read_bytes()).package.read_bytes(), authority.text)
    with pytest.raises(CertificateRefused, match="names 0 hubs"):
        deployment.accept("DE", written_package(replace(package, members={}), authority))
    with pytest.raises(CertificateRefused, match="cannot be read by this version"):
        deployment.accept("DE", written_package(replace(package, number=0), authority))
