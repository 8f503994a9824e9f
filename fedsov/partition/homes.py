"""Every row's home, label and person: the vectorised half of classify and route.

`route` and `classify` are asked once for each distinct spelling or combination; numpy spreads the answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from fedsov.errors import InputError
from fedsov.jurisdiction import Atlas, Region
from fedsov.label import Label
from fedsov.partition.arrow import levels
from fedsov.partition.classify import classify, spelled
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.route import Quarantined, route

UNKNOWN = "ZZ"  # "unknown or unspecified country" (Unicode CLDR; unassigned in ISO 3166-1): no rule knows it
_SHOWN = 10  # a spelling that fewer rows share might be a person's name in the wrong column


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
    """

    regions: tuple[Region, ...]
    home: np.ndarray
    codes: tuple[str, ...]
    code_of: np.ndarray
    reasons: tuple[str, ...]
    reason_of: np.ndarray


def sort_rows(
    table: pa.Table,
    spec: DatasetSpec,
    *,
    atlas: Atlas,
    regions: Mapping[str, Region] | Literal["auto"],
    faults: Mapping[str, np.ndarray],
) -> Homes:
    """Each row's region, or the reason why it has none; a row with a fault goes to the quarantine.

    Raises:
        InputError: not one row has a region.
    """
    words, word_of = levels(table.column(spec.jurisdiction))
    held = _found(words, atlas) if regions == "auto" else dict(regions)
    atlas = replace(atlas, regions=held)
    answers = [route(word, atlas) for word in (*words, None)]
    places = {region.name: place for place, region in enumerate(held.values())}
    home = np.array([-1 if isinstance(a, Quarantined) else places[a.name] for a in answers])[word_of]
    refusals = [a.reason if isinstance(a, Quarantined) else "" for a in answers]
    reasons = list(dict.fromkeys([*refusals, *faults]))
    reason_of = np.array([reasons.index(reason) for reason in refusals])[word_of]
    for reason, rows in faults.items():
        reason_of = np.where(rows & (home >= 0), reasons.index(reason), reason_of)
        home = np.where(rows, -1, home)
    if not (home >= 0).any():
        raise InputError(_nobody(spec, words, word_of, atlas))
    codes = tuple(dict.fromkeys(atlas.code(word) or UNKNOWN for word in (*words, UNKNOWN)))
    code_of = np.array([codes.index(atlas.code(word) or UNKNOWN) for word in (*words, UNKNOWN)])[word_of]
    return Homes(tuple(held.values()), home, codes, code_of, tuple(reasons), reason_of)


def label_rows(
    table: pa.Table, spec: DatasetSpec, *, homes: Homes, columns: list[str]
) -> tuple[tuple[Label, ...], np.ndarray]:
    """The different labels, and (rows,) places among them.

    Args:
        columns: names of the columns that are kept, the target among them; their categories bind.
    """
    watched = sorted({rule.column for rule in spec.classify.restrictions})
    spoken = {name: levels(table.column(name)) for name in watched}
    combined = homes.code_of
    for words, word_of in spoken.values():
        combined = combined * (len(words) + 1) + word_of
    _, first, label_of = np.unique(combined, return_index=True, return_inverse=True)
    labels = []
    for row in first:
        values = {name: [*words, None][word_of[row]] for name, (words, word_of) in spoken.items()}
        labels.append(classify(homes.codes[homes.code_of[row]], columns, values, spec.classify))
    return tuple(labels), label_of


def people(table: pa.Table, spec: DatasetSpec, source_sha256: str) -> tuple[list[str], np.ndarray]:
    """What tells persons apart, and (rows,) places in it; a row without a subject is its own person."""
    rows = np.arange(table.num_rows)
    nobody = [f"row:{source_sha256}:{row}" for row in rows]
    if spec.subject is None:
        return nobody, rows
    words, person = levels(table.column(spec.subject))
    named = [f"subject:{word}" for word in words]
    return named + nobody, np.where(person == len(words), len(words) + rows, person)


def folds(persons: list[str]) -> np.ndarray:
    """(persons,) of 0 to 65535: where each person falls when rows are divided, the same in every workspace.

    It is a short hash of what names the person, so that thousands share each number and none is known by it.
    """
    digests = (hashlib.blake2b(person.encode(), digest_size=2).digest() for person in persons)
    return np.frombuffer(b"".join(digests), dtype=">u2").astype(np.int64)


def consenting(table: pa.Table, spec: DatasetSpec, *, homes: Homes, person: np.ndarray) -> np.ndarray:
    """(rows,) bool: rows whose people consented to global use, by a column or a seeded share of each region.

    A person consents for all of their rows in a region. The draw depends on the seed, the region's name and
    the order of the source alone, so it is the same in every workspace.
    """
    rule = spec.consent
    chosen = np.zeros(table.num_rows, bool)
    if rule is None:
        return chosen
    if rule.column is not None:
        words, word_of = levels(table.column(rule.column))
        meant = [word == spelled(rule.equals) for word in words]
        return np.array([*meant, False])[word_of]
    for place, region in enumerate(homes.regions):
        rows = np.flatnonzero(homes.home == place)
        present = np.unique(person[rows])
        rng = np.random.default_rng([rule.seed, *region.name.encode()])
        drawn = rng.permutation(present)[: round(rule.share * len(present))]
        chosen[rows] = np.isin(person[rows], drawn)
    return chosen


def _found(words: list[str], atlas: Atlas) -> dict[str, Region]:
    """One region for each jurisdiction that occurs, named by its code, at home in its country."""
    codes = sorted({code for word in words if (code := atlas.code(word)) is not None})
    places = {code: code.partition("-")[0] for code in codes}
    return {code: Region(code, frozenset({code}), places[code], f"operator in {code}", code) for code in codes}


def _nobody(spec: DatasetSpec, words: list[str], word_of: np.ndarray, atlas: Atlas) -> str:
    counts = np.bincount(word_of, minlength=len(words) + 1)
    often = [words[place] for place in np.argsort(-counts[:-1], kind="stable")[:3] if counts[place] >= _SHOWN]
    shown = ", ".join(f"'{word}'" for word in often)
    what = f"its most frequent values are {shown}" if often else "no value repeats"
    names = ", ".join(atlas.regions) or "none"
    return (
        f"no row of {spec.name} has a region by column '{spec.jurisdiction}' ({what}; regions: {names}); "
        "map values with dataset.aliases, or set federation.regions=auto"
    )
