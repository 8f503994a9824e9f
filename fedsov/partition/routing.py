"""Which region holds a row, whose row it is and which label binds it. Pure: values in, values out.

`route` answers for one spelling of a jurisdiction, `classify` for one combination of values; each is asked once for
what occurs, and numpy spreads the answers over the rows. A column comes as its `Levels`: the different values as text,
and each row's place among them, past their end where the row has none.

What is not known goes to the quarantine with a reason, never to a guess. A reason never quotes the value: a wrong
column may have been named as the jurisdiction, and reasons are printed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from fedsov.errors import ConfigurationError, InputError
from fedsov.jurisdiction import Atlas, Region
from fedsov.label import Label
from fedsov.model.column_statistics import spelled
from fedsov.partition.classify import ClassifyRules, ConsentRule, classify, same_value
from fedsov.partition.told_counts import FEWEST

if TYPE_CHECKING:
    from fedsov.partition.dataset import DatasetSpec

UNKNOWN = "ZZ"  # "unknown or unspecified country" (Unicode CLDR; unassigned in ISO 3166-1): no rule knows it

Integers = np.ndarray[tuple[int], np.dtype[np.int64]]
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]
Levels = tuple[list[str], Integers]
"""A column: its different values as text, and (rows,) places among them; past the end where missing."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A row that belongs to no region, and why, in words without any value of the row."""

    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Homes:
    """Where the rows go.

    Attributes:
        regions: the federation's.
        home: (rows,) place in `regions`, -1 for the quarantine.
        codes: the different jurisdictions, `UNKNOWN` among them.
        code_of: (rows,) place in `codes`.
        reasons: the different reasons for quarantine.
        reason_of: (rows,) place in `reasons`; meaningless for rows with a home.
        held_by: (rows,) place in `regions` of the region whose quarantine holds the row: its home is known and the row
            has a fault. -1 for every other row.
    """

    regions: tuple[Region, ...]
    home: Integers
    codes: tuple[str, ...]
    code_of: Integers
    reasons: tuple[str, ...]
    reason_of: Integers
    held_by: Integers


NO_REGION = "no region holds "
"""What the reason begins with where the jurisdiction is known, and nobody's; its code follows."""


def route(value: object, atlas: Atlas) -> Region | Quarantined:
    """The region that holds a row whose jurisdiction column says `value` (a code, a name or an alias)."""
    if (text := spelled(value)) is None:
        return Quarantined("jurisdiction missing")
    if (code := atlas.code(text)) is None:
        return Quarantined("jurisdiction unknown")
    return atlas.region(code) or Quarantined(f"{NO_REGION}{code}")


def known_as(atlas: Atlas, spec: DatasetSpec) -> Atlas:
    """The atlas, with the data set's own spellings. Raises ConfigurationError for an alias of no known code."""
    aliases = {}
    for alias, meant in spec.aliases.items():
        if (code := atlas.code(meant)) is None:
            raise ConfigurationError(f"dataset.aliases maps '{alias}' to '{meant}', no known jurisdiction")
        aliases[str(alias).strip().upper()] = code
    return replace(atlas, spellings={**atlas.spellings, **aliases})


def sort_rows(
    jurisdictions: Levels,
    spec: DatasetSpec,
    *,
    atlas: Atlas,
    regions: Mapping[str, Region] | Literal["auto"],
    faults: Mapping[str, Flags],
    counts: Integers | None = None,
    whole: bool = True,
) -> Homes:
    """Each row's region, or the reason why it has none; a row with a fault goes to the quarantine.

    Args:
        jurisdictions: the column that says under whose law each row's person is.
        regions: the federation's, or "auto" for one per jurisdiction that occurs.
        faults: reason to (rows,) mask of the rows that cannot be stored.
        counts: (rows,) how many rows of the source each stands for; one where None.
        whole: whether these are all rows, so that one at least must have a region.

    Raises:
        InputError: not one row has a region, and these are all.
    """
    words, word_of = jurisdictions
    by_name = one_for_each(words, atlas) if regions == "auto" else dict(regions)
    atlas = replace(atlas, regions=by_name)
    answers = [route(word, atlas) for word in (*words, None)]
    places = {region.name: place for place, region in enumerate(by_name.values())}
    home = np.array([-1 if isinstance(a, Quarantined) else places[a.name] for a in answers])[word_of]
    refusals = [a.reason if isinstance(a, Quarantined) else "" for a in answers]
    reasons = list(dict.fromkeys([*refusals, *faults]))
    reason_of = np.array([reasons.index(reason) for reason in refusals])[word_of]
    would_be = home
    for reason, rows in faults.items():
        reason_of = np.where(rows & (home >= 0), reasons.index(reason), reason_of)
        home = np.where(rows, -1, home)
    if whole and (would_be >= 0).any() and not (home >= 0).any():
        listed = "; ".join(faults)
        raise InputError(f"every row of {spec.name} that has a region has a fault ({listed}); mend the source")
    if whole and not (home >= 0).any():
        raise InputError(_no_home(spec, jurisdictions, atlas, counts))
    codes = tuple(dict.fromkeys(atlas.code(word) or UNKNOWN for word in (*words, UNKNOWN)))
    code_of = np.array([codes.index(atlas.code(word) or UNKNOWN) for word in (*words, UNKNOWN)])[word_of]
    held_by = np.where(home < 0, would_be, -1)
    return Homes(tuple(by_name.values()), home, codes, code_of, tuple(reasons), reason_of, held_by)


