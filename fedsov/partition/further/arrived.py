"""Rows that come later: what is known of their columns before, and which batch each row is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from fedsov.partition.further.merged_files import BATCH, CONTENT, DAY


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the first ingestion made of the columns. Rows that come later are taken as that, and not judged as a whole.

    Attributes:
        kinds: as of `IngestReport`.
        dates: column of dates to whether the day stands before the month, None where the type says it.
    """

    kinds: Mapping[str, str]
    dates: Mapping[str, bool | None]


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """Which batch each of the rows is of that are appended.

    Attributes:
        keys: (batches,) int64 digests of their keys, which differ.
        contents: (batches,) int64 digests of what they say.
        of_row: (rows,) place of each row's batch.
        day: of their arrival.
    """

    keys: np.ndarray
    contents: np.ndarray
    of_row: np.ndarray
    day: int

    def select(self, rows: np.ndarray | slice) -> Batches:
        """Those of some rows."""
        return replace(self, of_row=self.of_row[rows])

    def columns(self) -> dict[str, np.ndarray]:
        """Name to (rows,) int64, as they are stored."""
        day = np.full(len(self.of_row), self.day, np.int64)
        return {BATCH: self.keys[self.of_row], CONTENT: self.contents[self.of_row], DAY: day}
