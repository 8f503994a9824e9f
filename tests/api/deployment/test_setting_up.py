"""A deployment is set up from the configuration of `train`, once and then further."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from fedsov.api.deployment.authority import AuthorityFolder, open_authority
from fedsov.api.deployment.hub_home import hub_home, read_revoked
from fedsov.api.deployment.setting_up import renew_hub, set_up
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import CertificateRefused, ConfigurationError, KeyUnavailable
from fedsov.keys.certificates import check_issued, hosts_of, new_authority
from fedsov.keys.members import read_members
from fedsov.region.settings import RegionSettings
from fedsov.storage.party_file import PartyFile, read_party
from tests.api.deployment.world import HUB, NOW, SAID, WORDS, Deployment
from tests.world import files_below


def test_it_makes_what_each_party_needs_and_nothing_more(deployment: Deployment) -> None:
    assert {path.name for path in (deployment.folder / "ca").iterdir()} == {"ca.crt", "ca.key"}
    for name in ("DE", "US"):
        names = {path.name for path in deployment.invitation(name).iterdir()}
        assert names == {"invitation.json", "ca.crt", "region.yaml", "CHECKLIST.md"}
    hub = deployment.of("hub")
    assert read_party(hub.party) == PartyFile("hub", "hub", HUB)
    for certificate, role in ((hub.certificate, "hub"), (hub.operator_certificate, "operator")):
        assert check_issued(certificate.read_bytes(), deployment.authority().text, now=NOW).role == role
    assert hosts_of(hub.certificate.read_bytes()) == ("hub.example.org", "localhost", "127.0.0.1", "::1")
    members = read_members(hub.members)
    assert {name: member.role for name, member in members.items()} == {"hub": "hub", "operator": "operator"}
    assert read_revoked(hub.revoked, members["hub"].verify_key).counter == 1
    keys = [path for path in files_below(deployment.folder) if b"PRIVATE KEY" in path.read_bytes()]
    assert {path.name for path in keys} == {"ca.key", "party.key", "operator.key", "signing.key"}


def test_the_proposed_settings_are_of_the_region_and_name_no_file_of_the_hubs_machine(deployment: Deployment) -> None:
    text = (deployment.invitation("DE") / "region.yaml").read_text()
    plain = yaml.safe_load(text)
    own = RegionSettings.from_settings(plain)
    assert "split" not in plain and "signature" not in plain
    assert (own.region, own.evidence, own.law.rules, own.law.unsafe_open) == ("DE", None, None, False)
    assert own.retention_days == 1825
    assert set(own.datasets) == {"stackoverflow"}
    assert (own.parties.hub and own.parties.hub.location, own.parties.region and own.parties.region.location) == (
        "IE",
        "DE",
    )
    assert set(own.parties.peers) == {"US"} and set(own.keys) == {"hub"}
    assert str(deployment.root) not in text


def test_a_second_set_up_keeps_every_key_and_invites_who_is_new(deployment: Deployment) -> None:
    deployment.member("DE")
    before = {path: path.read_bytes() for path in files_below(deployment.folder) if path.suffix in (".key", ".crt")}
    with hub_home(deployment.hub) as home:
        acts = home.number()
    made = deployment.set_up("federation.regions=[DE,US,IN]")
    assert (set(made.invited), made.joined) == ({"US", "IN"}, ("DE",))
    assert all(path.read_bytes() == content for path, content in before.items())
    with hub_home(deployment.hub) as home:
        assert home.number() == acts + 1  # IN was invited, and nothing else was noted
    assert deployment.member("IN").pinned == ("keys.DE",)


def test_a_set_up_that_was_cut_before_the_members_were_written_is_mended(deployment: Deployment) -> None:
    before = read_members(deployment.of("hub").members)
    deployment.of("hub").members.unlink()
    deployment.set_up()
    assert read_members(deployment.of("hub").members) == before


def test_another_passphrase_changes_nothing(deployment: Deployment) -> None:
    before = {path: path.read_bytes() for path in files_below(deployment.folder)}
    with pytest.raises(KeyUnavailable, match="the passphrase does not open"):
        deployment.set_up(passphrase="another passphrase")
    assert {path: path.read_bytes() for path in files_below(deployment.folder)} == before


def test_a_short_passphrase_makes_no_authority(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="fewer than 12 letters"):
        Deployment(tmp_path).set_up(passphrase="short")
    assert not files_below(tmp_path)


def test_regions_that_nobody_names_or_that_cannot_be_named_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="federation.regions=auto finds regions in rows, which no hub sees"):
        Deployment(tmp_path).set_up("federation.regions=auto")
    with pytest.raises(ConfigurationError, match="region US has the name of another party"):
        Deployment(tmp_path).set_up("federation.regions=[US]", "federation.hub.name=US")
    with pytest.raises(CertificateRefused, match="the name 'my hub' cannot be in a certificate"):
        Deployment(tmp_path).set_up("federation.hub.name='my hub'")


def test_an_open_border_of_the_configuration_is_not_proposed_to_a_region(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.set_up("federation.regions=[DE]", "border=unsafe_open", "today=2026-01-01")
    own = deployment.read("DE").settings
    assert not own.law.unsafe_open and not own.rehearsal
    left_out = deployment.set_up("federation.regions=[DE]", "border=unsafe_open", "today=2026-01-01").left_out
    assert left_out == ("border.unsafe_open", "today or federation.days_per_round")


def test_the_hub_and_its_operator_get_new_keys_and_those_before_are_revoked(deployment: Deployment) -> None:
    before = read_members(deployment.of("hub").members)
    late = NOW + timedelta(days=300)
    members = renew_hub(deployment.hub, deployment.authority(), now=late, **SAID)
    assert all(members[name].serial != before[name].serial for name in ("hub", "operator"))
    assert members["hub"].verify_key == before["hub"].verify_key
    with hub_home(deployment.hub) as home:
        assert {one.serial for one in home.revoked().revoked} == {before["hub"].serial, before["operator"].serial}
    check_issued(
        deployment.of("hub").certificate.read_bytes(), deployment.authority().text, now=NOW + timedelta(days=600)
    )
    assert hosts_of(deployment.of("hub").certificate.read_bytes())[0] == "hub.example.org"


def test_a_hub_is_not_renewed_by_another_authority(deployment: Deployment) -> None:
    other = new_authority(WORDS, now=NOW).opened(WORDS)
    before = deployment.of("hub").certificate.read_bytes()
    with pytest.raises(ConfigurationError, match="is no hub's home of this authority"):
        renew_hub(deployment.hub, other, now=NOW, **SAID)
    assert deployment.of("hub").certificate.read_bytes() == before


def test_an_authority_is_never_written_over_nor_read_by_others(deployment: Deployment) -> None:
    folder = AuthorityFolder(deployment.folder / "ca")
    folder.certificate.unlink()
    run = settings(compose(["federation.regions=[DE]", f"workspace={deployment.root}"]))
    with pytest.raises(KeyUnavailable, match="no authority in"):
        set_up(deployment.folder, run, HUB, passphrase=lambda _: WORDS, now=NOW, **SAID)
    folder.key.chmod(0o644)
    with pytest.raises(KeyUnavailable, match="open to other users"):
        open_authority(folder, WORDS)


def test_the_checklist_has_commands_with_the_regions_name(deployment: Deployment) -> None:
    text = (deployment.invitation("DE") / "CHECKLIST.md").read_text()
    assert "fedsov deploy join FOLDER --workspace HOME --fingerprint FINGERPRINT" in text
    assert "package-DE.json" in text and "hub.example.org, ports 9092 and 9093" in text
    assert json.loads((deployment.invitation("DE") / "invitation.json").read_text())["name"] == "DE"
