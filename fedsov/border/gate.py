"""The gate: whatever leaves a party is decided, written down, and only then let through.

`Gate.cross` does it in that order; if the ledger cannot be written, LedgerBroken goes to the caller and
nothing crosses. A refusal, and a review that nobody has approved, is an entry too, and raises `Refused`.
`Gate.release` is the only place where a label shrinks. An entry says what crossed (kind, name, digest, size,
shapes), between whom, on which rules and documents; never a value: the content itself is not written, not
even for an error. `contents` holds the digests of each such document's entry in the register and of its file, so that
a document that is rewritten afterwards is found by its id. What comes to a party from one that has no ledger is an
entry of the act `ARRIVE`.

    gate = Gate(region, bundle=load_bundle(), evidence=register, ledger=ledger, run="r1", today=date.today)
    sent = gate.cross(update, hub, round_number=3)
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from fedsov.artifact import TRAINING, Artifact, Crossing, Party
from fedsov.border.decisions import Decision, Permit
from fedsov.border.evidence.claims import Evidence
from fedsov.border.law.bundle import Bundle
from fedsov.border.law.bundle_loader import country_name
from fedsov.border.people_counts import PeopleCounter, Pool
from fedsov.border.policy import decide, decide_release
from fedsov.border.questions import ANYONE
from fedsov.errors import CrossingRefused
from fedsov.label import PUBLIC
from fedsov.ledger.ledger import Entry, Ledger, entry_time

ARRIVE = "arrive"
"""The act of a crossing in the ledger of the party that it comes to, where the one that sends has no ledger."""


class Refused(CrossingRefused):
    """A crossing that the border refused, or that waits for a review, with the decision that explains it."""

    def __init__(self, crossing: Crossing, decision: Decision) -> None:
        self.crossing, self.decision = crossing, decision
        artifact, target = crossing.artifact, crossing.target
        what = f"{artifact.kind} of {artifact.label} to {target.name} ({target.location})"
        verdict = "needs a review" if decision.verdict == "review" else "is refused"
        super().__init__(f"{what} {verdict}: {decision.reason} {decision.remedy}".rstrip())


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An artifact on its way to a party; `tensors` has names and shapes of its tensors, as JSON, never a value."""

    artifact: Artifact
    target: Party
    tensors: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gate:
    """A party's gate. `today` gives the day of a decision; `run` and `purpose` go into every entry.

    `tally` counts people over time from the ledger; without one each crossing counts for itself alone. `marks` are
    words that stand in every entry about what it was decided on: example rows, a rehearsed day.
    """

    owner: Party
    bundle: Bundle = field(kw_only=True)
    evidence: Evidence = field(kw_only=True)
    ledger: Ledger = field(kw_only=True)
    run: str = field(kw_only=True)
    today: Callable[[], date] = field(kw_only=True)
    purpose: str = field(default=TRAINING, kw_only=True)
    tally: PeopleCounter | None = field(default=None, kw_only=True, repr=False)
    marks: tuple[str, ...] = field(default=(), kw_only=True)

    def cross(
        self,
        artifact: Artifact,
        target: Party,
        *,
        round_number: int | None = None,
        tensors: Mapping[str, Any] | None = None,
    ) -> Artifact:
        """The artifact, once its crossing to `target` is permitted and on the ledger's disk.

        Args:
            round_number: the training round it belongs to, where it belongs to one.
            tensors: names and shapes of its tensors, as JSON; never a value from a record.

        Raises Refused for a refusal or a review (on the ledger too), LedgerBroken where it cannot be written
        down.
        """
        (passed,) = self.cross_all([Outgoing(artifact, target, tensors or {})], round_number=round_number)
        if isinstance(passed, Refused):
            raise passed
        return passed

    def cross_all(
        self, outgoing: Iterable[Outgoing], *, round_number: int | None = None
    ) -> tuple[Artifact | Refused, ...]:
        """Returns each permitted artifact, or a `Refused`, in order.

        All are decided one after the other, as if each before had crossed, and written down together: one wait for
        the disk. Raises LedgerBroken where they cannot be written down.
        """
        decided: list[tuple[Crossing, Decision]] = []
        bodies: list[dict[str, Any]] = []
        for each in outgoing:
            crossing = self._crossing(each.artifact, each.target, pending=bodies)
            decision = decide(crossing, self.bundle, self.evidence, crossing.on)
            decided.append((crossing, decision))
            bodies.append(self._body(crossing, decision, round_number=round_number, tensors=each.tensors))
        self.ledger.append_all(bodies)
        return tuple(_settled(crossing, decision) for crossing, decision in decided)

    def consider(self, artifact: Artifact, target: Party) -> Decision:
        """What `cross` would answer now. Nothing is written, nothing crosses."""
        crossing = self._crossing(artifact, target)
        return decide(crossing, self.bundle, self.evidence, crossing.on)

    def refuse(
        self,
        artifact: Artifact,
        target: Party,
        *,
        round_number: int | None = None,
        lapsed: Sequence[str] = (),
    ) -> Decision:
        """Considers a crossing that is only planned, and writes it down where it is not permitted.

        Args:
            lapsed: what became of the documents that permitted it before, in sentences.
        """
        crossing = self._crossing(artifact, target)
        decision = decide(crossing, self.bundle, self.evidence, crossing.on)
        if not isinstance(decision, Permit):
            self.record(crossing, decision, round_number=round_number, lapsed=lapsed)
        return decision

    def release(self, artifact: Artifact, *, document: str) -> Artifact:
        """The artifact under the label `PUBLIC`, where a rule accepts the document (its id in the register).

        Raises Refused where none does, LedgerBroken where the release cannot be written down.
        """
        crossing = self._crossing(artifact, ANYONE)
        decision = decide_release(crossing, document, bundle=self.bundle, evidence=self.evidence, at=crossing.on)
        self.record(crossing, decision, act="release")
        settled = _settled(crossing, decision)
        if isinstance(settled, Refused):
            raise settled
        return replace(settled, label=PUBLIC)

    def note(self, text_fields: Mapping[str, Any]) -> Entry:
        """Writes down something that is no crossing, such as the head of another party's ledger."""
        return self.ledger.note(text_fields, run=self.run)

    def record(
        self,
        crossing: Crossing,
        decision: Decision,
        *,
        act: str = "cross",
        round_number: int | None = None,
        tensors: Mapping[str, Any] | None = None,
        lapsed: Sequence[str] = (),
    ) -> Entry:
        """Writes a decision down, whoever took it; `act` is "cross", "release", or `ARRIVE`."""
        return self.ledger.append(
            self._body(crossing, decision, act=act, round_number=round_number, tensors=tensors or {}, lapsed=lapsed)
        )

    def _body(
        self,
        crossing: Crossing,
        decision: Decision,
        *,
        act: str = "cross",
        round_number: int | None = None,
        tensors: Mapping[str, Any],
        lapsed: Sequence[str] = (),
    ) -> dict[str, Any]:
        described = _described(crossing) | _decided(decision, self.bundle)
        return (
            {"at": entry_time(), "run": self.run, "round": round_number, "act": act, "tensors": dict(tensors)}
            | {"lapsed": list(lapsed), "marks": list(self.marks)}
            | described
            | {"contents": self.evidence.contents((*decision.documents, *crossing.artifact.evidence))}
            | {"salt": secrets.token_hex(16)}  # else a head would let a small content be guessed
        )

    def _crossing(self, artifact: Artifact, target: Party, *, pending: Sequence[Mapping[str, Any]] = ()) -> Crossing:
        day = self.today()
        crossing = Crossing(artifact, self.owner, target, self.purpose, day)
        if self.tally is None or not artifact.count or artifact.label.is_public:
            return crossing
        country, pool = target.location.partition("-")[0], Pool(artifact.pool, artifact.pool_people)
        totals = self.tally.totals(artifact.count, country, pool, day, pending=pending)
        return replace(crossing, count_12m=totals.twelve_months, count_year=totals.year)


