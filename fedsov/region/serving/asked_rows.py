"""Rows of a file that a model is asked about: read as an ingestion reads them, each bound by its own label.

A file is whatever an ingestion takes (`fedsov.partition.sources.table_files`), read in batches by the description that
the region's owner gave the data set: how its CSV is written, which column says under whose law a person is, which
categories and restrictions bind a row. So a date, a level and a missing value are what they were in training. Where
the file has no column of jurisdictions, all its people are of one, which the caller names.

An error names the column and the row, or how many rows; never a value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedsov.border.law.bundle_loader import load_atlas
from fedsov.errors import InputError, counted, nearest
from fedsov.jurisdiction import Atlas
from fedsov.label import Label, join
from fedsov.model.packaging.encoder import ColumnRefused, InputColumn
from fedsov.model.targets import TargetRule
from fedsov.partition.classify import ClassifyRules, classify
from fedsov.partition.columns.places import Column as JurisdictionColumn
from fedsov.partition.columns.places import with_spellings
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.description import LABELLING, Description
from fedsov.partition.routing import known_as
from fedsov.partition.sources import RESERVED, OpenSource, open_source
from fedsov.partition.sources.csv_format import CsvFormat

if TYPE_CHECKING:
    import pyarrow as pa

    from fedsov.partition.sources.scans import Scan

TEXT = "categorical"
_NO_COLUMN = f"{RESERVED}jurisdiction"
_OPTIONAL = tuple(
    f"dataset.{name}"
    for name in ("jurisdiction", "target", "subject", "consent.column", "drop", "kinds", "restrictions", "categories")
)


@dataclass(frozen=True, slots=True)
class RowsAsked:
    """What is asked, of which rows.

    Attributes:
        path: the file.
        columns: what the model reads.
        target: what it predicts.
        dataset: the data set that it was trained on, whose `description` the region's owner gave.
        served: whose people's rows the region may take, ISO codes.
        serves: the same in short, for a message.
        jurisdiction: of all rows, as the caller says, of a file without a column that says it; "" where nobody said.
        home: whose the rows are where neither says it; "" where that cannot be known.
        keep: columns that go along into the answers.
    """

    path: Path
    columns: tuple[InputColumn, ...]
    target: TargetRule
    dataset: str
    description: Description
    served: tuple[str, ...]
    serves: str
    jurisdiction: str = ""
    home: str = ""
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class AskedBatch:
    """Some rows: the model's columns by name, those kept, the label that binds them, how many rows of each code."""

    columns: Mapping[str, np.ndarray]
    kept: pa.Table
    label: Label
    jurisdictions: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.kept.num_rows) if self.kept.num_columns else sum(self.jurisdictions.values())


