"""A session is known by its token alone, ends in time, and is no news to who waits for changes."""

from sqlalchemy import select

from fedsov.control_plane.people.sessions import (
    IDLE_SECONDS,
    LONGEST_SECONDS,
    SESSIONS,
    begin_session,
    csrf_of,
    end_session,
    session_of,
)
from tests.control_plane.people.conftest import NOW


def test_the_database_has_no_token_that_would_open_a_session(database):
    token = begin_session(database, "anna", now=NOW)
    with database.reading() as connection:
        (row,) = connection.execute(select(SESSIONS)).all()
    assert token not in str(row) and csrf_of(token) not in str(row)
    assert session_of(database, row.sha256, now=NOW) is None
    assert session_of(database, token, now=NOW).name == "anna"


def test_a_session_ends_after_an_hour_without_a_request_and_lives_while_there_are_some(database):
    token = begin_session(database, "anna", now=NOW)
    assert session_of(database, token, now=NOW + IDLE_SECONDS)
    assert session_of(database, token, now=NOW + 2 * IDLE_SECONDS)
    assert session_of(database, token, now=NOW + 3 * IDLE_SECONDS + 1) is None


def test_a_page_that_waits_for_news_keeps_no_session_alive(database):
    token = begin_session(database, "anna", now=NOW)
    assert session_of(database, token, now=NOW + IDLE_SECONDS - 1, is_act=False)
    assert session_of(database, token, now=NOW + IDLE_SECONDS + 1) is None


def test_a_session_ends_after_twelve_hours_whatever_happens(database):
    token, moment = begin_session(database, "anna", now=NOW), NOW
    while moment + IDLE_SECONDS / 2 <= NOW + LONGEST_SECONDS:
        moment += IDLE_SECONDS / 2
        assert session_of(database, token, now=moment)
    assert session_of(database, token, now=moment + 1) is None


def test_beginning_ends_the_session_before_and_those_that_are_over(database):
    old = begin_session(database, "otto", now=NOW - LONGEST_SECONDS - 1)
    before = begin_session(database, "anna", now=NOW)
    other = begin_session(database, "anna", now=NOW)
    begin_session(database, "anna", now=NOW, before=before)
    assert session_of(database, before, now=NOW) is None and session_of(database, other, now=NOW)
    with database.reading() as connection:
        assert "otto" not in connection.scalars(select(SESSIONS.c.name)).all()
    assert session_of(database, old, now=NOW) is None


def test_a_session_that_was_ended_is_over_and_sessions_wake_nobody(database):
    token = begin_session(database, "anna", now=NOW)
    end_session(database, token)
    assert session_of(database, token, now=NOW) is None and database.changes == 0
