"""A region's rows as a table whose operations keep their labels or join them.

    table = fedsov.rows("DE", "people", workspace=".fedsov", purpose="training")
    paid = table.filter(pc.field("income") > 2000).select("ward", "income")
    wards = paid.group_by(["ward"], [("income", "mean")])       # each row bound by all rows of its group
    ranks = paid.to_pandas().map(lambda frame: frame["income"].rank())

Each row has a label (`fedsov.label`), kept as a number in a column that no operation shows. A row of a join is bound by
both rows that it came from, an aggregate by every row of its group. pandas and torch know no labels, and drop whatever
is attached to a frame or tensor in most operations. So frames and tensors come as a `Labelled` value: it shows nothing
but its label, and `map` works on what is in it under the label of all that went in.

What has no label does not come in: a mask or a column made elsewhere is refused, an expression over the table's own
columns is not. What could not keep the label is not offered: no iteration, no export. This guards against
forgetting, not against whoever runs it: a function given to `map` can do what Python can.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

import numpy as np
import pyarrow as pa

from fedsov.errors import InputError, counted, unknown
from fedsov.label import Label, join
from fedsov.partition.arrow_columns import floats, numbers, view
from fedsov.partition.further.merged_files import LABEL
from fedsov.partition.records import Records
from fedsov.partition.store import SUBJECT, TARGET

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.compute as pc
    import torch

T = TypeVar("T")
U = TypeVar("U")
PREFIX = "fedsov:"
"""What names of our own columns begin with; no other column may be called so."""
OTHER_LABEL = "fedsov:label of the other table"
JOINS = ("inner", "left outer")
_LOG = logging.getLogger(__name__)


def _refused(_: object, *__: Any, **___: Any) -> NoReturn:
    raise TypeError(_WITHOUT_LABEL)


def _unknown(value: object, name: str) -> NoReturn:
    raise AttributeError(f"{type(value).__name__} has no {name!r}: {_WITHOUT_LABEL}")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Labelled(Generic[T]):
    """A value of a region beside the label of all that it was computed from; it is not copied to a file by pickle."""

    region: str
    label: Label
    _value: T

    def map(self, function: Callable[..., U], *others: Labelled[Any]) -> Labelled[U]:
        """What the function makes of this value and of others, under the label of all of them.

        Args:
            function: gets the plain values, which it must not change in place; another `Labelled` that it returns adds
                its label.

        Raises InputError for a value of another region.
        """
        _check_region(self.region, [other.region for other in others])
        made: Any = function(self._value, *(other._value for other in others))
        label = join([self.label, *(other.label for other in others)])
        if isinstance(made, Labelled):
            _check_region(self.region, [made.region])
            return Labelled(self.region, label | made.label, made._value)
        return Labelled(self.region, label, made)

    def unsafe_value(self) -> T:
        """The plain value, without what binds it: whoever takes it must remember the label. Logs a warning."""
        _LOG.warning("a %s of region %s goes on without its label (%s)", _kind(self._value), self.region, self.label)
        return self._value

    def __repr__(self) -> str:
        return f"<Labelled {_kind(self._value)} of region {self.region}, bound by: {self.label}>"

    __array__ = __reduce__ = _refused
    if not TYPE_CHECKING:  # a checker knows that there is no such name
        __getattr__ = _unknown


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LabelledTable:
    """Rows of one region, each with a label.

    Attributes:
        region: the region's name.
        labels: the different labels of the rows.
        before: what binds all rows that the table was made from, also those that were left out.
    """

    region: str
    labels: tuple[Label, ...]
    before: Label
    _rows: pa.Table

    @staticmethod
    def of(region: str, table: pa.Table, label: Label) -> LabelledTable:
        """A table of one's own, such as a list of wards, every row under one label.

        Raises InputError for a column whose name begins with `PREFIX`, but for pseudonyms and targets.
        """
        for name in table.column_names:
            _check_name(name, but=(SUBJECT, TARGET))
        return _labelled(region, table, [label], np.zeros(table.num_rows, np.int64), before=label)

    @staticmethod
    def of_records(records: Records) -> LabelledTable:
        """A region's records: their columns, `TARGET` and the pseudonyms (`SUBJECT`); null where missing."""
        named = {**records.columns, TARGET: records.target, SUBJECT: records.subjects}
        arrays = [
            pa.array(values, None if values.dtype.kind == "f" else pa.string(), from_pandas=True)
            for values in named.values()
        ]
        rows = pa.table(arrays, [*named])
        return _labelled(records.region, rows, records.labels, records.label_of, before=join(records.labels))

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def __repr__(self) -> str:
        columns = ", ".join(self.columns)
        return f"<LabelledTable of region {self.region}: {counted(len(self), 'row')} of {columns}; {self.label}>"

    __array__ = __reduce__ = _refused
    if not TYPE_CHECKING:  # a checker knows that there is no such name
        __getattr__ = _unknown

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(name for name in self._rows.column_names if name != LABEL)

    @property
    def label(self) -> Label:
        """What binds the table as a whole; one without rows tells of all that were left out."""
        places = np.unique(self._label_of())
        return join(self.labels[place] for place in places) if len(places) else self.before

    @property
    def row_labels(self) -> tuple[Label, ...]:
        """The label of each row."""
        return tuple(self.labels[place] for place in self._label_of())

    def select(self, *names: str) -> LabelledTable:
        """These columns; each row keeps its label, since it is still about the same person. Raises InputError."""
        self._check_columns(names)
        return LabelledTable(self.region, self.labels, self.before, self._rows.select([*names, LABEL]))

    def filter(self, expression: pc.Expression) -> LabelledTable:
        """The rows for which an expression over their own columns is true, such as ``pc.field("age") >= 18``.

        Raises InputError for a mask, which has no label, or an expression that cannot be.
        """
        _check_expression(expression, "a mask")
        with _arrow("filter"):
            return LabelledTable(self.region, self.labels, self.before, self._rows.filter(expression))

    def filter_labels(self, accepts: Callable[[Label], bool]) -> LabelledTable:
        """The rows whose labels are accepted, such as ``lambda label: not label.restrictions``."""
        accepted = np.array([accepts(label) for label in self.labels], bool)
        rows = np.flatnonzero(accepted[self._label_of()]) if len(self) else np.zeros(0, np.int64)
        return LabelledTable(self.region, self.labels, self.before, self._rows.take(numbers(rows)))

    def with_column(self, name: str, expression: pc.Expression) -> LabelledTable:
        """With one more column, or another of this name, computed from each row's own columns.

        Raises InputError as `filter`, and for a name that begins with `PREFIX`.
        """
        from pyarrow import acero
        from pyarrow.compute import field

        _check_name(name)
        _check_expression(expression, "a column")
        others = [column for column in self._rows.column_names if column != name]
        expressions = [*(field(column) for column in others), expression]
        with _arrow("with_column"):
            source = acero.Declaration("table_source", acero.TableSourceNodeOptions(self._rows))
            project = acero.ProjectNodeOptions(expressions, [*others, name])
            rows = acero.Declaration("project", project, inputs=[source]).to_table(use_threads=False)
        return LabelledTable(self.region, self.labels, self.before, rows)

    def join(self, other: LabelledTable, keys: Sequence[str], how: str = "inner", suffix: str = "") -> LabelledTable:
        """Pairs of rows that agree in the keys, each bound by both; an absent key agrees with none.

        Args:
            how: "inner", or "left outer": a row without a partner stays, and tells that no row of the other table is
                its partner, so it is bound by all of that table.
            suffix: what is added to a column's name of the other table that this one has too.

        Raises InputError for a key that is not in both, a name that is in both, or a table of another region.
        """
        _check_region(self.region, [other.region])
        if how not in JOINS:
            raise InputError(unknown("join", how, JOINS))
        self._check_columns(keys)
        other._check_columns(keys)
        if both := ({*self.columns} & {*other.columns}) - {*keys} if not suffix else set():
            raise InputError(f"both tables have {', '.join(sorted(both))}; select the columns, or give a suffix")
        names = [OTHER_LABEL if name == LABEL else name for name in other._rows.column_names]
        with _arrow("join"):
            rows = self._rows.join(
                other._rows.rename_columns(names), [*keys], join_type=how, right_suffix=suffix, use_threads=False
            )
        return _of_pairs(self, other, rows)

    def group_by(self, keys: Sequence[str], aggregates: Sequence[tuple[str, str]]) -> LabelledTable:
        """One row for each group, bound by all its rows; without keys one row for the table.

        Args:
            aggregates: column and one of Arrow's functions, such as ("income", "mean"), which names the result
                ``income_mean``.

        Raises InputError for a column that is not there, or a function that Arrow does not have.
        """
        self._check_columns([*keys, *(column for column, _ in aggregates)])
        if not aggregates:
            raise InputError('group_by computes nothing; give it a column and a function, as [("income", "mean")]')
        with _arrow("group_by"):
            if not keys:
                rows = self._rows.group_by([]).aggregate([*aggregates])
                return _labelled(self.region, rows, [self.label], np.zeros(rows.num_rows, np.int64), before=self.before)
            grouped = self._rows.group_by([*keys], use_threads=False)
            rows = grouped.aggregate([*aggregates, (LABEL, "distinct")])
        sets = [frozenset(places) for places in rows.column(f"{LABEL}_distinct").to_pylist()]
        place_of = {places: place for place, places in enumerate(dict.fromkeys(sets))}
        joined = [join(self.labels[place] for place in places) for places in place_of]
        label_of = np.array([place_of[places] for places in sets], np.int64)
        rows = rows.drop_columns([f"{LABEL}_distinct"])
        return _labelled(self.region, rows, joined, label_of, before=self.before)

    @staticmethod
    def concat(*tables: LabelledTable) -> LabelledTable:
        """The rows of several tables of one region. Raises InputError where their columns or types differ."""
        if not tables:
            raise InputError("concat needs a table")
        first = tables[0]
        _check_region(first.region, [table.region for table in tables])
        for table in tables:
            if differ := {*first.columns} ^ {*table.columns}:
                raise InputError(f"not every table has {', '.join(sorted(differ))}; select the same columns of each")
        starts = np.cumsum([0, *(len(table.labels) for table in tables)])
        label_of = np.concatenate([table._label_of() + start for table, start in zip(tables, starts, strict=False)])
        with _arrow("concat"):
            rows = pa.concat_tables([table._rows.select([*first.columns]) for table in tables])
        labels, before = [label for table in tables for label in table.labels], join(table.before for table in tables)
        return _labelled(first.region, rows, labels, label_of, before=before)

    def to_pandas(self) -> Labelled[pd.DataFrame]:
        """A frame of the columns, under the label of the table."""
        return Labelled(self.region, self.label, self._rows.drop_columns([LABEL]).to_pandas())

    def tensors(self, *names: str) -> Labelled[dict[str, torch.Tensor]]:
        """Column to (rows,) float64 tensor, NaN where missing; all numeric columns where none is named.

        Raises InputError for a named column that is no number.
        """
        from torch import from_numpy

        self._check_columns(names)
        types = {name: self._rows.schema.field(name).type for name in names or self.columns}
        words = [name for name, kind in types.items() if not _is_number(kind)]
        if names and words:
            raise InputError(f"{', '.join(words)} is no column of numbers; encode it with to_pandas().map(...)")
        chosen = [name for name in types if name not in words]
        return Labelled(
            self.region, self.label, {name: from_numpy(floats(self._rows.column(name)).copy()) for name in chosen}
        )

    def _label_of(self) -> np.ndarray:
        """(rows,) places in `labels`."""
        return _places(self._rows.column(LABEL))

    def _check_columns(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in self.columns:
                raise InputError(unknown("column", name, self.columns))


def _labelled(
    region: str, rows: pa.Table, labels: Sequence[Label], label_of: np.ndarray, *, before: Label
) -> LabelledTable:
    """A table of these rows and (rows,) places among labels, equal ones of which become one."""
    places = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    merged = np.array([places[label] for label in labels], np.int64)[label_of]
    return LabelledTable(region, tuple(places), before, rows.append_column(LABEL, numbers(merged)))


def _of_pairs(left: LabelledTable, right: LabelledTable, rows: pa.Table) -> LabelledTable:
    """The rows of a join, each under the labels of both; of one without a partner, under all of the right table."""
    labels = [*right.labels, right.label]
    partner = rows.column(OTHER_LABEL).fill_null(len(right.labels))
    pairs = _places(rows.column(LABEL)) * len(labels) + _places(partner)
    found, label_of = np.unique(pairs, return_inverse=True)
    joined = [left.labels[pair // len(labels)] | labels[pair % len(labels)] for pair in found.tolist()]
    rows = rows.drop_columns([LABEL, OTHER_LABEL])
    return _labelled(left.region, rows, joined, label_of, before=left.before | right.before)


def _places(column: pa.ChunkedArray) -> np.ndarray:
    """(rows,) int64."""
    parts = [view(chunk) for chunk in column.chunks]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _check_region(region: str, others: Sequence[str]) -> None:
    for other in others:
        if other != region:
            raise InputError(
                f"rows of {other} are not put beside rows of {region}: that is a crossing, which the gate of {other} "
                "decides; work on them there, or train with `fedsov train`"
            )


def _check_expression(expression: object, instead: str) -> None:
    import pyarrow.compute as pc

    if not isinstance(expression, pc.Expression):
        way = "give an expression over the table's columns, such as pc.field('age') > 17"
        raise InputError(f"{instead} has no label; {way}")


def _check_name(name: str, but: Sequence[str] = ()) -> None:
    if name.startswith(PREFIX) and name not in but:
        raise InputError(f"a column is called {name!r}, and {PREFIX} is fedsov's own; give it another name")


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _kind(value: object) -> str:
    return type(value).__name__


@contextmanager
def _arrow(act: str) -> Iterator[None]:
    """Turns what Arrow refuses into InputError, without Arrow's text, which may hold a value."""
    try:
        yield
    except (pa.ArrowException, KeyError) as error:
        raise InputError(
            f"{act}: Arrow refuses these columns or this function ({type(error).__name__}); see that the columns are "
            "there, that their types are alike, and that the function is one of pyarrow.compute"
        ) from None


_WITHOUT_LABEL = (
    "this would go on without its label; compute with the table's operations, or with map, which carries the label"
)
