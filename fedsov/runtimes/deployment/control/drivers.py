"""What the control plane does by itself, again and again: each in a thread, one run of it at a time.

    driver = Driver("waves of rollouts", advance, seconds=1.0, at_changes=True)
    await drive(driver, changed)                 # until it is cancelled

One that fails says so, by its name, and is run again; it ends neither the service nor another driver. Two services may
run the same driver beside each other, so that each decides within a transaction of the database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from fedsov.errors import FedsovError
from fedsov.runtimes.deployment.supervision.repeats import ThrottledEvents

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Driver:
    """Something that is done every `seconds` at the latest, and after each change of the database where it says so."""

    name: str
    act: Callable[[], object]
    seconds: float
    at_changes: bool = False


@dataclass(slots=True)
class Changed:
    """Wakes every driver that waits for changes. Used by the service's one thread alone."""

    _events: list[asyncio.Event] = field(default_factory=list)

    def ring(self) -> None:
        """Something changed."""
        for event in self._events:
            event.set()

    def event(self) -> asyncio.Event:
        """A new event that is set at each change."""
        self._events.append(asyncio.Event())
        return self._events[-1]


async def drive(driver: Driver, changed: Changed) -> None:
    """Runs a driver until it is cancelled."""
    rung = changed.event() if driver.at_changes else asyncio.Event()
    tell = ThrottledEvents(lambda event, text, **_: _LOG.warning("%s: %s", event, text))
    while True:
        rung.clear()
        try:
            await asyncio.to_thread(driver.act)
        except FedsovError as problem:
            tell(driver.name, f"not done: {problem}; it is tried again")
        except Exception as problem:  # boundary: a driver that fails ends neither the service nor another driver
            tell(driver.name, f"failed ({type(problem).__name__}); it is tried again")
            _LOG.debug("%s", driver.name, exc_info=problem)
        with suppress(TimeoutError):
            async with asyncio.timeout(driver.seconds):
                await rung.wait()
