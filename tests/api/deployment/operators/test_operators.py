"""A further operator asks, is approved, accepts and renews; and every request and package that must be refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fedsov.api.deployment.approvals import examine, revoke
from fedsov.api.deployment.hub_home import hub_home
from fedsov.api.deployment.operators import operators
from fedsov.api.deployment.operators.operator_papers import (
    is_operator_request,
    read_operator_package,
    read_operator_request,
    written_operator_package,
    written_operator_request,
)
from fedsov.api.deployment.standing import standing
from fedsov.api.deployment.trial import set_up_trial
from fedsov.errors import CertificateRefused, ConfigurationError, FedsovError
from fedsov.keys.certificates import check_issued, fingerprint, new_key, public_half, public_key_of, request
from fedsov.keys.members import read_members
from fedsov.storage.deployment_folder import DeploymentFolder
from tests.api.deployment.world import HUB, NOW, SAID, Deployment
from tests.runtimes.deployment.hub_side import ADDRESS, further_operator, trial_of


def _ask(deployment: Deployment, name: str, home: str = "", now: datetime = NOW) -> bytes:
    trusted = fingerprint(deployment.authority().text)
    return operators.ask(deployment.home(home or name), name, HUB, trusted=trusted, now=now).read_bytes()


def _member(deployment: Deployment, name: str) -> Path:
    """The home of an operator who asked, was approved and has accepted."""
    package = deployment.approve(_ask(deployment, name)).package
    operators.accept(deployment.home(name), package.read_bytes(), now=NOW)
    return deployment.home(name)


def _shown(deployment: Deployment, text: bytes) -> str:
    return "\n".join(examine(deployment.hub, text, deployment.authority().text).lines)


def test_an_operator_is_approved_by_the_key_that_a_person_compares_and_the_ledger_notes_who_and_why(
    deployment: Deployment,
) -> None:
    text = _ask(deployment, "anna")
    shown = _shown(deployment, text)
    assert "operator anna" in shown and read_operator_request(text).key_digest in shown
    assert read_members(deployment.of("hub").members).keys() == {"hub", "operator"}  # shown, and nothing done
    outcome = deployment.approve(text)
    accepted = operators.accept(deployment.home("anna"), outcome.package.read_bytes(), now=NOW)
    folder = DeploymentFolder(deployment.home("anna"))
    identity = check_issued(folder.certificate.read_bytes(), deployment.authority().text, now=NOW)
    assert (identity.role, identity.name, identity.serial) == ("operator", "anna", outcome.serial)
    assert public_half(folder.key.read_bytes()) == public_key_of(folder.certificate.read_bytes())
    assert accepted.lines == (f"to submit a job: `fedsov train runtime=deployment runtime.hub={HUB} --workspace "
                              f"{deployment.home('anna')}`",)  # fmt: skip
    with hub_home(deployment.hub) as home:
        (act,) = home.operators()["anna"]
        assert (act["role"], act["by"], act["why"]) == ("operator", "A. Person", "as agreed")
        assert home.members()["anna"].role == "operator"


def test_the_key_never_leaves_the_operators_home(deployment: Deployment) -> None:
    home = _member(deployment, "anna")
    secret = DeploymentFolder(home).key.read_text().splitlines()[1]
    files = [path for path in deployment.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    assert DeploymentFolder(home).key.stat().st_mode & 0o77 == 0


def test_regions_hear_of_no_operator(deployment: Deployment) -> None:
    _member(deployment, "anna")
    package = deployment.approve(deployment.join("DE").read_bytes()).package
    assert set(json.loads(package.read_text())["members"]) == {"hub", "DE"}


def test_one_operator_is_taken_back_and_the_other_stays_and_comes_back_with_a_word_of_caution(
    deployment: Deployment,
) -> None:
    home = _member(deployment, "anna")
    _member(deployment, "ben")
    revoke(deployment.hub, "anna", now=NOW, by="A. Person", why="left the firm")
    assert read_members(deployment.of("hub").members).keys() == {"hub", "operator", "ben"}
    text = operators.renew(home, now=NOW).read_bytes()
    shown = _shown(deployment, text)
    assert "CAUTION: anna was revoked" in shown and "left the firm" in shown
    operators.accept(home, deployment.approve(text).package.read_bytes(), now=NOW)
    assert "anna" in read_members(deployment.of("hub").members)


def test_a_renewal_is_signed_with_the_key_before_and_revokes_its_certificate(deployment: Deployment) -> None:
    home = _member(deployment, "anna")
    before = read_members(deployment.of("hub").members)["anna"]
    old_package = deployment.of("hub").package("anna").read_bytes()
    text = operators.renew(home, now=NOW).read_bytes()
    assert f"the certificate {before.serial} is revoked with this approval" in _shown(deployment, text)
    outcome = deployment.approve(text, NOW + timedelta(days=1))
    assert outcome.revoked == before.serial
    operators.accept(home, outcome.package.read_bytes(), now=NOW + timedelta(days=1))
    assert read_members(deployment.of("hub").members)["anna"].serial == outcome.serial
    with pytest.raises(CertificateRefused, match=r"for no key of anna's: it answers another request"):
        operators.accept(home, old_package, now=NOW + timedelta(days=1))


def test_another_person_cannot_ask_under_an_operators_name(deployment: Deployment) -> None:
    _member(deployment, "anna")
    with pytest.raises(CertificateRefused, match="not signed with the key of their certificate; ask anna"):
        deployment.approve(_ask(deployment, "anna", home="imposter"))
    key, own = new_key(), new_key()
    asked = read_operator_request(_ask(deployment, "anna", home="imposter"))
    stolen = public_half(DeploymentFolder(deployment.home("anna")).key.read_bytes()).decode()
    csr = request(key, "operator", "anna").decode()
    with pytest.raises(CertificateRefused, match="not signed by whom it must be"):  # the name of a key is not the key
        _shown(deployment, written_operator_request(replace(asked, csr=csr, before=stolen), key))
    strange = replace(asked, csr=csr, before=public_half(own).decode())
    with pytest.raises(CertificateRefused, match="renews a certificate of anna that this hub never approved"):
        _shown(deployment, written_operator_request(strange, own))


def test_a_request_is_approved_once(deployment: Deployment) -> None:
    text = _ask(deployment, "anna")
    deployment.approve(text)
    revoke(deployment.hub, "anna", now=NOW, **SAID)
    with pytest.raises(CertificateRefused, match="this request of anna was approved before; send"):
        deployment.approve(text)


def _for_a_region(text: bytes, key: bytes) -> bytes:
    asked = read_operator_request(text)
    return written_operator_request(replace(asked, csr=request(key, "region", "DE").decode(), name="DE"), key)


def _for_a_hub(text: bytes, key: bytes) -> bytes:
    asked = read_operator_request(text)
    return written_operator_request(replace(asked, csr=request(key, "hub", "anna").decode()), key)


def _edited(text: bytes, key: bytes) -> bytes:
    return json.dumps({**json.loads(text), "at": "2020-01-01"}).encode()


def _cut(text: bytes, key: bytes) -> bytes:
    plain = {part: value for part, value in json.loads(text).items() if part != "csr"}
    return json.dumps(plain).encode()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_for_a_region, "asks for the certificate of the region DE"),
        (_for_a_hub, "asks for the certificate of the hub anna"),
        (_edited, "not signed by whom it must be"),
        (_cut, "not signed by whom it must be"),
    ],
)
def test_a_request_for_anything_but_an_operators_certificate_is_refused(
    deployment: Deployment, change: Callable[[bytes, bytes], bytes], why: str
) -> None:
    text = change(_ask(deployment, "anna"), new_key())
    assert is_operator_request(text)
    with pytest.raises(CertificateRefused, match=why):
        _shown(deployment, text)


@pytest.mark.parametrize("name", ["DE", "de", "hub", "Operator", "quarantine"])
def test_the_name_of_another_party_is_no_operators(deployment: Deployment, name: str) -> None:
    with pytest.raises(ConfigurationError, match="has the name of another party"):
        _shown(deployment, _ask(deployment, name, home="someone"))


def test_names_that_differ_in_case_alone_would_be_confused(deployment: Deployment) -> None:
    _member(deployment, "anna")
    with pytest.raises(ConfigurationError, match="operator Anna would be confused with anna"):
        _shown(deployment, _ask(deployment, "Anna", home="someone"))


def test_a_region_of_an_operators_name_is_not_invited(deployment: Deployment) -> None:
    _member(deployment, "fr")
    with pytest.raises(ConfigurationError, match="region FR has the name of an operator"):
        deployment.set_up("federation.regions=[DE,US,FR]")


def test_what_cannot_be_asked_is_said_where_it_is_asked(deployment: Deployment) -> None:
    trusted = fingerprint(deployment.authority().text)

    def ask(home: str, name: str, trusted: str = trusted) -> None:
        operators.ask(deployment.home(home), name, HUB, trusted=trusted, now=NOW)

    _member(deployment, "anna")
    deployment.member("DE")
    refusals: list[tuple[tuple[str, ...], str]] = [
        (("x", "carl", "3A:F0"), "is no SHA-256 of a certificate"),
        (("x", "operator"), "ask under your own name"),
        (("x", "a b"), "cannot be in a certificate"),
        (("DE", "carl"), "is the home of the region DE"),
        (("anna", "ben"), "is the home of the operator anna"),
        (("anna", "anna"), "fedsov deploy renew"),
    ]
    for words, why in refusals:
        with pytest.raises(FedsovError, match=why):
            ask(*words)
    with pytest.raises(ConfigurationError, match="is the home of the operator anna"):
        deployment.join("US", deployment.home("anna"))
    with pytest.raises(ConfigurationError, match="has no operator's certificate"):
        operators.renew(deployment.home("DE"), now=NOW)


def test_a_request_to_another_authority_is_refused_and_so_is_that_ones_package(deployment: Deployment) -> None:
    other = Deployment(deployment.root / "other")
    other.set_up()
    with pytest.raises(CertificateRefused, match="it is for another deployment"):
        _shown(deployment, _ask(other, "anna"))
    _ask(deployment, "anna")
    foreign = other.approve(_ask(other, "anna")).package.read_bytes()
    with pytest.raises(CertificateRefused, match="compare the fingerprint with the hub's owner"):
        operators.accept(deployment.home("anna"), foreign, now=NOW)
    assert not DeploymentFolder(deployment.home("anna")).certificate.exists()


def test_another_operators_package_an_edited_one_and_an_expired_one_are_refused(deployment: Deployment) -> None:
    _member(deployment, "ben")
    package = deployment.approve(_ask(deployment, "anna")).package.read_bytes()
    home, authority = deployment.home("anna"), deployment.authority()
    with pytest.raises(CertificateRefused, match="is for the operator ben"):
        operators.accept(home, deployment.of("hub").package("ben").read_bytes(), now=NOW)
    renamed = written_operator_package(replace(read_operator_package(package), name="ben"), authority)
    with pytest.raises(CertificateRefused, match="is the home of operator anna"):
        operators.accept(home, renamed, now=NOW)
    with pytest.raises(CertificateRefused, match="not signed by whom it must be"):
        operators.accept(home, package.replace(b"anna", b"anne", 1), now=NOW)
    with pytest.raises(CertificateRefused, match="expired on"):
        operators.accept(home, package, now=NOW + timedelta(days=400))
    operators.accept(home, package, now=NOW)
    operators.accept(home, package, now=NOW)  # again: nothing changes


def test_a_home_and_the_hub_say_how_the_certificate_stands(deployment: Deployment) -> None:
    _ask(deployment, "anna")
    waits = standing(deployment.home("anna"), now=NOW)
    assert [(party.name, party.state) for party in waits.parties] == [("anna", "waits for its package")]
    home = _member(deployment, "anna")
    later = NOW + timedelta(days=350)
    assert any(f"fedsov deploy renew --workspace {home}`" in line for line in standing(home, now=later).lines)
    at_hub = standing(deployment.hub, now=later)
    assert {party.name: party.role for party in at_hub.parties}["anna"] == "operator"
    assert [line for line in at_hub.lines if line.startswith("anna:")] == [
        "anna: its certificate expires in 15 days; its owner runs `fedsov deploy renew`"
    ]


def test_a_trial_that_is_set_up_again_keeps_its_further_operators_and_drops_who_was_revoked(tmp_path: Path) -> None:
    trial = trial_of(tmp_path / "w", "DE")
    for name in ("anna", "ben"):
        further_operator(trial, name, tmp_path / name)
    revoke(tmp_path / "w", "ben", now=NOW, **SAID)
    again = set_up_trial(tmp_path / "w", ["DE"], ADDRESS)
    assert read_members(again.hub.members).keys() == {"hub", "operator", "DE", "anna"}
