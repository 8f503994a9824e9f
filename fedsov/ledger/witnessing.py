"""Parties watch each other's ledgers: each announces its head, and countersigns those of the others that it accepts.

An owner can rewrite its whole ledger and sign it anew; whoever kept an earlier head finds out. So a party announces its
signed head with the time (`announce`), and a witness takes it where it continues the one that it noted before
(`judge`), notes it in its own ledger, and signs it too (`take`). What cannot be taken is an `Alarm`, an entry as well:

    fork        the same size with another root, or a larger one whose proof does not hold
    unproven    a larger one, and after an hour still no proof that it continues the one before
    shrunk      a later announcement of a smaller ledger: it was put back from a backup, or cut
    replaced    another key

    memory = recalled(ledger, memory)               # what this ledger noted of others, read from where it was left
    match judge(announced, memory.noted.get("US"), path=path, key=pinned): ...

Entries of witnessing are no news to be announced, else each announcement would call for another; a party announces
when it has other entries, at most every ten minutes, and once a day without.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Literal

from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.ledger import merkle
from fedsov.ledger.canonical_json import canonical, parsed
from fedsov.ledger.gaps import GAP
from fedsov.ledger.ledger import Entry, Ledger, entry_time
from fedsov.ledger.proofs import ANNOUNCED, WITNESSED
from fedsov.ledger.signed_head import Head, signature_holds

ANNOUNCEMENT, COUNTERSIGNATURE = "fedsov announcement 1", "fedsov countersignature 1"
ALARM = "alarm"
"""What a ledger calls its note of a head that could not be taken."""
CROSSING = "heads for the witnesses"
"""The name of the artifact by which a region's part in this crosses its gate."""
FORK, UNPROVEN, SHRUNK, REPLACED = "fork", "unproven", "shrunk", "replaced"
EVERY, AT_LEAST = timedelta(minutes=10), timedelta(days=1)
"""A party with news announces its head at most this often; one without, this often, to tell silence from rest."""
MOST_WITNESSES = 8
"""Regions that watch one ledger beside the hub; up to one region more, each watches all."""
LONGEST_PATH = 64
_NOTE, _CROSSED = b'"act":"note"', f'"name":"{CROSSING}"'.encode()
PATIENCE = timedelta(hours=1)
"""How long a witness waits for the proof of an announcement."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """An owner's word that this was its ledger's head at a time; signed as the head is."""

    head: Head
    at: str
    signature: str = ""

    def message(self) -> bytes:
        """The bytes that are signed."""
        body = {"owner": self.head.owner, "size": self.head.size, "digest": self.head.digest, "at": self.at}
        return canonical({"format": ANNOUNCEMENT, **body})

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"head": self.head.to_json(), "at": self.at, "signature": self.signature}

    @staticmethod
    def from_json(value: Any) -> Announcement:
        """An announcement, whatever its signatures. Raises ConfigurationError for what has another form."""
        if not isinstance(value, Mapping) or set(value) != {"head", "at", "signature"}:
            raise ConfigurationError("expected an announcement: an object of head, at and signature")
        head, at, signature = Head.from_json(value["head"]), value["at"], value["signature"]
        if not _is_time(at) or not isinstance(signature, str):
            raise ConfigurationError("an announcement's time or signature has another form")
        return Announcement(head, at, signature)

    def check(self) -> Announcement:
        """This announcement. Raises LedgerBroken where its owner's key did not sign it, or the head in it."""
        self.head.check()
        if not signature_holds(self.message(), self.head.key, self.signature):
            raise LedgerBroken(f"the announcement of {self.head.owner} is not signed by the key of its head")
        return self


