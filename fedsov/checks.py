"""Checks of single settings: what a number or a word may be, and the one sentence where it is something else.

A class of settings calls these for each field when it is made. Each gives the value back as Python's own type, so that
a scalar of numpy and a number of a configuration are stored alike, compare alike and survive JSON. A truth value is no
number, a float is no whole number, text is neither, and NaN is in no range.

>>> whole("rounds", 3, at_least=1)
3
>>> real("momentum", 2, at_least=0, below=1)
Traceback (most recent call last):
fedsov.errors.ConfigurationError: momentum must be a number of 0 or more and below 1, got 2
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from difflib import get_close_matches
from numbers import Integral, Real
from types import UnionType
from typing import Any

from fedsov.errors import ConfigurationError, nearest

MOST = 2**31 - 1
"""The largest count: of rows, rounds, steps, clients."""
SEEDS = 2**63 - 1
"""The largest seed."""
FLOAT32_LEAST, FLOAT32_MOST = 2.0**-126, (2.0 - 2.0**-23) * 2.0**127
"""The least normal and the largest number of float32, in which steps are reckoned: beyond them a setting becomes 0 or
infinity there."""
_LONGEST = 80
_MOST_WORDS = 20


def whole(name: str, value: Any, *, at_least: int, at_most: int = MOST) -> int:
    """The value as an int, where it is a whole number in this range, of Python or of numpy.

    Raises:
        ConfigurationError: any other value, among them floats such as 2.0 and truth values.
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and at_least <= int(value) <= at_most:
        return int(value)
    above = isinstance(value, Integral) and not isinstance(value, bool) and int(value) > at_most
    bounds = f"from {at_least} to {at_most:,}" if above else f"of {at_least} or more"
    raise refused(name, f"a whole number {bounds}", value)


def real(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    remedy: str = "",
) -> float:
    """The value as a float, where it is a finite number in this range, of Python or of numpy.

    Args:
        remedy: what to say at the end of the message: "null for none".

    Raises:
        ConfigurationError: any other value, among them NaN, infinity, truth values and text.
    """
    number = as_number(value)
    if (
        math.isfinite(number)
        and (above is None or number > above)
        and (at_least is None or number >= at_least)
        and (below is None or number < below)
        and (at_most is None or number <= at_most)
    ):
        return number
    bounds = {"above {}": above, "of {} or more": at_least, "below {}": below, "at most {}": at_most}
    words = " and ".join(words.format(f"{bound:.6g}") for words, bound in bounds.items() if bound is not None)
    raise refused(name, f"a number {words}" if words else "a finite number", value, remedy and f"; {remedy}")


def as_number(value: Any) -> float:
    """The value as a float; NaN for whatever is no real number, or too large to be a float."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except (OverflowError, ValueError):
        return math.nan


def flag(name: str, value: Any) -> bool:
    """The value, where it is True or False, of Python or of numpy. Raises ConfigurationError for any other."""
    if isinstance(value, bool):
        return value
    if str(getattr(value, "dtype", "")) == "bool" and getattr(value, "shape", None) == ():
        return bool(value)
    raise refused(name, "True or False", value)


def choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """The value, where it is one of these words. Raises ConfigurationError for any other, with the nearest word."""
    words = tuple(choices)
    if isinstance(value, str) and value in words:
        return str(value)
    near = get_close_matches(value, words, n=1) if isinstance(value, str) else []
    raise refused(name, f"one of {listed(words)}", value, f"; did you mean {near[0]}?" if near else "")


def listed(words: Iterable[str]) -> str:
    """The words of a choice, one after the other; of very many the first, and how many there are beside them.

    >>> listed("abc"), listed(map(str, range(25)))[-16:]
    ('a, b, c', '18, 19 or 5 more')
    """
    every = tuple(words)
    beyond = len(every) - _MOST_WORDS
    return ", ".join(every[:_MOST_WORDS]) + (f" or {beyond} more" if beyond > 0 else "")


def several(name: str, value: Any, called: str, check: Callable[[str, Any], Any]) -> tuple[Any, ...]:
    """The checked parts of a list, tuple or array of one dimension; of text, which is a list of letters, none.

    Args:
        called: what the value must be, for the message: "a list of numbers above 0".
        check: one of the checks above, given the name of each part.

    Raises:
        ConfigurationError: no list, or a part that does not pass.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable) or getattr(value, "ndim", 1) != 1:
        raise refused(name, called, value)
    return tuple(check(f"{name}[{place}]", part) for place, part in enumerate(value))


def names(name: str, value: Any) -> tuple[str, ...]:
    """The words of a collection of text; one word by itself is a collection of one.

    Raises:
        ConfigurationError: no collection, or a part that is no text.
    """
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Collection) or isinstance(value, bytes) or getattr(value, "ndim", 1) != 1:
        raise refused(name, "a list of names", value)
    if not all(isinstance(part, str) for part in value):
        raise refused(name, "a list of names", value)
    return tuple(map(str, value))


