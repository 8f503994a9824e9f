"""What the hub knows of each region's versions: what runs there, since when, and whether that is what it wants."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fedsov.control_plane.database.place import open_database
from fedsov.control_plane.regions.directory import RegionState, directory
from fedsov.control_plane.rollouts import wanted
from fedsov.errors import counted
from fedsov.storage.control_folder import HubControlFolder


@dataclass(frozen=True, slots=True)
class RegionStanding:
    """A region as the hub knows it now.

    Attributes:
        state: what it said last; None of a region that was never heard.
        silent: seconds since then.
        drift: in which way it serves something else than the hub wants, in a sentence; "" for none.
    """

    state: RegionState | None
    is_reachable: bool = False
    silent: float = 0.0
    drift: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        own = self.state
        if own is None:
            return {"reachable": False, "versions": [], "drift": self.drift}
        return {
            "reachable": self.is_reachable,
            "seen_at": own.seen_at.isoformat(timespec="milliseconds"),
            "reachable_since": own.reachable_since.isoformat(timespec="milliseconds"),
            "list": own.counter,
            "endpoint": str(own.report.get("endpoint", "")),
            "versions": [
                {"model": each.model, "version": each.version, "mode": each.mode, "since": each.since}
                for each in own.running
            ],
            "drift": self.drift,
            "remarks": list(own.report.get("remarks", ())),
        }

    def sentences(self) -> list[str]:
        """What a person should know, one after the other."""
        own = self.state
        if own is None:
            return [self.drift]
        running = ", ".join(f"{each.model} {each.version} ({each.mode})" for each in own.running) or "no version"
        silent = f"; silent for {counted(round(self.silent), 'second')}, and it goes on serving that"
        first = f"runs {running}{'' if self.is_reachable else silent}"
        return [each for each in (first, self.drift, *own.report.get("remarks", ())) if each]


def region_standings(home: Path, *, now: datetime | None = None) -> dict[str, RegionStanding]:
    """Every region that was heard, or that a list is published for, by name; none where the home has no control plane.

    Raises WorkspaceUnusable.
    """
    folder, now = HubControlFolder(home), now or datetime.now(UTC)
    if not folder.database.exists() and not folder.database_address.exists():
        return {}
    with closing(open_database(home)) as database, database.reading() as connection:
        states, lists = directory(connection), wanted.every(connection)
    drifts = wanted.drifting(lists, {state.name: state.counter for state in states})
    unheard = {name: RegionStanding(None, drift=drift) for name, drift in drifts.items()}
    return {**unheard, **{state.name: _standing(state, drifts, now) for state in states}}


def _standing(state: RegionState, drifts: Mapping[str, str], now: datetime) -> RegionStanding:
    silent = (now - state.seen_at).total_seconds()
    return RegionStanding(state, state.is_reachable(now), silent, drifts.get(state.name, ""))
