"""A password is stored as argon2id, is long enough, and costs the same whoever is asked for."""

import pytest

from fedsov.control_plane.people.passwords import (
    LONGEST,
    _nobodys,
    check_password,
    hashed,
    matches,
    temporary_password,
)
from fedsov.errors import ConfigurationError


def test_what_is_stored_is_argon2id_and_opens_by_the_password_alone():
    stored = hashed("heather under glass")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$") and "heather" not in stored
    assert matches("heather under glass", stored)
    assert not matches("heather under glas", stored) and not matches("", stored)


def test_nobody_has_a_password_where_none_is_stored():
    assert not matches("", "") and not matches("x", "no hash")
    assert not matches("heather under glass", "")


def test_a_stranger_costs_a_hash_of_the_same_parameters():
    assert _nobodys().rsplit("$", 2)[0] == hashed("heather under glass").rsplit("$", 2)[0]


def test_a_very_long_password_is_not_hashed():
    long = "ab cd" * LONGEST
    assert not matches(long, hashed(long))


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "at least 12"),
        ("x" * 300, "at most 256"),
        ("Anna is so clever", "guessed"),
        ("aaaaaaaaaaaaa", "guessed"),
    ],
)
def test_a_weak_password_is_refused_and_not_repeated(password, why):
    with pytest.raises(ConfigurationError, match=why) as refused:
        check_password(password, name="anna")
    assert password not in str(refused.value)


def test_temporary_passwords_differ_and_are_strong_enough_themselves():
    words = {temporary_password() for _ in range(200)}
    assert len(words) == 200 and all(len(word) == 23 for word in words)
    for word in words:
        check_password(word, name="anna")
