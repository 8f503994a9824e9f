"""Writes what regions report into the directory: what is new within `SOON`, signs of life every `OFTEN` seconds.

A report that says the same as the one before wakes nobody and is written with many others, so that a thousand regions
cost a transaction a second and not five hundred.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.regions.directory import directory, put_report, put_seen

SOON, OFTEN = 0.01, 1.0
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class RunningReports:
    """The reports that are not written yet. Used by the service's one thread alone.

    Args:
        clock: what time it is, in UTC.
    """

    database: Database
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _said: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _new: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, region: str, report: Mapping[str, Any]) -> None:
        """A report that came now."""
        if self._said.get(region) == report:
            self._seen.add(region)
        else:
            self._said[region] = self._new[region] = report
            self._heard.set()

    async def write(self) -> None:
        """Writes for as long as the service runs."""
        while True:
            try:
                async with asyncio.timeout(OFTEN):
                    await self._heard.wait()
                await asyncio.sleep(SOON)
            except TimeoutError:
                pass
            self._heard.clear()
            await self.flush()

    async def flush(self) -> None:
        """Writes what is not written yet; where the database is away, it stays for the next time."""
        new, self._new = self._new, {}
        seen, self._seen = self._seen - set(new), set()
        if not new and not seen:
            return
        try:
            await asyncio.to_thread(self._put, new, seen)
        except SQLAlchemyError as problem:
            _LOG.warning("reports of regions could not be written (%s); they are written again", type(problem).__name__)
            self._new, self._seen = {**new, **self._new}, self._seen | seen

    def _put(self, new: Mapping[str, Mapping[str, Any]], seen: set[str]) -> None:
        at = self.clock()
        if new:
            with self.database.changing() as connection:
                for region, report in new.items():
                    put_report(connection, region, report, at=at)
                put_seen(connection, sorted(seen), at=at)
            return
        with self.database.changing(wakes=False) as connection:
            put_seen(connection, sorted(seen), at=at)

    def begin(self) -> None:
        """Reads what was said before this service began, so that a restart makes nothing of it new."""
        with self.database.reading() as connection:
            self._said = {each.name: each.report for each in directory(connection)}
