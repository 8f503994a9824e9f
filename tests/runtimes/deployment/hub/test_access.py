"""Who may call at all: each request is asked anew, and files that change count at once."""

from datetime import UTC, datetime, timedelta

import pytest

from fedsov.api.deployment.hub_home import hub_home
from fedsov.errors import CertificateRefused, KeyUnavailable
from fedsov.keys.certificates import der_of, identity_of, new_authority, new_key, request
from fedsov.keys.members import read_members
from fedsov.runtimes.deployment.hub.access import CERTIFICATE, Access, NotAllowed
from tests.runtimes.deployment.hub_side import HubSide, trial_of


@pytest.fixture
def hub(tmp_path):
    return HubSide(trial_of(tmp_path, "DE"))


def scope(hub, who):
    return {"extensions": {CERTIFICATE: hub.certificate(who)}}


def test_a_member_is_known_by_its_certificate(hub):
    caller = Access(hub.trial.hub).caller(scope(hub, "DE"))
    assert (caller.role, caller.name) == ("region", "DE")
    assert "BEGIN PUBLIC KEY" in caller.public_key


@pytest.mark.parametrize("extensions", [{}, {CERTIFICATE: None}, {CERTIFICATE: b""}, {CERTIFICATE: b"no certificate"}])
def test_no_certificate_and_rubbish_are_refused(hub, extensions):
    with pytest.raises(NotAllowed):
        Access(hub.trial.hub).caller({"extensions": extensions})


def test_a_certificate_that_has_ended_is_refused_on_a_connection_that_is_open(hub):
    access = Access(hub.trial.hub, clock=lambda: datetime.now(UTC) + timedelta(days=36_500))
    with pytest.raises(NotAllowed, match="ended on .*fedsov deploy renew"):
        access.caller(scope(hub, "DE"))


def test_a_revoked_one_is_refused_at_the_next_request(hub, tmp_path):
    access = Access(hub.trial.hub)
    access.caller(scope(hub, "DE"))
    serial = identity_of(hub.certificate("DE")).serial
    with hub_home(tmp_path, owner="hub") as home:
        home.revoke(serial, "DE", at=datetime.now(UTC), by="a test", why="a test")
    with pytest.raises(NotAllowed, match="DE"):
        access.caller(scope(hub, "DE"))
    access.caller(scope(hub, "operator"))


def test_who_is_no_member_any_more_is_refused(hub):
    access, members = Access(hub.trial.hub), read_members(hub.trial.hub.members)
    access.caller(scope(hub, "DE"))
    with hub_home(hub.trial.hub.home) as home:
        home.put_members({name: each for name, each in members.items() if name != "DE"})
    with pytest.raises(NotAllowed, match="no approved region"):
        access.caller(scope(hub, "DE"))


def test_another_key_under_an_approved_name_is_refused(hub):
    now = datetime.now(UTC)
    stranger = new_authority("twelve letters", now=now).opened("twelve letters")
    certificate = stranger.sign(request(new_key(), "region", "DE"), now=now)
    with pytest.raises(NotAllowed, match="another key"):
        Access(hub.trial.hub).caller({"extensions": {CERTIFICATE: der_of(certificate)}})


def test_without_its_list_of_revoked_ones_nobody_is_let_in(hub):
    hub.trial.hub.revoked.unlink()
    with pytest.raises(NotAllowed, match="list of revoked certificates is missing"):
        Access(hub.trial.hub).caller(scope(hub, "DE"))


def test_a_list_that_was_changed_lets_nobody_in(hub):
    text = hub.trial.hub.revoked.read_text()
    hub.trial.hub.revoked.write_text(text.replace("1", "2"))
    with pytest.raises(NotAllowed):
        Access(hub.trial.hub).caller(scope(hub, "DE"))


def test_an_older_list_that_is_put_back_lets_nobody_in(hub, tmp_path):
    access, older = Access(hub.trial.hub), hub.trial.hub.revoked.read_bytes()
    serial = identity_of(hub.certificate("DE")).serial
    with hub_home(tmp_path, owner="hub") as home:
        home.revoke(serial, "DE", at=datetime.now(UTC), by="a test", why="a test")
    with pytest.raises(NotAllowed, match="DE"):
        access.caller(scope(hub, "DE"))
    hub.trial.hub.revoked.write_bytes(older)
    for who in ("DE", "operator"):
        with pytest.raises(NotAllowed):
            access.caller(scope(hub, who))


def revoked_and_put_back(hub, *names):
    """DE's certificate is taken back; then these files are as they were before."""
    before = {name: getattr(hub.trial.hub, name).read_bytes() for name in names}
    serial = identity_of(hub.certificate("DE")).serial
    with hub_home(hub.trial.hub.home) as home:
        home.revoke(serial, "DE", at=datetime.now(UTC), by="a test", why="a test")
        home.drop("DE")
    for name, content in before.items():
        getattr(hub.trial.hub, name).write_bytes(content)


@pytest.mark.parametrize("is_running", [True, False])
def test_older_copies_of_both_files_let_nobody_in_again(hub, is_running):
    """By what the ledger noted: before a start of the hub nothing else remembers."""
    access = Access(hub.trial.hub)
    if is_running:
        access.caller(scope(hub, "DE"))
    revoked_and_put_back(hub, "members", "revoked")
    with pytest.raises(NotAllowed):
        access.caller(scope(hub, "DE"))
    with pytest.raises((KeyUnavailable, CertificateRefused), match="put back"):
        Access(hub.trial.hub).check_noted()
    with hub_home(hub.trial.hub.home) as home, pytest.raises(KeyUnavailable, match="an older copy was put back"):
        home.members()


def test_an_older_list_of_revoked_certificates_is_refused_at_the_start_with_the_way_on(hub):
    newest = hub.trial.hub.revoked
    revoked_and_put_back(hub, "revoked")
    with pytest.raises(CertificateRefused, match="noted number 2: an old one was put back; .* of a region's home"):
        Access(hub.trial.hub).check_noted()
    with hub_home(hub.trial.hub.home) as home:
        assert identity_of(hub.certificate("DE")).serial not in newest.read_text()
        with pytest.raises(CertificateRefused):
            home.revoked()


def test_members_that_were_edited_are_refused_and_what_was_cut_between_note_and_file_is_whole(hub):
    path = hub.trial.hub.members
    content = path.read_bytes()
    path.with_suffix(".pending").write_bytes(content)
    path.write_bytes(b"{}")  # as before the first: the note tells of the one beside it
    Access(hub.trial.hub).check_noted()
    path.with_suffix(".pending").unlink()
    with pytest.raises(KeyUnavailable, match="or it was edited; restore your newest copy; without one remove it"):
        Access(hub.trial.hub).check_noted()
    path.write_bytes(content)
    Access(hub.trial.hub).check_noted()


def test_a_region_that_was_revoked_is_named_to_whoever_asks_for_the_regions_and_an_operator_is_not(hub):
    assert hub.tell("hub", "regions")["revoked"] == {}
    with hub_home(hub.trial.hub.home) as home:
        for name in ("DE", "operator"):
            serial = identity_of(hub.certificate(name)).serial
            home.revoke(serial, name, at=datetime(2026, 11, 30, tzinfo=UTC), by="a test", why="it was lost")
            home.drop(name)
    told = hub.tell("hub", "regions")
    assert told["revoked"] == {"DE": "2026-11-30: it was lost"}
    assert told["regions"] == {}
