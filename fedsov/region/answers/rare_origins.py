"""Rows of an origin that few of a region's people share: while they are few, nothing that leaves is made from them.

The label of an answer names every origin of its rows, since the law is asked by them: one newcomer from another
jurisdiction would show at once. So these rows wait. They are in no profile, statistics, update, synthetic row or price,
nor in the region's own model, whose scores leave. Once enough people share the origin they come in together, as any
newcomers do. The most common origin is never rare: a region of few people keeps a model of its own. The label of a base
model names origins too, of those who consented: so a consent waits until enough people of its origin gave one.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from fedsov.partition.records import Records
from fedsov.partition.told_counts import about

_LOG = logging.getLogger(__name__)


def without_rare_origins(records: Records, least: int) -> Records:
    """The records whose every origin so many people share; the region's own log says of how many others, in tens.

    Rows without a restriction are told of apart from the others, so their people are counted apart too. So are those
    who consented to a base model: where few of an origin did, their rows are as if they had not.
    """
    everybody = np.ones(len(records), bool)
    origins, spared = _origins(records), _most_common(records)
    waiting = _rare(records, everybody, {*origins} - spared, least)
    waiting |= _rare(records, records.unrestricted, {*origins} - spared, least)
    if waiting.any():
        _LOG.warning(
            "%s wait: fewer than %d people share their origin (limits.least_people), and a label would tell of them",
            about(int(waiting.sum())),
            least,
        )
        records = records.select(~waiting)
    return _without_rare_consents(records, least)


def _without_rare_consents(records: Records, least: int) -> Records:
    """The same rows, with no consent of those of whose origin fewer consented: a base model's label names origins."""
    few = _rare(records, records.consented, {*_origins(records)}, least)
    if records.consents is None or not few.any():
        return records
    _LOG.warning(
        "%s are in no base model: fewer than %d people of their origin consented (limits.least_people)",
        about(int(few.sum())),
        least,
    )
    return replace(records, consents=records.consents & ~few)


def _origins(records: Records) -> dict[str, np.ndarray]:
    """By origin, (rows,) bool: whether a row is of it."""
    found = sorted({origin for label in records.labels for origin in label.origins})
    return {
        origin: np.array([origin in label.origins for label in records.labels])[records.label_of] for origin in found
    }


def _people(records: Records, rows: np.ndarray) -> int:
    return len(np.unique(records.subjects[rows]))


def _most_common(records: Records) -> set[str]:
    """The origin that most people share; none where there is no origin."""
    people = {origin: _people(records, rows) for origin, rows in _origins(records).items()}
    return {max(people, key=people.__getitem__)} if people else set()


def _rare(records: Records, told: np.ndarray, origins: Collection[str], least: int) -> np.ndarray:
    """(rows,) bool: which of the rows that are told of are of one of these origins, which few of their people share."""
    each = [rows & told for origin, rows in _origins(records).items() if origin in origins]
    few: np.ndarray = np.zeros(len(records), bool)
    for rows in each:
        few = few | rows if _people(records, rows) < least else few
    return few
