"""What stands proposed to each region, and what it answered; in the database, and published in the repository.

with database.changing() as connection:
    number = propose(connection, repository, {"limits.rounds": "40"}, ["DE"], author)
with database.reading() as connection:
    for each in standing(connection): each.differences()
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Integer, String, Table, Text, delete, func, insert, select

from fedsov.control_plane.database.engine import METADATA
from fedsov.control_plane.repository.repository import Repository
from fedsov.errors import ConfigurationError, unknown
from fedsov.protocol.proposed_settings import (
    LAW,
    ProposedSetting,
    SettingsAnswer,
    SettingsProposal,
    law_path,
    proposal_path,
)

PROPOSED = Table(
    "proposed_settings",
    METADATA,
    Column("region", String(63), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("value", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", String(40), nullable=False),
)
"""What stands proposed, by region and setting."""
NUMBERS = Table(
    "settings_proposals",
    METADATA,
    Column("region", String(63), primary_key=True),
    Column("number", Integer, nullable=False),
)
"""The number of the newest proposal to a region, be anything left of it or not."""
ANSWERS = Table(
    "settings_answers",
    METADATA,
    Column("region", String(63), primary_key=True),
    Column("answer", Text, nullable=False),
)
"""What each region said last."""
IN_FORCE, PENDING, REFUSED, WAITS = "in force", "not answered yet", "refused", "waits"


@dataclass(frozen=True, slots=True)
class ProposalAuthor:
    """Who proposes or withdraws, for which reason, and when (ISO 8601)."""

    by: str
    why: str
    at: str


@dataclass(frozen=True, slots=True)
class SettingState:
    """A setting that stands proposed to a region, and where it is.

    Attributes:
        in_force: the value that the region has; "" where it does not tell.
        state: in force, not answered yet, refused, or waits; `reason` says why.
    """

    region: str
    key: str
    proposed: ProposedSetting
    in_force: str
    state: str
    reason: str = ""

    def line(self) -> str:
        """In one line."""
        now = "" if self.state == IN_FORCE else f"{self.in_force or 'not told'} -> "
        why = f": {self.reason}" if self.reason else ""
        return f"{self.region}: {self.key}: {now}{self.proposed.value} ({self.state}{why})"


@dataclass(frozen=True, slots=True)
class ProposedToRegion:
    """What stands proposed to a region, and its answer; None of a region that never answered."""

    proposal: SettingsProposal
    answer: SettingsAnswer | None

    @property
    def states(self) -> tuple[SettingState, ...]:
        """Each setting that stands proposed."""
        return tuple(self._state(key, each) for key, each in sorted(self.proposal.settings.items()))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        settings = {
            each.key: {
                "proposed": each.proposed.value,
                "in_force": each.in_force,
                "state": each.state,
                "reason": each.reason,
                "by": each.proposed.by,
                "why": each.proposed.why,
            }
            for each in self.states
        }
        answer = None if self.answer is None else self.answer.to_json()
        return {"region": self.proposal.region, "number": self.proposal.number, "settings": settings, "answer": answer}

    def _state(self, key: str, proposed: ProposedSetting) -> SettingState:
        answer, region = self.answer, self.proposal.region
        value = "" if answer is None else answer.in_force.get(key, "")
        if answer is None or answer.number < proposed.number:
            return SettingState(region, key, proposed, value, PENDING)
        if key in answer.refused:
            return SettingState(region, key, proposed, value, REFUSED, answer.refused[key])
        if answer.waits:
            return SettingState(region, key, proposed, value, WAITS, answer.waits)
        return SettingState(region, key, proposed, value, IN_FORCE)


def propose(
    connection: Connection,
    repository: Repository,
    values: Mapping[str, str],
    regions: Iterable[str],
    author: ProposalAuthor,
    *,
    law: bytes = b"",
) -> dict[str, int]:
    """Proposes settings to regions, beside what stands proposed; the number of each one's proposal.

    Args:
        values: by key, as `fedsov region set` takes them.
        law: the bundle's file, where ``law.bundle`` is among them.

    Raises ConfigurationError for a region without a role in the repository.
    """
    names = _known(repository, regions)
    for name in names:
        number = _next(connection, name)
        for key, value in values.items():
            _drop(connection, name, key)
            proposed = ProposedSetting(value, author.by, author.why, number)
            row = {"region": name, "key": key, "at": author.at, "number": number, "value": value}
            connection.execute(insert(PROPOSED).values(**row, by=proposed.by, why=proposed.why))
    files = {law_path(values[LAW]): law} if law and LAW in values else {}
    if files:
        repository.publish(connection, files=files, readers=names)
    return _publish(connection, repository, names)


def withdraw(
    connection: Connection, repository: Repository, keys: Iterable[str], regions: Iterable[str]
) -> dict[str, int]:
    """Takes settings off what stands proposed; the region keeps what it took. The number of each one's proposal.

    Args:
        regions: those that are meant; where none is named, each to which one of the settings stands proposed.

    Raises ConfigurationError for a setting that does not stand proposed.
    """
    meant, dropped = list(regions), list(keys)
    stands = {name: proposal_of(connection, name).settings for name in _known(repository, meant)}
    for key in dropped:
        without = [name for name, settings in stands.items() if key not in settings]
        if without and (meant or len(without) == len(stands)):
            every = sorted({each for settings in stands.values() for each in settings})
            to = without[0] if meant else "any region"
            raise ConfigurationError(unknown(f"setting proposed to {to}", key, stands[to] if meant else every))
    names = [name for name, settings in stands.items() if settings.keys() & set(dropped)]
    for name in names:
        for key in dropped:
            _drop(connection, name, key)
        _next(connection, name)
    return _publish(connection, repository, names)


def take_answer(connection: Connection, answer: SettingsAnswer) -> bool:
    """Keeps what a region answered; whether it is another answer than before."""
    before = answer_of(connection, answer.region)
    if before is not None and {**before.to_json(), "at": ""} == {**answer.to_json(), "at": ""}:
        return False
    connection.execute(delete(ANSWERS).where(ANSWERS.c.region == answer.region))
    connection.execute(insert(ANSWERS).values(region=answer.region, answer=json.dumps(answer.to_json())))
    return True


def standing(connection: Connection) -> tuple[ProposedToRegion, ...]:
    """What stands proposed to each region that was ever proposed anything, or that answered."""
    names = {*connection.scalars(select(NUMBERS.c.region)), *connection.scalars(select(ANSWERS.c.region))}
    return tuple(ProposedToRegion(proposal_of(connection, name), answer_of(connection, name)) for name in sorted(names))


def proposal_of(connection: Connection, region: str) -> SettingsProposal:
    """What stands proposed to a region; number 0 of one to which nothing ever was."""
    rows = connection.execute(select(PROPOSED).where(PROPOSED.c.region == region))
    settings = {row.key: ProposedSetting(row.value, row.by, row.why, row.number) for row in rows}
    number = connection.scalar(select(func.max(NUMBERS.c.number)).where(NUMBERS.c.region == region))
    return SettingsProposal(region, int(number or 0), settings)


def answer_of(connection: Connection, region: str) -> SettingsAnswer | None:
    """What a region answered last."""
    kept = connection.scalar(select(ANSWERS.c.answer).where(ANSWERS.c.region == region))
    return None if kept is None else SettingsAnswer.from_json(json.loads(kept))


def _known(repository: Repository, regions: Iterable[str]) -> list[str]:
    enrolled = repository.enrolled()
    names = list(regions) or sorted(enrolled)
    for name in names:
        if name not in enrolled:
            raise ConfigurationError(unknown("region", name, enrolled))
    if not names:
        raise ConfigurationError("no region belongs to this hub yet; `fedsov deploy` invites them")
    return names


def _next(connection: Connection, region: str) -> int:
    """The number of the next proposal to a region."""
    number = proposal_of(connection, region).number + 1
    connection.execute(delete(NUMBERS).where(NUMBERS.c.region == region))
    connection.execute(insert(NUMBERS).values(region=region, number=number))
    return number


def _drop(connection: Connection, region: str, key: str) -> None:
    connection.execute(delete(PROPOSED).where(PROPOSED.c.region == region, PROPOSED.c.key == key))


def _publish(connection: Connection, repository: Repository, names: Iterable[str]) -> dict[str, int]:
    numbers = {}
    for name in names:
        proposal = proposal_of(connection, name)
        repository.publish(connection, files={proposal_path(name): proposal.to_text()}, readers=[name])
        numbers[name] = proposal.number
    return numbers
