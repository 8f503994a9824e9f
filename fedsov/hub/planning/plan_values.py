"""The values of a plan: a region's profile, the rule of strategies, each region's plan and its crossings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fedsov.artifact import BASE_MODEL, TRAINING, Kind
from fedsov.border.decisions import Decision
from fedsov.checks import only, prefixed, texts, whole
from fedsov.errors import ConfigurationError, unknown
from fedsov.label import Label, Scope
from fedsov.serialization import fields_of, from_fields

ORDER = ("federated", "transfer_learning", "synthetic")
PREFIXES: Mapping[str, str] = {
    "federated": "federated_",
    "transfer_learning": "transfer_",
    "synthetic": "synthetic_",
    "local": "local_",
}
"""Each strategy's group of settings, and how the fields of `StrategyRule` begin that are its keys."""


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
        lost: why nothing is known of it, where no answer of its came that can be read; empty for all others.
        consented_rows: how many of its bound rows are of people who consented to a base model.
    """

    region: str
    rows: int | None
    public_rows: int
    label: Label
    classes: int
    shareable_rows: int | None = None
    lost: str = ""
    consented_rows: int = 0

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

    @staticmethod
    def from_settings(
        plain: Any, *, min_regions: int, beside: Mapping[str, Sequence[str]] | None = None
    ) -> StrategyRule:
        """The rule that the group `strategy` says; ``strategy.local.min_rows`` is the field ``local_min_rows``.

        Args:
            min_regions: of a federation.
            beside: further keys of a strategy's group, which something else reads.

        Raises:
            ConfigurationError: a key that nobody reads, or a value that cannot be.
        """
        given = only("strategy", plain, ("order", *PREFIXES))
        rule: dict[str, Any] = {"federated_min_regions": min_regions}
        if "order" in given:
            rule["order"] = texts("strategy.order", given["order"])
        for group, prefix in PREFIXES.items():
            names = [name for name in StrategyRule.__slots__ if name.startswith(prefix) and name not in rule]
            keys = {name.removeprefix(prefix): name for name in names}
            settings = only(f"strategy.{group}", given.get(group, {}), (*keys, *(beside or {}).get(group, ())))
            rule |= {
                name: whole(f"strategy.{group}.{key}", settings[key], at_least=0)
                for key, name in keys.items()
                if key in settings
            }
        with prefixed("strategy.order: "):
            return StrategyRule(**rule)


VERDICTS = {"refuse": "is refused", "review": "needs review", "permit": "is permitted"}


@dataclass(frozen=True, slots=True)
class PlannedCrossing:
    """A crossing that a strategy would need, for which purpose, and what the border says of it today."""

    source: str
    target: str
    kind: Kind
    label: Label
    count: int
    decision: Decision
    purpose: str = TRAINING

    @property
    def permitted(self) -> bool:
        """True for a Permit alone: a Review is not one."""
        return self.decision.verdict == "permit"

    def why(self) -> str:
        """What stands in the way, in a clause: the missing documents where these would help."""
        missing, reason = "; ".join(self.decision.missing), self.decision.reason.rstrip(". ")
        needs = f"missing {missing}" if missing else reason
        what = "base model" if self.purpose == BASE_MODEL and self.kind is Kind.MODEL else self.kind
        return f"{what} {self.source} -> {self.target} {VERDICTS[self.decision.verdict]}: {needs}"


@dataclass(frozen=True, slots=True)
class Amendment:
    """A region left a federated training, or came back to it.

    Attributes:
        round: the round before which it did; None for after the last, before the global model is handed out.
        day: the day of the decision.
        left: False where it came back.
        why: in a sentence, with the way out; for a refusal it names the origin whose law refuses, and the document.
        crossing: the refused crossing; None where it came back, or where its own gate refused without telling why.
    """

    region: str
    round: int | None
    day: date
    left: bool
    why: str
    crossing: PlannedCrossing | None = None

    def sentence(self) -> str:
        """The change in one sentence, for people."""
        when = "the global model was handed out" if self.round is None else f"round {self.round}"
        what = "left" if self.left else "came back to"
        return f"{self.region} {what} the federation before {when} ({self.day}): {self.why}"

    @property
    def change(self) -> str:
        """``left`` or ``returned``; written beside the fields."""
        return "left" if self.left else "returned"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**fields_of(self), "change": self.change}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Amendment:
        """The inverse of `to_json`; one that was written without `left` is read by its `change`."""
        return from_fields(Amendment, {"left": value.get("change") == "left", **value})


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """A region's strategy (or ``local``, or ``none``), the reasons, and the crossings.

    Attributes:
        reasons: one sentence for each strategy tried, in order; the last is about the one chosen.
        crossings: those the chosen strategy needs, all permitted.
        donor: the region whose synthetic rows it gets.
        blocked: crossings that were refused or need review on the way to the choice.
        amendments: what changed while it trained, in order.
    """

    region: str
    rows: int | None
    strategy: str
    reasons: tuple[str, ...]
    crossings: tuple[PlannedCrossing, ...] = ()
    donor: str | None = None
    blocked: tuple[PlannedCrossing, ...] = ()
    amendments: tuple[Amendment, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Every region's plan, in the order of the profiles.

    Attributes:
        contributors: regions whose rows train transfer learning's start model; empty if not needed.
        unsafe: decided by an open border, for experiments only.
        marks: what stands above the plan, in sentences: example rows, a rehearsed day, rules that were not shipped.
        start_rows: which rows these are: public ones, or those of people who consented to a base model.
    """

    regions: tuple[RegionPlan, ...]
    contributors: tuple[str, ...] = ()
    unsafe: bool = False
    marks: tuple[str, ...] = ()
    start_rows: Scope = Scope.PUBLIC

    def region(self, name: str) -> RegionPlan:
        """One region's plan. Raises ConfigurationError for a region that is not in it."""
        for planned in self.regions:
            if planned.region == name:
                return planned
        raise ConfigurationError(unknown("region", name, [planned.region for planned in self.regions]))

    def following(self, strategy: str) -> tuple[str, ...]:
        """The names of the regions that follow a strategy."""
        return tuple(planned.region for planned in self.regions if planned.strategy == strategy)

    def to_json(self) -> dict[str, Any]:
        """Plain values, equal for equal plans; `from_plain(Plan, ...)` reads them."""
        return fields_of(self)
