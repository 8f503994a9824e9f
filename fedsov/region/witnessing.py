"""A region's part as a witness: what it brings to the hub, and what it makes of the answer.

    memory = WitnessMemory()
    question, memory = brought(place, own, memory, now=...)     # through the region's gate, where it holds something
    answer = ...                                                # the hub's, by the region's agent
    memory = received(place, own, memory, question, answer, now=...)    # heads that are taken are noted, countersigned

The hub only hands on: each announcement is signed by its owner, and taken where it continues the head that this
region's own ledger noted. A key that region.yaml pins comes first; of a party that is not pinned the key of the first
announcement binds. What region.yaml says under `shared_entries` is shared (nothing, by default).

A question that was lost is brought again: what it holds is cleared from the memory by the answer alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from fedsov.artifact import Artifact, Kind
from fedsov.errors import ConfigurationError, LedgerBroken
from fedsov.label import PUBLIC
from fedsov.ledger import gaps
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.shared_entries import parts
from fedsov.ledger.signed_head import Head
from fedsov.ledger.witnessing import (
    CROSSING,
    EVERY,
    PATIENCE,
    UNPROVEN,
    Alarm,
    Announcement,
    Countersignature,
    WitnessRecord,
    announce,
    judge,
    proof_between,
    raise_alarm,
    recalled,
    take,
)
from fedsov.protocol.witness_messages import (
    NOTHING,
    SHARED_ACTS,
    SHARING,
    Forwarded,
    SharedParts,
    WitnessAnswer,
    WitnessQuestion,
)
from fedsov.region.admission import Place, gate_outside_runs
from fedsov.region.settings import RegionSettings

PURPOSE = "audit"
"""The purpose of the crossings of what a region brings as a witness."""


@dataclass(frozen=True, slots=True)
class WitnessMemory:
    """What a region's process remembers between two exchanges; an empty one is as good, and says some things twice.

    Attributes:
        ledger: what its own ledger tells of witnessing.
        announced: its announcement, where this process made it; undelivered: whether the hub has yet to answer to it.
        signed: countersignatures that the hub has yet to be given.
        answer: the hub's last.
        is_answered: whether the hub answered at all since this process began.
        is_shared: whether the hub took what was shared with the last question.
    """

    ledger: WitnessRecord = field(default_factory=WitnessRecord)
    announced: Announcement | None = None
    undelivered: bool = False
    signed: tuple[Countersignature, ...] = ()
    answer: WitnessAnswer = field(default_factory=WitnessAnswer)
    is_answered: bool = False
    is_shared: bool = True

    @property
    def has_more(self) -> bool:
        """Whether another exchange would bring something now."""
        lacks = self.announced is not None and self.answer.shared[0] < self.announced.head.size
        proves = self.announced is not None and any(size <= self.announced.head.size for size in self.answer.prove)
        waits = self.undelivered or proves or self.is_asked_for or not self.is_answered or (lacks and self.is_shared)
        return waits or bool(self.signed) or self.has_alarms_to_tell

    @property
    def has_alarms_to_tell(self) -> bool:
        """Whether the hub has others as open than this region's ledger."""
        here = [f"{each.kind} {each.party}" for each in self.ledger.alarms.values()]
        return self.is_answered and sorted(here) != sorted(self.answer.alarms)

    @property
    def is_asked_for(self) -> bool:
        """Whether a head is to be announced, since somebody waits for a proof that this process does not have, or
        countersigned more than the ledger has: then it was put back."""
        beyond = max(self.answer.countersigned.values(), default=0) > self.ledger.seq
        return self.announced is None and (beyond or bool(self.answer.prove))


def brought(
    place: Place, own: RegionSettings, memory: WitnessMemory, *, now: datetime, every: timedelta = EVERY
) -> tuple[WitnessQuestion, WitnessMemory]:
    """What the region asks the hub now, once it crossed the region's gate.

    Args:
        every: how often its head is announced at most; what is new when the process begins is announced at once.

    Raises ConfigurationError where no hub is pinned; Refused, LedgerBroken.
    """
    ledger, hub = place.ledger, own.parties.hub
    if hub is None or own.parties.region is None:
        raise ConfigurationError(
            f"region {own.region} has not pinned its hub and itself (parties), so nothing is told to witnesses; "
            f"`fedsov region set {own.region}` pins them"
        )
    record = recalled(ledger, memory.ledger)
    at_most = every if memory.is_answered else timedelta()
    if record.is_due(now, every=at_most) or replace(memory, ledger=record).is_asked_for:
        memory = replace(memory, announced=announce(ledger, [hub.name]), undelivered=True, is_shared=True)
        record = recalled(ledger, record)
    memory = replace(memory, ledger=record)
    question = WitnessQuestion(
        memory.announced if memory.undelivered else None,
        {name: each.head.short for name, each in record.noted.items()},
        _proofs(place, memory),
        memory.signed,
        tuple(record.alarms.values()) if memory.has_alarms_to_tell else None,
        _share(place, own, memory),
    )
    if question.is_of_its_own:
        gate = replace(gate_outside_runs(place, own, own.parties.region, ""), purpose=PURPOSE)
        gate.cross(Artifact(Kind.REPORT, PUBLIC, question.to_bytes(), name=CROSSING), hub)
    return question, memory


