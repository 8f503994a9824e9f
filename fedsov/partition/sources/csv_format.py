"""How a CSV file is written: the group ``dataset.csv``. What is null here is found in the file.

csv:
  delimiter: null        found in the header: , ; tab |
  decimal: "."
  thousands: null        between groups of digits: ",", "." or " "
  encoding: null         UTF-8, or what a byte order mark says
  "null": ["", NA, ...]  what stands for nothing
  skip: 0                lines before the header
  comment: null          lines that begin with it are left out
  ragged: refuse         or quarantine: a row with more or fewer values than the header
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, fields
from typing import Any, Literal

from fedsov.checks import choice, refused, section, text_or_none, texts, whole

NULLS = ("", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "NULL", "null")
"""What stands for nothing where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """How a CSV file is written; the fields are the keys of ``dataset.csv``, `nothing` is its ``null``.

    Attributes:
        delimiter, decimal, thousands, comment: one character each.
        encoding: a name that Python knows.
        skip: lines before the header, at least 0.
    """

    delimiter: str | None = None
    decimal: str = "."
    thousands: str | None = None
    encoding: str | None = None
    nothing: tuple[str, ...] = NULLS
    skip: int = 0
    comment: str | None = None
    ragged: Literal["refuse", "quarantine"] = "refuse"

    def to_settings(self) -> dict[str, Any]:
        """The group ``dataset.csv`` in plain values: what is not the default."""
        plain = {"null" if part.name == "nothing" else part.name: getattr(self, part.name) for part in fields(self)}
        usual = {"null" if part.name == "nothing" else part.name: part.default for part in fields(self)}
        changed = {key: value for key, value in plain.items() if value != usual[key]}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in changed.items()}

    @staticmethod
    def from_settings(plain: Any) -> CsvFormat:
        """The group ``dataset.csv``; null is every default. Raises ConfigurationError, naming the key."""
        if plain is None:
            return CsvFormat()
        given = dict(section("dataset.csv", plain, CsvFormat, without=("nothing",), beside=("null",)))
        nothing = given.pop("null", None)
        given = {key: value for key, value in given.items() if value is not None}
        read: dict[str, Any] = {
            key: _character(f"dataset.csv.{key}", given[key])
            for key in ("delimiter", "decimal", "thousands", "comment")
            if key in given
        }
        if "encoding" in given:
            read["encoding"] = _encoding(given["encoding"])
        if "skip" in given:
            read["skip"] = whole("dataset.csv.skip", given["skip"], at_least=0)
        if "ragged" in given:
            read["ragged"] = choice("dataset.csv.ragged", given["ragged"], ("refuse", "quarantine"))
        if nothing is not None:
            read["nothing"] = texts("dataset.csv.null", nothing, truth=True)
        own = CsvFormat(**read)
        if own.thousands == own.decimal:
            raise refused("dataset.csv.thousands", "another character than dataset.csv.decimal", own.thousands)
        return own


def _character(name: str, value: Any) -> str | None:
    word = text_or_none(name, value, "one character")
    if word is not None and len(word) != 1:
        raise refused(name, "one character", value)
    return word


def _encoding(value: Any) -> str | None:
    name = text_or_none("dataset.csv.encoding", value, "an encoding, such as latin-1")
    try:
        return None if name is None else codecs.lookup(name).name
    except (LookupError, ValueError):
        raise refused("dataset.csv.encoding", "an encoding, such as utf-8, latin-1 or cp1252", value) from None