@dataclass(frozen=True, slots=True)
class Countersignature:
    """A witness's signature of another party's head, which it noted as `entry` of its own ledger."""

    witness: str
    key: str
    head: Head
    at: str
    entry: int
    signature: str = ""

    def message(self) -> bytes:
        """The bytes that are signed."""
        body = {"witness": self.witness, "head": self.head.to_json(), "at": self.at, "entry": self.entry}
        return canonical({"format": COUNTERSIGNATURE, **body})

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        words = {"witness": self.witness, "key": self.key, "at": self.at, "entry": self.entry}
        return {**words, "head": self.head.to_json(), "signature": self.signature}

    @staticmethod
    def from_json(value: Any) -> Countersignature:
        """A countersignature, whatever its signatures. Raises ConfigurationError for what has another form."""
        names = {"witness", "key", "head", "at", "entry", "signature"}
        if not isinstance(value, Mapping) or set(value) != names or type(value["entry"]) is not int:
            raise ConfigurationError(f"expected a countersignature: an object of {', '.join(sorted(names))}")
        if not _is_time(value["at"]) or not all(isinstance(value[name], str) for name in ("witness", "key")):
            raise ConfigurationError("a countersignature's time, witness or key has another form")
        if not isinstance(value["signature"], str):
            raise ConfigurationError("a countersignature's signature has another form")
        return Countersignature(**{**value, "head": Head.from_json(value["head"])})

    def check(self) -> Countersignature:
        """This countersignature. Raises LedgerBroken where its witness's key did not sign it, or the head's its own."""
        self.head.check()
        if not signature_holds(self.message(), self.key, self.signature):
            raise LedgerBroken(f"the countersignature of {self.witness} is not signed by key {self.key[:16]}")
        return self


@dataclass(frozen=True, slots=True)
class Alarm:
    """A head that a witness could not take.

    Attributes:
        kind: `FORK`, `UNPROVEN`, `SHRUNK` or `REPLACED`.
        party: whose ledger it is; noter: who found it.
        announced: what was announced; noted: the head that it contradicts, None where a pinned key does.
        at: when it was noted first.
    """

    kind: str
    party: str
    noter: str
    announced: Announcement
    noted: Head | None
    at: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        before = None if self.noted is None else self.noted.to_json()
        words = {"kind": self.kind, "party": self.party, "noter": self.noter, "at": self.at}
        return {**words, "announced": self.announced.to_json(), "noted": before}

    @staticmethod
    def from_json(value: Any) -> Alarm:
        """The inverse. Raises ConfigurationError for what has another form."""
        if not isinstance(value, Mapping) or set(value) != {"kind", "party", "noter", "at", "announced", "noted"}:
            raise ConfigurationError("expected an alarm: kind, party, noter, at, announced and noted")
        if value["kind"] not in _SENTENCES or not all(isinstance(value[name], str) for name in ("party", "noter")):
            raise ConfigurationError("an alarm's kind, party or noter has another form")
        if value["at"] and not _is_time(value["at"]):
            raise ConfigurationError("an alarm's time has another form")
        before = None if value["noted"] is None else Head.from_json(value["noted"])
        return Alarm(**{**value, "announced": Announcement.from_json(value["announced"]), "noted": before})

    @property
    def stays(self) -> bool:
        """Whether two signatures contradict each other, so that nothing that is announced later closes it."""
        return self.kind == FORK and self.noted is not None and self.noted.size == self.announced.head.size

    def is_same(self, other: Alarm | None) -> bool:
        """Whether both are of the same kind and contradict the same head, whatever was announced since."""
        return other is not None and (self.kind, self.noted) == (other.kind, other.noted)

    def sentence(self) -> str:
        """What was found, by whom, at which entry, and what to do."""
        size = 0 if self.noted is None else self.noted.size
        words = {"party": self.party, "noter": self.noter, "size": f"{size:,}", "next": f"{size + 1:,}"}
        words |= {"now": f"{self.announced.head.size:,}", "key": self.announced.head.key[:16]}
        return _SENTENCES[self.kind].format(**words)


_SENTENCES: Mapping[str, str] = {
    FORK: (
        "FORK: {party} signed two histories: {noter} noted its head at entry {size}, and the one announced at entry "
        "{now} does not continue it. Take nothing from {party} until its owner explains it: `fedsov ledger verify "
        "{party} --since HEAD` in its home, with the head that {noter} noted; where it was put back from a backup, "
        "`fedsov ledger accept-gap {party} --why TEXT` there, and its statement at {noter}"
    ),
    UNPROVEN: (
        "GAP: {party} announced its ledger at entry {now}, and no proof came that it continues entry {size}, which "
        "{noter} noted: {party}, or who handed it on, left it out. See that `fedsov region serve` of {party} runs the "
        "same version; the next announcement that is proved closes this"
    ),
    SHRUNK: (
        "GAP: the ledger of {party} ends at entry {now} and {noter} noted it at entry {size}: entries from {now} to "
        "{size} are gone, so it was put back from a backup, or cut. Let its owner put back a newer backup, or run "
        "`fedsov ledger accept-gap {party} --why TEXT`, and take the statement by `fedsov ledger accept-gap {noter} "
        "--statement FILE --why TEXT`"
    ),
    REPLACED: (
        "REPLACED: the ledger of {party} is now signed with key {key}…, which is not the one that {noter} knows. "
        "Ask its owner by another way; a new ledger joins by another name"
    ),
}


