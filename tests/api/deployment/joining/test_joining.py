"""A region joins: its keys stay with it, and it takes no package but the one that answers its own request."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fedsov.api import region_settings
from fedsov.api.deployment.approvals import revoke
from fedsov.api.deployment.hub_home import hub_home, read_revoked
from fedsov.api.deployment.joining.joining import join, renew
from fedsov.api.deployment.standing import standing
from fedsov.errors import CertificateRefused, ConfigurationError
from fedsov.keys import KeySettings, open_keys
from fedsov.keys.certificates import new_authority, public_half
from fedsov.keys.members import read_members
from fedsov.ledger.known_keys import read_keys
from fedsov.ledger.ledger import Ledger
from fedsov.region.trust.known_peers import is_signed_sealing_key
from fedsov.storage.workspace import Workspace, ledger_of
from tests.api.deployment.world import NOW, SAID, WORDS, Deployment
from tests.world import files_below


def test_two_regions_join_and_know_the_hub_and_each_other(deployment: Deployment) -> None:
    deployment.member("DE")
    second = deployment.approve(deployment.join("US").read_bytes())
    us = deployment.accept("US", second.package.read_bytes())
    de = deployment.accept("DE", second.others["DE"].read_bytes())
    assert (us.pinned, de.pinned) == (("keys.DE",), ("keys.US",))  # their places were in what they signed
    members = read_members(deployment.of("hub").members)
    for name, peer in (("DE", "US"), ("US", "DE")):
        own = region_settings.show(deployment.home(name), name).settings
        assert own.keys == {"hub": members["hub"].verify_key, peer: members[peer].verify_key}
        assert own.parties.peers[peer].location == peer
        assert members[name].public_key.encode() == public_half(deployment.of(name).key.read_bytes())
        public = open_keys(KeySettings(name, Workspace(deployment.home(name)).region(name))).public
        assert members[name].sealing_key == public.sealing.hex()
        signature = members[name].sealing_signature
        assert is_signed_sealing_key(name, public.sealing, members[name].verify_key, signature)
        assert read_keys(Workspace(deployment.hub).hub)[name].hex() == members[name].verify_key
        assert [(one.name, one.state) for one in standing(deployment.home(name), now=NOW).parties] == [(name, "valid")]
        assert not deployment.of(name).next_key.exists()


def test_no_private_key_leaves_the_region(deployment: Deployment) -> None:
    deployment.member("DE")
    home, folder = deployment.home("DE"), Workspace(deployment.home("DE")).region("DE")
    texts = [deployment.of("DE").key.read_bytes(), (folder / "signing.key").read_bytes()]
    secrets = [line for text in texts for line in text.splitlines()[1:-1]]  # of PEM, however its lines are joined
    keyring = json.loads((folder / "keyring.json").read_text())
    secrets += [part.encode() for part in keyring.values() if isinstance(part, str) and len(part) > 40]
    assert len(secrets) > 4 and all(len(secret) > 15 for secret in secrets)
    elsewhere = [path for path in files_below(deployment.root) if not path.is_relative_to(home)]
    for path in [*elsewhere, deployment.of("DE").request("DE")]:
        content = path.read_bytes()
        assert not any(secret in content for secret in secrets), path
    assert all(path.stat().st_mode & 0o077 == 0 for path in files_below(home / "deployment"))


def test_the_signed_settings_are_the_proposed_ones_as_the_owner_edited_them(deployment: Deployment) -> None:
    proposed = deployment.invitation("DE") / "region.yaml"
    proposed.write_text(proposed.read_text().replace("retention_days: 1825", "retention_days: 30"))
    assert deployment.read("DE").edited == ("retention_days: 1825 was proposed, 30 is in the file",)
    deployment.join("DE")
    shown = region_settings.show(deployment.home("DE"), "DE")
    assert shown.settings.retention_days == 30
    assert (shown.changed["by"], shown.changed["why"]) == ("A. Person", "as agreed")


def test_a_region_that_is_here_already_keeps_its_settings_and_pins_the_hub(deployment: Deployment) -> None:
    home = deployment.home("DE")
    region_settings.init(home, "DE", ["retention_days=7"])
    deployment.join("DE")
    own = region_settings.show(home, "DE").settings
    assert own.retention_days == 7
    assert own.keys["hub"] == deployment.read("DE").hub_key
    assert own.parties.hub is not None and own.parties.region is not None


def test_a_join_that_was_cut_before_the_settings_were_signed_is_done_again(deployment: Deployment) -> None:
    folder = Workspace(deployment.home("DE")).region("DE")
    Ledger(ledger_of(folder), "DE").close()
    deployment.member("DE")
    assert region_settings.show(deployment.home("DE"), "DE").settings.retention_days == 1825


def test_a_region_that_pins_another_hub_does_not_join(deployment: Deployment) -> None:
    region_settings.init(deployment.home("DE"), "DE", [f"keys.hub={'ab' * 32}"])
    with pytest.raises(CertificateRefused, match="has pinned the key abab.* for hub"):
        deployment.join("DE")
    assert not deployment.of("DE").next_key.exists()


def test_a_package_for_another_region_is_refused(deployment: Deployment) -> None:
    package = deployment.approve(deployment.join("DE").read_bytes()).package.read_bytes()
    deployment.join("US")
    with pytest.raises(CertificateRefused, match="the package is for DE, and .* is the home of US"):
        deployment.accept("US", package)
    assert not deployment.of("US").certificate.exists()


def test_settings_that_were_changed_since_the_request_are_refused_until_asked_anew(
    deployment: Deployment,
) -> None:
    package = deployment.approve(deployment.join("DE").read_bytes()).package.read_bytes()
    region_settings.set_settings(deployment.home("DE"), ["DE"], ["law.unsafe_open=true"])
    with pytest.raises(CertificateRefused, match="region.yaml of DE was changed since it was approved"):
        deployment.accept("DE", package)
    assert not deployment.of("DE").certificate.exists()
    assert deployment.member("DE").name == "DE"


def test_a_package_for_a_request_that_was_made_anew_is_refused(deployment: Deployment) -> None:
    package = deployment.approve(deployment.join("DE").read_bytes()).package.read_bytes()
    deployment.join("DE")
    with pytest.raises(CertificateRefused, match="it answers another request; send the newest"):
        deployment.accept("DE", package)


def test_an_older_package_is_refused_and_the_same_one_is_taken_again(deployment: Deployment) -> None:
    first = deployment.approve(deployment.join("DE").read_bytes()).package.read_bytes()
    newer = deployment.approve(deployment.join("US").read_bytes()).others["DE"].read_bytes()
    deployment.accept("DE", newer)
    assert deployment.accept("DE", newer).pinned == ()
    with pytest.raises(CertificateRefused, match="the package has number 6, and number 7 was accepted before"):
        deployment.accept("DE", first)


def test_an_accept_that_was_cut_between_key_and_certificate_is_mended_by_another(deployment: Deployment) -> None:
    package = deployment.approve(deployment.join("DE").read_bytes()).package.read_bytes()
    folder = deployment.of("DE")
    folder.next_key.replace(folder.key)
    assert deployment.accept("DE", package).name == "DE"
    assert folder.certificate.exists()


def test_a_region_renews_its_key_while_the_other_goes_on(deployment: Deployment) -> None:
    deployment.member("DE")
    deployment.member("US")
    before, key = read_members(deployment.of("hub").members), deployment.of("DE").key.read_bytes()
    text = renew(deployment.home("DE"), now=NOW + timedelta(days=300), **SAID).read_bytes()
    assert deployment.of("DE").key.read_bytes() == key  # in use until the answer is there
    done = deployment.approve(text, now=NOW + timedelta(days=300))
    deployment.accept("DE", done.package.read_bytes(), now=NOW + timedelta(days=300))
    after = read_members(deployment.of("hub").members)
    assert after["US"] == before["US"]
    assert after["DE"].serial != before["DE"].serial and after["DE"].public_key != before["DE"].public_key
    assert after["DE"].verify_key == before["DE"].verify_key
    with hub_home(deployment.hub) as home:
        assert [(one.serial, one.why) for one in home.revoked().revoked] == [(before["DE"].serial, "renewed")]
    assert read_revoked(deployment.of("DE").revoked, after["hub"].verify_key).counter == 2
    assert public_half(deployment.of("DE").key.read_bytes()) == after["DE"].public_key.encode()


def test_a_peer_that_was_revoked_is_named_with_what_unpins_it(deployment: Deployment) -> None:
    deployment.member("US")
    deployment.member("DE")
    revoke(deployment.hub, "US", now=NOW, **SAID)
    done = deployment.approve(renew(deployment.home("DE"), now=NOW, **SAID).read_bytes())
    (line,) = deployment.accept("DE", done.package.read_bytes()).lines
    assert "US is pinned and no member" in line
    (command,) = [part for part in line.split("`") if part.startswith("fedsov")]
    region_settings.set_settings(deployment.home("DE"), ["DE"], command.split()[4:])
    assert "US" not in region_settings.show(deployment.home("DE"), "DE").settings.keys


def test_what_the_owner_pinned_stays_and_a_difference_is_said(deployment: Deployment) -> None:
    deployment.member("DE")
    region_settings.set_settings(deployment.home("DE"), ["DE"], [f"keys.US={'ab' * 32}"])
    others = deployment.approve(deployment.join("US").read_bytes()).others
    done = deployment.accept("DE", others["DE"].read_bytes())
    assert region_settings.show(deployment.home("DE"), "DE").settings.keys["US"] == "ab" * 32
    assert done.pinned == () and "has pinned the key abab" in done.lines[0]


def test_an_older_list_of_revoked_ones_in_a_package_does_not_replace_a_newer(deployment: Deployment) -> None:
    deployment.member("US")
    text = deployment.approve(deployment.join("DE").read_bytes()).package.read_bytes()
    deployment.accept("DE", text)
    revoke(deployment.hub, "US", now=NOW, **SAID)
    newest = deployment.of("hub").revoked.read_bytes()
    deployment.of("DE").revoked.write_bytes(newest)  # as the hub hands it out
    deployment.accept("DE", text)
    assert deployment.of("DE").revoked.read_bytes() == newest


def test_a_package_whose_own_certificate_was_revoked_meanwhile_is_refused(deployment: Deployment) -> None:
    text = deployment.approve(deployment.join("DE").read_bytes()).package.read_bytes()
    revoke(deployment.hub, "DE", now=NOW, by="A", why="stolen")
    deployment.of("DE").revoked.write_bytes(deployment.of("hub").revoked.read_bytes())
    with pytest.raises(CertificateRefused, match="of DE was revoked at .*: stolen"):
        deployment.accept("DE", text)


def test_an_expired_package_is_refused(deployment: Deployment) -> None:
    text = deployment.approve(deployment.join("DE").read_bytes()).package.read_bytes()
    with pytest.raises(CertificateRefused, match="the certificate of DE expired"):
        deployment.accept("DE", text, now=NOW + timedelta(days=366))


def test_join_and_renew_know_where_they_belong(deployment: Deployment, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="party.yaml cannot be read"):
        renew(tmp_path / "nothing", now=NOW, **SAID)
    deployment.join("DE")
    with pytest.raises(ConfigurationError, match="is no region's that joined"):
        renew(deployment.home("DE"), now=NOW, **SAID)
    deployment.member("DE")
    with pytest.raises(ConfigurationError, match="has joined already; `fedsov deploy renew"):
        deployment.join("DE")
    other = replace(deployment.read("US"), authority=new_authority(WORDS, now=NOW).certificate)
    deployment.of("US").root.mkdir(parents=True)
    deployment.of("US").authority.write_bytes(deployment.authority().text)
    with pytest.raises(ConfigurationError, match="began to join another deployment"):
        join(deployment.home("US"), other, now=NOW, **SAID)


def test_every_act_is_in_the_regions_ledger(deployment: Deployment) -> None:
    deployment.member("DE")
    ledger = Ledger.read(ledger_of(Workspace(deployment.home("DE")).region("DE")))
    acts = [entry.body["note"]["deployment"] for entry in ledger.notes("deployment")]
    assert [(act["act"], act["by"], act["why"]) for act in acts] == [
        ("asked", "A. Person", "as agreed"),
        ("accepted", "A. Person", "as agreed"),
    ]