def _proofs(place: Place, memory: WitnessMemory) -> dict[int, tuple[str, ...]]:
    if memory.announced is None:
        return {}
    head = memory.announced.head
    return {size: tuple(proof_between(place.ledger, size, head)) for size in memory.answer.prove if size <= head.size}


def _share(place: Place, own: RegionSettings, memory: WitnessMemory) -> SharedParts | None:
    """The next part of the ledger that the hub lacks; from the beginning, where more is shared than before."""
    if memory.announced is None or not memory.is_answered or not memory.is_shared:
        return None
    head, (since, sharing) = memory.announced.head, memory.answer.shared
    if SHARING.index(own.shared_entries) > SHARING.index(sharing) or since > head.size:
        since = 0
    elif since == head.size:
        return None
    shared = parts(place.ledger, since=since, size=head.size, is_shared=shares(own.shared_entries))
    end = shared[-1].last if shared else since
    return SharedParts(own.shared_entries, since, tuple(shared), tuple(proof_between(place.ledger, end, head)))


def shares(sharing: str) -> Callable[[Mapping[str, Any]], bool]:
    """Whether an entry is shared by this word of region.yaml."""
    acts = SHARED_ACTS[sharing]
    return lambda body: acts is None or (sharing != NOTHING and body.get("act") in acts)


def received(
    place: Place,
    own: RegionSettings,
    memory: WitnessMemory,
    question: WitnessQuestion,
    answer: WitnessAnswer,
    *,
    now: datetime,
) -> WitnessMemory:
    """What is remembered after the hub's answer: heads that continue are noted and countersigned, others alarms.

    Raises LedgerBroken where this region's own ledger cannot be written.
    """
    taken = [each.announcement for each in answer.announcements if _is_taken(place, own, memory, each, now=now)]
    signed = take(place.ledger, taken)
    _note_loss(place.ledger, answer.latest)
    record = recalled(place.ledger, memory.ledger)
    return replace(
        memory,
        ledger=record,
        undelivered=memory.undelivered and question.announcement != memory.announced,
        signed=(*(each for each in memory.signed if each not in question.countersignatures), *signed),
        answer=answer,
        is_answered=True,
        is_shared=memory.is_shared if question.share is None else answer.shared != memory.answer.shared,
    )


def _note_loss(ledger: Ledger, latest: Head | None) -> None:
    """Notes that this ledger lacks what its own key signed and others countersigned, as `gaps` does at a run."""
    if latest is None or (latest.owner, latest.key) != (ledger.owner, ledger.key) or ledger.contains(latest):
        return
    with suppress(LedgerBroken):  # also of a head that was not signed: it shows no loss
        gaps.check_last_known(ledger, latest.to_json())


def _is_taken(place: Place, own: RegionSettings, memory: WitnessMemory, forwarded: Forwarded, *, now: datetime) -> bool:
    """Whether an announcement is taken; one that must not be is an alarm, in the ledger."""
    announced, owner = forwarded.announcement, forwarded.announcement.head.owner
    if owner == own.region:
        return False
    noted = memory.ledger.noted.get(owner)
    try:
        finding = judge(announced, noted, path=forwarded.path, key=own.keys.get(owner, ""))
    except LedgerBroken:
        return False  # signed by nobody: it says nothing of its owner, and the hub is not believed
    if finding in ("taken", "known", "old"):
        return finding == "taken"
    if finding == UNPROVEN and now - datetime.fromisoformat(announced.at) < PATIENCE:
        return False
    head = None if noted is None else noted.head
    raise_alarm(place.ledger, Alarm(finding, owner, own.region, announced, head), memory.ledger)
    return False
