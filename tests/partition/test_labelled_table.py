"""Whatever is done with a labelled table, a row of the result is bound by every row that went into it."""

from __future__ import annotations

import copy
import logging
import pickle
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.errors import InputError
from fedsov.label import PUBLIC, Label, join
from fedsov.partition import labelled_table
from fedsov.partition.labelled_table import LabelledTable
from fedsov.partition.records import Records

BOUND = Label(frozenset({"DE"}), frozenset({"personal"}))
HEALTH = Label(frozenset({"DE"}), frozenset({"personal", "health"}), frozenset({"no_export"}))
LABELS = (PUBLIC, BOUND, HEALTH, Label(restrictions=frozenset({"local"})))


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """A warning for each plain value that a property test reads would hide what it found."""
    log = logging.getLogger(labelled_table.__name__)
    log.setLevel(logging.ERROR)
    yield
    log.setLevel(logging.NOTSET)


def table() -> LabelledTable:
    """Four rows of two wards; the first is public, the third restricted."""
    records = Records(
        "DE",
        {"age": np.array([20.0, 30.0, 40.0, np.nan]), "ward": np.array(["A", "A", "B", None], object)},
        {"age": "numeric", "ward": "categorical"},
        np.array([0.0, 1.0, 1.0, 0.0]),
        np.array([f"{row:032x}" for row in range(4)]),
        (PUBLIC, BOUND, HEALTH),
        np.array([0, 1, 2, 1]),
    )
    return LabelledTable.of_records(records)


def plain(labelled: LabelledTable) -> pa.Table:
    return pa.Table.from_pandas(labelled.to_pandas().unsafe_value(), preserve_index=False)


@dataclass(frozen=True)
class Row:
    """A row of the model in memory: its values, and the rows of the first tables that went into it."""

    values: tuple[Any, ...]
    sources: frozenset[int]


@dataclass(frozen=True)
class Model:
    """What the columns k (a key or None) and v hold, computed without Arrow; `before` are all rows that it came from.

    An operation of a table is a method of this name.
    """

    rows: tuple[Row, ...]
    before: frozenset[int]

    @property
    def sources(self) -> frozenset[int]:
        return frozenset().union(*(row.sources for row in self.rows)) if self.rows else self.before

    def filter(self, least: int) -> Model:
        return Model(tuple(row for row in self.rows if row.values[1] >= least), self.before)

    def concat(self, other: Model) -> Model:
        return Model(self.rows + other.rows, self.before | other.before)

    def join(self, other: Model, how: str) -> Model:
        pairs = [
            Row((one.values[0], one.values[1] + two.values[1]), one.sources | two.sources)
            for one in self.rows
            for two in other.rows
            if one.values[0] is not None and one.values[0] == two.values[0]
        ]
        keys = {row.values[0] for row in other.rows} - {None}
        alone = [
            Row((row.values[0], row.values[1]), row.sources | other.sources)
            for row in self.rows
            if row.values[0] not in keys and how == "left outer"
        ]
        return Model((*pairs, *alone), self.before | other.before)

    def group_by(self, keyed: bool) -> Model:
        groups: dict[Any, list[Row]] = {} if keyed else {None: list(self.rows)}
        for row in self.rows if keyed else ():
            groups.setdefault(row.values[0], []).append(row)
        summed = [
            Row((key, sum(row.values[1] for row in rows)), frozenset().union(*(row.sources for row in rows)))
            for key, rows in groups.items()
        ]
        if not keyed and not self.rows:
            summed = [Row((None, 0), self.before)]
        return Model(tuple(summed), self.before)


def _filtered(labelled: LabelledTable, least: int) -> LabelledTable:
    return labelled.filter(pc.field("v") >= least)


def _joined(left: LabelledTable, right: LabelledTable, how: str) -> LabelledTable:
    both = left.join(right, ["k"], how=how, suffix="_other")
    total = both.with_column("v", pc.field("v") + pc.coalesce(pc.field("v_other"), pc.scalar(0)))
    return total.select("k", "v")


def _grouped(labelled: LabelledTable, keyed: bool) -> LabelledTable:
    """As the model: sums by key, or one sum, with nothing as its key; the sum of no row is nothing."""
    grouped = labelled.group_by(["k"] if keyed else [], [("v", "sum")])
    summed = grouped.with_column("v", pc.coalesce(pc.field("v_sum"), pc.scalar(0)))
    nothing = pc.scalar(pa.scalar(None, pa.string()))
    return (summed if keyed else summed.with_column("k", nothing)).select("k", "v")


