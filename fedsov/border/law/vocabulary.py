"""The vocabulary of the border: which facts a rule may look at, how they are read, and how they are compared.

A fact has one of six shapes. Its value comes as text from a file and is read here, once: a value outside a
closed set, a number that is none, a day that is none raise `Unreadable`, and what cannot be read is never
permitted. Operators belong to a shape. A fact that nobody stated is missing: every operator is then false,
but `missing` and the two that deny (`ne`, `not_in`), so a permit that asks for something is never given for
silence. A word that says that there is nothing yet ("pending", "draft", "none") is not `present` but `absent`;
`stated` holds for any word.

>>> days_after(date(2026, 11, 20), 5, working=True)
datetime.date(2026, 11, 27)
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from math import isfinite
from typing import Any

from fedsov.errors import unknown

ANY = "*"
Facts = Mapping[str, Any]
Test = Callable[[Facts], bool]

_DURATION = re.compile(r"P([1-9]\d{0,3})(Y|M|D|WD)")
_TRUE = {"yes": True, "true": True, "no": False, "false": False}
_ABSENT = {"", "none", "missing", "n/a", "null"}
NOT_IN_FORCE = frozenset({
    "pending", "applied", "awaiting", "draft", "drafted", "unsigned", "withdrawn", "rejected", "refused",
    "denied", "declined", "lapsed", "expired", "terminated", "cancelled", "revoked", "suspended", "annulled",
    "repealed",
})  # fmt: skip
"""Any of these words in the name of a paper says that it is not there yet, or no longer."""
NOT_THERE = NOT_IN_FORCE | frozenset({
    "0", "no", "none", "null", "nil", "na", "n_a", "missing", "absent", "lacking", "false", "requested",
    "filed", "submitted", "waiting", "outstanding", "planned", "proposed", "in_progress", "in_preparation",
    "under_review", "to_be_confirmed", "unapproved", "invalid", "void", "superseded", "tbd", "tba", "tbc",
    "todo", "unknown", "undecided", "unclear",
})  # fmt: skip
"""What says so where it stands alone."""


class Unreadable(ValueError):
    """A value that is not of its fact's shape; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One word of the vocabulary: its shape, its closed set of values (empty: open), what it says.

    `claimed`: a document states it, one about an artifact alone where it is `of_artifact`; `effort`: how hard it is to
    make true, as for mechanisms.
    """

    name: str
    shape: str
    says: str
    values: frozenset[str] = frozenset()
    claimed: bool = False
    effort: int = 1
    of_artifact: bool = False

    def read(self, text: str) -> Any:
        """The value a text states: None where it says that there is none. Raises Unreadable."""
        word = text.strip()
        if self.shape in ("day", "number") and (word.lower() in _ABSENT or word in self.values):
            return None
        try:
            return _READERS[self.shape](self, word)
        except Unreadable:
            raise
        except (ValueError, OverflowError) as problem:
            raise Unreadable(f"{self.name} is '{word[:40]}', which is no {self.shape}") from problem


def _word(fact: Fact, word: str) -> str | None:
    if fact.values and word not in fact.values:
        raise Unreadable(unknown(f"value of {fact.name}", word[:40], sorted(fact.values)))
    return word or None


def _number(fact: Fact, word: str) -> float:
    number = float(word.replace("_", ""))
    if not isfinite(number) or number < 0:
        raise ValueError(word)
    return number


def _words(fact: Fact, word: str) -> frozenset[str]:
    return frozenset(part.strip() for part in word.split(",") if part.strip())


def _day(fact: Fact, word: str) -> date:
    return date.fromisoformat(word)


def _flag(fact: Fact, word: str) -> bool:
    if word.lower() not in _TRUE:
        raise ValueError(word)
    return _TRUE[word.lower()]


_READERS: Mapping[str, Callable[[Fact, str], Any]] = {
    "word": _word,
    "words": _words,
    "number": _number,
    "day": _day,
    "flag": _flag,
    "text": lambda fact, word: word or None,
}


@dataclass(frozen=True, slots=True)
class Duration:
    """A span of years, months, days or working days (Monday to Friday; holidays are not known here)."""

    count: int
    unit: str

    @staticmethod
    def read(text: Any) -> Duration:
        """From ISO 8601 ("P3Y", "P12M", "P60D") and "P10WD". Raises Unreadable."""
        match = _DURATION.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise Unreadable(f"{text!r} is no duration; write P3Y, P12M, P60D or P10WD")
        return Duration(int(match[1]), match[2])

    def after(self, day: date) -> date:
        """The day so much later; the last of its month where the month has no such day; never past year 9999."""
        try:
            if self.unit in ("D", "WD"):
                return days_after(day, self.count, working=self.unit == "WD")
            months = day.year * 12 + day.month - 1 + self.count * (12 if self.unit == "Y" else 1)
            year, month = divmod(months, 12)
            return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
        except (OverflowError, ValueError):
            return date.max


def days_after(day: date, count: int, *, working: bool) -> date:
    """The day so many days (Monday to Friday only, where working) after another."""
    if not working:
        return day + timedelta(days=count)
    day -= timedelta(days=max(0, day.weekday() - 4))  # counting begins on a working day, at the latest the day itself
    weeks, rest = divmod(count, 5)
    later = day + timedelta(weeks=weeks)
    while rest:
        later += timedelta(days=1)
        rest -= later.weekday() < 5
    return later


@dataclass(frozen=True, slots=True)
class Term:
    """So many days, working or not, counted from another fact."""

    of: str
    span: Duration

    def end(self, facts: Facts) -> date | None:
        """Its last day, or None where nobody stated when it begins."""
        start = facts.get(self.of)
        return None if start is None else self.span.after(start)


@dataclass(frozen=True, slots=True)
class By:
    """A table from another fact's value to the value wanted here."""

    field: str
    table: Mapping[str, str]


