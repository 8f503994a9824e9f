"""Writes what regions report into the directory: what is new within `SOON`, signs of life every `OFTEN` seconds.

A report that says the same as the one before wakes nobody and is written with many others, so that a thousand regions
cost a transaction a second and not five hundred.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.regions.directory import SILENT, directory, put_report, put_seen
from fedsov.errors import WorkspaceUnusable

SOON, OFTEN = 0.01, 1.0
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class RunningReports:
    """The reports that are not written yet. Used by the service's one thread alone.

    Args:
        clock: what time it is, in UTC; `ticks` are seconds, of which only differences count.
    """

    database: Database
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ticks: Callable[[], float] = time.monotonic
    _heard_at: dict[str, float] = field(default_factory=dict)
    _said: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _new: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, region: str, report: Mapping[str, Any]) -> None:
        """A report that came now; after a silence the same is written again: another service may have heard more."""
        now = self.ticks()
        is_back = now - self._heard_at.get(region, now) > SILENT
        self._heard_at[region] = now
        if self._said.get(region) == report and not is_back:
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
            await self._written(new, seen)
        except WorkspaceUnusable as problem:
            _LOG.warning("reports of regions could not be written, and are written again: %s", problem)
            self._new, self._seen = {**new, **self._new}, self._seen | seen

    async def _written(self, new: Mapping[str, Mapping[str, Any]], seen: set[str]) -> None:
        """Writes all at once; each alone where one of them cannot be written, so that it holds up no other."""
        try:
            late = await asyncio.to_thread(self._put, new, seen)
        except WorkspaceUnusable:
            raise
        except Exception as problem:  # boundary: what a region says ends no other region's reports
            if len(new) <= 1 and not seen:
                names = ", ".join(new)
                _LOG.warning("the report of %s cannot be written (%s), and is dropped", names, type(problem).__name__)
                return
            for region, report in new.items():
                await self._written({region: report}, set())
            late = await asyncio.to_thread(self._put, {}, seen)
        for region in late:
            self._said.pop(region, None)  # it is taken when the region says it again

    def _put(self, new: Mapping[str, Mapping[str, Any]], seen: set[str]) -> list[str]:
        """Writes; the regions of which another service wrote something newer."""
        at = self.clock()
        with self.database.changing(wakes=bool(new)) as connection:
            late = [region for region, report in new.items() if not put_report(connection, region, report, at=at)]
            put_seen(connection, sorted(seen), at=at)
        return late

    def begin(self) -> None:
        """Reads what was said before this service began, so that a restart makes nothing of it new."""
        with self.database.reading() as connection:
            self._said = {each.name: each.report for each in directory(connection)}
