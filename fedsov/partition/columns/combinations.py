"""The different combinations of what decides where rows go, and which of them each row is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from fedsov.partition.arrow_columns import levels
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.routing import Levels

Combination = tuple[str | None, tuple[str | None, ...], str | None, tuple[str, ...]]
"""A row's jurisdiction, what the columns of restrictions say, its consent, and its faults in their order."""


def combined(
    table: pa.Table, spec: DatasetSpec, faults: Mapping[str, np.ndarray]
) -> tuple[list[Combination], np.ndarray]:
    """The different combinations, and (rows,) places among them."""
    watched = restricting(spec)
    consent = [] if spec.consent_column is None else [spec.consent_column]
    read = [levels(table.column(name)) for name in (spec.jurisdiction, *watched, *consent)]
    codes = np.zeros(table.num_rows, np.int64)
    for words, word_of in read:
        codes = _compact(codes * (len(words) + 1) + word_of)
    for rows in faults.values():
        codes = _compact(codes * 2 + rows)
    of_row, first = codes, np.zeros(codes.max(initial=-1) + 1, np.int64)
    first[of_row[::-1]] = np.arange(len(of_row))[::-1]
    different = []
    for row in first:
        spoken = [words[word_of[row]] if word_of[row] < len(words) else None for words, word_of in read]
        values = tuple(spoken[1 : 1 + len(watched)])
        reasons = tuple(reason for reason, rows in faults.items() if rows[row])
        different.append((spoken[0], values, spoken[-1] if consent else None, reasons))
    return different, of_row


def _compact(codes: np.ndarray) -> np.ndarray:
    """(rows,) the codes in their order, without gaps."""
    if codes.max(initial=0) >= 1 << 22:
        return np.unique(codes, return_inverse=True)[1]
    occurs = np.bincount(codes) > 0
    places: np.ndarray = (np.cumsum(occurs) - 1)[codes]
    return places


def restricting(spec: DatasetSpec) -> list[str]:
    """The columns that restrictions look at, in their order."""
    return sorted({rule.column for rule in spec.classify.restrictions})


def levels_of(words: Sequence[str | None]) -> Levels:
    """Words as a column."""
    different = list(dict.fromkeys(word for word in words if word is not None))
    place = {word: index for index, word in enumerate(different)}
    return different, np.array([len(different) if word is None else place[word] for word in words], np.int64)
