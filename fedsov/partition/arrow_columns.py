"""Between numpy and Arrow without pandas.

`pyarrow.array` and several of Arrow's kernels import pandas where it is installed (0.4 s, in every region's
process); these few functions build and read columns from their buffers instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from fedsov.model.column_statistics import spelled


def numbers(values: np.ndarray) -> pa.Array:
    """A float64 or int64 column without nulls from a (rows,) array."""
    dense = np.ascontiguousarray(values)
    kind = pa.float64() if dense.dtype.kind == "f" else pa.int64()
    dense = dense.astype(np.float64 if dense.dtype.kind == "f" else np.int64, copy=False)
    return pa.Array.from_buffers(kind, len(dense), [None, pa.py_buffer(dense)])


def text(values: Sequence[str | None]) -> pa.Array:
    """A text column; None is a null."""
    encoded = [b"" if value is None else value.encode("utf-8", "surrogatepass") for value in values]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(part) for part in encoded], out=offsets[1:])
    present = np.array([value is not None for value in values], bool)
    valid = None if present.all() else pa.py_buffer(np.packbits(present, bitorder="little"))
    buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.large_string(), len(encoded), buffers)


def chunks(column: pa.ChunkedArray | pa.Array) -> Iterable[pa.Array]:
    """The arrays a column is made of."""
    return column.chunks if isinstance(column, pa.ChunkedArray) else [column]


def floats(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """(rows,) float64, NaN where missing. Raises ArrowInvalid for a type that is not a number."""
    parts = []
    for chunk in chunks(column):
        kind = pa.uint8() if pa.types.is_boolean(chunk.type) else chunk.type
        as_float = chunk.cast(kind).cast(pa.float64(), safe=False)
        parts.append(np.where(_missing(as_float), np.nan, view(as_float)))
    return np.concatenate(parts) if parts else np.zeros(0)


def levels(column: pa.ChunkedArray | pa.Array) -> tuple[list[str], np.ndarray]:
    """The different values of a column as text, and (rows,) places among them; past the end where missing."""
    words: dict[str, int] = {}
    parts = []
    for chunk in chunks(column):
        coded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        spellings = [spelled(value) for value in coded.dictionary.to_pylist()]
        places = [-1 if word is None else words.setdefault(word, len(words)) for word in spellings]
        parts.append(np.array([*places, -1], np.int64)[_indices(coded)])
    codes = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    return list(words), np.where(codes < 0, len(words), codes)


def _indices(coded: pa.DictionaryArray) -> np.ndarray:
    """(rows,) places in the dictionary; -1 where null."""
    return np.where(_missing(coded.indices), -1, view(coded.indices).astype(np.int64))


def view(column: pa.Array) -> np.ndarray:
    """The values of a column of numbers, without a copy; anything at all where null."""
    kind = np.dtype(f"{'f' if pa.types.is_floating(column.type) else 'i'}{column.type.bit_width // 8}")
    if not len(column):
        return np.zeros(0, kind)
    values: np.ndarray = np.frombuffer(column.buffers()[1], kind)[column.offset : column.offset + len(column)]
    return values


def _missing(column: pa.Array) -> np.ndarray:
    """(rows,) bool: where null."""
    valid = column.buffers()[0]
    if valid is None or not column.null_count:
        return np.zeros(len(column), bool)
    bits = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")
    nulls: np.ndarray = bits[column.offset : column.offset + len(column)] == 0
    return nulls


def objects(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """(rows,) object array of text and None."""
    words, codes = levels(column)
    vocabulary = np.empty(len(words) + 1, object)
    vocabulary[: len(words)] = words
    column_of_objects: np.ndarray = vocabulary[codes]
    return column_of_objects


def from_levels(words: Sequence[str], codes: np.ndarray) -> pa.Array:
    """A plain text column: a dictionary would carry every value of the source into each region's file."""
    vocabulary = text([*words, None])
    return vocabulary.take(numbers(codes))


def spelled_text(column: pa.ChunkedArray) -> pa.Array:
    """A plain text column of a column's values as they are spelled; null where nothing is."""
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_integer(kind):
        return column.cast(pa.large_string()).combine_chunks()
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return from_levels(*levels(column))
    words = pc.utf8_trim_whitespace(column.cast(pa.large_string()).combine_chunks())
    return pc.if_else(pc.equal(words, ""), pa.scalar(None, words.type), words)
