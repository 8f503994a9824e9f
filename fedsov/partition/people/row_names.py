"""What names a row by its values alone: the same row has the same name in another file, under another data set's name.

A row of nobody (a table without ``dataset.subject``) is a person of its own, and this name is what its pseudonym is
made of; a region finds by it that it met the row before. The name is a digest of all the source's columns, in the order
of their names, whatever the settings of a data set leave out, declare or rename. Numbers are compared as float64, and a
text that spells a number is that number, so CSV and Parquet give the same names; a missing value has a code of its own.

Digests are chains of AES-128 under a public key, millions of rows a second where a hash in Python makes one. Whoever
chooses the rows of a source could make two with one digest: those are told apart like equal rows. A region's own name
of a row is its digest, encrypted under a key that its pseudonym key makes: without it nobody finds the row to a name.

A file with a column more, less or renamed has other rows: nothing here finds those.

>>> table = pa.table({"age": [41.0, 41.0, 7.0], "town": ["Bonn", "Bonn", None]})
>>> first, second, third = row_names(table)
>>> second == first + "#1", third == row_names(pa.table({"town": [None], "age": ["7"]}))[0]
(True, True)
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fedsov.keys.protocol import RegionKeys
from fedsov.partition.arrow_columns import chunks, floats, levels, view
from fedsov.partition.columns.days import as_days
from fedsov.partition.people.repeats import DIGEST_BYTES, Repeats, enciphered

PREFIX = "values:"
ROWS = "fedsov:rows"
"""What a region's key of row names is made of, as a pseudonym is made of a subject."""
_PUBLIC = hashlib.blake2b(b"fedsov row names", digest_size=DIGEST_BYTES).digest()
_LONGEST = 4096
_LOOKED_AT = 512
"""Texts that tell whether most of a column are unlike."""
_KEPT = np.tril(np.full((DIGEST_BYTES + 1, DIGEST_BYTES), 0xFF, np.uint8), -1).view(np.uint64)
"""By a number of bytes, what keeps the first of 16."""
_PAIRS = np.array([f"{byte:02x}" for byte in range(256)], "S2")
_PACKED = pa.binary(DIGEST_BYTES)
_NO_DIGIT = 16
_DIGITS = "0123456789abcdef"
_NIBBLES = np.array([_DIGITS.find(chr(byte)) if chr(byte) in _DIGITS else _NO_DIGIT for byte in range(256)], np.uint8)
_UNTRIMMED = (np.arange(256) <= 0x20) | (np.arange(256) >= 0x80)
_BEGINS_NUMBER = np.isin(np.arange(256), list(b"0123456789+-.")) | (np.arange(256) >= 0x80)
_BEGINS_WORD = np.isin(np.arange(256), list(b"nNiI"))
"""First bytes of a text that may spell a number; or nan, inf or infinity."""


@dataclass(frozen=True, slots=True, eq=False)
class RowNames:
    """Names of rows by their values.

    Attributes:
        digests: (rows, 16) uint8, equal for equal rows.
        repeats: (rows,) how many equal rows came before.
    """

    digests: np.ndarray
    repeats: np.ndarray

    def __len__(self) -> int:
        return len(self.repeats)

    def select(self, rows: np.ndarray) -> RowNames:
        """Those at these places."""
        return RowNames(np.take(self.digests, rows, axis=0), self.repeats[rows])

    def words(self) -> list[str]:
        """``values:`` and 32 hexadecimal digits; the second of equal rows ends in ``#1``, the third in ``#2``."""
        plain = (PREFIX + word for word in hexadecimal(self.digests).to_pylist())
        return [f"{word}#{count}" if count else word for word, count in zip(plain, self.repeats.tolist(), strict=True)]

    def keyed(self, keys: RegionKeys) -> np.ndarray:
        """(rows, 16) uint8: the region's own names of the rows, which are unlike in every region."""
        apart = np.ascontiguousarray(self.digests).view(np.uint64).copy()
        apart[:, 1] += self.repeats.astype(np.uint64)
        return enciphered(apart, bytes.fromhex(keys.pseudonyms([ROWS])[0]))

    @staticmethod
    def of_words(words: Sequence[str]) -> RowNames:
        """The inverse of `words`."""
        parts = [word.removeprefix(PREFIX).partition("#") for word in words]
        digests = np.frombuffer(bytes.fromhex("".join(digest for digest, _, _ in parts)), np.uint8)
        return RowNames(digests.reshape(-1, DIGEST_BYTES), np.array([int(count or 0) for _, _, count in parts], int))


