"""The hub's part as a witness: it takes the regions' announcements, hands each to those who watch that ledger, and
keeps what they countersign and share.

    witness = HubWitness(database, ledger, keys=lambda: {"DE": "c0ff…", "US": "beef…"})
    answer = witness.answer("DE", question, now=datetime.now(UTC))     # of the region whose certificate asked

It is a witness like each region, with its own ledger: an announcement is noted there and countersigned where it
continues the head noted before, and an alarm where it does not. What it hands on is signed by its owner, so it can hold
back and not forge; what was not heard for long shows in `fedsov audit status`. A region's ledger is watched by all
others, or by eight of many; the hub's by all.

A region is known by the key that its members' list has, and speaks for no other: an announcement, countersignature or
alarm of another name refuses the question.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from fedsov.control_plane.compliance import witness_tables as tables
from fedsov.control_plane.compliance.witness_tables import Announced, SharedLedger
from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.database.notices import announce as ring
from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.ledger import merkle
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.shared_entries import fold
from fedsov.ledger.signed_head import Head
from fedsov.ledger.witnessing import (
    EVERY,
    PATIENCE,
    UNPROVEN,
    Alarm,
    Announcement,
    WitnessRecord,
    announce,
    is_continued,
    judge,
    proof_between,
    raise_alarm,
    recalled,
    take,
    watched_by,
    witnesses_of,
)
from fedsov.protocol.control import HEADS
from fedsov.protocol.witness_messages import Forwarded, SharedParts, WitnessAnswer, WitnessQuestion


@dataclass(slots=True)
class HubWitness:
    """The hub as a witness.

    Args:
        ledger: the hub's, open for writing.
        keys: the verify keys of the regions that are members now, by name.
        every: how often the hub announces its own head at most.
    """

    database: Database
    ledger: Ledger
    keys: Callable[[], Mapping[str, str]]
    every: timedelta = EVERY
    _memory: WitnessRecord = field(default_factory=WitnessRecord)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, region: str, question: WitnessQuestion, *, now: datetime) -> WitnessAnswer:
        """What the hub answers a region, once it noted what the region brought.

        Args:
            region: whose certificate the question came with.

        Raises ConfigurationError where the region is no member, or speaks for another; LedgerBroken.
        """
        keys = self.keys()
        if region not in keys:
            raise ConfigurationError(f"{region} is no member of this deployment, so its ledger is not witnessed")
        _check_own(question, region, keys[region])
        with self._lock:
            self._memory = recalled(self.ledger, self._memory)
            if not self._is_news(region, question, now):
                with self.database.reading() as connection:
                    return self._answered(connection, region, keys)
            with self.database.changing() as connection:
                self._memory = recalled(self.ledger, self._memory)
                self._take(connection, region, question, keys=keys, now=now)
                self._announce(connection, keys, now)
                tables.put_alarms(connection, self.ledger.owner, self._memory.alarms.values())
                return self._answered(connection, region, keys)

    def _is_news(self, region: str, question: WitnessQuestion, now: datetime) -> bool:
        """Whether there is anything to write: of the region's, or of the hub's own ledger."""
        if question.is_of_its_own or self._memory.is_due(now, every=self.every):
            return True
        with self.database.reading() as connection:
            if tables.announced_by(connection, self.ledger.owner) is None:
                return True
            own = tables.announced_by(connection, region)
            if _words(tables.told_alarms(connection, self.ledger.owner)) != _words(self._memory.alarms.values()):
                return True
            waits = own is not None and not own.taken and own.announcement.head.owner not in self._memory.alarms
            before = tables.noted_by(connection, region)
            return waits or any(before.get(name) not in (None, head) for name, head in question.noted.items())

    def _take(
        self, connection: Connection, region: str, question: WitnessQuestion, *, keys: Mapping[str, str], now: datetime
    ) -> None:
        known = {name: head for name, head in question.noted.items() if name in keys or name == self.ledger.owner}
        tables.put_noted(connection, region, known)
        for signed in question.countersignatures:
            tables.put_countersignature(connection, signed)
        if question.alarms is not None:
            tables.put_alarms(connection, region, question.alarms)
        self._judge(connection, region, question, key=keys[region], now=now)
        if question.share is not None:
            self._keep(connection, region, question.share)
        if question.announcement is not None or question.paths:
            for name in witnesses_of(region, keys):
                ring(connection, HEADS, name)

    def _judge(
        self, connection: Connection, region: str, question: WitnessQuestion, *, key: str, now: datetime
    ) -> None:
        """Takes the region's announcement, the one before where only its proof came now, or finds what is wrong."""
        known = tables.announced_by(connection, region)
        announced = question.announcement or (None if known is None or known.taken else known.announcement)
        if announced is None:
            if known is not None and question.paths:
                tables.put_proofs(connection, region, known.announcement.head.size, question.paths)
            return
        noted = self._memory.noted.get(region)
        paths = {**tables.proofs_of(connection, region, announced.head.size), **question.paths}
        path = paths.get(noted.head.size) if noted is not None else None
        finding = judge(announced, noted, path=path, key=key)
        if finding == "old":
            return
        tables.put_proofs(connection, region, announced.head.size, paths)
        tables.put_announced(connection, announced, taken=finding in ("taken", "known"), at=now.isoformat())
        if finding == "taken":
            for signed in take(self.ledger, [announced]):
                tables.put_countersignature(connection, signed)
        elif finding != "known" and not _may_wait(finding, announced, now):
            before = None if noted is None else noted.head
            alarm = Alarm(finding, region, self.ledger.owner, announced, before)
            raise_alarm(self.ledger, alarm, self._memory)
        self._memory = recalled(self.ledger, self._memory)

    def _keep(self, connection: Connection, region: str, share: SharedParts) -> None:
        """Keeps parts that verify under a region's head; otherwise all are asked for again, from the beginning."""
        known = tables.announced_by(connection, region)
        if known is None or not known.taken:
            return
        before = tables.shared_ledger(connection, region) if share.since else SharedLedger()
        after = _extended(before, share, known.announcement.head)
        if after is None:
            tables.put_parts(connection, region, (), SharedLedger(), anew=True)
        else:
            tables.put_parts(connection, region, share.parts, after, anew=share.since == 0)

    def _announce(self, connection: Connection, keys: Mapping[str, str], now: datetime) -> None:
        is_lost = tables.announced_by(connection, self.ledger.owner) is None
        if is_lost or self._memory.is_due(now, every=self.every):
            tables.put_announced(connection, announce(self.ledger, keys), taken=True, at=now.isoformat())
            self._memory = recalled(self.ledger, self._memory)
            for name in keys:
                ring(connection, HEADS, name)

    def _answered(self, connection: Connection, region: str, keys: Mapping[str, str]) -> WitnessAnswer:
        watched = sorted({self.ledger.owner, *watched_by(region, keys)} - {region})
        noted = tables.noted_by(connection, region)
        every = tables.every_announcement(connection, [*watched, region])
        ledger = tables.shared_ledger(connection, region)
        forwarded = [
            self._forwarded(connection, every[name].announcement, noted.get(name))
            for name in watched
            if name in every and every[name].announcement.head.short != noted.get(name)
        ]
        signed = tables.countersignatures(connection, region)
        return WitnessAnswer(
            tuple(forwarded),
            self._to_prove(connection, region, every.get(region)),
            (ledger.size, ledger.sharing),
            {each.witness: each.head.size for each in signed},
            max((each.head for each in signed), key=lambda head: head.size, default=None),
            tuple(_words(tables.told_alarms(connection, region))),
        )

    def _forwarded(self, connection: Connection, announced: Announcement, noted: str | None) -> Forwarded:
        """An announcement with the proof for whoever noted this head (SIZE:ROOT) before."""
        before, head = _size_of(noted), announced.head
        if before is None or before >= head.size:
            return Forwarded(announced, None)
        if head.owner == self.ledger.owner:
            return Forwarded(announced, tuple(proof_between(self.ledger, before, head)))
        return Forwarded(announced, tables.proofs_of(connection, head.owner, head.size).get(before))

    def _to_prove(self, connection: Connection, region: str, own: Announced | None) -> tuple[int, ...]:
        """Sizes of a region's ledger that witnesses noted and that its announcement is not proved to continue yet."""
        if own is None:
            return ()
        size = own.announcement.head.size
        heads = [*tables.noted_of(connection, region).values()]
        here = self._memory.noted.get(region)
        sizes = {_size_of(head) for head in heads} | ({here.head.size} if here is not None else set())
        proved = tables.proofs_of(connection, region, size)
        return tuple(sorted(each for each in sizes if each is not None and each < size and each not in proved))