def _within(value: date, term: Term, facts: Facts) -> bool:
    end = term.end(facts)
    return end is not None and facts[term.of] <= value <= end


def _by_then(value: date, term: Term, facts: Facts) -> bool:
    end = term.end(facts)
    return end is not None and value <= end


def _later(value: date, term: Term, facts: Facts) -> bool:
    end = term.end(facts)
    return end is not None and value > end


def _beyond(value: frozenset[str], field: str, facts: Facts) -> bool:
    other = facts.get(field)
    return other is not None and ANY not in other and not value <= other


def _outside(value: str, field: str, facts: Facts) -> bool:
    other = facts.get(field)
    return other is not None and ANY not in other and value not in other


def _one_over(value: float, field: str, facts: Facts) -> bool:
    other = facts.get(field)
    return bool(other) and value * float(other or 0) >= 1


@lru_cache(maxsize=4096)
def is_there(word: str) -> bool:
    """False where a word says that what it should name is not there, not yet or no longer ("pending", "Not signed")."""
    words = re.findall(r"[^\W_]+", word.lower())
    is_denied = words[:1] == ["not"] or (words[:1] == ["no"] and any(len(each) > 2 for each in words[1:2]))
    return bool(words) and not is_denied and "_".join(words) not in NOT_THERE and NOT_IN_FORCE.isdisjoint(words)


Operator = Callable[[Any, Any, Facts], bool]
_ANYTHING: dict[str, Operator] = {"present": lambda value, wanted, facts: True}
_NAME: dict[str, Operator] = {
    "present": lambda value, wanted, facts: is_there(value),
    "absent": lambda value, wanted, facts: not is_there(value),
    "stated": lambda value, wanted, facts: True,
}
_WORD: dict[str, Operator] = {
    "eq": lambda value, wanted, facts: value == wanted,
    "ne": lambda value, wanted, facts: value != wanted,
    "in": lambda value, wanted, facts: value in wanted,
    "not_in": lambda value, wanted, facts: value not in wanted,
    "matches": lambda value, by, facts: value == by.table.get(facts.get(by.field)),
    "same_as": lambda value, field, facts: value == facts.get(field),
    "differs_from": lambda value, field, facts: facts.get(field) not in (None, value),
    "outside": _outside,
}
_WORDS: dict[str, Operator] = {
    "overlaps": lambda value, wanted, facts: not value.isdisjoint(wanted),
    "excludes": lambda value, wanted, facts: value.isdisjoint(wanted),
    "within": lambda value, wanted, facts: value <= wanted,
    "exceeds": lambda value, wanted, facts: not value <= wanted,
    "beyond": _beyond,
}
_NUMBER: dict[str, Operator] = {
    "at_least": lambda value, wanted, facts: value >= wanted,
    "above": lambda value, wanted, facts: value > wanted,
    "at_most": lambda value, wanted, facts: value <= wanted,
    "below": lambda value, wanted, facts: value < wanted,
    "at_least_one_over": _one_over,
}
_DAY: dict[str, Operator] = {
    "on_or_before_crossing": lambda value, wanted, facts: value <= facts["day"],
    "before_crossing": lambda value, wanted, facts: value < facts["day"],
    "after_crossing": lambda value, wanted, facts: value > facts["day"],
    "older_than": lambda value, span, facts: span.after(value) < facts["day"],
    "not_older_than": lambda value, span, facts: span.after(value) >= facts["day"],
    "on_or_after": lambda value, wanted, facts: value >= wanted,
    "before": lambda value, wanted, facts: value < wanted,
    "within": _within,
    "no_later_than": _by_then,
    "later_than": _later,
}
OPERATORS: Mapping[str, Mapping[str, Operator]] = {
    "word": _WORD | _NAME,
    "text": _NAME,
    "words": _WORDS | _ANYTHING,
    "number": _NUMBER | _ANYTHING,
    "day": _DAY | _ANYTHING,
    "flag": {"is": lambda value, wanted, facts: value is wanted},
}
"""Operators by shape; `missing` is known to every shape but the flags, and is true where the fact is not there."""

COMPARING = ("same_as", "differs_from", "outside", "beyond", "at_least_one_over")
"""Operators whose value is the name of another field."""

DENYING = ("ne", "not_in", "missing")
"""True of a fact that nobody stated."""


def operators_of(shape: str) -> tuple[str, ...]:
    """The names of a shape's operators."""
    return (*OPERATORS[shape], *(() if shape == "flag" else ("missing",)))


def compare(shape: str, operator: str, value: Any, wanted: Any, facts: Facts) -> bool:
    """Whether a stated value meets a wanted one; the definition that the compiled tests must match."""
    if operator == "missing":
        return value is None
    if value is None:
        return operator in DENYING
    return OPERATORS[shape][operator](value, wanted, facts)


def compiled(field: str, shape: str, operator: str, wanted: Any) -> Test:
    """`compare` for one condition, with everything that does not change looked up beforehand."""
    if operator == "missing":
        return lambda facts: facts.get(field) is None
    if operator == "eq":
        return lambda facts: facts.get(field) == wanted
    if operator == "ne":
        return lambda facts: facts.get(field) != wanted
    if operator == "in":
        return lambda facts: facts.get(field) in wanted
    if operator == "not_in":
        return lambda facts: facts.get(field) not in wanted
    if operator == "is":
        return lambda facts: facts.get(field) is wanted
    act = OPERATORS[shape][operator]

    def test(facts: Facts) -> bool:
        value = facts.get(field)
        return value is not None and act(value, wanted, facts)

    return test