def row_names(table: pa.Table) -> list[str]:
    """(rows,) the names of a table's rows; see `RowNames.words`."""
    digests, repeats = row_digests(table), Repeats()
    repeats.add(digests)
    return RowNames(digests, repeats.told().between(0, len(digests))).words()


def row_digests(table: pa.Table) -> np.ndarray:
    """(rows, 16) uint8, equal where all values are."""
    names = sorted(table.column_names)
    state: np.ndarray = np.full((table.num_rows, 2), len(names), np.uint64)
    for first in range(0, len(names), 2):
        for place, name in enumerate(names[first : first + 2]):
            state[:, place] ^= _codes(table.column(name))
        state = enciphered(state, _PUBLIC).view(np.uint64)
    return state.view(np.uint8)


def keyed(
    named: Sequence[str], values: Sequence[str], rows: np.ndarray, keys: RegionKeys
) -> tuple[list[str], np.ndarray]:
    """Under a region's key: the pseudonyms of the rows at these places, and (n,) int64 digests of their values.

    Args:
        named: (rows,) what each row's pseudonym is made of: ``subject:`` and the subject, or the row's name by values.
        values: (rows,) the rows' names by their values.
    """
    own = RowNames.of_words([values[row] for row in rows]).keyed(keys)
    subjects = ["" if named[row].startswith(PREFIX) else named[row] for row in rows]
    return whose(subjects, own, keys), keyed_halves(own)


def whose(subjects: Sequence[str], own: np.ndarray, keys: RegionKeys) -> list[str]:
    """(rows,) pseudonyms under a region's key; a row of nobody is known by its own name.

    Args:
        subjects: (rows,) ``subject:`` and the subject; ``""`` for rows of nobody.
        own: (rows, 16) uint8, the rows' own names under this key.
    """
    of_people = iter(keys.pseudonyms(word for word in subjects if word))
    return [
        next(of_people) if word else name for word, name in zip(subjects, hexadecimal(own).to_pylist(), strict=True)
    ]


def keyed_halves(own: np.ndarray) -> np.ndarray:
    """(rows,) int64: the first half of each keyed name as a number; see `fedsov.partition.records.keyed_numbers`."""
    return np.ascontiguousarray(own[:, :8]).view(">i8")[:, 0].astype(np.int64)


def hexadecimal(names: np.ndarray) -> pa.Array:
    """(rows,) text of 32 digits of (rows, 16) uint8."""
    digits = _PAIRS[np.ascontiguousarray(names)]
    offsets = np.arange(len(names) + 1, dtype=np.int64) * 2 * DIGEST_BYTES
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(digits.tobytes())]
    return pa.Array.from_buffers(pa.large_string(), len(names), buffers)


def packed(names: np.ndarray) -> pa.Array:
    """(rows,) names of 16 bytes each, as they are stored, of (rows, 16) uint8."""
    return pa.Array.from_buffers(_PACKED, len(names), [None, pa.py_buffer(np.ascontiguousarray(names))])


def bytes_of(names: pa.ChunkedArray) -> np.ndarray:
    """(rows, 16) uint8 of names of 16 bytes or of 32 digits. Raises ValueError for other text."""
    parts = [np.zeros((0, DIGEST_BYTES), np.uint8)]
    for chunk in names.chunks:
        parts.append(_bytes(chunk) if chunk.type == _PACKED else _bytes_of_digits(chunk.cast(pa.large_string())))
    return np.concatenate(parts)


