"""Rows that are appended to the stores of the small world."""

from __future__ import annotations

from collections import Counter
from datetime import date
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fedsov.partition.arrival import NO_CONDITIONS, Conditions
from fedsov.partition.further.append import Outcome, batches_of, open_appendable
from fedsov.partition.sources import open_source
from tests.partition.world import ATLAS, read, spec_of

FIRST = date(2026, 1, 2)


def appended(
    workspace: Path,
    table: pa.Table,
    key: str = "k",
    *,
    today: date = FIRST,
    conditions: Conditions = NO_CONDITIONS,
    **changed: object,
) -> Outcome:
    """Appends a table as one batch, by stores that were opened for it."""
    path = workspace.parent / "more.parquet"
    pq.write_table(table, path)
    stores = open_appendable(spec_of(path, **changed), atlas=ATLAS, workspace=workspace)
    with open_source(stores.spec) as source:
        batch = partial(batches_of, key, source.sha256)
        return stores.append(source, batch, today=today, conditions=conditions)


def stored(workspace: Path, region: str) -> Counter[tuple[str, float]]:
    """Whose rows a region stores, and their ages."""
    records = read(workspace, region)
    return Counter(zip(records.subjects.tolist(), records.columns["age"].tolist(), strict=True))