@dataclass(frozen=True, slots=True)
class NotedHead:
    """A head that was noted of another party, and when that party announced it; "" where a run told it."""

    head: Head
    at: str = ""


@dataclass(frozen=True, slots=True)
class WitnessRecord:
    """What a ledger tells of witnessing, read up to entry `seq`.

    Attributes:
        announced: the time of its own last announcement; "" for none.
        has_news: whether an entry since then is another than those of witnessing.
        noted: the head of each other party that it took last; alarms: by party, the one that is open.
    """

    seq: int = 0
    announced: str = ""
    has_news: bool = False
    noted: Mapping[str, NotedHead] = field(default_factory=dict)
    alarms: Mapping[str, Alarm] = field(default_factory=dict)

    def is_due(self, now: datetime, *, every: timedelta = EVERY) -> bool:
        """Whether the ledger's head is to be announced: with news, at most once in `every`."""
        if not self.announced:
            return True
        return now - _moment(self.announced) >= (every if self.has_news else AT_LEAST)


def recalled(ledger: Ledger, memory: WitnessRecord | None = None) -> WitnessRecord:
    """The memory once every entry after it was read. Raises LedgerBroken."""
    memory = memory or WitnessRecord()
    for seq, text, leaf in ledger.texts(since=memory.seq):
        memory = replace(memory, seq=seq)
        if _NOTE in text:
            memory = _after(memory, Entry(seq, leaf.hex(), parsed(text)))
        elif _CROSSED not in text:
            memory = memory if memory.has_news else replace(memory, has_news=True)
    return memory


def _after(memory: WitnessRecord, entry: Entry) -> WitnessRecord:
    note = entry.body["note"] if entry.body.get("act") == "note" else {}
    if ANNOUNCED in note:
        return replace(memory, announced=str(entry.body["at"]), has_news=False)
    if WITNESSED in note:
        heads = {name: NotedHead(Head.from_json(each["head"]), each["at"]) for name, each in note[WITNESSED].items()}
        proven = {party: alarm for party, alarm in memory.alarms.items() if party not in heads or alarm.stays}
        return replace(memory, noted={**memory.noted, **heads}, alarms=proven)
    if ALARM in note:
        alarm = Alarm.from_json(note[ALARM])
        memory = replace(memory, alarms={**memory.alarms, alarm.party: replace(alarm, at=str(entry.body["at"]))})
    elif "heads" in note:
        heads = {name: NotedHead(Head.from_json(head), str(entry.body["at"])) for name, head in note["heads"].items()}
        memory = _told_by_a_run(memory, heads) if GAP not in note else _accepting(memory, heads)
    return replace(memory, has_news=True)


def _told_by_a_run(memory: WitnessRecord, heads: Mapping[str, NotedHead]) -> WitnessRecord:
    """A head that was noted at the end of a run counts where it is later than the one announced."""
    sizes = {name: each.head.size for name, each in memory.noted.items()}
    later = {name: each for name, each in heads.items() if each.head.size > sizes.get(name, -1)}
    return replace(memory, noted={**memory.noted, **later})


def _accepting(memory: WitnessRecord, heads: Mapping[str, NotedHead]) -> WitnessRecord:
    """A loss that was accepted: the head stated takes the place of the one noted, and no alarm stays open."""
    alarms = {party: alarm for party, alarm in memory.alarms.items() if party not in heads}
    return replace(memory, noted={**memory.noted, **heads}, alarms=alarms)


def announce(ledger: Ledger, to: Iterable[str]) -> Announcement:
    """The head to hand out now, signed, once the ledger noted whom it is for. Raises LedgerBroken."""
    entry = ledger.note({ANNOUNCED: ANNOUNCEMENT, "told": sorted(to)})
    unsigned = Announcement(ledger.head(), str(entry.body["at"]))
    return replace(unsigned, signature=ledger.sign(unsigned.message()).hex())


