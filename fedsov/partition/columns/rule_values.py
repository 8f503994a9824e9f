"""Whether the values that rules name occur in the rows, and what is nearly one of them.

A restriction whose value is in no row would bind nothing, and one of three spellings a third: both are refused by name,
and so is a consent that nobody could have given. Only a spelling that `FEWEST` rows or more share is quoted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fedsov.errors import InputError, counted
from fedsov.partition.classify import same_value
from fedsov.partition.columns.clean import YES_AND_NO
from fedsov.partition.columns.places import folded
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.routing import Levels
from fedsov.partition.told_counts import FEWEST, about


@dataclass(frozen=True, slots=True)
class NamedValue:
    """A value that a setting names: ``dataset.restrictions[0].equals``, of a column."""

    setting: str
    column: str
    value: str


def check_rules(spec: DatasetSpec, watched: Mapping[str, Levels], *, counts: np.ndarray | None = None) -> None:
    """Raises InputError for the first rule whose value is in no row, or beside which rows spell it otherwise.

    Args:
        watched: the columns that rules look at.
        counts: (rows,) how many rows of the source each stands for; one where None.
    """
    named = [
        NamedValue(f"dataset.restrictions[{place}].equals", rule.column, rule.equals)
        for place, rule in enumerate(spec.classify.restrictions)
    ]
    if spec.consent is not None and spec.consent.column is not None and spec.consent.equals is not None:
        named.append(NamedValue("dataset.consent.equals", spec.consent.column, spec.consent.equals))
    for value in named:
        others = [other.value for other in named if other.column == value.column]
        _check(value, watched[value.column], others, counts)


def _check(named: NamedValue, levels: Levels, others: list[str], rows: np.ndarray | None) -> None:
    words, word_of = levels
    counts = np.bincount(word_of, weights=rows, minlength=len(words) + 1)
    if not counts[: len(words)].any():
        return  # nothing is stated in any row, and silence binds
    exact = [word for word in words if same_value(word, named.value)]
    near = [
        (word, int(counts[place]))
        for place, word in enumerate(words)
        if folded(word) == folded(named.value) and not any(same_value(word, other) for other in others)
    ]
    if exact and not near:
        return
    what = f"{named.setting}='{named.value}'"
    if not exact:
        what = f"no row of column '{named.column}' has the value of {what}"
    else:
        what = f"column '{named.column}' spells {what} otherwise in some rows, which it would miss"
    raise InputError(f"{what}{_near_words(near)}; {_way_out(named, near)}")


def _near_words(near: list[tuple[str, int]]) -> str:
    shown = [f"'{word}' ({about(count)})" for word, count in near if count >= FEWEST]
    rare = len(near) - len(shown)
    listed = [*shown, *([f"{counted(rare, 'spelling')} of fewer rows"] if rare else [])]
    return f": {', '.join(listed)}" if listed else ""


def _way_out(named: NamedValue, near: list[tuple[str, int]]) -> str:
    if not near:
        quotes = YES_AND_NO if named.value in ("True", "False") else ""
        return f"name a value that occurs, or leave the rule out{quotes}"
    if named.setting.startswith("dataset.consent"):
        return "write consent alike in every row"
    return "name each spelling by a rule of its own, or write them alike"