def _same(labelled: LabelledTable, model: Model, label_of: list[Label]) -> None:
    rows = zip(plain(labelled).to_pylist(), labelled.row_labels, strict=True)
    found = Counter(((None if row["k"] != row["k"] else row["k"], row["v"]), label) for row, label in rows)
    assert found == Counter((row.values, _label(row.sources, label_of)) for row in model.rows)
    assert labelled.label == _label(model.sources, label_of)


def _label(sources: Iterable[int], label_of: list[Label]) -> Label:
    return join(label_of[source] for source in sources)


KEYS = st.sampled_from(["A", "B", "C", None])
ROWS = st.lists(st.tuples(KEYS, st.integers(-3, 3), st.sampled_from(LABELS)), max_size=5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("filter"), st.integers(-2, 3)),
        st.tuples(st.just("concat"), st.none()),
        st.tuples(st.just("join"), st.sampled_from(["inner", "left outer"])),
        st.tuples(st.just("group_by"), st.booleans()),
    ),
    max_size=4,
)


def _drawn(rows: list[tuple[str | None, int, Label]], first: int) -> tuple[LabelledTable, Model]:
    keys, values = pa.array([key for key, _, _ in rows], pa.string()), pa.array([v for _, v, _ in rows], pa.int64())
    whole = pa.table({"k": keys, "v": values})
    parts = [LabelledTable.of("DE", whole.slice(place, 1), label) for place, (_, _, label) in enumerate(rows)]
    empty = LabelledTable.of("DE", whole.slice(0, 0), PUBLIC)
    sources = [frozenset({first + place}) for place in range(len(rows))]
    model = tuple(Row((key, v), source) for (key, v, _), source in zip(rows, sources, strict=True))
    return LabelledTable.concat(empty, *parts), Model(model, frozenset().union(*sources))


@settings(deadline=None, max_examples=60)
@given(ROWS, ROWS, STEPS)
def test_every_row_of_any_sequence_of_operations_is_bound_by_all_that_went_into_it(
    first: list[tuple[str | None, int, Label]],
    second: list[tuple[str | None, int, Label]],
    steps: list[tuple[str, Any]],
) -> None:
    """The labels are those of a model in memory that follows each row, and so are the values."""
    label_of = [label for _, _, label in (*first, *second)]
    labelled, model = _drawn(first, 0)
    other, other_model = _drawn(second, len(first))
    for act, argument in steps:
        if act == "filter":
            labelled, model = _filtered(labelled, argument), model.filter(argument)
        elif act == "concat":
            labelled, model = LabelledTable.concat(labelled, other), model.concat(other_model)
        elif act == "join":
            labelled, model = _joined(labelled, other, argument), model.join(other_model, argument)
        else:
            labelled, model = _grouped(labelled, argument), model.group_by(argument)
        _same(labelled, model, label_of)
    frame, tensors = labelled.to_pandas(), labelled.tensors("v")
    assert frame.label == tensors.label == labelled.label


def test_a_row_keeps_its_label_and_a_group_has_the_label_of_all_its_rows() -> None:
    rows = table()
    assert rows.columns == ("age", "ward", "fedsov:target", "fedsov:subject") and len(rows) == 4
    assert rows.row_labels == (PUBLIC, BOUND, HEALTH, BOUND) and rows.label == BOUND | HEALTH
    young = rows.filter(pc.field("age") < 35).select("age", "ward")
    assert young.row_labels == (PUBLIC, BOUND) and young.label == BOUND
    assert rows.filter_labels(lambda label: not label.restrictions).row_labels == (PUBLIC, BOUND, BOUND)
    wards = rows.group_by(["ward"], [("age", "mean"), ("age", "count")])
    means = dict(zip(plain(wards).column("ward").to_pylist(), wards.row_labels, strict=True))
    assert means == {"A": BOUND, "B": HEALTH, None: BOUND}
    assert plain(wards).column("age_mean").to_pylist()[:2] == [25.0, 40.0]


def test_a_table_of_no_row_is_bound_by_the_rows_that_it_could_have_had() -> None:
    nobody = table().filter(pc.field("age") > 200)
    assert len(nobody) == 0 and nobody.label == HEALTH
    counted = nobody.group_by([], [("age", "count")])
    assert counted.row_labels == (HEALTH,) and plain(counted).to_pylist() == [{"age_count": 0}]


