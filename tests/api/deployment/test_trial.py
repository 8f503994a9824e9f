"""A trial's parties: made at once, kept when asked again, and believed by TLS of both sides."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedsov.api import region_settings
from fedsov.api.deployment.hub_home import hub_home, read_revoked
from fedsov.api.deployment.trial import Trial, set_up_trial
from fedsov.errors import CertificateRefused, ConfigurationError, KeyUnavailable
from fedsov.keys.certificates import check_issued, identity_of, public_half
from fedsov.keys.members import read_members
from fedsov.ledger.known_keys import keys_at_hand
from fedsov.ledger.signed_head import signature_holds
from fedsov.region.trust.known_peers import FORMAT
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress, PartyFile, read_party
from fedsov.storage.workspace import Workspace

HUB = HubAddress("127.0.0.1", 9092)
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two regions with keys."""
    for name in ("DE", "US"):
        region_settings.init(tmp_path, name)
    return tmp_path


def _files(workspace: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (workspace / "deployment").rglob("*") if path.is_file()}


def _handshake(server: DeploymentFolder, certificate: Path, key: Path) -> bytes:
    """The certificate (DER) that the hub sees of a client, once TLS 1.3 of both sides has ended well."""
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(server.authority))
    ours.verify_mode = ssl.CERT_REQUIRED
    ours.load_cert_chain(server.certificate, server.key)
    theirs = ssl.create_default_context(cafile=str(server.authority))
    theirs.verify_flags |= ssl.VERIFY_X509_STRICT
    theirs.load_cert_chain(certificate, key)
    left, right = socket.socketpair()
    seen: list[bytes] = []

    def answer() -> None:
        with ours.wrap_socket(left, server_side=True) as line:
            seen.append(line.getpeercert(binary_form=True) or b"")
            line.sendall(b"!")

    listening = threading.Thread(target=answer)
    listening.start()
    with theirs.wrap_socket(right, server_hostname="127.0.0.1") as line:
        assert line.recv(1) == b"!"
    listening.join(5)
    return seen[0]


def test_tls_of_both_sides_believes_every_party_of_a_trial(workspace: Path) -> None:
    trial = set_up_trial(workspace, ["DE", "US"], HUB)
    own = trial.regions["DE"]
    seen = identity_of(_handshake(trial.hub, own.certificate, own.key))
    assert (seen.role, seen.name) == ("region", "DE")
    operator = identity_of(_handshake(trial.hub, trial.hub.operator_certificate, trial.hub.operator_key))
    assert (operator.role, operator.name) == ("operator", "operator")


def test_each_party_has_its_own_files_and_the_hub_knows_their_keys(workspace: Path) -> None:
    trial = set_up_trial(workspace, ["DE", "US"], HUB, now=NOW)
    members, verify = read_members(trial.hub.members), keys_at_hand(Workspace(workspace))
    assert trial.made == ("hub", "operator", "DE", "US")
    assert {name: member.role for name, member in members.items()} == {
        "hub": "hub",
        "operator": "operator",
        "DE": "region",
        "US": "region",
    }
    for name, folder in trial.regions.items():
        member, certificate = members[name], folder.certificate.read_bytes()
        assert read_party(folder.party) == PartyFile(name, "region", HUB)
        assert member.public_key.encode() == public_half(folder.key.read_bytes())
        assert member.serial == check_issued(certificate, folder.authority.read_bytes(), now=NOW).serial
        assert member.verify_key == verify[name]
        text = FORMAT + name.encode() + b"\n" + bytes.fromhex(member.sealing_key)
        assert signature_holds(text, member.verify_key, member.sealing_signature)
        assert read_revoked(folder.revoked, verify["hub"]).counter == 1
        assert folder.key.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(trial.hub.members.read_text())["DE"]) == set(asdict(members["DE"]))


def test_a_second_call_keeps_every_byte(workspace: Path) -> None:
    set_up_trial(workspace, ["DE", "US"], HUB)
    before = _files(workspace)
    assert set_up_trial(workspace, ["DE", "US"], HUB).made == ()
    assert _files(workspace) == before


def test_what_is_damaged_exchanged_or_about_to_expire_is_made_anew_and_nothing_else(workspace: Path) -> None:
    trial = set_up_trial(workspace, ["DE", "US"], HUB, now=NOW)
    de, us = trial.regions["DE"], trial.regions["US"]
    de.certificate.write_bytes(us.certificate.read_bytes())
    assert set_up_trial(workspace, ["DE", "US"], HUB, now=NOW).made == ("DE",)
    us.key.write_bytes(b"half a key")
    assert set_up_trial(workspace, ["DE", "US"], HUB, now=NOW).made == ("US",)
    late = NOW + timedelta(days=364, hours=1)
    assert set_up_trial(workspace, ["DE", "US"], HUB, now=late).made == ("hub", "operator", "DE", "US")


def test_a_hub_that_listens_elsewhere_gets_a_certificate_for_that_name(workspace: Path) -> None:
    set_up_trial(workspace, ["DE"], HUB)
    trial = set_up_trial(workspace, ["DE"], HubAddress("hub.example", 9999))
    assert trial.made == ("hub",)
    assert read_party(trial.regions["DE"].party).hub == HubAddress("hub.example", 9999)


def test_a_region_that_was_revoked_stays_so(workspace: Path) -> None:
    trial: Trial = set_up_trial(workspace, ["DE", "US"], HUB, now=NOW)
    serial = read_members(trial.hub.members)["DE"].serial
    with hub_home(workspace) as home:
        home.revoke(serial, "DE", at=NOW, by="A", why="stolen")
    again = set_up_trial(workspace, ["DE", "US"], HUB, now=NOW)
    assert (again.made, again.revoked) == ((), ("DE",))
    assert "DE" not in read_members(trial.hub.members)
    assert trial.regions["DE"].revoked.read_bytes() == trial.hub.revoked.read_bytes()


def test_an_older_list_of_revoked_ones_put_back_is_refused(workspace: Path) -> None:
    trial = set_up_trial(workspace, ["DE"], HUB, now=NOW)
    old = trial.hub.revoked.read_bytes()
    with hub_home(workspace) as home:
        home.revoke("ab", "DE", at=NOW, by="A", why="stolen")
    trial.hub.revoked.write_bytes(old)
    with pytest.raises(CertificateRefused, match="number 1, and the hub's ledger noted number 2"):
        set_up_trial(workspace, ["DE"], HUB, now=NOW)


def test_a_region_without_keys_or_with_the_hubs_name_is_refused(workspace: Path) -> None:
    with pytest.raises(ConfigurationError, match="region FR has no keys"):
        set_up_trial(workspace, ["FR"], HUB)
    with pytest.raises(ConfigurationError, match="region DE has the name of another party"):
        set_up_trial(workspace, ["DE"], HUB, hub_name="DE")


def test_an_authority_whose_key_was_exchanged_signs_nothing(workspace: Path, tmp_path: Path) -> None:
    set_up_trial(workspace, ["DE"], HUB)
    (workspace / "deployment" / "ca" / "passphrase").write_text("another passphrase")
    with pytest.raises(KeyUnavailable, match="the passphrase does not open the authority's key"):
        set_up_trial(workspace, ["DE"], HUB)
