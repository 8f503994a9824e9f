"""Which jurisdiction each spelling of a column means, judged over the column as a whole.

ISO 3166-1 (two letters, three letters, digits), names in English and in the languages of the country itself, usual
aliases, and ISO 3166-2 from a list of subdivisions (pycountry; Unicode CLDR for the names). What is none of these stays
unknown. Whole columns of something else are refused with the setting that says what they are: language tags, and
the states of one country, of which some look like countries (CA, DE, IN).

>>> with_spellings(Atlas({}, {"DE": "DE"}), Column("country", {"de": 5, "Österreich": 3})).code("österreich")
'AT'
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from fedsov.errors import InputError, counted
from fedsov.jurisdiction import Atlas
from fedsov.partition.told_counts import FEWEST, about

ALIASES = {
    **{"UK": "GB", "EL": "GR", "XK": "XK", "England": "GB", "Scotland": "GB", "Wales": "GB", "Britain": "GB"},
    **{"Holland": "NL", "America": "US", "US of A": "US", "Burma": "MM", "Swaziland": "SZ", "Cape Verde": "CV"},
    **{"Macedonia": "MK", "East Timor": "TL", "DR Congo": "CD", "Congo Kinshasa": "CD", "Congo Brazzaville": "CG"},
    **{"Palestine": "PS", "Vatican": "VA", "Vatican City": "VA", "Emirates": "AE", "UAE": "AE", "PRC": "CN"},
    **{"Republic of Ireland": "IE", "Czech Republic": "CZ", "Kosovo": "XK"},
}
"""Usual spellings that no list of ISO has."""
DOTTED = frozenset({"us", "usa", "uk", "uae", "prc"})
"""Abbreviations that people write with dots; any other of letters and dots is unknown ("T.C." is no code)."""
NATIVE = Path(__file__).with_name("native_names.csv")
"""Written by scripts/native_names.py."""
LANGUAGE = re.compile(r"[a-z]{2,3}[-_]([A-Z][a-z]{3}[-_])?[A-Z]{2}")
"""A language tag (BCP 47) as software writes it: pt-BR."""
A_TENTH = 0.1
MOST_SHOWN = 10
"""Spellings that a line lists."""


@dataclass(frozen=True, slots=True)
class Column:
    """The column of jurisdictions: its name, and how many rows share each spelling.

    `within` is the country whose parts it names, where it names parts.
    """

    name: str
    counts: Mapping[str, int]
    within: str | None = None


def with_spellings(atlas: Atlas, column: Column, *, whole: bool = True) -> Atlas:
    """The atlas with what the column's spellings mean; of codes with a dash it knows those of ISO 3166-2.

    Only a `whole` column is judged: some rows of one that was judged before may say anything.

    Raises:
        InputError: a tenth or more of the spellings are language tags, or no countries while all are parts of one.
    """
    if column.within is not None:
        return _within(replace(atlas, parts=_parts()), column, column.within, whole=whole)
    if any("-" in word for word in column.counts):
        atlas = replace(atlas, parts=_parts())
    unknown = [word for word in column.counts if atlas.code(word) is None]
    if not unknown:
        return atlas
    if whole:
        _check_languages(column)
    meant = {word: code for word in unknown if (code := _plain_code(word)) is not None}
    if left := [word for word in unknown if word not in meant]:
        if whole:
            _check_parts(column, left)
        native = _native_names()
        meant |= {word: code for word in left if (code := native.get(folded(word))) is not None}
    return replace(atlas, spellings={**atlas.spellings, **{word.strip().upper(): code for word, code in meant.items()}})


def unknown_line(column: Column, atlas: Atlas) -> str:
    """The spellings that mean no place, with their rows and a ready alias; "" where there is none."""
    unknown = {word: count for word, count in column.counts.items() if atlas.code(word) is None}
    if not unknown:
        return ""
    frequent = sorted((word for word, count in unknown.items() if count >= FEWEST), key=lambda word: -unknown[word])
    often = frequent[:MOST_SHOWN]
    named = ", ".join(f"'{word}' ({about(unknown[word])})" for word in often)
    rare = len(unknown) - len(often)
    others = f"{counted(rare, 'spelling')} of fewer rows" if rare else ""
    ready = ", ".join(f"{_quoted(word)}: CODE" for word in often)
    alias = f"; say what they mean: dataset.aliases={{{ready}}}" if often else ""
    listed = " and ".join(filter(None, [named, others]))
    return f"column '{column.name}' has spellings of no known jurisdiction: {listed}{alias}"


def folded(word: str) -> str:
    """A spelling without case, accents, width, dots, dashes, and a leading "the"."""
    wide = unicodedata.normalize("NFKD", word).casefold()
    bare = "".join(letter for letter in wide if not unicodedata.combining(letter))
    spaced = re.sub(r"[\s\-_,()]+", " ", re.sub(r"[.’'`]", "", bare).replace("&", " and ")).strip()
    return spaced.removeprefix("the ")


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", word) else "'" + word.replace("'", "\\'") + "'"


def _within(atlas: Atlas, column: Column, country: str, *, whole: bool) -> Atlas:
    """The atlas in which spellings are parts of a country, by code or by name. Raises InputError where none is."""
    code = atlas.code(country) or country.upper()
    own = {folded(word): part for word, part in _subdivisions(code)}
    meant = {word.strip().upper(): own[folded(word)] for word in column.counts if folded(word) in own}
    if whole and not meant:
        raise InputError(
            f"dataset.within={country}: no value of column '{column.name}' is a part of {code} (ISO 3166-2)"
        )
    others = {word.strip().upper(): "" for word in column.counts if word.strip().upper() not in meant}
    known = {spelling: code for spelling, code in atlas.spellings.items() if spelling not in others}
    return replace(atlas, spellings=known | meant)


def _check_languages(column: Column) -> None:
    tags = [word for word in column.counts if LANGUAGE.fullmatch(word.strip())]
    if len(tags) >= max(1, A_TENTH * len(column.counts)):
        raise InputError(
            f"column '{column.name}' holds language tags such as pt-BR, and a language is no jurisdiction; name the "
            "column that says where a person is (dataset.jurisdiction), or map each by dataset.aliases"
        )


def _check_parts(column: Column, left: list[str]) -> None:
    """Raises InputError where spellings that are no countries, a tenth or more, and all others are parts of one."""
    if len(left) < A_TENTH * len(column.counts):
        return
    countries: set[str] | None = None
    for word in column.counts:
        of_word = _countries_of().get(folded(word), set())
        countries = of_word if countries is None else countries & of_word
        if not countries:
            return
    for country in sorted(countries or ()):
        raise InputError(
            f"column '{column.name}' looks like the parts of one country and not like countries; "
            f"dataset.within={country} says so (or choose: {', '.join(sorted(countries or ()))})"
        )


def _plain_code(word: str) -> str | None:
    if re.fullmatch(r"(\w\.)+\w?", word.strip()) and folded(word) not in DOTTED:
        return None
    return _plain_names().get(folded(word))


@lru_cache(maxsize=1)
def _plain_names() -> dict[str, str]:
    """Folded spelling to code: codes, digits, English names, aliases."""
    import pycountry

    names: dict[str, str] = {}
    for country in pycountry.countries:
        words = [country.alpha_2, country.alpha_3, country.numeric, country.numeric.lstrip("0"), country.name]
        words += [getattr(country, kind, "") for kind in ("official_name", "common_name")]
        names |= {folded(word): country.alpha_2 for word in words if word}
    return names | {folded(word): code for word, code in ALIASES.items()}


@lru_cache(maxsize=1)
def _native_names() -> dict[str, str]:
    """Folded name of a country in a language of its own to its code; a name of two countries is left out."""
    names: dict[str, set[str]] = {}
    with NATIVE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            names.setdefault(folded(row["name"]), set()).add(row["alpha2"])
    return {name: codes.pop() for name, codes in names.items() if len(codes) == 1}


@lru_cache(maxsize=1)
def _parts() -> frozenset[str]:
    """Every code of ISO 3166-2."""
    import pycountry

    return frozenset(part.code for part in pycountry.subdivisions)


def _subdivisions(country: str) -> Iterator[tuple[str, str]]:
    """(spelling, code) of the parts of a country: its code whole and short, and its name."""
    import pycountry

    for part in pycountry.subdivisions:
        if part.country_code != country:
            continue
        yield part.code, part.code
        yield part.code.partition("-")[2], part.code
        yield part.name, part.code


@lru_cache(maxsize=1)
def _countries_of() -> dict[str, set[str]]:
    """Folded spelling of a part, its short code or its name, to the countries that have one."""
    import pycountry

    found: dict[str, set[str]] = {}
    for part in pycountry.subdivisions:
        for word in (part.code.partition("-")[2], part.name):
            if not word.isdigit():
                found.setdefault(folded(word), set()).add(part.country_code)
    return found