def test_a_row_without_a_partner_is_bound_by_the_whole_other_table() -> None:
    rows = table().select("ward", "age")
    wards = LabelledTable.of("DE", pa.table({"ward": ["A"], "beds": [9]}), Label(restrictions=frozenset({"secret"})))
    joined = rows.join(wards, ["ward"], how="left outer")
    assert all("secret" in label.restrictions for label in joined.row_labels) and len(joined) == 4
    assert len(rows.join(wards, ["ward"])) == 2


def test_frames_and_tensors_go_under_a_label_that_every_computation_keeps(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger=labelled_table.__name__)
    frame, tensors = table().to_pandas(), table().tensors()
    mean = frame.map(lambda rows: rows["age"].mean())
    assert mean.label == HEALTH and mean.unsafe_value() == 30.0
    assert "float64 of region DE goes on without its label" in caplog.text and "30" not in caplog.text
    assert sorted(tensors.map(sorted).unsafe_value()) == ["age", "fedsov:target"]
    assert tensors.map(lambda columns: float(columns["fedsov:target"].sum())).unsafe_value() == 2.0
    public = LabelledTable.of("DE", pa.table({"x": [1.0]}), PUBLIC).tensors()
    assert public.map(lambda own, other: own["x"] + other["age"][0], tensors).label == HEALTH
    assert public.map(lambda own: tensors.map(lambda other: own["x"] + other["age"][0])).label == HEALTH


def test_what_cannot_keep_the_label_refuses() -> None:
    rows, frame = table(), table().to_pandas()
    for value in (rows, frame):
        for loses in (np.asarray, pickle.dumps, copy.copy):
            with pytest.raises(TypeError, match="would go on without its label"):
                loses(value)
        for reads in (pa.table, pd.DataFrame, list, float):
            with pytest.raises((TypeError, ValueError)):
                reads(value)
        with pytest.raises(AttributeError, match="has no 'to_csv': this would go on without its label; compute with"):
            _ = value.to_csv
    with pytest.raises(InputError, match="a mask has no label"):
        rows.filter(np.array([True, False, True, False]))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a column has no label"):
        rows.with_column("x", np.zeros(4))  # type: ignore[arg-type]


def test_nothing_that_is_shown_has_a_value_of_a_row() -> None:
    assert repr(table()) == (
        "<LabelledTable of region DE: 4 rows of age, ward, fedsov:target, fedsov:subject; "
        "DE · health+personal · no_export>"
    )
    assert repr(table().to_pandas()) == "<Labelled DataFrame of region DE, bound by: DE · health+personal · no_export>"
    with pytest.raises(InputError) as refused:
        table().filter(pc.field("ward") > 3)
    assert "Arrow refuses" in str(refused.value) and "A" not in str(refused.value).split()


def test_rows_of_two_regions_are_not_put_beside_each_other() -> None:
    there = LabelledTable.of("US", pa.table({"ward": ["A"], "age": [1.0]}), PUBLIC)
    here = table().select("ward", "age")
    for act in (lambda: here.join(there, ["ward"]), lambda: LabelledTable.concat(here, there)):
        with pytest.raises(InputError, match="rows of US are not put beside rows of DE: that is a crossing"):
            act()
    with pytest.raises(InputError, match="that is a crossing"):
        here.to_pandas().map(lambda one, two: one, there.to_pandas())
    with pytest.raises(InputError, match="that is a crossing"):
        here.to_pandas().map(lambda one: there.to_pandas())


def test_a_name_that_is_none_or_in_both_tables_is_refused_with_the_way() -> None:
    rows = table()
    with pytest.raises(InputError, match="unknown column 'agee'; did you mean age"):
        rows.select("agee")
    with pytest.raises(InputError, match="unknown column 'fedsov:label'"):
        rows.select("fedsov:label")
    with pytest.raises(InputError, match="both tables have age, .*select the columns, or give a suffix"):
        rows.join(rows, ["ward"])
    with pytest.raises(InputError, match="not every table has age"):
        LabelledTable.concat(rows, rows.select("ward"))
    with pytest.raises(InputError, match="fedsov: is fedsov's own"):
        LabelledTable.of("DE", pa.table({"fedsov:label": [0]}), PUBLIC)
    with pytest.raises(InputError, match="unknown join 'right outer'"):
        rows.join(rows, ["ward"], how="right outer", suffix="2")
    with pytest.raises(InputError, match="ward is no column of numbers"):
        rows.tensors("ward")
    with pytest.raises(InputError, match="group_by computes nothing"):
        rows.group_by(["ward"], [])
    with pytest.raises(InputError, match="group_by: Arrow refuses"):
        rows.group_by(["ward"], [("age", "no such function")])
