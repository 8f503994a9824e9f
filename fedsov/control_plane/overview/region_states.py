"""The regions on the page: what each says it runs, beside what is wanted of it, and the alarms that follow.

A region that answers has no time of its last word here, which changes every two seconds; one that is cut off has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from fedsov.control_plane.overview.counted_entries import PLACES
from fedsov.control_plane.overview.values import ShownAlarm, ShownRegion, ShownVersion
from fedsov.control_plane.regions.directory import RegionState, directory
from fedsov.control_plane.repository.tables import REGIONS
from fedsov.control_plane.rollouts import tables, wanted
from fedsov.control_plane.rollouts.states import OPEN, UNSIGNED
from fedsov.control_plane.rollouts.wanted import WantedList
from fedsov.protocol.rollouts import FAULTS, OK

SERVING, BEHIND, CUT_OFF, CLOSED = "serving", "behind", "cut off", "closed"
UNSIGNED_STATE, IDLE, NEVER = "unsigned", "idle", "never seen"
SOON = timedelta(seconds=10)
"""How long a region may be behind what is wanted before that is an alarm: a rollout takes less."""
_VERDICTS = (*FAULTS, "watching", OK)
"""The gravest first."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one region."""

    name: str
    heard: RegionState | None
    wanted: WantedList | None
    drift: str
    unsigned: int
    """The open rollout that its approver has not signed; 0 of none."""


def regions(connection: Connection, now: datetime) -> tuple[ShownRegion, ...]:
    """Every region that was enrolled, heard, or is to serve something, by name."""
    heard = {region.name: region for region in directory(connection)}
    lists = wanted.every(connection)
    drift = wanted.drifting(lists, {name: region.counter for name, region in heard.items()})
    unsigned = _unsigned(connection)
    names = sorted({*heard, *lists, *connection.scalars(select(REGIONS.c.region))})
    places = {str(code): str(name) for code, name in connection.execute(select(PLACES.c.code, PLACES.c.name))}
    every = (
        _Known(name, heard.get(name), lists.get(name), drift.get(name, ""), unsigned.get(name, 0)) for name in names
    )
    return tuple(_shown(known, places.get(known.name, ""), now) for known in every)


def alarms(shown: Iterable[ShownRegion], now: datetime) -> tuple[ShownAlarm, ...]:
    """What of the regions a person must know first."""
    return tuple(alarm for region in shown for alarm in _alarms_of(region, now))


def _alarms_of(region: ShownRegion, now: datetime) -> Iterable[ShownAlarm]:
    if region.state == CUT_OFF:
        text = "it has not been heard, and goes on serving what it has"
        yield ShownAlarm(region.name, text, region.remedy, region.since, grave=False)
    if region.state == BEHIND and now - datetime.fromisoformat(region.since) > SOON:
        yield ShownAlarm(region.name, "it does not run what is wanted", region.remedy, region.since, grave=False)
    if region.state == CLOSED:
        yield ShownAlarm(region.name, "its endpoint is closed", region.remedy, region.since)
    if region.verdict in FAULTS:
        yield ShownAlarm(region.name, f"its endpoint reports {region.verdict}", "", region.since)


def _unsigned(connection: Connection) -> dict[str, int]:
    """By region the newest open rollout that waits for its approver."""
    waits: dict[str, int] = {}
    for rollout, _ in tables.every(connection, states=OPEN):
        if rollout.state != "proposed":
            for name in rollout.at(UNSIGNED):
                waits.setdefault(name, rollout.number)
    return waits


def _shown(known: _Known, place: str, now: datetime) -> ShownRegion:
    state, since, remedy = _state(known, now)
    heard = known.heard
    versions = () if heard is None else heard.running
    return ShownRegion(
        name=known.name,
        place=place,
        state=state,
        since=since,
        wanted=() if known.wanted is None else tuple(ShownVersion(*each) for each in known.wanted.versions),
        running=tuple(ShownVersion(each.model, each.version, each.mode) for each in versions),
        verdict="" if heard is None else _gravest(heard.report),
        remedy=" ".join(part for part in (remedy, *_remarks(heard)) if part),
    )


def _state(known: _Known, now: datetime) -> tuple[str, str, str]:
    """The state, since when, and what mends it."""
    heard, name = known.heard, known.name
    if heard is None:
        return NEVER, "", f"Its agent has not called yet: `fedsov region serve {name}` runs it in the region's home."
    since = _written(heard.changed_at)
    if not heard.is_reachable(now):
        return CUT_OFF, _written(heard.seen_at), f"`fedsov region serve {name}` runs its agent, in the region's home."
    if known.drift and known.wanted is not None:
        counter = heard.counter
        is_behind = counter < known.wanted.counter
        own = f"It serves list {counter}, and list {known.wanted.counter} is wanted; it takes that one by itself."
        return BEHIND, known.wanted.at, own if is_behind else f"{known.drift}."
    if known.wanted is not None and known.wanted.versions and heard.report.get("endpoint") == "closed":
        return CLOSED, since, f"`fedsov doctor` in the home of {name} says why."
    if known.unsigned:
        command = f"fedsov rollout approve {known.unsigned} --region {name}"
        return UNSIGNED_STATE, "", f"It stays where it is until its approver signs: `{command}`."
    return (SERVING if heard.running else IDLE), since, ""


def _remarks(heard: RegionState | None) -> Iterable[str]:
    """What a region says that it refused to take, and since when what it knows of the hub is too old."""
    if heard is None:
        return
    if stale := str(heard.report.get("stale_since", "")):
        yield f"Its copy of the hub's metadata has expired (since {stale[:16]}): it takes nothing new."
    yield from (str(remark) for remark in heard.report.get("remarks", ()))


def _gravest(report: Mapping[str, Any]) -> str:
    words = {str(each.get("verdict", "")) for each in report.get("verdicts", ())}
    return next((word for word in _VERDICTS if word in words), "")


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
