"""Which strategy each region gets, from the volume of its rows and from the law, and why.

The federation is derived, not declared. `make_plan` looks at how many rows each region has and at what a
judge (the border's `decide`, given by the caller) says of every crossing that a strategy would need. It tries
the
strategies in the order of the rule, most private first, and writes down in sentences why each was or was not
possible. It reads no clock, no file and no record: the same profiles and judge give the same plan.

The joint model's label is the join of its members' labels, so sending it back to a member is an export from
every origin among them, and each must permit it. Where one may not receive it, the set shrinks until all may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedsov.artifact import Kind
from fedsov.errors import ConfigurationError
from fedsov.label import PUBLIC, Label, join

if TYPE_CHECKING:
    from fedsov.border.policy import Permit, Refusal, Review

    Decision = Permit | Review | Refusal
    Judge = Callable[[Kind, Label, str, str, int], Decision]

ORDER = ("federated", "transfer_learning", "synthetic")


@dataclass(frozen=True, slots=True)
class Profile:
    """What a region tells of itself before the plan.

    Attributes:
        region: its name.
        rows: how many it has; None for fewer than the minimum count.
        public_rows: how many of them have the public label.
        label: the join of its rows' labels.
        classes: distinct outcomes among its rows.
    """

    region: str
    rows: int | None
    public_rows: int
    label: Label
    classes: int


@dataclass(frozen=True, slots=True)
class StrategyRule:
    """Strategies in the order they are tried, and the volume each needs (rows of all splits).

    Raises:
        ConfigurationError: a strategy nobody knows, or a threshold below 0.
    """

    order: tuple[str, ...] = ORDER
    federated_min_rows: int = 500
    federated_min_regions: int = 2
    transfer_min_rows: int = 500
    transfer_min_public_rows: int = 200
    synthetic_min_rows: int = 50
    synthetic_min_donor_rows: int = 1000
    local_min_rows: int = 30

    def __post_init__(self) -> None:
        for name in self.order:
            if name not in ORDER:
                raise ConfigurationError(f"unknown strategy {name!r}; choose among {', '.join(ORDER)}")
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
        return {
            "source": self.source,
            "target": self.target,
            "kind": str(self.kind),
            "label": self.label.to_json(),
            "count": self.count,
            "decision": self.decision.to_json(),
        }


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """A region's strategy (or ``local``, or ``none``), the reasons, and the crossings.

    Attributes:
        reasons: one sentence for each strategy tried, in order; the last is about the one chosen.
        crossings: those the chosen strategy needs, all permitted.
        donor: the region whose synthetic rows it gets.
        blocked: crossings that were refused or need review on the way to the choice.
    """

    region: str
    rows: int | None
    strategy: str
    reasons: tuple[str, ...]
    crossings: tuple[PlannedCrossing, ...] = ()
    donor: str | None = None
    blocked: tuple[PlannedCrossing, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "region": self.region,
            "rows": self.rows,
            "strategy": self.strategy,
            "reasons": list(self.reasons),
            "donor": self.donor,
            "crossings": [crossing.to_json() for crossing in self.crossings],
            "blocked": [crossing.to_json() for crossing in self.blocked],
        }


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
        return {
            "regions": [one.to_json() for one in self.regions],
            "contributors": list(self.contributors),
            "unsafe": self.unsafe,
        }


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One strategy tried for one region."""

    works: bool
    reason: str
    crossings: tuple[PlannedCrossing, ...] = ()
    blocked: tuple[PlannedCrossing, ...] = ()
    donor: str | None = None


@dataclass(frozen=True, slots=True)
class _Ground:
    """What every attempt looks at."""

    profiles: tuple[Profile, ...]
    rule: StrategyRule
    hub: str
    judge: Judge

    def look(self, kind: Kind, label: Label, source: str, target: str, count: int) -> PlannedCrossing:
        return PlannedCrossing(source, target, kind, label, count, self.judge(kind, label, source, target, count))

    def upward(self, region: str, label: Label, count: int) -> list[PlannedCrossing]:
        """Statistics of the columns, then updates."""
        return [self.look(kind, label, region, self.hub, count) for kind in (Kind.METRICS, Kind.UPDATE)]


