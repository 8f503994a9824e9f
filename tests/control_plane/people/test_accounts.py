"""Accounts: each change is noted first, ends the person's sessions, and whoever has no account is nobody."""

import pytest

from fedsov.control_plane.people.accounts import TEMPORARY_SECONDS, PersonAccount
from fedsov.control_plane.people.attempts import MOST, take_attempt
from fedsov.control_plane.people.roles import Role
from fedsov.control_plane.people.sessions import begin_session, session_of
from fedsov.errors import ConfigurationError, LedgerBroken, LimitExceeded
from tests.control_plane.people.conftest import NOW

PASSWORD = "heather under glass"
ANNA = PersonAccount("anna", frozenset({Role.APPROVER}), frozenset({"DE"}))


def test_an_account_signs_in_by_its_password_and_no_other(accounts, notes):
    assert accounts.add(ANNA, password=PASSWORD, by="O. Perator", why="first", now=NOW) == ""
    assert accounts.checked("anna", PASSWORD, now=NOW).person == ANNA.person
    assert accounts.checked("anna", "heather under gras", now=NOW) is None
    assert accounts.checked("otto", PASSWORD, now=NOW) is None
    (note,) = notes
    assert note["account"] == {
        "act": "added",
        "name": "anna",
        "roles": ["approver"],
        "regions": ["DE"],
        "signs_in_by": "password",
        "temporary_password": False,
        "by": "O. Perator",
        "why": "first",
    }
    assert PASSWORD not in str(notes) and "argon2" not in str(notes)


def test_a_temporary_password_is_made_once_and_ends(accounts):
    temporary = accounts.add(ANNA, by="O. Perator", now=NOW)
    assert accounts.checked("anna", temporary, now=NOW).is_temporary
    assert accounts.checked("anna", temporary, now=NOW + TEMPORARY_SECONDS + 1) is None


def test_the_password_that_a_person_chose_opens_from_then_on_alone(accounts):
    temporary = accounts.add(ANNA, by="O. Perator", now=NOW)
    assert not accounts.choose("anna", old="another password", new=PASSWORD, now=NOW)
    with pytest.raises(ConfigurationError, match="is the old one"):
        accounts.choose("anna", old=temporary, new=temporary, now=NOW)
    assert accounts.choose("anna", old=temporary, new=PASSWORD, now=NOW)
    assert not accounts.checked("anna", PASSWORD, now=NOW + 2 * TEMPORARY_SECONDS).is_temporary
    assert accounts.checked("anna", temporary, now=NOW) is None


@pytest.mark.parametrize("change", ["reset", "change", "remove", "choose"])
def test_each_change_ends_the_sessions_that_the_person_has(accounts, database, change):
    accounts.add(ANNA, password=PASSWORD, by="O. Perator", now=NOW)
    token = begin_session(database, "anna", now=NOW)
    {
        "reset": lambda: accounts.reset("anna", by="O. Perator", now=NOW),
        "change": lambda: accounts.change("anna", roles=ANNA.roles, regions=frozenset(), by="O. Perator"),
        "remove": lambda: accounts.remove("anna", by="O. Perator"),
        "choose": lambda: accounts.choose("anna", old=PASSWORD, new="a hill of blue slate", now=NOW),
    }[change]()
    assert session_of(database, token, now=NOW) is None


def test_nothing_changes_where_the_ledger_cannot_be_written(accounts, database):
    def broken(note):
        raise LedgerBroken("the disk is full")

    accounts.add(ANNA, password=PASSWORD, by="O. Perator", now=NOW)
    unable = type(accounts)(database, note=broken)
    for act in (
        lambda: unable.add(PersonAccount("otto", frozenset({Role.VIEWER})), by="x", now=NOW),
        lambda: unable.reset("anna", by="x", now=NOW),
        lambda: unable.change("anna", roles=frozenset({Role.OPERATOR}), regions=frozenset(), by="x"),
        lambda: unable.remove("anna", by="x"),
        lambda: unable.choose("anna", old=PASSWORD, new="a hill of blue slate", now=NOW),
    ):
        with pytest.raises(LedgerBroken):
            act()
    assert [account.person for account in accounts.listed()] == [ANNA.person]
    assert accounts.checked("anna", PASSWORD, now=NOW)


def test_a_reset_opens_again_for_who_was_locked_out(accounts, database):
    accounts.add(ANNA, password=PASSWORD, by="O. Perator", now=NOW)
    for _ in range(MOST["pair"]):
        take_attempt(database, "anna", "198.51.100.7", now=NOW)
    with pytest.raises(LimitExceeded):
        take_attempt(database, "anna", "198.51.100.7", now=NOW)
    accounts.reset("anna", by="O. Perator", now=NOW)
    take_attempt(database, "anna", "198.51.100.7", now=NOW)


def test_a_name_and_a_subject_are_one_persons(accounts):
    accounts.add(PersonAccount("anna", ANNA.roles, subject="248289761001"), by="O. Perator", now=NOW)
    for account in (ANNA, PersonAccount("otto", ANNA.roles, subject="248289761001")):
        with pytest.raises(ConfigurationError, match="fedsov account list"):
            accounts.add(account, by="O. Perator", now=NOW)
    assert accounts.of_subject("248289761001").name == "anna" and accounts.of_subject("other") is None


def test_who_signs_in_by_openid_has_no_password_here(accounts):
    subject = PersonAccount("anna", ANNA.roles, subject="248289761001")
    with pytest.raises(ConfigurationError, match="not both"):
        accounts.add(subject, password=PASSWORD, by="O. Perator", now=NOW)
    accounts.add(subject, by="O. Perator", now=NOW)
    assert accounts.checked("anna", "", now=NOW) is None
    with pytest.raises(ConfigurationError, match="reset it there"):
        accounts.reset("anna", by="O. Perator", now=NOW)


@pytest.mark.parametrize("name", ["", "Anna", "a b", "<b>x</b>", "a" * 65, "anna'; drop table accounts; --", "../x"])
def test_a_name_is_plain(accounts, name):
    with pytest.raises(ConfigurationError, match="is no account's name"):
        accounts.add(PersonAccount(name, ANNA.roles), by="O. Perator", now=NOW)


def test_an_unknown_account_is_named_with_what_there_is(accounts):
    accounts.add(ANNA, password=PASSWORD, by="O. Perator", now=NOW)
    with pytest.raises(ConfigurationError, match="did you mean anna"):
        accounts.remove("ana", by="O. Perator")