def text(name: str, value: Any, called: str = "text", *, truth: bool = False) -> str:
    """The value as text: YAML reads 2017 as a number, and NO as False.

    Args:
        called: what the value must be, for the message: "the name of a column".
        truth: whether True and False are texts too, as values of a column are.

    Raises:
        ConfigurationError: a list, a mapping, nothing, NaN, infinity, or a truth value where none is meant.
    """
    if isinstance(value, bool):
        if truth:
            return str(value)
        raise refused(name, called, value, "; put a word such as NO in quotes")
    if isinstance(value, str) or math.isfinite(as_number(value)):
        return str(value)
    raise refused(name, called, value)


def text_or_none(name: str, value: Any, called: str = "text", *, truth: bool = False) -> str | None:
    """As `text`; None stays None."""
    return None if value is None else text(name, value, f"{called}, or null", truth=truth)


def texts(name: str, value: Any, *, truth: bool = False) -> tuple[str, ...]:
    """The texts of a list, each as `text`. Raises ConfigurationError for what is no list, or a part that is no text."""
    if isinstance(value, str) and value.isalnum():
        raise refused(name, "a list as [A, B]", value, f"; write [{value}]")
    parts = instance(name, value, list | tuple, "a list as [A, B]")
    return tuple(text(f"{name}[{place}]", part, truth=truth) for place, part in enumerate(parts))


def override_words(value: Any) -> list[str]:
    """The words KEY=VALUE of a command line. Raises ConfigurationError, with the form, for what is no list of text."""
    if (
        isinstance(value, Sequence)
        and not isinstance(value, str | bytes)
        and all(isinstance(part, str) for part in value)
    ):
        return list(value)
    meant = [value] if isinstance(value, str) else []
    if isinstance(value, Mapping):
        meant = [f"{key}={part}" for key, part in value.items()]
    raise refused("overrides", "a list of text", value, f"; write {meant or ['federation.rounds=5']}")


def text_mapping(name: str, value: Any) -> dict[str, str]:
    """A mapping of texts to texts. Raises ConfigurationError for any other."""
    pairs = mapping(name, value, "a mapping as {NAME: VALUE}").items()
    return {text(f"a name in {name}", key): text(f"{name}.{key}", part) for key, part in pairs}


def only(group: str, value: Any, keys: Sequence[str]) -> dict[str, Any]:
    """The settings of a group, which may have these keys; what nobody reads would be ignored.

    Raises:
        ConfigurationError: no mapping, or another key; the message has the nearest one.
    """
    if not isinstance(value, Mapping):
        raise refused(group, f"a mapping with {listed(keys)}", value)
    if odd := sorted(map(str, set(value) - set(keys))):
        place = f"{group}." if group else ""
        guess = nearest(odd[0], keys)
        meant = f"; did you mean {place}{guess[0]}? {group or 'A run'}" if guess else f"; {group or 'a run'}"
        raise ConfigurationError(f"{place}{odd[0][:_LONGEST]} is not a setting{meant} has {listed(keys)}")
    return dict(value)


def section(
    group: str, value: Any, kind: type, *, beside: Collection[str] = (), without: Collection[str] = ()
) -> dict[str, Any]:
    """The settings of a group, whose keys are the fields of a class of settings.

    Args:
        kind: the dataclass; a field without a default must be set.
        beside: further keys, which something else reads.
        without: fields that are no keys of the group.

    Raises:
        ConfigurationError: as `only`; or a key that is not set.
    """
    own = [field for field in fields(kind) if field.name not in without]
    settings = only(group, value, [*(field.name for field in own), *beside])
    for field in own:
        if field.default is MISSING and field.default_factory is MISSING:
            require(group, settings, field.name)
    return settings


def section_of_texts(group: str, value: Any, kind: type) -> dict[str, str]:
    """As `section`, of a group whose settings are all text; "" where nothing is said."""
    return {name: text(f"{group}.{name}", part or "") for name, part in section(group, value, kind).items()}


def require(group: str, settings: Mapping[str, Any], key: str) -> Any:
    """The value of a key that must be set. Raises ConfigurationError where it is not."""
    if key not in settings:
        raise ConfigurationError(f"{group}.{key} is not set".removeprefix("."))
    return settings[key]


def mapping(name: str, value: Any, called: str) -> Mapping[Any, Any]:
    """The value, where it is a mapping. Raises ConfigurationError for any other, which says what is expected."""
    if isinstance(value, Mapping):
        return value
    raise refused(name, called, value)


def instance(name: str, value: Any, kind: type | UnionType, called: str) -> Any:
    """The value, where it is of this class, or of one of these. Raises ConfigurationError for any other."""
    if isinstance(value, kind):
        return value
    raise refused(name, called, value)


@contextmanager
def prefixed(words: str) -> Iterator[None]:
    """Puts words before the message of a ConfigurationError: the group of the setting that it names, or the setting."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{words}{error}") from None


def store(settings: object, **values: Any) -> None:
    """Puts checked values into the fields of a frozen class, from its ``__post_init__`` alone."""
    for name, value in values.items():
        object.__setattr__(settings, name, value)


def refused(name: str, expected: str, value: Any, remedy: str = "") -> ConfigurationError:
    """The error to raise: the setting's name, what it must be, what it is, and a way out where there is one."""
    return ConfigurationError(f"{name} must be {expected}, got {shown(value)}{remedy}")


def shown(value: Any) -> str:
    """The value in one short line, for a message."""
    try:
        line = " ".join(repr(value).split())
    except ValueError:  # Python writes no int of more than some thousand digits
        return "an int of thousands of digits"
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
