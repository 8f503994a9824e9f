"""The one door: whatever leaves a party is decided, written down, and only then let through.

`Gate.cross` does it in that order; if the ledger cannot be written, LedgerBroken goes to the caller and
nothing crosses. A refusal, and a review that nobody has approved, is an entry too, and raises `Refused`.
`Gate.release` is the only place where a label shrinks. An entry says what crossed (kind, name, digest, size,
shapes), between whom, on which rules and documents; never a value: the content itself is not written, not
even for an error.

    gate = Gate(region, bundle=load_bundle(), evidence=register, ledger=ledger, run="r1", today=date.today)
    sent = gate.cross(update, hub, round=3)
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from fedsov.artifact import Artifact, Crossing, Party
from fedsov.border.lawbook import Bundle
from fedsov.border.ledger import Entry, Ledger
from fedsov.border.policy import Decision, Evidence, Permit, decide, decide_release
from fedsov.errors import CrossingRefused
from fedsov.label import PUBLIC

ANYONE = Party("anyone", "*", "")
"""The importer written for a release: a public artifact may go to anyone, anywhere."""


class Refused(CrossingRefused):
    """A crossing that the border refused, or that waits for a review, with the decision that explains it."""

    def __init__(self, crossing: Crossing, decision: Decision) -> None:
        self.crossing, self.decision = crossing, decision
        artifact, target = crossing.artifact, crossing.target
        what = f"{artifact.kind} of {artifact.label} to {target.name} ({target.location})"
        said = "needs a review" if decision.verdict == "review" else "refused"
        super().__init__(f"{what} {said}: {decision.reason} {decision.remedy}".rstrip())


@dataclass(frozen=True, slots=True)
class Gate:
    """A party's door. `today` gives the day of a decision; `run` and `purpose` go into every entry."""

    owner: Party
    bundle: Bundle = field(kw_only=True)
    evidence: Evidence = field(kw_only=True)
    ledger: Ledger = field(kw_only=True)
    run: str = field(kw_only=True)
    today: Callable[[], date] = field(kw_only=True)
    purpose: str = field(default="training", kw_only=True)

    def cross(
        self,
        artifact: Artifact,
        target: Party,
        *,
        round: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Artifact:
        """The artifact, once its crossing to `target` is permitted and on the ledger's disk.

        Args:
            round: the training round it belongs to, where it belongs to one.
            details: names and shapes of its tensors and the like, as JSON; never a value from a record.

        Raises Refused for a refusal or a review (on the ledger too), LedgerBroken where it cannot be written
        down.
        """
        crossing = self._crossing(artifact, target)
        decision = decide(crossing, self.bundle, self.evidence, crossing.on)
        self.record(crossing, decision, round=round, details=details)
        return _act(crossing, decision)

    def consider(self, artifact: Artifact, target: Party) -> Decision:
        """What `cross` would answer now. Nothing is written, nothing crosses."""
        crossing = self._crossing(artifact, target)
        return decide(crossing, self.bundle, self.evidence, crossing.on)

    def refuse(
        self,
        artifact: Artifact,
        target: Party,
        *,
        round: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Decision:
        """Considers a crossing that is only planned, and writes it down where it is not permitted."""
        crossing = self._crossing(artifact, target)
        decision = decide(crossing, self.bundle, self.evidence, crossing.on)
        if not isinstance(decision, Permit):
            self.record(crossing, decision, round=round, details=details)
        return decision

    def release(self, artifact: Artifact, *, document: str) -> Artifact:
        """The artifact under the label `PUBLIC`, where a rule accepts the document (its id in the register).

        Raises Refused where none does, LedgerBroken where the release cannot be written down.
        """
        crossing = self._crossing(artifact, ANYONE)
        decision = decide_release(artifact, document, bundle=self.bundle, evidence=self.evidence, at=crossing.on)
        self.record(crossing, decision, act="release")
        return replace(_act(crossing, decision), label=PUBLIC)

    def note(self, text_fields: Mapping[str, Any]) -> Entry:
        """Writes down something that is no crossing, such as the head of another party's ledger."""
        return self.ledger.append(
            {
                "at": _now(),
                "run": self.run,
                "act": "note",
                "owner": self.owner.name,
                "note": dict(text_fields),
            }
        )

    def record(
        self,
        crossing: Crossing,
        decision: Decision,
        *,
        act: str = "cross",
        round: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Writes a decision down, whoever took it; `act` is "cross" or "release"."""
        described = _described(crossing) | _decided(decision, self.bundle)
        return self.ledger.append(
            {"at": _now(), "run": self.run, "round": round, "act": act, "details": dict(details or {})}
            | described
            | {"salt": secrets.token_hex(16)}  # else a head would let a small content be guessed
        )

    def _crossing(self, artifact: Artifact, target: Party) -> Crossing:
        return Crossing(artifact, self.owner, target, self.purpose, self.today())


def _act(crossing: Crossing, decision: Decision) -> Artifact:
    if isinstance(decision, Permit):
        return crossing.artifact
    raise Refused(crossing, decision)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _party(party: Party) -> dict[str, str]:
    return {"name": party.name, "entity": party.entity, "location": party.location}


def _described(crossing: Crossing) -> dict[str, Any]:
    """What crosses, between whom: everything but the content."""
    artifact = crossing.artifact
    return {
        "exporter": _party(crossing.source),
        "importer": _party(crossing.target),
        "destination": crossing.target.location,
        "kind": str(artifact.kind),
        "name": artifact.name,
        "digest": artifact.digest,
        "bytes": len(artifact.content),
        "count": artifact.count,
        "purpose": crossing.purpose,
        "day": crossing.on.isoformat(),
    } | artifact.label.to_json()


def _decided(decision: Decision, bundle: Bundle) -> dict[str, Any]:
    return {
        "verdict": decision.verdict,
        "rules": list(decision.rules),
        "citations": list(decision.citations),
        "documents": list(decision.documents),
        "reason": decision.reason,
        "missing": list(decision.missing),
        "remedy": decision.remedy,
        "obligations": list(decision.obligations),
        "bundle": decision.bundle_digest,
        "unsafe": bundle.unsafe,
    }
