"""Standing permissions, asked about anew before each round of a federated training.

What permitted a member in one round may not hold in the next: a document expired, was shortened or withdrawn, or an
approval was. So before a round's messages are built the hub asks, on that round's day and with the documents of that
moment, whether its own gate would send the global model to each member and whether the member's gate would send its
scores and update back. A member for which not is left out of the round; the refused crossing goes once into the ledger
of the party whose gate refuses; the change is kept as an `Amendment` of the plan. A member comes back as soon as all
its crossings are permitted again.

The hub only foresees what a region's gate will say; that gate still decides about each answer itself. A member whose
own gate refused its answer in a round, for a reason that the hub does not see, stays out for the rest: nor would the
hub see when it is permitted again.

Deliberately not here: the global model keeps the label of members that left, so whoever may no longer receive their
origins' data is out, not the member that the data came from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from typing import Any

from fedsov.algorithms.rounds import RoundRecord
from fedsov.artifact import Artifact, Kind
from fedsov.border.evidence.register import Register
from fedsov.border.gate import Refused
from fedsov.border.settings import BorderSettings
from fedsov.errors import ConfigurationError, CrossingRefused
from fedsov.hub.planning.amendments import amended, fallback, needed, why_refused
from fedsov.hub.planning.plan import make_plan
from fedsov.hub.planning.plan_values import Amendment, Plan, PlannedCrossing, Profile
from fedsov.hub.region_queries import ask
from fedsov.hub.run import HubRun
from fedsov.label import Label
from fedsov.protocol.message_types import PROPOSE


@dataclass(frozen=True, slots=True)
class RoundRefusal:
    """A refusal in the round `number` itself, by the member's own gate or by the hub's."""

    number: int
    own: bool


class Membership:
    """Who of the members of one federated training is out, why, and every change so far."""

    def __init__(self, run: HubRun, members: Sequence[Profile]) -> None:
        self._run, self.members = run, tuple(members)
        self._rested: dict[tuple[str, Kind], tuple[str, ...]] = {}  # documents that a permission leaned on last
        self._refusals: dict[str, RoundRefusal] = {}  # who was refused in the round just ended: on a ledger already
        self._shut: set[str] = set()  # refused by their own gates, for a reason that stays with them
        self.out: dict[str, str] = {}
        self.amendments: list[Amendment] = []

    def before(self, number: int, label: Label, people: int) -> dict[int, str]:
        """Examines every member for a round; node id and reason of those that are out.

        Args:
            number: the round; past the last one only the global model is handed out, and nothing comes back.
            label: what binds the global model.
            people: records behind it.
        """
        judge, hub = cache(partial(self._run.judge, round_number=number)), self._run.gate.owner.name
        for member in self.members:
            crossings = needed(member, label, people=people, hub=hub, judge=judge)
            refused = [crossing for crossing in crossings if not crossing.permitted]
            if self._within(number) is None:
                refused = [crossing for crossing in refused if crossing.kind is Kind.MODEL]
            self._settle(member.region, number, refused)
            self._lean(member.region, crossings)
        self._refusals.clear()
        return {self._run.nodes[name]: f"{name}: {why}" for name, why in self.out.items()}

    def after(self, record: RoundRecord) -> None:
        """Takes note of the members for which a gate refused in the round itself, the hub's or their own."""
        for node, name in record.failed.items():
            if name in (Refused.__name__, CrossingRefused.__name__):
                self._refusals[self._run.name_of(node)] = RoundRefusal(record.number, own=name == Refused.__name__)

    def state(self) -> dict[str, Any]:
        """All that it remembers, in plain values, for a run that goes on later."""
        return {
            "rested": [[region, str(kind), list(ids)] for (region, kind), ids in self._rested.items()],
            "told": {region: [refusal.number, refusal.own] for region, refusal in self._refusals.items()},
            "shut": sorted(self._shut),
            "out": dict(self.out),
            "amendments": [amendment.to_json() for amendment in self.amendments],
        }

    def remind(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`, for an examination that has just begun."""
        self._rested = {(region, Kind(kind)): tuple(ids) for region, kind, ids in state["rested"]}
        self._refusals = {region: RoundRefusal(number, own) for region, (number, own) in state["told"].items()}
        self._shut, self.out = set(state["shut"]), dict(state["out"])
        self.amendments = [Amendment.from_json(value) for value in state["amendments"]]

    def _settle(self, region: str, number: int, refused: Sequence[PlannedCrossing]) -> None:
        refusal = self._refusals.get(region)
        if region in self._shut:
            return
        if region in self.out:
            if not refused:
                self._returns(region, number)
        elif refused:
            lapsed = self._lapsed(region, refused, number)
            if refusal is None:
                self._write(refused, number, region, lapsed)
            self._leaves(region, number, why_refused(refused[0], lapsed), refused[0])
        elif refusal is not None and refusal.own:
            self._shut.add(region)
            why = f"its own gate refused its answer in round {refusal.number}; its ledger says why."
            self._leaves(region, number, why, None)

    def amended(self, plan: Plan, profiles: Sequence[Profile], *, start_model: bool) -> Plan:
        """The plan as it stands after the training: its amendments, and what follows for those that are out.

        Args:
            profiles: of all regions.
            start_model: whether transfer learning's start model was trained.
        """
        if not self.amendments:
            return plan
        instead = make_plan(
            profiles,
            fallback(self._run.settings.strategy, start_model=start_model),
            hub=self._run.gate.owner.name,
            judge=partial(self._run.judge, round_number=self._run.afterwards),
            unsafe=plan.unsafe,
        )
        return amended(plan, self.amendments, out=self.out, instead=instead)

    def _leaves(self, region: str, number: int, why: str, crossing: PlannedCrossing | None) -> None:
        self.out[region] = why
        self._amend(region, number, why, left=True, crossing=crossing)

    def _returns(self, region: str, number: int) -> None:
        del self.out[region]
        self._amend(region, number, "all its crossings are permitted again.", left=False, crossing=None)

    def _amend(self, region: str, number: int, why: str, *, left: bool, crossing: PlannedCrossing | None) -> None:
        day = self._run.calendar.day(number)
        amendment = Amendment(region, self._within(number), day, left, why, crossing)
        self.amendments.append(amendment)
        self._run.progress(f"plan amended: {amendment.sentence()}")

    def _lean(self, region: str, crossings: Sequence[PlannedCrossing]) -> None:
        knows = self._run.gate.evidence.knows  # an approval has an id too, and is no document
        for crossing in crossings:
            if crossing.permitted:
                self._rested[region, crossing.kind] = tuple(filter(knows, crossing.decision.documents))

    def _lapsed(self, region: str, refused: Sequence[PlannedCrossing], number: int) -> list[str]:
        """What became of the documents that these crossings were permitted on before, in sentences."""
        evidence, register = self._run.gate.evidence, _readable(self._run.settings.border)
        if register is None:
            return ["The register of documents cannot be read at the moment."]
        day, sentences = self._run.calendar.day(number), []
        rested = [self._rested.get((region, crossing.kind), ()) for crossing in refused]
        for document_id in dict.fromkeys(chain.from_iterable(rested)):
            document = register.get(document_id)
            if not evidence.knows(document_id):
                sentences.append(f"'{document_id}' was taken from the register.")
            elif document is not None and document.expires is not None and document.expires < day:
                sentences.append(f"'{document_id}' expired on {document.expires}.")
        return sentences

    def _within(self, number: int) -> int | None:
        return number if number < self._run.afterwards else None

    def _write(self, refused: Sequence[PlannedCrossing], number: int, region: str, lapsed: Sequence[str]) -> None:
        """Has the refused crossings written down by the gates that refuse them: the hub's, or the region's own."""
        run, round_number = self._run, self._within(number)
        proposed = [(str(crossing.kind), crossing.target) for crossing in refused if crossing.source == region]
        for crossing in refused:
            if crossing.source != region:
                artifact = Artifact(crossing.kind, crossing.label, count=crossing.count, name=f"global {crossing.kind}")
                gate = run.calendar.at(run.gate, number)
                gate.refuse(artifact, run.party(crossing.target), round_number=round_number, lapsed=lapsed)
        if proposed:
            config = {"crossings": json.dumps(proposed), "label": json.dumps(refused[-1].label.to_json())}
            config |= {} if round_number is None else {"server-round": str(round_number)}
            ask(run, [region], PROPOSE, config, decision_round=number)


def _readable(border: BorderSettings) -> Register | None:
    """The register as it is now, for an explanation only; None for one that somebody is just writing."""
    try:
        return border.register()
    except ConfigurationError:
        return None
