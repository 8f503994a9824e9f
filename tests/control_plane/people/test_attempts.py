"""Guessing a password is slow for who guesses, and locks nobody out elsewhere."""

import threading

import pytest
from sqlalchemy import select

from fedsov.control_plane.people.attempts import ATTEMPTS, MOST, WINDOW_SECONDS, forget_attempts, take_attempt
from fedsov.errors import LimitExceeded
from tests.control_plane.people.conftest import NOW


def tries(database, name, address, *, now=NOW):
    try:
        take_attempt(database, name, address, now=now)
    except LimitExceeded:
        return False
    return True


def test_a_name_from_an_address_has_five_attempts_in_a_quarter_of_an_hour(database):
    assert [tries(database, "anna", "a") for _ in range(7)] == [True] * MOST["pair"] + [False] * 2
    assert tries(database, "anna", "b") and tries(database, "otto", "a")
    assert tries(database, "anna", "a", now=NOW + WINDOW_SECONDS)


def test_many_addresses_together_have_fifty_of_a_name_and_an_address_a_hundred(database):
    assert sum(tries(database, "anna", f"address {each}") for each in range(80)) == MOST["name"]
    assert sum(tries(database, f"name {each}", "a") for each in range(120)) == MOST["address"]


def test_the_limit_says_how_long_and_who_can_mend_it(database):
    for _ in range(MOST["pair"]):
        take_attempt(database, "anna", "a", now=NOW)
    with pytest.raises(LimitExceeded, match="wait 15 minutes.*fedsov account reset"):
        take_attempt(database, "anna", "a", now=NOW)


def test_attempts_at_once_are_no_way_around_it(database):
    taken = []
    threads = [threading.Thread(target=lambda: taken.append(tries(database, "anna", "a"))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == MOST["pair"]


def test_signing_in_forgets_the_attempts_of_that_name_and_address_alone(database):
    for address in ("a", "b"):
        for _ in range(MOST["pair"] - 1):
            take_attempt(database, "anna", address, now=NOW)
    forget_attempts(database, "anna", "a")
    assert [tries(database, "anna", "a") for _ in range(2)] == [True, True]
    assert [tries(database, "anna", "b") for _ in range(2)] == [True, False]


def test_what_was_typed_as_a_name_is_not_kept(database):
    take_attempt(database, "my password by mistake", "a", now=NOW)
    with database.reading() as connection:
        assert "password" not in str(connection.execute(select(ATTEMPTS)).all())