def make_plan(profiles: Sequence[Profile], rule: StrategyRule, *, hub: str, judge: Judge, unsafe: bool = False) -> Plan:
    """The most private strategy that is both well fed and lawful, for each region.

    Args:
        profiles: one per region, with distinct names.
        rule: thresholds and order.
        hub: the name of the hub's party.
        judge: (kind, label, source, target, count) to a decision; records nothing.
        unsafe: whether the judge is an open border; only carried into the plan.

    Raises:
        ConfigurationError: two profiles of one region.
    """
    names = [profile.region for profile in profiles]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"a region was profiled twice: {', '.join(sorted(names))}")
    ground = _Ground(tuple(profiles), rule, hub, judge)
    federated = _federate(ground) if "federated" in rule.order else {}
    contributors = _contributors(ground) if "transfer_learning" in rule.order else {}
    plans = tuple(_choose(ground, profile, federated, contributors) for profile in profiles)
    needed = any(plan.strategy == "transfer_learning" for plan in plans)
    return Plan(plans, tuple(contributors) if needed else (), unsafe)


def _choose(
    ground: _Ground, profile: Profile, federated: Mapping[str, _Attempt], contributors: Mapping[str, int]
) -> RegionPlan:
    attempts: dict[str, Callable[[], _Attempt]] = {
        "federated": lambda: federated[profile.region],
        "transfer_learning": lambda: _transfer_learning(ground, profile, contributors),
        "synthetic": lambda: _synthetic(ground, profile),
        "local": lambda: _local(ground.rule, profile),
    }
    hopeless = _hopeless(profile)
    if hopeless:
        return RegionPlan(profile.region, profile.rows, "none", (hopeless,))
    reasons: list[str] = []
    blocked: list[PlannedCrossing] = []
    for strategy in (*ground.rule.order, "local"):
        attempt = attempts[strategy]()
        reasons.append(attempt.reason)
        blocked += attempt.blocked
        if attempt.works:
            found = (strategy, tuple(reasons), attempt.crossings, attempt.donor, tuple(blocked))
            return RegionPlan(profile.region, profile.rows, *found)
    return RegionPlan(profile.region, profile.rows, "none", tuple(reasons), blocked=tuple(blocked))


def _hopeless(profile: Profile) -> str:
    if profile.rows is None:
        return "No training: the region has fewer rows than the minimum count, so their number is not told."
    if not profile.rows:
        return "No training: the region has no rows."
    same = f"No training: all {profile.rows} rows have the same outcome, so there is nothing to tell apart."
    return same if profile.classes < 2 else ""


def _too_few(strategy: str, rows: int, least: int) -> str:
    return f"Not {strategy}: {rows} rows, and at least {least} are asked for."


def _eligible(profile: Profile, least: int) -> bool:
    return profile.rows is not None and profile.classes >= 2 and profile.rows >= least


def _size(profile: Profile) -> tuple[int, str]:
    return profile.rows or 0, profile.region


def _refused(crossings: Iterable[PlannedCrossing]) -> tuple[PlannedCrossing, ...]:
    return tuple(crossing for crossing in crossings if not crossing.permitted)


def _federate(ground: _Ground) -> dict[str, _Attempt]:
    """An attempt for every region: the members' succeed, the others' say what stood in the way."""
    rule = ground.rule
    answers: dict[str, _Attempt] = {}
    upward: dict[str, list[PlannedCrossing]] = {}
    able: list[Profile] = []
    for profile in ground.profiles:
        if not _eligible(profile, rule.federated_min_rows):
            reason = _too_few("federated", profile.rows or 0, rule.federated_min_rows)
            answers[profile.region] = _Attempt(False, reason)
            continue
        upward[profile.region] = ground.upward(profile.region, profile.label, profile.rows or 0)
        refused = _refused(upward[profile.region])
        if refused:
            answers[profile.region] = _Attempt(False, f"Not federated: {refused[0].why()}.", blocked=refused)
        else:
            able.append(profile)
    members, dropped = _shrink(ground, able)
    downward = _joint(ground, members)
    names = _listed(sorted(member.region for member in members))
    for region, crossing in dropped.items():
        answers[region] = _Attempt(False, f"Not federated: {crossing.why()}.", blocked=(crossing,))
    for member in members:
        if len(members) < rule.federated_min_regions:
            least = rule.federated_min_regions
            reason = f"Not federated: only {names} could be a member, and {least} regions are asked for."
            answers[member.region] = _Attempt(False, reason)
            continue
        reason = f"Federated among {names}: {member.rows} rows, and the joint model may go to every member."
        crossings = (*upward[member.region], downward[member.region])
        answers[member.region] = _Attempt(True, reason, crossings)
    return answers