def label_rows(
    homes: Homes, columns: Sequence[str], watched: Mapping[str, Levels], rules: ClassifyRules
) -> tuple[tuple[Label, ...], Integers]:
    """The different labels, and (rows,) places among them.

    Args:
        columns: names of the columns that are stored, the target among them; their categories bind.
        watched: the columns that the restrictions of `rules` look at.
    """
    combined = homes.code_of
    for words, word_of in watched.values():
        combined = combined * (len(words) + 1) + word_of
    _, first, label_of = np.unique(combined, return_index=True, return_inverse=True)
    labels = []
    for row in first:
        values = {name: [*words, None][word_of[row]] for name, (words, word_of) in watched.items()}
        labels.append(classify(homes.codes[homes.code_of[row]], columns, values, rules))
    return tuple(labels), label_of


def person_numbers(subjects: Integers, different: int) -> Integers:
    """(rows,) what tells persons apart; a row without a subject is its own person.

    Args:
        subjects: (rows,) place among the `different` subjects, -1 for none.
    """
    return np.where(subjects < 0, different + np.arange(len(subjects)), subjects)


def folds(persons: Sequence[str]) -> Integers:
    """(persons,) of 0 to 65535: where each person falls when rows are divided, the same in every workspace.

    It is a short hash of what names the person, so that thousands share each number and none is known by it.
    """
    digests = (hashlib.blake2b(person.encode(), digest_size=2).digest() for person in persons)
    return np.frombuffer(b"".join(digests), dtype=">u2").astype(np.int64)


def consenting(homes: Homes, person: Integers, rule: ConsentRule | None, column: Levels | None) -> Flags:
    """(rows,) bool: rows whose people consented to global use, by a column or a seeded share of each region.

    A person consents for all of their rows in a region. The draw depends on the seed, the region's name and
    the order of the source alone, so it is the same in every workspace.

    Args:
        person: (rows,) whose row each is; see `person_numbers`.
        column: the one that `rule` names; None where it names none.
    """
    chosen = np.zeros(len(person), bool)
    if rule is None:
        return chosen
    if column is not None:
        words, word_of = column
        return np.array([*(same_value(word, str(rule.equals)) for word in words), False])[word_of]
    for place, region in enumerate(homes.regions):
        rows = np.flatnonzero(homes.home == place)
        present = np.unique(person[rows])
        rng = np.random.default_rng([rule.seed, *region.name.encode()])
        drawn = rng.permutation(present)[: round(rule.share * len(present))]
        chosen[rows] = np.isin(person[rows], drawn)
    return chosen


def one_for_each(words: Sequence[str], atlas: Atlas) -> dict[str, Region]:
    """One region for each jurisdiction that occurs, named by its code, at home in its country."""
    codes = sorted({code for word in words if (code := atlas.code(word)) is not None})
    places = {code: code.partition("-")[0] for code in codes}
    return {code: Region(code, frozenset({code}), places[code], f"operator in {code}", code) for code in codes}


def _no_home(spec: DatasetSpec, jurisdictions: Levels, atlas: Atlas, rows: Integers | None) -> str:
    words, word_of = jurisdictions
    counts = np.bincount(word_of, weights=rows, minlength=len(words) + 1)
    often = [words[place] for place in np.argsort(-counts[:-1], kind="stable")[:3] if counts[place] >= FEWEST]
    shown = ", ".join(f"'{word}'" for word in often)
    what = f"its most frequent values are {shown}" if often else "no value repeats"
    names = ", ".join(atlas.regions) or "none"
    return (
        f"no row of {spec.name} has a region by column '{spec.jurisdiction}' ({what}; regions: {names}); "
        "map values with dataset.aliases, or set federation.regions=auto"
    )
