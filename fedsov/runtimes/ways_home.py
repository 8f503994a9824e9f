"""A mixed source's way home, asked of the regions' own gates and recorded in their ledgers.

The router has no ledger: it ends with the ingestion. So the region that would get the rows decides by its own law and
its own register, as the exporter's law and theirs ask, and its ledger says what came over the border and what did not.
Decide, record, act: each region's entry is on the disk before a store is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fedsov.artifact import INGESTION
from fedsov.border.decisions import Decision, Permit
from fedsov.border.gate import ARRIVE, Gate
from fedsov.border.policy import decide
from fedsov.config.hub_settings import asked
from fedsov.config.settings import Settings
from fedsov.errors import JobRefused
from fedsov.partition.ingest import store_folder
from fedsov.partition.manifest import MANIFEST, read_manifest
from fedsov.partition.sources.location import (
    ROUTER,
    SentHome,
    Share,
    SourceLocation,
    Ways,
    at_fault,
    sent_home,
    ways_of,
)
from fedsov.protocol.ingestion_report import LIES_ABROAD, LOCATION_ASSUMED, NOT_HELD_BACK
from fedsov.runtimes.ingestion_gates import RegionGates
from fedsov.storage.workspace import Workspace


def location_of(settings: Settings) -> SourceLocation:
    """Where the source lies: where its settings say, else with the hub, whose examples do not wait."""
    hub, dataset = settings.federation.hub, settings.dataset
    router = replace(hub, name=ROUTER, location=dataset.location or hub.location)
    is_example = dataset.examples is not None
    return SourceLocation(
        router, dataset.location is not None or is_example, dataset.location is not None and not is_example
    )


def considered(settings: Settings, located: SourceLocation, shares: Sequence[Share]) -> SentHome:
    """What the job's own border says of the shares. Nothing is written. Raises ConfigurationError."""
    law = Workspace(settings.workspace).law
    day = asked(settings).calendar().day()
    judge = partial(decide, bundle=settings.border.bundle(law), evidence=settings.border.register(), at=day)
    return sent_home([ways_of(share, settings.dataset.name, located, judge, day) for share in shares], located)


@dataclass(frozen=True, slots=True)
class WaysHome:
    """What `fedsov.partition.arrival.Conditions` asks about the way home from a place.

    `replaces` says that the source's rows come in place of those at home.
    """

    gates: RegionGates
    located: SourceLocation
    replaces: bool = True

    def send(self, shares: Sequence[Share]) -> SentHome:
        """Has every share's crossings decided and recorded; says whose rows stay.

        Raises JobRefused where no row may go home, or where rows would stay that are at home already.
        """
        sent = sent_home([self._recorded(share) for share in shares], self.located)
        if shares and len(sent.stays) == len(shares):
            raise JobRefused(f"nothing was stored: {' '.join(sent.said)}")
        for share in shares:
            if self.replaces and share.region.name in sent.stays:
                self._check_store(share, sent)
        return sent

    def may_go(self, share: Share) -> bool:
        """Whether a share that stayed would go home now. No decision is written."""
        self.gates.begin([share.region])
        with self.gates.opened(share.region.name) as (own, ledger):
            gate = self.gates.own_gate(share.region, own, ledger)
            return isinstance(_ways(gate, share, self._dataset, self.located).home, Permit)

    def _recorded(self, share: Share) -> Ways:
        with self.gates.opened(share.region.name) as (own, ledger):
            gate = self.gates.own_gate(share.region, own, ledger)
            return record_way(gate, share, self._dataset, self.located)

    def _check_store(self, share: Share, sent: SentHome) -> None:
        folder = store_folder(self.gates.workspace.root, share.region.name, self._dataset)
        if (folder / MANIFEST).exists() and read_manifest(folder).rows:
            raise JobRefused(
                f"region {share.region.name} has rows of {self._dataset} at home, which this source would replace, and "
                f"those of this source may not go there; nothing was stored, nothing removed: {' '.join(sent.said)}"
            )

    @property
    def _dataset(self) -> str:
        return self.gates.settings.dataset.name


def record_way(gate: Gate, share: Share, dataset: str, located: SourceLocation) -> Ways:
    """Decides a share's way home by its region's gate, and writes it into the region's ledger. Raises LedgerBroken."""
    ways = _ways(gate, share, dataset, located)
    marks = () if located.is_stated else (LOCATION_ASSUMED,)
    gate = replace(gate, owner=located.router, purpose=INGESTION, marks=(*gate.marks, *marks))
    if located.holds or isinstance(ways.home, Permit):
        gate.record(ways.crossing, ways.home, act=ARRIVE)
    else:
        gate.note({NOT_HELD_BACK: _noted(share, dataset, located, ways.home)})
    if not isinstance(ways.out, Permit):
        gate.note({LIES_ABROAD: _noted(share, dataset, located, ways.out)})
    return ways


def _ways(gate: Gate, share: Share, dataset: str, located: SourceLocation) -> Ways:
    day = gate.today()
    judge = partial(decide, bundle=gate.bundle, evidence=gate.evidence, at=day)
    return ways_of(share, dataset, located, judge, day)


def _noted(share: Share, dataset: str, located: SourceLocation, answer: Decision) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "location": located.router.location,
        "is_stated": located.is_stated,
        "origins": at_fault(share, answer),
        "rows": share.rows,
        "verdict": answer.verdict,
        "reason": answer.reason,
        "missing": list(answer.missing),
        "remedy": answer.remedy,
    }