class AskedFile:
    """An open file of rows (`opened`).

    Attributes:
        sha256: of the file.
        extra: columns that nobody asks for, in the file's order.

    Raises InputError for a column that is absent, rows that do not fit the header, or people of whom nobody says under
    whose law they are.
    """

    def __init__(self, asked: RowsAsked, source: OpenSource) -> None:
        self._asked, self.sha256 = asked, source.sha256
        self._scan: Scan = source.scan(optional=_OPTIONAL)
        self._spec = source.spec
        self._atlas: Atlas = known_as(load_atlas(), self._spec)
        names = self._scan.schema.names
        self._has_jurisdictions = self._spec.jurisdiction in names
        self._check(names)
        read = {column.name for column in asked.columns}
        self.extra = [name for name in names if name not in {*read, *asked.keep, self._spec.jurisdiction}]
        self._orders = _orders_of_days(self._scan, [column.name for column in asked.columns if column.kind != TEXT])

    def _check(self, names: Sequence[str]) -> None:
        asked = self._asked
        asks = ", ".join(column.name for column in asked.columns)
        for column in asked.columns:
            if column.name not in names:
                alike = nearest(column.name, {*names} - {column.name for column in asked.columns}, alike=0.7)
                meant = f"; rename {alike[0]!r} if that is meant" if alike else ""
                raise ColumnRefused(
                    column.name, f"{asked.path} has no column {column.name!r}{meant}; the model asks for {asks}"
                )
        for name in asked.keep:
            if name not in names:
                raise InputError(f"--keep {name}: {asked.path} has no such column; it has {', '.join(names)}")
        if self._scan.left_out:
            raise InputError(f"{counted(self._scan.left_out, 'row')} of {asked.path} do not fit its header; mend them")
        if not self._has_jurisdictions and self._all_of not in asked.served:
            named = "" if self._spec.jurisdiction == _NO_COLUMN else f" {self._spec.jurisdiction!r}"
            what = f"has people of {self._all_of}" if self._all_of else f"has no column{named} of jurisdictions"
            raise InputError(
                f"{asked.path} {what}, and the region serves {asked.serves}; say whose the rows are by "
                "--jurisdiction CODE, or have the region host them by `fedsov region set NAME serving.hosts=[CODE]`"
            )
        if self._has_jurisdictions and asked.jurisdiction:
            raise InputError(
                f"{asked.path} says in column {self._spec.jurisdiction!r} under whose law each person is; leave "
                "--jurisdiction out"
            )

    @property
    def _all_of(self) -> str:
        return self._asked.jurisdiction or self._asked.home

    def batches(self) -> Iterator[AskedBatch]:
        """The rows in their order. Raises InputError for what cannot be read, or for people of another law."""
        before = 0
        for table in self._scan.tables():
            yield self._batch(table, before)
            before += table.num_rows

    def _batch(self, table: pa.Table, before: int) -> AskedBatch:
        from fedsov.partition.arrow_columns import objects

        columns: dict[str, np.ndarray] = {}
        for column in self._asked.columns:
            values = table.column(column.name)
            columns[column.name] = (
                objects(values) if column.kind == TEXT else self._numbers(column.name, values, before)
            )
        codes = self._codes(table, before)
        watched = {rule.column for rule in self._spec.classify.restrictions if rule.column in table.column_names}
        values_of_rules = [objects(table.column(name)).tolist() for name in sorted(watched)]
        stored = [*(column.name for column in self._asked.columns), *self._asked.keep]
        labels = (
            classify(code, stored, dict(zip(sorted(watched), values, strict=True)), self._spec.classify)
            for code, *values in set(zip(codes, *values_of_rules, strict=True))
        )
        return AskedBatch(columns, table.select(list(self._asked.keep)), join(labels), Counter(codes))

    def _numbers(self, name: str, values: pa.ChunkedArray, before: int) -> np.ndarray:
        """(rows,) float64, NaN where missing; of dates their days. Raises InputError for the first other row."""
        from fedsov.partition.columns.clean import as_floats
        from fedsov.partition.columns.days import as_days

        days = as_days(values, day_first=self._orders.get(name))
        if days is not None:
            return days
        numbers = as_floats(values, name, way_out="the model takes numbers there", first=before)
        return np.where(np.isinf(numbers), np.nan, numbers) if self._spec.nonfinite == "missing" else numbers

    def _codes(self, table: pa.Table, before: int) -> list[str]:
        """The code of each row. Raises InputError for one that is unknown, or whom the region may not serve."""
        if not self._has_jurisdictions:
            return [self._all_of] * table.num_rows
        from fedsov.partition.arrow_columns import levels

        words, places = levels(table.column(self._spec.jurisdiction))
        counts = dict.fromkeys(words, 1)
        atlas = with_spellings(
            self._atlas, JurisdictionColumn(self._spec.jurisdiction, counts, self._spec.within), whole=False
        )
        codes = [*(atlas.code(word) for word in words), None]
        served = np.array([code in self._asked.served for code in codes])[places]
        if not served.all():
            row, many = before + int(np.argmin(served)) + 1, int((~served).sum())
            raise InputError(
                f"{self._asked.path}: in {counted(many, 'row')} of column {self._spec.jurisdiction!r}, first in row "
                f"{row}, people are under a law that this region does not serve; it serves "
                f"{self._asked.serves}"
            )
        return [str(codes[place]) for place in places.tolist()]


@contextmanager
def opened(asked: RowsAsked) -> Iterator[AskedFile]:
    """The file, open for the length of the block. Raises InputError as `AskedFile`."""
    with open_source(_spec(asked)) as source:
        yield AskedFile(asked, source)


def _spec(asked: RowsAsked) -> DatasetSpec:
    """The description of the data set, for a file that need not have all of its columns."""
    description = asked.description
    rules = {name: description[name] for name in LABELLING if name in description}
    return DatasetSpec(
        name=asked.dataset or "rows",
        target=asked.target,
        jurisdiction=str(description.get("jurisdiction") or _NO_COLUMN),
        path=asked.path,
        csv=CsvFormat.from_settings(description.get("csv")),
        aliases=dict(description.get("aliases") or {}),
        within=description.get("within"),
        kinds={column.name: "categorical" for column in asked.columns if column.kind == TEXT},
        classify=ClassifyRules.from_settings(rules),
        nonfinite=description.get("nonfinite", "refuse"),
    )


def _orders_of_days(scan: Scan, names: Sequence[str]) -> dict[str, bool]:
    """Of columns of numbers that the file has as text throughout of dates, whether the day stands before the month."""
    import pyarrow as pa

    from fedsov.partition.arrow_columns import levels
    from fedsov.partition.columns.days import DayForms

    texts = [name for name in names if pa.types.is_string(scan.schema.field(name).type)]
    forms = {name: DayForms() for name in texts}
    for table in scan.tables() if texts else ():
        for name, form in forms.items():
            form.add(levels(table.column(name))[0])
    orders = {name: form.day_first for name, form in forms.items() if form.are_days}
    return {name: order for name, order in orders.items() if order is not None}