def _bytes(chunk: pa.Array) -> np.ndarray:
    if chunk.null_count:
        raise ValueError("a name is missing")
    content = np.frombuffer(chunk.buffers()[1], np.uint8).reshape(-1, DIGEST_BYTES)
    return content[chunk.offset : chunk.offset + len(chunk)]


def _bytes_of_digits(chunk: pa.Array) -> np.ndarray:
    if not len(chunk):
        return np.zeros((0, DIGEST_BYTES), np.uint8)
    offsets = np.frombuffer(chunk.buffers()[1], np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
    if chunk.null_count or (np.diff(offsets) != 2 * DIGEST_BYTES).any():
        raise ValueError("a name is not of 32 digits")
    nibbles = _NIBBLES[np.frombuffer(chunk.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]]
    if (nibbles == _NO_DIGIT).any():
        raise ValueError("a name is not of hexadecimal digits")
    found: np.ndarray = (nibbles[::2] << 4 | nibbles[1::2]).reshape(-1, DIGEST_BYTES)
    return found


def halves_of(names: pa.ChunkedArray) -> np.ndarray:
    """(rows,) int64: the first half of each name, as `keyed_halves`. Raises as `bytes_of`."""
    return keyed_halves(bytes_of(names))


def with_digits(table: pa.Table) -> pa.Table:
    """The table with names of 16 bytes as text of 32 digits."""
    for place, field in enumerate(table.schema):
        if field.type == _PACKED:
            table = table.set_column(place, field.name, hexadecimal(bytes_of(table.column(place))))
    return table


def without_digits(table: pa.Table, names: Collection[str]) -> pa.Table:
    """The inverse of `with_digits` in these columns, as far as all of a column's texts are names."""
    for place, field in enumerate(table.schema):
        if field.name in names and pa.types.is_large_string(field.type):
            with contextlib.suppress(ValueError):
                table = table.set_column(place, field.name, packed(bytes_of(table.column(place))))
    return table


def row_folds(source_sha256: str, first: int, rows: int) -> np.ndarray:
    """(rows,) of 0 to 65535: where rows of nobody fall when rows are divided, by their file and their number in it.

    Args:
        first: the number of the first row.
    """
    counters = np.zeros((rows, 2), np.uint64)
    counters[:, 0] = np.arange(first, first + rows, dtype=np.uint64)
    key = hashlib.blake2b(source_sha256.encode(), digest_size=DIGEST_BYTES).digest()
    return np.ascontiguousarray(enciphered(counters, key)[:, :2]).view(np.uint16)[:, 0].astype(np.int64)


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """(rows,) uint64, equal where the values are."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.concatenate([_codes_of_text(chunk) for chunk in chunks(column)] or [np.zeros(0, np.uint64)])
    if pa.types.is_temporal(kind) and (days := as_days(column)) is not None:
        return _bits(days)
    try:
        return _bits(floats(column))
    except pa.ArrowException:
        pass
    try:
        words, places = levels(column)
    except pa.ArrowException:  # lists and structures
        return np.array([_word(str(value)) for value in column.to_pylist()], np.uint64)
    codes: np.ndarray = np.array([*map(_word, words), _MISSING], np.uint64)[places]
    return codes


def _codes_of_text(chunk: pa.Array) -> np.ndarray:
    """(rows,) uint64 of a text, without the spaces around it: of its number where it spells one."""
    if not pa.types.is_dictionary(chunk.type):
        if len(chunk.slice(0, _LOOKED_AT).unique()) > _LOOKED_AT // 2:
            return _codes_of_words(chunk.fill_null("") if chunk.null_count else chunk)
        chunk = chunk.dictionary_encode()
    places = chunk.indices.fill_null(len(chunk.dictionary)).cast(pa.int64())
    codes = _codes_of_words(chunk.dictionary)
    of_rows: np.ndarray = np.append(codes, np.uint64(_MISSING))[view(places)]
    return of_rows


def _codes_of_words(words: pa.Array) -> np.ndarray:
    """(n,) uint64 of texts without nulls."""
    import pyarrow.compute as pc

    words = words.cast(pa.large_string())
    first, last, lengths = _ends(words)
    if (_UNTRIMMED[first] | _UNTRIMMED[last]).any():
        words = pc.utf8_trim_whitespace(words)
        first, _, lengths = _ends(words)
    codes = np.where(lengths > 0, _text_digests(words), np.uint64(_MISSING))
    like_number = _BEGINS_NUMBER[first] | (_BEGINS_WORD[first] & (lengths <= len("infinity")))
    for place in np.flatnonzero(like_number & (lengths > 0)).tolist():
        codes[place] = _word(words[place].as_py())
    return codes


def _ends(words: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first and the last byte of each word of a large_string array, 0 of an empty one, and its bytes."""
    content, starts, lengths = _content(words)
    content = content if len(content) else np.zeros(1, np.uint8)
    at_most = len(content) - 1
    first, last = (np.minimum(at, at_most) for at in (starts, starts + np.maximum(lengths, 1) - 1))
    return np.where(lengths > 0, content[first], 0), np.where(lengths > 0, content[last], 0), lengths


def _content(words: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bytes of a large_string array, and where each word starts there and how many are its own."""
    if not len(words):
        return np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64)
    offsets = np.frombuffer(words.buffers()[1], np.int64)[words.offset : words.offset + len(words) + 1]
    content = np.frombuffer(words.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    return content, offsets[:-1] - offsets[0], np.diff(offsets)


def _text_digests(words: pa.Array) -> np.ndarray:
    """(n,) uint64 digests of a large_string array without nulls; long texts one by one."""
    content, starts, lengths = _content(words)
    padded = np.append(content, np.zeros(DIGEST_BYTES, np.uint8))
    # every 16 bytes that follow one another, as one value each
    windows: np.ndarray = np.ndarray(len(content) + 1, np.dtype("V16"), padded, strides=(1,))
    state = np.zeros((len(words), 2), np.uint64)
    state[:, 0] = lengths
    live: np.ndarray | slice = slice(None)
    for at in range(0, min(int(lengths.max(initial=0)), _LONGEST), DIGEST_BYTES):
        if not (lengths > at).all():
            live = np.flatnonzero(lengths > at)
        block = windows[starts[live] + at].view(np.uint64).reshape(-1, 2)
        block &= np.take(_KEPT, np.minimum(lengths[live] - at, DIGEST_BYTES), axis=0)
        block ^= state[live]
        state[live] = enciphered(block, _PUBLIC).view(np.uint64)
    codes = state[:, 0].copy()
    for place in np.flatnonzero(lengths > _LONGEST):
        codes[place] = _word(words[int(place)].as_py())
    return codes


def _bits(numbers: np.ndarray) -> np.ndarray:
    """(rows,) uint64 of float64: one code for both zeros, one for every NaN."""
    ordinary = numbers + 0.0
    missing = np.isnan(ordinary)
    if missing.any():
        ordinary[missing] = np.nan
    bits: np.ndarray = ordinary.view(np.uint64)
    return bits


def _word(word: str) -> int:
    """The code of a text: that of the number it spells, or a digest of it."""
    try:
        number = float(word)
    except ValueError:
        return int(_text_digests(pa.array([word], pa.large_string()))[0]) if len(word) <= _LONGEST // 4 else _long(word)
    return int(_bits(np.array([math.nan if math.isnan(number) else number]))[0])


def _long(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


_MISSING = int(_bits(np.array([math.nan]))[0])