def _settled(crossing: Crossing, decision: Decision) -> Artifact | Refused:
    return crossing.artifact if isinstance(decision, Permit) else Refused(crossing, decision)


def _described(crossing: Crossing) -> dict[str, Any]:
    """What crosses, between whom: everything but the content."""
    artifact = crossing.artifact
    return {
        "exporter": crossing.source.to_json(),
        "importer": crossing.target.to_json(),
        "destination": crossing.target.location,
        "destination_name": country_name(crossing.target.location),
        "flow": crossing.flow,
        "kind": str(artifact.kind),
        "name": artifact.name,
        "digest": artifact.digest,
        "bytes": len(artifact.content),
        "count": artifact.count,
        "count_12m": max(artifact.count, crossing.count_12m),
        "count_year": max(artifact.count, crossing.count_year),
        "pool": Pool(artifact.pool, artifact.pool_people).to_json(),
        "evidence": list(artifact.evidence),
        "purpose": crossing.purpose,
        "day": crossing.on.isoformat(),
    } | artifact.label.to_json()


def _decided(decision: Decision, bundle: Bundle) -> dict[str, Any]:
    return {
        "verdict": decision.verdict,
        "rules": list(decision.rules),
        "citations": list(decision.citations),
        "basis": list(decision.basis),
        "documents": list(decision.documents),
        "relied": list(decision.relied),
        "at_fault": list(decision.at_fault),
        "review": decision.id,
        "reason": decision.reason,
        "missing": list(decision.missing),
        "remedy": decision.remedy,
        "obligations": list(decision.obligations),
        "bundle": decision.bundle_digest,
        "bundle_dated": bundle.dated.isoformat(),
        "bundle_confirmed": "" if bundle.confirmed_until is None else bundle.confirmed_until.isoformat(),
        "unsafe": bundle.unsafe,
        "added_rules": sorted(bundle.added.intersection(decision.rules)),
    }
