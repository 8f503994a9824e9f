"""Who may call at all: each request is asked anew, and files that change count at once."""

from datetime import UTC, datetime, timedelta

import pytest

from fedsov.api.deployment.hub_home import hub_home
from fedsov.keys.certificates import der_of, identity_of, new_authority, new_key, request
from fedsov.keys.members import read_members, write_members
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
    write_members(hub.trial.hub.members, {name: each for name, each in members.items() if name != "DE"})
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
