"""Every party of one workspace witnesses the others' ledgers now: what regions' agents do over the channel of a
deployment, without one.

    witness_all(Path("workspace")).lines()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fedsov.control_plane.compliance import witness_tables as tables
from fedsov.control_plane.compliance.witnesses import HubWitness, open_alarms
from fedsov.control_plane.database.place import open_database
from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.witnessing import Alarm, Countersignature
from fedsov.protocol.witness_messages import WitnessAnswer, WitnessQuestion
from fedsov.region.admission import Place, open_region
from fedsov.region.settings import RegionSettings
from fedsov.region.witnessing import WitnessMemory, brought, received
from fedsov.storage.workspace import Workspace, is_there, ledger_of

_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Witnessed:
    """Who countersigned whom, and the alarms that are open."""

    countersignatures: tuple[Countersignature, ...]
    alarms: tuple[Alarm, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "countersignatures": [each.to_json() for each in self.countersignatures],
            "alarms": [{**each.to_json(), "said": each.sentence()} for each in self.alarms],
        }

    def lines(self) -> list[str]:
        """The same in sentences, the alarms first."""
        of_party: dict[str, list[Countersignature]] = {}
        for each in self.countersignatures:
            of_party.setdefault(each.head.owner, []).append(each)
        witnessed = [
            f"{party}: "
            + "; ".join(f"{each.witness} countersigned entry {each.head.size:,} at {each.at[:19]}" for each in several)
            for party, several in of_party.items()
        ]
        return [*(each.sentence() for each in self.alarms), *witnessed]


@dataclass(slots=True)
class _Member:
    """A region of the workspace, and what it remembers between two exchanges."""

    place: Place
    own: RegionSettings
    memory: WitnessMemory

    def exchange(self, hub: HubWitness, now: datetime) -> bool:
        """One question and its answer; whether either had anything new."""
        question, self.memory = brought(self.place, self.own, self.memory, now=now, every=timedelta())
        read = WitnessQuestion.from_bytes(question.to_bytes())
        answer = WitnessAnswer.from_bytes(hub.answer(self.own.region, read, now=now).to_bytes())
        self.memory = received(self.place, self.own, self.memory, question, answer, now=now)
        return question.is_of_its_own or self.memory.has_more


def witness_all(root: Path) -> Witnessed:
    """Has the hub and every region of a workspace announce, judge and countersign, until none has more to say.

    Raises ConfigurationError where there is no hub or no region, or one that did not pin its hub; LedgerBroken.
    """
    with _parties(root) as (hub, members):
        now = datetime.now(UTC)
        for _ in range(_ROUNDS):
            moved = [each.exchange(hub, now) for each in members]
            if not any(moved):
                break
        with hub.database.reading() as connection:
            signed = tables.countersignatures(connection)
            alarms = open_alarms(connection)
    return Witnessed(tuple(signed), tuple(alarms))


@contextmanager
def _parties(root: Path) -> Iterator[tuple[HubWitness, list[_Member]]]:
    workspace = Workspace(root)
    workspace.require()
    path, names = ledger_of(workspace.hub), [name for name in workspace.ledgers() if name != "hub"]
    if not is_there(path) or not names:
        raise ConfigurationError(
            f"{root} does not have the ledgers of a hub and a region, which would witness each other; in a deployment "
            "`fedsov hub` and `fedsov region serve` do it over their channel"
        )
    with ExitStack() as stack:
        ledger = stack.enter_context(closing(Ledger.existing(path)))
        database = stack.enter_context(closing(open_database(root)))
        opened = [stack.enter_context(open_region(workspace.region(name), name)) for name in names]
        keys = {own.region: place.ledger.key for place, own in opened}
        members = [_Member(place, own, WitnessMemory()) for place, own in opened]
        yield HubWitness(database, ledger, keys=lambda: keys, every=timedelta()), members
