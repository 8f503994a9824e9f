"""Arrays of numbers from whatever a caller has, or one line that says what it is and what to give in its place.

Real numbers are taken: of numpy (bool, int, float), of torch, of pandas, and nested lists. What numpy would turn into
numbers in silence is refused: masked values (their masks would be lost), complex numbers (their imaginary parts), dates
(a count since 1970; NaT: a huge negative one), text (read as numbers). So is what float32, in which steps are reckoned,
cannot hold: values beyond it, and columns so far from zero that their values would become one. No message has a value.

>>> real_array("inputs", [[1, 2], [3, 4]]).dtype.kind
'i'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from fedsov.errors import InputError

FINEST = 64
"""Steps of float32 across the range of a column, of which there must be so many or more where values are not exact."""
NO_NUMBERS: Mapping[str, str] = {
    "c": "are complex; give their real and imaginary parts as columns",
    "M": "are dates; give numbers, as the days since one: (dates - first) / np.timedelta64(1, 'D')",
    "m": "are durations; give numbers, as days: durations / np.timedelta64(1, 'D')",
    "U": "are text; give numbers, or a column of 0 and 1 for each category",
    "S": "are bytes; give numbers, or a column of 0 and 1 for each category",
    "T": "are text; give numbers, or a column of 0 and 1 for each category",
    "V": "have named fields, or a type that numpy does not know; give one array of numbers",
}
"""By the kind of numpy's type, what is wrong with arrays of it, and what to give in their place."""


def real_array(what: str, value: Any) -> np.ndarray:
    """An array of bool, int or float, of whatever holds real numbers; objects become float64.

    Args:
        what: for the message: "region DE: inputs".

    Raises:
        InputError: anything else; says what it is, and what to give in its place.
    """
    if _is_masked(value):
        raise InputError(
            f"{what} are a masked array; drop the masked rows, or fill what is masked: array.filled(VALUE)"
        )
    if value is None or isinstance(value, str | bytes | Mapping | set | frozenset) or callable(value):
        raise InputError(f"{what} are of type {type(value).__name__}; give an array of numbers")
    if hasattr(value, "nnz") and hasattr(value, "toarray"):
        raise InputError(f"{what} are a sparse matrix; give all its numbers: matrix.toarray()")
    try:
        array = _of_torch(what, value) if _is_tensor(value) else np.asarray(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"{what} cannot be made an array: {error}") from None
    if array.dtype.kind == "O":
        return _of_objects(what, array, titles_of(value))
    if array.dtype.kind not in "biuf":
        raise InputError(f"{what} {NO_NUMBERS.get(array.dtype.kind, NO_NUMBERS['V'])} (type {array.dtype})")
    return array


def _is_masked(value: Any) -> bool:
    parts = value if isinstance(value, list | tuple) else (value,)
    return any(isinstance(part, np.ma.MaskedArray) for part in parts)


def _is_tensor(value: Any) -> bool:
    return any((kind.__module__, kind.__name__) == ("torch", "Tensor") for kind in type(value).__mro__)


def _of_torch(what: str, tensor: Any) -> np.ndarray:
    import torch

    if tensor.layout is not torch.strided or tensor.is_quantized:
        raise InputError(f"{what} are a sparse or quantized tensor; give all its numbers: tensor.to_dense()")
    plain = tensor.detach().cpu()
    return np.asarray((plain.float() if plain.dtype is torch.bfloat16 else plain).numpy())


def _of_objects(what: str, array: np.ndarray, titles: Sequence[Any]) -> np.ndarray:
    """An object array of numbers as float64."""
    types = {kind for kind in map(type, array.ravel().tolist()) if not issubclass(kind, Real | np.bool_)}
    if not array.ndim or types:
        kind = sorted(odd.__name__ for odd in types)[0] if types else "object"
        where = ""
        if array.ndim == 2 and types:
            place = next(place for place, part in enumerate(array.ravel().tolist()) if type(part) in types)
            where = f" in {_titled(place % array.shape[1], titles)}"
        raise InputError(f"{what} hold objects of type {kind}{where}; give an array of numbers, nothing missing")
    try:
        return array.astype(np.float64)
    except OverflowError:
        raise InputError(f"{what} hold a whole number beyond all floats; divide it") from None


def finite(what: str, raw: np.ndarray, titles: Sequence[Any] = ()) -> np.ndarray:
    """The same numbers as float32. Raises InputError for missing and infinite ones, and those beyond float32."""
    with np.errstate(over="ignore"):
        numbers = np.asarray(raw, dtype=np.float32)
    if np.isfinite(numbers).all():
        return numbers
    odd = ~np.isfinite(numbers)
    where = "" if odd.ndim != 2 else f" ({_titled(int(np.argmax(odd.any(axis=0))), titles)} first)"
    if not np.isfinite(np.asarray(raw, dtype=np.float64)).all():
        raise InputError(
            f"{what} must be finite, {int(odd.sum())} are missing or infinite{where}; impute or drop such rows first"
        )
    raise InputError(f"{what} must be finite in float32, {int(odd.sum())} are beyond 3.4e38{where}; divide them")


def check_told_apart(what: str, arrays: Sequence[np.ndarray], titles: Sequence[Any]) -> None:
    """Raises InputError for a column of (N, D) arrays whose values differ by less than float32 can tell.

    Numbers of about 1.7e9 are 128 apart in float32: a Unix time of one hour would become a few values.
    """
    lows, highs = (np.array([bound(array, axis=0) for array in arrays], np.float64) for bound in (np.min, np.max))
    low, high = lows.min(axis=0), highs.max(axis=0)
    span, far = high - low, np.maximum(np.abs(low), np.abs(high))
    rounded = far * 2.0**-24 + 2.0**-150  # at most; of subnormal numbers the latter
    for column in np.flatnonzero((span > 0) & (rounded * FINEST > span)).tolist():
        parts = [np.asarray(array[:, column], np.float64) for array in arrays]
        if max(float(np.abs(part - part.astype(np.float32)).max()) for part in parts) * FINEST > span[column]:
            raise InputError(
                f"{what}: float32 cannot tell the values of {_titled(column, titles)} apart; subtract its mean and "
                "divide by its spread, the same in all regions"
            )


def titles_of(value: Any) -> Sequence[Any]:
    """The column names of a table of pandas or its like; none of an array."""
    columns = getattr(value, "columns", ())
    titles = tuple(columns) if isinstance(columns, Iterable) else ()
    return titles if all(isinstance(title, str | int) for title in titles) else ()


def _titled(column: int, titles: Sequence[Any]) -> str:
    return f"column {column} ({titles[column]!r})" if column < len(titles) else f"column {column}"


def reshaped(array: np.ndarray) -> str:
    """How an array of another number of dimensions is made (N, D), for a message; empty for one of two."""
    if array.ndim == 1:
        return "; one column is X.reshape(-1, 1), one row X.reshape(1, -1)"
    return "; give each row's numbers in one line: X.reshape(len(X), -1)" if array.ndim > 2 else ""
