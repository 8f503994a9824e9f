"""What is proposed: a version of a registered model, all that is known of it, and where it is to serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from fedsov.inference.approved import CHAMPION
from fedsov.label import Label
from fedsov.protocol.rollouts import RolloutCandidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who did something, for which reason, and when (ISO 8601)."""

    by: str
    why: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedVersion:
    """A version as it was proposed; attributes as of `fedsov.protocol.rollouts.Candidate`, and:

    Attributes:
        run: in which it was trained.
        before: the version that was champion in its registry when it was proposed; None of none.
        proposed: who proposed it.
        approved: who approved it at the hub; None of one that waits.
    """

    model: str
    version: int
    digest: str
    label: Label
    verdict: str
    report: str
    registry: str
    dataset: str
    run: str
    files: Mapping[str, str]
    evaluation: Mapping[str, float] = field(default_factory=dict)
    before: int | None = None
    mode: str = CHAMPION
    share: float = 1.0
    proposed: Act
    approved: Act | None = None

    def candidate(self, number: int, region: str) -> RolloutCandidate:
        """What a region is given of an approved one."""
        approved = self.approved or self.proposed
        return RolloutCandidate(
            rollout=number,
            region=region,
            model=self.model,
            version=self.version,
            digest=self.digest,
            mode=self.mode,
            share=self.share,
            label=self.label,
            verdict=self.verdict,
            report=self.report,
            registry=self.registry,
            dataset=self.dataset,
            evaluation=self.evaluation,
            files=self.files,
            by=approved.by,
            why=approved.why,
            at=approved.at,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "label": self.label.to_json()}

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> ProposedVersion:
        """The inverse of `to_json`."""
        approved = plain["approved"]
        return ProposedVersion(
            **{
                **plain,
                "label": Label.from_json(plain["label"]),
                "proposed": Act(**plain["proposed"]),
                "approved": None if approved is None else Act(**approved),
            }
        )
