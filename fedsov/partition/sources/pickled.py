"""A pickled pandas table read without pandas, and without running anything that the file names.

A pickle is a program; this reader runs only the eleven names that a plain DataFrame of numbers and text
needs, and each stands for a few lines here or for a numpy constructor, never for the pandas code of that
name. Any other name is refused before it is looked up. What it deliberately does not read: extension types,
dates, nested values.
"""

from __future__ import annotations

import io
import lzma
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fedsov.errors import InputError

_LARGEST = 1 << 30


class _Frame:
    """Stands for pandas' DataFrame: keeps the blocks that its state holds."""

    blocks: _Blocks

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.blocks = state["_mgr"]


class _Blocks:
    """Stands for pandas' BlockManager: blocks of equal type, and the axes (column names, row names)."""

    def __init__(self, blocks: Sequence[tuple[np.ndarray, slice | np.ndarray]], axes: Sequence[Any]) -> None:
        self.blocks, self.axes = blocks, axes


class _Names:
    """Stands for pandas' Index and RangeIndex."""


def _block(values: np.ndarray, placement: slice | np.ndarray, _ndim: int) -> tuple[np.ndarray, slice | np.ndarray]:
    return values, placement


def _index(_kind: type, state: Mapping[str, Any]) -> Any:
    return state.get("data")


def _from_buffer(buffer: bytes, dtype: np.dtype, shape: tuple[int, ...], order: Any) -> np.ndarray:
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order=order)


ALLOWED: Mapping[tuple[str, str], Any] = {
    ("builtins", "slice"): slice,
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("pandas._libs.internals", "_unpickle_block"): _block,
    ("pandas.core.frame", "DataFrame"): _Frame,
    ("pandas.core.indexes.base", "Index"): _Names,
    ("pandas.core.indexes.base", "_new_Index"): _index,
    ("pandas.core.indexes.range", "RangeIndex"): _Names,
    ("pandas.core.internals.managers", "BlockManager"): _Blocks,
}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise InputError(f"refused to unpickle: it asks for {module}.{name}, which no plain table needs")
        return ALLOWED[module, name]


def unpickle_columns(content: bytes, name: str) -> dict[str, np.ndarray]:
    """Column name to (rows,) array, from an xz-compressed pickle of a DataFrame.

    Args:
        content: the file's bytes.
        name: what an error calls the file.

    Raises:
        InputError: not such a file, more than 1 GiB unpacked, or a name outside `ALLOWED`, before it is run.
    """
    try:
        unpacker = lzma.LZMADecompressor()
        unpacked = unpacker.decompress(content, max_length=_LARGEST)
        if not unpacker.eof:
            raise InputError(f"{name} is cut short, or more than 1 GiB unpacked; get it again")
        return _columns(_Restricted(io.BytesIO(unpacked)).load())
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    except (lzma.LZMAError, pickle.UnpicklingError, EOFError, ImportError, MemoryError):
        raise InputError(f"{name} is not an xz-compressed pickle of a table") from None
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError):
        raise InputError(f"{name} is a pickle, but not of a plain table of numbers and text") from None


def _columns(frame: _Frame) -> dict[str, np.ndarray]:
    names = [str(name) for name in frame.blocks.axes[0]]
    by_place: dict[int, np.ndarray] = {}
    for values, placement in frame.blocks.blocks:
        places = range(len(names))[placement] if isinstance(placement, slice) else placement
        by_place.update(zip((int(place) for place in places), values, strict=True))
    return {name: by_place[place] for place, name in enumerate(names)}
