"""From the body of a request to a model's inputs, refused by a column's name where it cannot be read.

    reader = BodyReader(predictor, positional=champion_columns, known=every_column, most_rows=10_000)
    inputs = reader.inputs(body, "application/json")                     # (N, D) float32

| media type | what it holds |
|---|---|
| `JSON` | ``{"rows": [{"years": 3.5, "remote": "yes"}]}``, or MLflow's ``dataframe_records`` and ``dataframe_split`` |
| `ARROW` | an Arrow IPC stream, uncompressed, of columns by name (`fedsov.inference.bodies.arrow_bodies`) |
| `FLOAT32` | little-endian float32, row after row, in the order of the model's columns; NaN where missing |

A missing value is ``null``, or NaN in Arrow and float32. JSON has no NaN: one is refused by its column. Nothing is
passed over: a column too many, a column twice in one row, a row too short, a nested value and another key beside the
rows are each refused. `BodyRefused` has the status and the column's name, and no value.

Two parsers read JSON: simdjson for a table of numbers (`dataframe_split`), which it turns into an array at once, and
orjson for rows. Where neither can, Python's own says which column it was.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import simdjson

from fedsov.errors import counted
from fedsov.inference.bodies.body_refusals import BodyRefused, counted_rows
from fedsov.model.packaging.encoder import ColumnRefused

if TYPE_CHECKING:
    from fedsov.inference.predictor import Predictor

JSON, ARROW, FLOAT32 = "application/json", "application/vnd.apache.arrow.stream", "application/octet-stream"
ROWS, RECORDS, SPLIT = "rows", "dataframe_records", "dataframe_split"
FORMS = (ROWS, RECORDS, SPLIT)
"""The keys of a JSON body: exactly one of them."""
_LONGEST_NAME = 64


class BodyReader:
    """Reads bodies for one version of a model; for one thread."""

    def __init__(self, model: Predictor, *, positional: Sequence[str], known: Collection[str], most_rows: int) -> None:
        """
        Args:
            positional: the columns of a body without names, in their order: those of the version that is champion.
            known: columns that a body may have: those of every version of the model that may answer.
            most_rows: more are refused.
        """
        self._model, self.most_rows = model, most_rows
        self.names = tuple(column.name for column in model.columns)
        self._all_numbers = all(column.kind == "numeric" for column in model.columns)
        self._known, self._positional = frozenset(known) | frozenset(self.names), tuple(positional)
        self._order = None if self._positional == self.names else self._places()
        self._values: Callable[[Any], tuple[Any, ...]] = _getter(self.names)
        self._parser = simdjson.Parser()
        self._pack = self._packed(1)

    def inputs(self, body: bytes, media_type: str) -> np.ndarray:
        """The (N, D) float32 inputs of a body. Raises BodyRefused."""
        try:
            if media_type == JSON:
                return self._of_json(body)
            if media_type == FLOAT32:
                return self._of_float32(body)
            if media_type == ARROW:
                from fedsov.inference.bodies.arrow_bodies import columns_of

                return self.of_columns(columns_of(body, self.most_rows))
        except ColumnRefused as refused:
            raise BodyRefused(422, str(refused), refused.column) from None
        raise BodyRefused(415, f"Content-Type must be {JSON}, {ARROW} or {FLOAT32}")

    def of_columns(self, columns: Mapping[str, Any]) -> np.ndarray:
        """The inputs of columns by name. Raises ColumnRefused, BodyRefused."""
        self._check_names(columns)
        counted_rows(len(next(iter(columns.values()), ())), self.most_rows)
        return self._model.encode(columns)

    def of_numbers(self, numbers: np.ndarray) -> np.ndarray:
        """The inputs of (N, k) float64 numbers in the positional order. Raises ColumnRefused, BodyRefused."""
        counted_rows(len(numbers), self.most_rows)
        if numbers.shape[1] != len(self._positional):
            raise BodyRefused(422, _wrong_width(numbers.shape[1], self._positional), self._nearest(numbers.shape[1]))
        if self._order is None:
            return self._model.encode_numbers(numbers)
        return self._model.encode_numbers(numbers[:, self._order_of()])

    def _of_json(self, body: bytes) -> np.ndarray:
        if self._all_numbers and body.count(b"[") > 2 and (numbers := self._split_numbers(body)) is not None:
            return numbers
        try:
            plain = orjson.loads(body)
        except orjson.JSONDecodeError:
            return self._of_plain(exact_json(body))
        if type(plain) is dict and len(plain) == 1:
            rows = plain.get(ROWS)
            if rows is None:
                rows = plain.get(RECORDS)
            if type(rows) is list and self._counts_keys(body, rows):
                counted_rows(len(rows), self.most_rows)
                quick = self._quick(body, rows)
                return self._of_rows(rows) if quick is None else quick
        return self._of_plain(exact_json(body))

    def _quick(self, body: bytes, rows: list[dict[str, Any]]) -> np.ndarray | None:
        """The inputs of rows of numbers that have each column once and no other; None for any others.

        What packs numbers takes neither text nor None, and takes truth values, which are told apart by their words in
        the body.
        """
        if not self._all_numbers or b"true" in body or b"false" in body:
            return None
        width = len(self.names)
        try:
            if len(rows) == 1:
                row = rows[0]
                numbers = np.frombuffer(self._pack(*self._values(row))).reshape(1, width)
                return self._model.encode_finite(numbers) if len(row) == width else None
            values = chain.from_iterable(map(self._values, rows))
            numbers = np.frombuffer(self._packed(len(rows))(*values)).reshape(-1, width)
        except (KeyError, struct.error, OverflowError):
            return None
        return self._model.encode_finite(numbers) if all(len(row) == width for row in rows) else None

    def _packed(self, rows: int) -> Callable[..., bytes]:
        """What packs the numbers of so many rows as float64, as numpy reads them; it takes neither text nor None."""
        return struct.Struct(f"={rows * len(self.names)}d").pack

    def _counts_keys(self, body: bytes, rows: list[Any]) -> bool:
        """Whether no key comes twice: orjson takes the last one, but its colon is still there. A colon in a text sends
        the body the slow way as well."""
        try:
            return body.count(b":") == 1 + sum(map(len, rows)) and set(map(type, rows)) == {dict}
        except TypeError:
            return False

    def _split_numbers(self, body: bytes) -> np.ndarray | None:
        """The inputs of ``dataframe_split`` of numbers; None for any other body, which is read the slow way.

        simdjson flattens ragged and nested rows in silence, so that brackets, rows and their lengths are counted; it
        counts a key twice that comes twice.
        """
        document: Any = None
        split: Any = None
        rows: Any = None
        try:
            document = self._parser.parse(body)
            split = document[SPLIT]
            names, rows = split["columns"].as_list(), split["data"]
            count, width = len(rows), len(names)
            is_flat = body.count(b"[") == count + 2 and len(document) == 1 and len(split) == 2
            if not is_flat or any(len(row) != width for row in rows):
                return None
            numbers = np.frombuffer(rows.as_buffer(of_type="d"), np.float64)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError):
            return None
        finally:
            del split, rows, document  # the parser reads nothing more while one of them lives
        if names != list(self.names):
            if width != len(self.names) or any(name not in names for name in self.names):
                return None
            numbers = numbers.reshape(count, width)[:, [names.index(name) for name in self.names]]
        counted_rows(count, self.most_rows)
        return self._model.encode_finite(numbers.reshape(count, width))

    def _of_plain(self, plain: Any) -> np.ndarray:
        """Of any JSON value, as Python's own parser gives it."""
        if not isinstance(plain, dict) or len(plain) != 1 or next(iter(plain)) not in FORMS:
            others = [_shown(str(name)) for name in plain if name not in FORMS] if isinstance(plain, dict) else []
            beside = f", and not {others[0]}" if others else ""
            raise BodyRefused(422, f'the body must be {{"rows": [...]}}, or one of {", ".join(FORMS[1:])}{beside}')
        form, value = next(iter(plain.items()))
        if form == SPLIT:
            return self._of_split(value)
        if not isinstance(value, list):
            raise BodyRefused(422, f"{form} must be a list of rows, each an object of columns by name")
        counted_rows(len(value), self.most_rows)
        return self._of_rows(value)

    def _of_rows(self, rows: list[Any]) -> np.ndarray:
        for row in rows:
            if not isinstance(row, dict):
                raise BodyRefused(422, "a row must be an object of columns by name; use dataframe_split for lists")
            if len(row) != len(self.names):
                self._check_names(row)
        try:
            ordered = [self._values(row) for row in rows]
        except KeyError:
            raise self._lacking(rows) from None
        return self._model.encode_rows(ordered)

    def _lacking(self, rows: list[dict[str, Any]]) -> BodyRefused:
        """Of rows one of which has not every column."""
        for row in rows:
            self._check_names(row)
        name = next(name for name in self.names if any(name not in row for row in rows))
        count = sum(name not in row for row in rows)
        return BodyRefused(422, f"column {name!r} is missing in {counted(count, 'row')}; send null for no value", name)

    def _of_split(self, value: Any) -> np.ndarray:
        """MLflow's ``dataframe_split``; its ``index`` is taken and not looked at."""
        if not isinstance(value, dict) or not {"columns", "data"} <= value.keys() <= {"columns", "data", "index"}:
            raise BodyRefused(422, f'{SPLIT} must be {{"columns": [NAME, ...], "data": [[VALUE, ...], ...]}}')
        names, rows = value["columns"], value["data"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BodyRefused(422, f"{SPLIT}.columns must be a list of names")
        if twice := [name for name in names if names.count(name) > 1]:
            raise BodyRefused(422, f"column {_shown(twice[0])} is there twice; send it once", twice[0])
        self._check_names(names)
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise BodyRefused(422, f"{SPLIT}.data must be a list of rows, each a list of values")
        counted_rows(len(rows), self.most_rows)
        for row in rows:
            if len(row) != len(names):
                name = names[min(len(row), len(names) - 1)] if names else ""
                raise BodyRefused(422, f"a row has {len(row)} values where {len(names)} columns are named", name)
        columns = zip(*rows, strict=True)
        return self._model.encode(dict(zip(names, map(list, columns), strict=True)))

    def _of_float32(self, body: bytes) -> np.ndarray:
        width = len(self._positional)
        if len(body) % (4 * width):
            raise BodyRefused(
                422,
                f"{len(body)} bytes are no whole number of rows; one has {4 * width}, {width} float32 in this order: "
                f"{', '.join(self._positional)}",
            )
        numbers = np.frombuffer(body, "<f4").reshape(-1, width)
        return self.of_numbers(numbers.astype(np.float64))

    def _places(self) -> list[int]:
        """Where each column of this version is in a row of the positional order; empty where one is not."""
        if not set(self.names) <= set(self._positional):
            return []
        return [self._positional.index(name) for name in self.names]

    def _order_of(self) -> list[int]:
        if not self._order:
            lacking = next((name for name in self.names if name not in self._positional), self.names[0])
            raise BodyRefused(422, f"column {lacking!r} has no place in rows without names; name the columns", lacking)
        return self._order

    def _check_names(self, names: Collection[str]) -> None:
        """Refuses a column that no version of the model asks for."""
        for name in names:
            if name not in self._known:
                raise BodyRefused(
                    422, f"the model does not read column {_shown(name)}; it asks for {', '.join(self.names)}", name
                )

    def _nearest(self, width: int) -> str:
        return self._positional[min(width, len(self._positional) - 1)] if self._positional else ""


def plain_body(body: bytes, encoding: str, most: int) -> bytes:
    """A body as it was before it was compressed. Raises BodyRefused; no more than `most` bytes are ever unpacked."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise BodyRefused(415, "content-encoding must be gzip, or none")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, most + 1)
    except zlib.error:
        raise BodyRefused(400, "the body is no gzip") from None
    if len(plain) > most:
        raise BodyRefused(413, f"the body unpacks to more than {most} bytes (serving.limits.body); send fewer rows")
    if not unpacker.eof or unpacker.unused_data:
        raise BodyRefused(400, "the body is not one whole gzip stream")
    return plain


class _NoNumber:
    """In the place of NaN and Infinity, which no model reads."""


def exact_json(body: bytes) -> Any:
    """A JSON text by Python's own parser: it knows where a NaN is, and sees a key that comes twice."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=lambda _: _NoNumber(), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise BodyRefused(400, "the body is not valid JSON, or is nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) != len(pairs):
        names = [name for name, _ in pairs]
        name = next(name for name in names if names.count(name) > 1)
        raise BodyRefused(422, f"column {_shown(name)} comes twice in one row; send it once", name)
    return plain


def _getter(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) == 1:
        name = names[0]
        return lambda row: (row[name],)
    return itemgetter(*names)


def _wrong_width(width: int, names: Sequence[str]) -> str:
    return f"rows have {width} values where the model asks for {len(names)}: {', '.join(names)}"


def _shown(name: str) -> str:
    """A name that somebody sent, for an answer to them: in ASCII, so that look-alikes show, and short."""
    return ascii(name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "...")
