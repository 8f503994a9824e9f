"""Rollouts in the control plane's database: read whole, and written whole, within a transaction of the caller's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from fedsov.control_plane.database.engine import METADATA
from fedsov.control_plane.rollouts.proposal import ProposedVersion
from fedsov.control_plane.rollouts.states import OPEN, RegionStep, Rollout
from fedsov.errors import ConfigurationError

ROLLOUTS = Table(
    "rollouts",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("model", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("canary", String(200), nullable=False),
    Column("why", Text, nullable=False),
    Column("proposal", JSON, nullable=False),
)
STEPS = Table(
    "rollout_steps",
    METADATA,
    Column("rollout", ForeignKey(ROLLOUTS.c.number), primary_key=True),
    Column("region", String(200), primary_key=True),
    Column("state", String(20), nullable=False),
    Column("why", Text, nullable=False),
    Column("word", String(20), nullable=False),
)
LISTS = Table(
    "rollout_lists",
    METADATA,
    Column("rollout", ForeignKey(ROLLOUTS.c.number), primary_key=True),
    Column("region", String(200), primary_key=True),
    Column("direction", String(10), primary_key=True),
    Column("counter", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("role", LargeBinary, nullable=False),
    Column("is_signed", Boolean, nullable=False),
)
"""The approved lists that a region signed, and its role's metadata for each, which both signed where `is_signed`."""
EVENTS = Table(
    "rollout_events",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("rollout", ForeignKey(ROLLOUTS.c.number), nullable=False, index=True),
    Column("region", String(200), nullable=False),
    Column("at", String(40), nullable=False),
    Column("act", String(40), nullable=False),
    Column("by", String(200), nullable=False),
    Column("why", Text, nullable=False),
)