def _listed(names: Sequence[str], most: int = 8) -> str:
    """Names in a sentence; past a handful, how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _joint(ground: _Ground, members: Sequence[Profile]) -> dict[str, PlannedCrossing]:
    """The joint model's crossing from the hub to each member."""
    label = join(member.label for member in members)
    count = sum(member.rows or 0 for member in members)
    return {one.region: ground.look(Kind.MODEL, label, ground.hub, one.region, count) for one in members}


def _shrink(ground: _Ground, able: Sequence[Profile]) -> tuple[list[Profile], dict[str, PlannedCrossing]]:
    """Members that may all receive the joint model, and for each of the others the crossing that kept it out.

    Of those who may not receive it the one with the fewest rows leaves, and the rest are asked again under
    the smaller label. In the end whoever left and is no longer in the way is let back in, largest first.
    """
    members, left = sorted(able, key=_size), dict[str, PlannedCrossing]()
    while refused := [one for one in _joint(ground, members).values() if not one.permitted]:
        out = min(refused, key=lambda crossing: [_size(m) for m in members if m.region == crossing.target])
        left[out.target] = out
        members = [member for member in members if member.region != out.target]
    for profile in sorted(able, key=_size, reverse=True):
        wider = [*members, profile]
        if profile.region in left and not _refused(_joint(ground, wider).values()):
            members = wider
            del left[profile.region]
    return members, left


def _contributors(ground: _Ground) -> dict[str, int]:
    """Regions that may send an update made from their public rows, and how many such rows each has."""
    return {
        one.region: one.public_rows
        for one in ground.profiles
        if one.public_rows and not _refused(ground.upward(one.region, PUBLIC, one.public_rows))
    }


def _transfer_learning(ground: _Ground, profile: Profile, contributors: Mapping[str, int]) -> _Attempt:
    rule, rows, public = ground.rule, profile.rows or 0, sum(contributors.values())
    if rows < rule.transfer_min_rows:
        return _Attempt(False, _too_few("transfer learning", rows, rule.transfer_min_rows))
    if public < rule.transfer_min_public_rows:
        least = rule.transfer_min_public_rows
        reason = f"Not transfer learning: {public} public rows in all, and at least {least} are asked for."
        return _Attempt(False, reason)
    model = ground.look(Kind.MODEL, PUBLIC, ground.hub, profile.region, public)
    if not model.permitted:
        return _Attempt(False, f"Not transfer learning: {model.why()}.", blocked=(model,))
    mine = contributors.get(profile.region, 0)
    sent = ground.upward(profile.region, PUBLIC, mine) if mine else []
    reason = f"Transfer learning on {rows} own rows, from a model of {public} public rows of all regions."
    return _Attempt(True, reason, (*sent, model))


def _synthetic(ground: _Ground, profile: Profile) -> _Attempt:
    rule, rows = ground.rule, profile.rows or 0
    if rows < rule.synthetic_min_rows:
        return _Attempt(False, _too_few("synthetic", rows, rule.synthetic_min_rows))
    blocked: list[PlannedCrossing] = []
    for donor in sorted(ground.profiles, key=_size, reverse=True):
        if donor.region == profile.region or not _eligible(donor, rule.synthetic_min_donor_rows):
            continue
        crossing = ground.look(Kind.SYNTHETIC, donor.label, donor.region, profile.region, donor.rows or 0)
        if crossing.permitted:
            reason = f"Synthetic rows from {donor.region} ({donor.rows} rows) beside {rows} own rows."
            return _Attempt(True, reason, (crossing,), tuple(blocked), donor.region)
        blocked.append(crossing)
    none = f"no other region has {rule.synthetic_min_donor_rows} rows to give from"
    why = blocked[0].why() if blocked else none
    return _Attempt(False, f"Not synthetic: {why}.", blocked=tuple(blocked))


def _local(rule: StrategyRule, profile: Profile) -> _Attempt:
    rows = profile.rows or 0
    if rows < rule.local_min_rows:
        return _Attempt(False, f"No training: {rows} rows, and at least {rule.local_min_rows} are asked for.")
    return _Attempt(True, f"Local: {rows} own rows, and no better strategy was possible.")
