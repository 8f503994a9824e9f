"""Rows that come later: what is known of their columns before, and which batch each row is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


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
    """Rows that are appended: (rows,) int64 digests of their batch's key and content, and the day of their arrival."""

    key: np.ndarray
    content: np.ndarray
    day: int
