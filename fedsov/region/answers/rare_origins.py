"""Rows of an origin that few of a region's people share: while they are few, nothing that leaves is made from them.

The label of an answer names every origin of its rows, since the law is asked by them: one newcomer from another
jurisdiction would show at once. So these rows wait. They are in no profile, statistics, update, synthetic row or price,
nor in the region's own model, whose scores leave. Once enough people share the origin they come in together, as any
newcomers do. The most common origin is never rare: a region of few people keeps a model of its own.
"""

from __future__ import annotations

import logging

import numpy as np

from fedsov.partition.records import Records
from fedsov.partition.told_counts import about

_LOG = logging.getLogger(__name__)


def without_rare_origins(records: Records, least: int) -> Records:
    """The records whose every origin so many people share; the region's own log says of how many others, in tens.

    Rows without a restriction are told of apart from the others, so their people are counted apart too.
    """
    waiting, unrestricted = _rare(records, np.ones(len(records), bool), least), records.unrestricted
    if not unrestricted.all():
        waiting |= _rare(records, unrestricted, least)
    if not waiting.any():
        return records
    _LOG.warning(
        "%s wait: fewer than %d people share their origin (limits.least_people), and a label would tell of them",
        about(int(waiting.sum())),
        least,
    )
    return records.select(~waiting)


def _rare(records: Records, told: np.ndarray, least: int) -> np.ndarray:
    """(rows,) bool: which of the rows that are told of are of an origin that few of their people share."""
    found = sorted({origin for label in records.labels for origin in label.origins})
    if len(found) < 2:
        return np.zeros(len(records), bool)
    rows = {
        origin: np.array([origin in label.origins for label in records.labels])[records.label_of] & told
        for origin in found
    }
    people = {origin: len(np.unique(records.subjects[mask])) for origin, mask in rows.items()}
    rare = [origin for origin in found if people[origin] < least and origin != max(found, key=people.__getitem__)]
    return np.any([rows[origin] for origin in rare], axis=0) if rare else np.zeros(len(records), bool)
