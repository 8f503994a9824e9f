"""The values of a plan: a region's profile, the rule of strategies, each region's plan and its crossings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedsov.artifact import Kind
from fedsov.errors import ConfigurationError
from fedsov.label import Label

if TYPE_CHECKING:
    from fedsov.border.decisions import Permit, Refusal, Review
    from fedsov.hub.planning.amendments import Amendment

    Decision = Permit | Review | Refusal

ORDER = ("federated", "transfer_learning", "synthetic")


@dataclass(frozen=True, slots=True)
class Profile:
    """What a region tells of itself before the plan.

    Attributes:
        region: its name.
        rows: how many it has; None for fewer than the minimum count.
        public_rows: how many of them have the public label.
        label: the join of its shareable rows' labels.
        classes: distinct outcomes among its rows.
        shareable_rows: how many of them no restriction binds; None for all.
    """

    region: str
    rows: int | None
    public_rows: int
    label: Label
    classes: int
    shareable_rows: int | None = None

    @property
    def shareable(self) -> int:
        """How many rows may take part in what leaves the region; 0 where that is not told."""
        return (self.rows or 0) if self.shareable_rows is None else self.shareable_rows

    def counted(self) -> str:
        """Its rows in words, and how many of them are shareable where not all are."""
        return f"{self.rows} rows" if self.shareable == self.rows else f"{self.shareable} shareable of {self.rows} rows"


@dataclass(frozen=True, slots=True)
class StrategyRule:
    """Strategies in the order they are tried, and the volume each needs (rows of all splits).

    Raises:
        ConfigurationError: a strategy nobody knows or named twice, or a threshold below 0.
    """

    order: tuple[str, ...] = ORDER
    federated_min_rows: int = 500
    federated_min_regions: int = 2
    transfer_min_rows: int = 500
    transfer_min_public_rows: int = 100
    synthetic_min_rows: int = 50
    synthetic_min_donor_rows: int = 1000
    local_min_rows: int = 30

    def __post_init__(self) -> None:
        for name in self.order:
            if name not in ORDER:
                raise ConfigurationError(f"unknown strategy {name!r}; choose among {', '.join(ORDER)}")
        if len(set(self.order)) < len(self.order):
            raise ConfigurationError(f"expected each strategy once in the order, got {', '.join(self.order)}")
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, int) and value < 0:
                raise ConfigurationError(f"expected {name} of 0 or more, got {value}")
        if self.federated_min_regions < 2:
            raise ConfigurationError(f"a federation has 2 regions or more, got {self.federated_min_regions=}")


@dataclass(frozen=True, slots=True)
class PlannedCrossing:
    """A crossing that a strategy would need, and what the border says of it today."""

    source: str
    target: str
    kind: Kind
    label: Label
    count: int
    decision: Decision

    @property
    def permitted(self) -> bool:
        """True for a Permit alone: a Review is not one."""
        return self.decision.verdict == "permit"

    def why(self) -> str:
        """What stands in the way, in a clause: the missing documents where these would help."""
        missing, reason = "; ".join(self.decision.missing), self.decision.reason.rstrip(". ")
        needs = f"missing {missing}" if missing else reason
        return f"{self.kind} {self.source} -> {self.target} ends in {self.decision.verdict}: {needs}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        route = {"source": self.source, "target": self.target, "kind": str(self.kind)}
        return {**route, "label": self.label.to_json(), "count": self.count, "decision": self.decision.to_json()}


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """A region's strategy (or ``local``, or ``none``), the reasons, and the crossings.

    Attributes:
        reasons: one sentence for each strategy tried, in order; the last is about the one chosen.
        crossings: those the chosen strategy needs, all permitted.
        donor: the region whose synthetic rows it gets.
        blocked: crossings that were refused or need review on the way to the choice.
        amendments: what changed while it trained, in order (`fedsov.hub.planning.amendments`).
    """

    region: str
    rows: int | None
    strategy: str
    reasons: tuple[str, ...]
    crossings: tuple[PlannedCrossing, ...] = ()
    donor: str | None = None
    blocked: tuple[PlannedCrossing, ...] = ()
    amendments: tuple[Amendment, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        choice = {"region": self.region, "rows": self.rows, "strategy": self.strategy, "reasons": list(self.reasons)}
        crossings, blocked = ([one.to_json() for one in found] for found in (self.crossings, self.blocked))
        amendments = [one.to_json() for one in self.amendments]
        return {**choice, "donor": self.donor, "crossings": crossings, "blocked": blocked, "amendments": amendments}


@dataclass(frozen=True, slots=True)
class Plan:
    """Every region's plan, in the order of the profiles.

    Attributes:
        contributors: regions whose public rows train transfer learning's start model; empty if not needed.
        unsafe: decided by an open border, for laboratory work only.
    """

    regions: tuple[RegionPlan, ...]
    contributors: tuple[str, ...] = ()
    unsafe: bool = False

    def of(self, region: str) -> RegionPlan:
        """One region's plan. Raises ConfigurationError for a region that is not in it."""
        for one in self.regions:
            if one.region == region:
                return one
        raise ConfigurationError(
            f"region {region!r} is not in the plan; it has {', '.join(one.region for one in self.regions)}"
        )

    def following(self, strategy: str) -> tuple[str, ...]:
        """The names of the regions that follow a strategy."""
        return tuple(one.region for one in self.regions if one.strategy == strategy)

    def to_json(self) -> dict[str, Any]:
        """Plain values, equal for equal plans."""
        regions = [one.to_json() for one in self.regions]
        return {"regions": regions, "contributors": list(self.contributors), "unsafe": self.unsafe}
