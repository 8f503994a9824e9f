"""What names a row by its values alone: the same row has the same name in another file, under another data set's name.

A row of nobody (a table without ``dataset.subject``) is a person of its own, and this name is what its pseudonym is
made of; a region finds by it that it met the row before. The name is a digest of all the source's columns, in the order
of their names, whatever the settings of a data set leave out, declare or rename. Numbers are compared as float64, and a
text that spells a number is that number, so CSV and Parquet give the same names; a missing value has a code of its own.

A file with a column more, less or renamed has other rows: nothing here finds those.

>>> table = pa.table({"age": [41.0, 41.0, 7.0], "town": ["Bonn", "Bonn", None]})
>>> first, second, third = row_names(table)
>>> second == first + "#1", third == row_names(pa.table({"town": [None], "age": ["7"]}))[0]
(True, True)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from fedsov.keys.protocol import RegionKeys
from fedsov.partition.arrow_columns import floats, levels
from fedsov.partition.records import keyed_numbers

DIGEST_BYTES = 16


def row_names(table: pa.Table) -> list[str]:
    """(rows,) ``values:`` and 32 hexadecimal digits; the second of equal rows ends in ``#1``, the third in ``#2``."""
    codes = np.stack([_codes(table.column(name)) for name in sorted(table.column_names)], axis=1)
    return _told_apart([f"values:{hashlib.blake2b(row, digest_size=DIGEST_BYTES).hexdigest()}" for row in codes])


def keyed(
    named: Sequence[str], values: Sequence[str], rows: np.ndarray, keys: RegionKeys
) -> tuple[list[str], np.ndarray]:
    """Under a region's key: the pseudonyms of the rows at these places, and (n,) int64 digests of their values.

    Args:
        named: (rows,) what each row's pseudonym is made of; `values` itself where no row has a subject.
        values: (rows,) the rows' names by their values.
    """
    pseudonyms = keys.pseudonyms(named[row] for row in rows)
    own = pseudonyms if named is values else keys.pseudonyms(values[row] for row in rows)
    return pseudonyms, keyed_numbers(own)


def by_subject(subjects: tuple[list[str], np.ndarray], persons: Sequence[str], names: Sequence[str]) -> list[str]:
    """(rows,) the person of each row's subject, or the row's own name where it has none.

    Args:
        subjects: the different subjects, and (rows,) places among them, past the end for none.
        persons: what tells persons apart, the subjects first (`fedsov.partition.routing.people`).
    """
    words, word_of = subjects
    return [persons[word] if word < len(words) else name for word, name in zip(word_of.tolist(), names, strict=True)]


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """(rows,) uint64, equal where the values are."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        try:
            return _bits(floats(column))
        except pa.ArrowException:
            pass
    try:
        words, places = levels(column)
    except pa.ArrowException:  # lists and structures
        return np.array([_word(str(value)) for value in column.to_pylist()], np.uint64)
    codes: np.ndarray = np.array([*map(_word, words), _word("nan")], np.uint64)[places]
    return codes


def _bits(numbers: np.ndarray) -> np.ndarray:
    """(rows,) uint64 of float64: one code for both zeros, one for every NaN."""
    ordinary = np.where(numbers == 0.0, 0.0, np.where(np.isnan(numbers), np.nan, numbers))
    bits: np.ndarray = ordinary.astype(np.float64).view(np.uint64)
    return bits


def _word(word: str) -> int:
    """The code of a text: that of the number it spells, or a digest of it."""
    try:
        number = float(word)
    except ValueError:
        return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
    return int(_bits(np.array([math.nan if math.isnan(number) else number]))[0])


def _told_apart(names: Sequence[str]) -> list[str]:
    """The names, each repetition with how many came before it."""
    before: dict[str, int] = {}
    apart = []
    for name in names:
        count = before[name] = before.get(name, -1) + 1
        apart.append(f"{name}#{count}" if count else name)
    return apart
