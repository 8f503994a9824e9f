"""One moment of everything on the page, read from the database.

newest = NewestOverview(database, hub="hub")
newest.at(datetime.now(UTC))          # read again only where something changed, or a second has passed
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

from sqlalchemy import Connection

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.overview import audit_states, counted_parts
from fedsov.control_plane.overview.region_states import alarms, regions
from fedsov.control_plane.overview.rollout_states import rollouts
from fedsov.control_plane.overview.values import Overview

FRESH_SECONDS = 1.0
"""How long an overview may be shown where nothing was written: only the passing of time can have changed it."""


def overview_of(connection: Connection, hub: str, now: datetime) -> Overview:
    """The overview of this moment."""
    shown = regions(connection, now)
    return Overview(
        hub=hub,
        alarms=(*audit_states.ledger_alarms(connection), *alarms(shown, now)),
        regions=shown,
        rollouts=rollouts(connection),
        plan=counted_parts.plan(connection),
        crossings=counted_parts.crossings(connection),
        refusals=counted_parts.refusals(connection),
        reviews=counted_parts.reviews(connection, now.date()),
        budgets=counted_parts.budgets(connection),
        documents=audit_states.due_soon(connection),
    )


def utc_now() -> datetime:
    """The time of this machine."""
    return datetime.now(UTC)


@dataclass(slots=True)
class NewestOverview:
    """The overview that several readers share: read once for all of them."""

    database: Database
    hub: str
    now: Callable[[], datetime] = utc_now
    _lock: Lock = field(default_factory=Lock)
    _latest: tuple[int, datetime, Overview] | None = None

    def read(self) -> Overview:
        """The overview of now."""
        now = self.now()
        with self._lock:
            changes = self.database.changes
            if self._latest is not None:
                seen, moment, overview = self._latest
                if seen == changes and 0 <= (now - moment).total_seconds() < FRESH_SECONDS:
                    return overview
            with self.database.reading() as connection:
                overview = overview_of(connection, self.hub, now)
            self._latest = (changes, now, overview)
            return overview