def proof_between(ledger: Ledger, before: int, head: Head) -> list[str]:
    """The hashes that prove a head of this ledger to continue its size `before`. Raises ValueError beyond it."""
    return [each.hex() for each in ledger.consistency(before, size=head.size)[0]]


def judge(
    announced: Announcement, noted: NotedHead | None, *, path: Sequence[str] | None, key: str
) -> Literal["taken", "known", "old", "fork", "unproven", "shrunk", "replaced"]:
    """What a witness makes of an announcement.

    Args:
        noted: the head taken last of that owner; None for none.
        path: the hashes, in hexadecimal, that prove that the new head continues it; None where none was handed on.
        key: the owner's key as the witness knows it; "" where it knows none, and the first that comes binds.

    "taken" is to be noted and "known" was; "old" is an older announcement that somebody hands out again. The others are
    kinds of alarm; "unproven" is none before `PATIENCE` has passed.

    Raises LedgerBroken where the announcement or its head is not signed by the key that it names.
    """
    head = announced.check().head
    before = None if noted is None else noted.head
    if head.key != (key or (before.key if before else head.key)) or (before and head.owner != before.owner):
        return "replaced"
    if noted is None or before is None:
        return "taken"
    if head.size == before.size:
        return "known" if head.digest == before.digest else "fork"
    if head.size < before.size:
        return "shrunk" if noted.at and _moment(announced.at) > _moment(noted.at) else "old"
    if path is None:
        return "unproven"
    return "taken" if is_continued(before, head, path) else "fork"


def is_continued(before: Head, head: Head, path: Sequence[str]) -> bool:
    """Whether the hashes prove that a head continues an earlier one."""
    if len(path) > LONGEST_PATH or not all(
        isinstance(each, str) and re.fullmatch("[0-9a-f]{64}", each) for each in path
    ):
        return False
    hashes, old, new = [bytes.fromhex(each) for each in path], bytes.fromhex(before.digest), bytes.fromhex(head.digest)
    return merkle.continues(before.size, old, size=head.size, whole=new, path=hashes)


def take(ledger: Ledger, announcements: Iterable[Announcement]) -> list[Countersignature]:
    """Notes the heads of others and countersigns them, all under one entry. Raises LedgerBroken."""
    heads = {each.head.owner: each for each in announcements}
    if not heads:
        return []
    announced = {owner: {"head": each.head.to_json(), "at": each.at} for owner, each in heads.items()}
    entry = ledger.note({WITNESSED: announced})
    return [countersigned(ledger, each.head, at=str(entry.body["at"]), entry=entry.seq) for each in heads.values()]


def countersigned(ledger: Ledger, head: Head, *, at: str = "", entry: int) -> Countersignature:
    """This ledger's owner's signature of another's head that it noted. Raises LedgerBroken."""
    unsigned = Countersignature(ledger.owner, ledger.key, head, at or entry_time(), entry)
    return replace(unsigned, signature=ledger.sign(unsigned.message()).hex())


def raise_alarm(ledger: Ledger, alarm: Alarm, memory: WitnessRecord) -> bool:
    """Notes an alarm, unless the same one is open; whether it did. Raises LedgerBroken."""
    if alarm.is_same(memory.alarms.get(alarm.party)):
        return False
    ledger.note({ALARM: alarm.to_json()})
    return True


def witnesses_of(party: str, regions: Iterable[str], *, most: int = MOST_WITNESSES) -> frozenset[str]:
    """The regions that watch a region's ledger: all others, or of many the next `most` in the order of their hashes."""
    return frozenset(_others(party, regions)[:most])


def watched_by(witness: str, regions: Iterable[str], *, most: int = MOST_WITNESSES) -> frozenset[str]:
    """The regions whose ledgers a region watches: those that have it among their witnesses."""
    return frozenset(_others(witness, regions)[::-1][:most])


def _others(name: str, regions: Iterable[str]) -> list[str]:
    """The other regions in the order of their names' hashes, as on a ring, beginning after this one."""
    ring = sorted({*regions, name}, key=lambda each: sha256(each.encode()).digest())
    place = ring.index(name)
    return [*ring[place + 1 :], *ring[:place]]


def _moment(at: str) -> datetime:
    moment = datetime.fromisoformat(at)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(value) <= 40 and bool(datetime.fromisoformat(value))
    except ValueError:
        return False
