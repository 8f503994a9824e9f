"""A sign-in at a provider is finished by the browser that began it, once and in time; no crowd shuts it for long."""

import pytest

from fedsov.control_plane.people import openid
from fedsov.control_plane.people.openid import BEGUN, begin_sign_in, take_sign_in
from fedsov.errors import LimitExceeded
from tests.control_plane.people.conftest import NOW


def test_a_sign_in_is_taken_once_by_the_browser_that_began_it(database):
    begun = begin_sign_in(database, guest="cookie", onward="/", now=NOW)
    assert take_sign_in(database, state=begun.state, guest="cookie", now=NOW) == begun
    assert take_sign_in(database, state=begun.state, guest="cookie", now=NOW) is None
    other = begin_sign_in(database, guest="cookie", onward="/", now=NOW)
    assert take_sign_in(database, state=other.state, guest="another", now=NOW) is None
    assert take_sign_in(database, state=other.state, guest="cookie", now=NOW) is None, "whoever tried, it is used up"
    late = begin_sign_in(database, guest="cookie", onward="/", now=NOW)
    assert take_sign_in(database, state=late.state, guest="cookie", now=NOW + openid.SECONDS) is None


def test_the_database_has_neither_the_state_nor_the_cookie(database):
    begun = begin_sign_in(database, guest="the browser's cookie", onward="/", now=NOW)
    with database.reading() as connection:
        row = str(connection.execute(BEGUN.select()).all())
    assert begun.state not in row and "the browser's cookie" not in row


def test_a_crowd_of_sign_ins_shuts_nobody_out_for_long(database, monkeypatch):
    monkeypatch.setattr(openid, "MOST_BEGUN", 3)
    for _ in range(3):
        begin_sign_in(database, guest="crowd", onward="/", now=NOW)
    with pytest.raises(LimitExceeded, match="two minutes"):
        begin_sign_in(database, guest="cookie", onward="/", now=NOW + 1)
    assert begin_sign_in(database, guest="cookie", onward="/", now=NOW + openid.CROWDED_SECONDS)
