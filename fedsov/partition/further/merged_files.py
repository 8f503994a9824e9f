"""The rows of one file of a store, with what binds them in its schema; and those of several files as one table.

Each file says in its schema whose rows it holds, of which jurisdictions, and the labels that its rows have places in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fedsov.errors import StoreDamaged
from fedsov.partition.arrow_columns import numbers, view
from fedsov.partition.manifest import mend

LABEL = "fedsov:label"
BATCH, CONTENT, DAY = "fedsov:batch", "fedsov:content", "fedsov:day"
"""Of rows that were appended: digests of their batch's key and content, and the day of their arrival."""
APPENDED = (BATCH, CONTENT, DAY)
REASON = "fedsov:reason"
"""Why a row waits in quarantine."""
TAGS = b"fedsov"


def tagged(rows: pa.Table, tags: Mapping[str, Any]) -> pa.Table:
    """The rows with their tags: `region`, `jurisdictions` and `labels`, plain."""
    return rows.replace_schema_metadata({TAGS: json.dumps(tags).encode()})


def read_tags(path: Path, table: pa.Table) -> dict[str, Any]:
    """The tags of a file's rows. Raises StoreDamaged where it has none."""
    try:
        return dict(json.loads((table.schema.metadata or {})[TAGS]))
    except (KeyError, TypeError, ValueError):
        raise StoreDamaged(f"{path} carries no jurisdiction in its schema; {mend(path)}") from None


def integers(column: pa.ChunkedArray) -> np.ndarray:
    """(rows,) int64 of a column without nulls."""
    parts = [view(chunk) for chunk in column.chunks]
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)


def merged(files: Sequence[tuple[Path, pa.Table]]) -> pa.Table:
    """The rows of a store's files, one after the other, under the tags of all.

    The columns are those that all have, and `APPENDED` where one has them: 0 in rows that an ingestion stored.

    Raises StoreDamaged where one has no tags, or those of another region.
    """
    if len(files) == 1:
        return files[0][1]
    each = [read_tags(path, table) for path, table in files]
    labels: list[Any] = []
    for (path, _), tags in zip(files, each, strict=True):
        if tags["region"] != each[0]["region"]:
            raise StoreDamaged(f"{path} holds rows of {tags['region']}, not of {each[0]['region']}")
        labels += [label for label in tags["labels"] if label not in labels]
    present = {name for _, table in files for name in table.column_names}
    common = [name for name in files[0][1].column_names if all(name in table.column_names for _, table in files)]
    names = [name for name in common if name not in APPENDED] + [name for name in APPENDED if name in present]
    parts = [
        _alike(table, names, [labels.index(label) for label in tags["labels"]])
        for (_, table), tags in zip(files, each, strict=True)
    ]
    jurisdictions = sorted({word for tags in each for word in tags["jurisdictions"]})
    whole = {"region": each[0]["region"], "jurisdictions": jurisdictions, "labels": labels}
    return tagged(pa.concat_tables(parts, promote_options="permissive"), whole)


def _alike(table: pa.Table, names: Sequence[str], places: Sequence[int]) -> pa.Table:
    """A file's rows with these columns, their labels at other places."""
    columns = {
        name: table.column(name) if name in table.column_names else numbers(np.zeros(table.num_rows, np.int64))
        for name in names
    }
    if LABEL in columns:
        place_of = integers(table.column(LABEL))
        within = (place_of >= 0) & (place_of < len(places))
        known = np.array([*places, -1], np.int64)  # a place that is none stays one
        columns[LABEL] = numbers(known[np.where(within, place_of, len(places))])
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))
