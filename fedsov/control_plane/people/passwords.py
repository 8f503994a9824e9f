"""Passwords: how they are kept (argon2id), what a good enough one is, and a temporary one that nobody chose.

    stored = hashed("correct horse battery")
    matches("correct horse battery", stored)     # True, after some 40 ms and 19 MiB

Parameters: 19 MiB, 2 passes, 1 lane (OWASP Password Storage Cheat Sheet, argon2id). At most two are computed at once,
so that many sign-ins cost a hub time and not memory. A stranger's name costs the same time as a known one's.
"""

from __future__ import annotations

import secrets
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fedsov.errors import ConfigurationError

SHORTEST, LONGEST = 12, 256
"""Letters of a password: at least (NIST SP 800-63B-4 asks for 15 where it is the only factor, 8 beside another) and
at most, so that nobody sends a megabyte to be hashed."""
NAMED = 4
"""How long an account's name is that no password may have in it; a shorter one is in many words."""
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_AT_ONCE = BoundedSemaphore(2)


def hashed(password: str) -> str:
    """What is stored of a password."""
    with _AT_ONCE:
        return _HASHER.hash(password)


def matches(password: str, stored: str) -> bool:
    """Whether a password is the one that is stored; False where none is, after the same time."""
    if len(password) > LONGEST:
        return False
    with _AT_ONCE:
        try:
            return _HASHER.verify(stored or _nobodys(), password) and bool(stored)
        except (VerificationError, InvalidHashError):
            return False


def check_password(password: str, *, name: str) -> None:
    """Raises ConfigurationError for a password that is too short, too long, or that holds the account's name."""
    if len(password) < SHORTEST:
        raise ConfigurationError(f"the password has {len(password)} letters; choose one of at least {SHORTEST}")
    if len(password) > LONGEST:
        raise ConfigurationError(f"the password has {len(password)} letters; choose one of at most {LONGEST}")
    is_named = len(name) >= NAMED and name.casefold() in password.casefold()
    if is_named or len(set(password)) < 5:
        raise ConfigurationError("the password is easily guessed (the account's name, or few letters); choose another")


def temporary_password() -> str:
    """A password of 100 bits that nobody chose, in groups that can be read out."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    word = "".join(secrets.choice(letters) for _ in range(20))
    return "-".join(word[place : place + 5] for place in range(0, 20, 5))


@cache
def _nobodys() -> str:
    return _HASHER.hash(secrets.token_hex(16))