def _check_own(question: WitnessQuestion, region: str, key: str) -> None:
    """Raises ConfigurationError where a region speaks for another, LedgerBroken where it signed otherwise."""
    owners = {question.announcement.head.owner} if question.announcement is not None else set()
    names = owners | {each.witness for each in question.countersignatures}
    names |= {each.noter for each in question.alarms or ()}
    if names - {region}:
        raise ConfigurationError(
            f"{region} brought what {', '.join(sorted(names - {region}))} would have to say; nothing was noted"
        )
    for signed in question.countersignatures:
        if signed.check().key != key:
            raise LedgerBroken(f"a countersignature of {region} is signed with another key than that of its ledger")


def _words(alarms: Iterable[Alarm]) -> list[str]:
    """Each alarm as KIND PARTY, in order."""
    return sorted(f"{each.kind} {each.party}" for each in alarms)


def _may_wait(finding: str, announced: Announcement, now: datetime) -> bool:
    return finding == UNPROVEN and now - datetime.fromisoformat(announced.at) < PATIENCE


def _extended(before: SharedLedger, share: SharedParts, head: Head) -> SharedLedger | None:
    """What is shared with these parts; None where they do not follow it, or do not verify under the head."""
    if share.since != before.size:
        return None
    try:
        frontier, size = fold(before.frontier, before.size, share.parts)
    except (LedgerBroken, IndexError):
        return None
    reached = replace(head, size=size, digest=merkle.root(frontier).hex())
    if size > head.size or not is_continued(reached, head, share.path):
        return None
    return SharedLedger(size, share.sharing, tuple(frontier), head, share.path)


def _size_of(head: str | None) -> int | None:
    return None if head is None else int(head.partition(":")[0])


def open_alarms(connection: Connection) -> list[Alarm]:
    """Every alarm that is open in the ledgers of hub and regions, as they told last."""
    return tables.told_alarms(connection)