LONGEST_NAME, LONGEST_REASON = 200, 4000
"""Characters."""
MOST_NUMBER = 2**31 - 1
"""The highest number that a rollout can have in a database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredList:
    """A list that a region signed for a rollout, with the metadata that names it."""

    direction: str
    counter: int
    content: bytes
    role: bytes
    is_signed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutEvent:
    """Something that was done about a rollout; `region` is "" where it was about all.

    Raises ConfigurationError for a name or a reason that is longer than anybody reads.
    """

    rollout: int
    at: str
    act: str
    by: str
    why: str = ""
    region: str = ""

    def __post_init__(self) -> None:
        for name, longest in (("by", LONGEST_NAME), ("why", LONGEST_REASON)):
            if (length := len(getattr(self, name))) > longest:
                raise ConfigurationError(f"--{name} has {length} characters; {longest} at most")


def add(connection: Connection, rollout: Rollout, proposal: ProposedVersion) -> int:
    """Writes a new rollout, whose number is given here."""
    plain = {**_columns(rollout), "proposal": proposal.to_json()}
    (number,) = connection.execute(insert(ROLLOUTS).values(plain)).inserted_primary_key or (0,)
    _write_steps(connection, int(number), rollout)
    return int(number)


def put(connection: Connection, rollout: Rollout, proposal: ProposedVersion | None = None) -> None:
    """Writes a rollout as it is now, and what is known of the version where that changed too."""
    values = _columns(rollout) | ({} if proposal is None else {"proposal": proposal.to_json()})
    connection.execute(update(ROLLOUTS).where(ROLLOUTS.c.number == rollout.number).values(values))
    connection.execute(delete(STEPS).where(STEPS.c.rollout == rollout.number))
    _write_steps(connection, rollout.number, rollout)


def get(connection: Connection, number: int) -> tuple[Rollout, ProposedVersion]:
    """A rollout, and what was proposed. Raises ConfigurationError where there is none of this number."""
    wanted = select(ROLLOUTS).where(ROLLOUTS.c.number == number)
    row = connection.execute(wanted).one_or_none() if 0 < number <= MOST_NUMBER else None
    if row is None:
        numbers = [str(each) for each in connection.scalars(select(ROLLOUTS.c.number).order_by(ROLLOUTS.c.number))]
        raise ConfigurationError(f"no rollout {number}; there are {', '.join(numbers[-20:]) or 'none yet'}")
    own = connection.execute(select(STEPS).where(STEPS.c.rollout == number).order_by(STEPS.c.region))
    return _rollout(row, {each.region: _step(each) for each in own}), ProposedVersion.from_json(row.proposal)


def every(connection: Connection, *, states: tuple[str, ...] = ()) -> list[tuple[Rollout, ProposedVersion]]:
    """All rollouts, or those in these states, the newest first."""
    chosen = [ROLLOUTS.c.state.in_(states)] if states else []
    steps: dict[int, dict[str, RegionStep]] = {}
    of_chosen = select(STEPS).join(ROLLOUTS, ROLLOUTS.c.number == STEPS.c.rollout).where(*chosen)
    for each in connection.execute(of_chosen.order_by(STEPS.c.region)):
        steps.setdefault(each.rollout, {})[each.region] = _step(each)
    rows = connection.execute(select(ROLLOUTS).where(*chosen).order_by(ROLLOUTS.c.number.desc()))
    return [(_rollout(row, steps.get(row.number, {})), ProposedVersion.from_json(row.proposal)) for row in rows]


def with_region(connection: Connection, region: str, *, steps: tuple[str, ...]) -> list[Rollout]:
    """The rollouts in which a region is at one of these steps."""
    at_one = select(STEPS.c.rollout).where(STEPS.c.region == region, STEPS.c.state.in_(steps))
    return [get(connection, number)[0] for number in connection.scalars(at_one.order_by(STEPS.c.rollout)).all()]


def is_any(connection: Connection, chosen: tuple[str, ...]) -> bool:
    """Whether any rollout is in one of these states."""
    return connection.scalar(select(ROLLOUTS.c.number).where(ROLLOUTS.c.state.in_(chosen)).limit(1)) is not None


def open_rollouts(connection: Connection) -> list[Rollout]:
    """Those that may still go on."""
    return [rollout for rollout, _ in every(connection, states=OPEN)]


def put_lists(connection: Connection, number: int, region: str, lists: tuple[StoredList, ...]) -> None:
    """Keeps what a region signed, in the place of what it signed before for this rollout."""
    connection.execute(delete(LISTS).where(LISTS.c.rollout == number, LISTS.c.region == region))
    for each in lists:
        plain = {name: getattr(each, name) for name in ("direction", "counter", "content", "role", "is_signed")}
        connection.execute(insert(LISTS).values(rollout=number, region=region, **plain))


def lists_of(connection: Connection, number: int, region: str) -> dict[str, StoredList]:
    """What a region signed for a rollout, by direction."""
    rows = connection.execute(select(LISTS).where(LISTS.c.rollout == number, LISTS.c.region == region))
    return {
        row.direction: StoredList(
            direction=row.direction, counter=row.counter, content=row.content, role=row.role, is_signed=row.is_signed
        )
        for row in rows
    }


def note(connection: Connection, event: RolloutEvent) -> None:
    """Keeps an event."""
    plain = {name: getattr(event, name) for name in ("rollout", "region", "at", "act", "by", "why")}
    connection.execute(insert(EVENTS).values(plain))


def events_of(connection: Connection, number: int) -> list[RolloutEvent]:
    """What was done about a rollout, the oldest first."""
    rows = connection.execute(select(EVENTS).where(EVENTS.c.rollout == number).order_by(EVENTS.c.id))
    return [
        RolloutEvent(rollout=row.rollout, region=row.region, at=row.at, act=row.act, by=row.by, why=row.why)
        for row in rows
    ]


def _columns(rollout: Rollout) -> dict[str, Any]:
    return {name: getattr(rollout, name) for name in ("model", "version", "state", "canary", "why")}


def _write_steps(connection: Connection, number: int, rollout: Rollout) -> None:
    for region, step in rollout.steps.items():
        values = {"state": step.state, "why": step.why, "word": step.word}
        connection.execute(insert(STEPS).values(rollout=number, region=region, **values))


def _rollout(row: Row[Any], steps: dict[str, RegionStep]) -> Rollout:
    return Rollout(row.number, row.model, row.version, row.state, row.canary, steps, row.why)


def _step(row: Row[Any]) -> RegionStep:
    return RegionStep(row.state, row.why, row.word)
