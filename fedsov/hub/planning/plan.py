"""Which strategy each region gets, from the volume of its rows and from the law, and why.

The federation is derived, not declared. `make_plan` looks at how many rows each region has and at what a judge
(the border's `decide`, given by the caller) says of every crossing that a strategy would need. It tries the
strategies in the order of the rule, most private first, and writes down in sentences why each was or was not
possible. It reads no clock, no file and no record: the same profiles and judge give the same plan.

The global model's label is the join of its members' labels, so sending it back to a member is an export from
every origin among them, and each must permit it. Of the sets of regions for which all do, the one with the most
rows federates (`fedsov.hub.planning.lawful_sets`). Rows under a restriction take no part in what leaves a region.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from fedsov.artifact import BASE_MODEL, TRAINING, Kind
from fedsov.errors import ConfigurationError
from fedsov.hub.planning import start_models
from fedsov.hub.planning.lawful_sets import largest_lawful
from fedsov.hub.planning.plan_values import Plan, PlannedCrossing, Profile, RegionPlan, StrategyRule
from fedsov.label import PUBLIC, Label, Scope, join

if TYPE_CHECKING:
    from fedsov.border.decisions import Permit, Refusal, Review

    Decision = Permit | Review | Refusal
    Judge = Callable[[Kind, Label, str, str, int], Decision]


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
    judges: Mapping[str, Judge]  # by purpose

    def look(
        self, kind: Kind, label: Label, source: str, target: str, count: int, purpose: str = TRAINING
    ) -> PlannedCrossing:
        decision = self.judges[purpose](kind, label, source, target, count)
        return PlannedCrossing(source, target, kind, label, count, decision, purpose)

    def upward(self, region: str, label: Label, count: int) -> list[PlannedCrossing]:
        """Statistics of the columns, then updates."""
        return [self.look(kind, label, region, self.hub, count) for kind in (Kind.METRICS, Kind.UPDATE)]


@dataclass(frozen=True, slots=True)
class _Start:
    """Whose rows train transfer learning's start model: public ones by region, or those of consenting people."""

    public: Mapping[str, int]
    consenting: tuple[Profile, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(profile.region for profile in self.consenting) or tuple(self.public)

    @property
    def scope(self) -> Scope:
        return Scope.CONSENTED if self.consenting else Scope.PUBLIC


def make_plan(
    profiles: Sequence[Profile],
    rule: StrategyRule,
    *,
    hub: str,
    judge: Judge,
    base_judge: Judge | None = None,
    unsafe: bool = False,
) -> Plan:
    """The most private strategy that is both well fed and lawful, for each region.

    Args:
        profiles: one per region, with distinct names.
        rule: thresholds and order.
        hub: the name of the hub's party.
        judge: (kind, label, source, target, count) to a decision; records nothing.
        base_judge: the same for the purpose of a base model; None where none is made of consenting people's rows.
        unsafe: whether the judge is an open border; only carried into the plan.

    Raises:
        ConfigurationError: two profiles of one region.
    """
    names = [profile.region for profile in profiles]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"a region was profiled twice: {', '.join(sorted(names))}")
    judges = {TRAINING: judge} if base_judge is None else {TRAINING: judge, BASE_MODEL: base_judge}
    ground = _Ground(tuple(profiles), rule, hub, {purpose: cache(each) for purpose, each in judges.items()})
    makes_base = BASE_MODEL in judges and "transfer_learning" in rule.order  # by the members that there could be
    federated = _federate(ground) if makes_base or "federated" in rule.order else {}
    start = _start(ground, federated) if "transfer_learning" in rule.order else _Start({})
    plans = tuple(_choose(ground, profile, federated, start) for profile in profiles)
    needed = any(plan.strategy == "transfer_learning" for plan in plans)
    return Plan(plans, start.names if needed else (), unsafe, start_rows=start.scope)


def _choose(ground: _Ground, profile: Profile, federated: Mapping[str, _Attempt], start: _Start) -> RegionPlan:
    attempts: dict[str, Callable[[], _Attempt]] = {
        "federated": lambda: federated[profile.region],
        "transfer_learning": lambda: _transfer_learning(ground, profile, start),
        "synthetic": lambda: _synthetic(ground, profile),
        "local": lambda: _local(ground.rule, profile),
    }
    if hopeless := _hopeless(profile):
        return RegionPlan(profile.region, profile.rows, "none", (hopeless,))
    reasons: list[str] = []
    blocked: list[PlannedCrossing] = []
    for strategy in (*ground.rule.order, "local"):
        attempt = attempts[strategy]()
        reasons.append(attempt.reason)
        blocked += attempt.blocked
        if attempt.works:
            break
    selected = strategy if attempt.works else "none"
    return RegionPlan(
        profile.region, profile.rows, selected, tuple(reasons), attempt.crossings, attempt.donor, tuple(blocked)
    )


def _hopeless(profile: Profile) -> str:
    if profile.lost:
        return f"No training: the region did not say what it has ({profile.lost})."
    if profile.rows is None:
        return "No training: the region's gate does not tell its rows: they are fewer than ten, or may not be told."
    if not profile.rows:
        return "No training: the region has no rows."
    if profile.classes >= 2:
        return ""
    return f"No training: all {profile.rows} rows have the same outcome, or too few people have another one."


def _too_few(strategy: str, rows: str, least: int, setting: str = "min_rows") -> str:
    """Why a strategy is not chosen, with the setting of its that says so."""
    return f"Not {strategy.replace('_', ' ')}: {rows}; needs at least {least} (strategy.{strategy}.{setting})."


def _eligible(profile: Profile, least: int) -> bool:
    return profile.rows is not None and profile.classes >= 2 and profile.shareable >= max(least, 1)


def _refused(crossings: Iterable[PlannedCrossing]) -> tuple[PlannedCrossing, ...]:
    return tuple(crossing for crossing in crossings if not crossing.permitted)


def _federate(ground: _Ground) -> dict[str, _Attempt]:
    """An attempt for every region: the members' succeed, the others' say what stood in the way."""
    upward = {
        profile.region: ground.upward(profile.region, profile.label, profile.shareable)
        for profile in ground.profiles
        if _eligible(profile, ground.rule.federated_min_rows)
    }
    candidates = [
        profile for profile in ground.profiles if profile.region in upward and not _refused(upward[profile.region])
    ]
    members = _members(ground, candidates)
    waiting = [profile for profile in ground.profiles if _waits(upward.get(profile.region, ()))]
    return {
        profile.region: _membership(ground, profile, members, upward.get(profile.region), waiting)
        for profile in ground.profiles
    }


def _waits(upward: Sequence[PlannedCrossing]) -> bool:
    """True where nothing but a person's approval is lacking."""
    refused = _refused(upward)
    return bool(refused) and all(crossing.decision.verdict == "review" for crossing in refused)


def _behind(ground: _Ground, profile: Profile, together: Sequence[Profile]) -> tuple[PlannedCrossing, ...]:
    """What would wait next, were all that waits approved: a person is asked about the whole way at once."""
    targets = {member.region: member for member in (profile, *together)}
    onward = _refused(
        crossing for target in targets for crossing in _of_global_model(ground, list(targets.values()), target)
    )
    return onward if all(crossing.decision.verdict == "review" for crossing in onward) else ()


def _members(ground: _Ground, candidates: Sequence[Profile]) -> list[Profile]:
    """The lawful set with the most shareable rows; fewer than the rule asks for where none has as many."""
    named = {profile.region: profile for profile in candidates}

    def may_go(sources: frozenset[str], target: str) -> bool:
        return not _refused(_of_global_model(ground, [named[name] for name in sources], target))

    rows = {profile.region: profile.shareable for profile in candidates}
    largest = largest_lawful(rows, may_go, least=ground.rule.federated_min_regions)
    largest = largest or largest_lawful(rows, may_go, least=1)
    return [profile for profile in candidates if profile.region in largest]


def _of_global_model(ground: _Ground, members: Sequence[Profile], target: str) -> list[PlannedCrossing]:
    """The global model from the hub to a member, and the update that comes back, bound by all of them from then on."""
    label, people = join(member.label for member in members), {member.region: member.shareable for member in members}
    down = ground.look(Kind.MODEL, label, ground.hub, target, sum(people.values()))
    return [down, ground.look(Kind.UPDATE, label, target, ground.hub, people[target])]


def _membership(
    ground: _Ground,
    profile: Profile,
    members: Sequence[Profile],
    upward: Sequence[PlannedCrossing] | None,
    waiting: Sequence[Profile],
) -> _Attempt:
    if upward is None:
        return _Attempt(False, _too_few("federated", profile.counted(), max(ground.rule.federated_min_rows, 1)))
    if refused := _refused(upward):
        behind = _behind(ground, profile, [*members, *waiting]) if profile in waiting else ()
        return _Attempt(False, f"Not federated: {refused[0].why()}.", blocked=(*refused, *behind))
    if profile not in members:
        return _left_out(ground, profile, members)
    names, least = _listed(sorted(member.region for member in members)), ground.rule.federated_min_regions
    if len(members) < least:
        return _Attempt(False, f"Not federated: only {names} could be a member; needs at least {least} regions.")
    reason = f"Federated among {names}: {profile.counted()}, and the global model may go to every member."
    return _Attempt(True, reason, (*upward, *_of_global_model(ground, members, profile.region)))


def _left_out(ground: _Ground, profile: Profile, members: Sequence[Profile]) -> _Attempt:
    """Why it is no member: it may not receive what is made with it, or its records may not go to a member."""
    blocked = _refused(
        crossing
        for member in (profile, *members)
        for crossing in _of_global_model(ground, [*members, profile], member.region)
    )
    if blocked:
        ends = blocked[0].source, blocked[0].target
        target = next((member.region for member in members if member.region in ends), "")
        theirs = f"its records may not go to {target}, even in a global model: " if target else ""
        return _Attempt(False, f"Not federated: {theirs}{blocked[0].why()}.", blocked=blocked)
    return _Attempt(False, "Not federated: it may share a model with no set of regions that has more rows.")


def _listed(names: Sequence[str], most: int = 8) -> str:
    """Names in a sentence; past a handful, how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _contributors(ground: _Ground) -> dict[str, int]:
    """Regions that may send an update made from their public rows, and how many such rows each has."""
    return {
        profile.region: profile.public_rows
        for profile in ground.profiles
        if profile.public_rows and not _refused(ground.upward(profile.region, PUBLIC, profile.public_rows))
    }


def _start(ground: _Ground, federated: Mapping[str, _Attempt]) -> _Start:
    """Public rows where they are enough; else, and where a base model may be made, consenting people's."""
    public, rule = _contributors(ground), ground.rule
    if BASE_MODEL not in ground.judges or sum(public.values()) >= rule.transfer_min_public_rows:
        return _Start(public)
    members = [
        profile for profile in ground.profiles if profile.region in federated and federated[profile.region].works
    ]
    outside = [profile for profile in ground.profiles if profile not in members and not _hopeless(profile)]
    receivers = [profile for profile in outside if (profile.rows or 0) >= rule.transfer_min_rows]
    consenting = start_models.contributors_of(
        members, receivers, hub=ground.hub, look=ground.look, least=rule.transfer_min_public_rows
    )
    return _Start(public, consenting)


def _transfer_learning(ground: _Ground, profile: Profile, start: _Start) -> _Attempt:
    rule, rows, public = ground.rule, profile.rows or 0, sum(start.public.values())
    if rows < rule.transfer_min_rows:
        return _Attempt(False, _too_few("transfer_learning", f"{rows} rows", rule.transfer_min_rows))
    if start.consenting:
        return _from_base_model(ground, profile, start)
    if public < rule.transfer_min_public_rows:
        few = f"{public} public rows in all", rule.transfer_min_public_rows, "min_public_rows"
        return _Attempt(False, _too_few("transfer_learning", *few))
    model = ground.look(Kind.MODEL, PUBLIC, ground.hub, profile.region, public)
    if not model.permitted:
        return _Attempt(False, f"Not transfer learning: {model.why()}.", blocked=(model,))
    mine = start.public.get(profile.region, 0)
    sent = ground.upward(profile.region, PUBLIC, mine) if mine else []
    reason = f"Transfer learning on {rows} own rows, from a model of {public} public rows of all regions."
    return _Attempt(True, reason, (*sent, model))


def _from_base_model(ground: _Ground, profile: Profile, start: _Start) -> _Attempt:
    """Transfer learning from a base model of rows whose people consented to one."""
    consented, least = start_models.rows_of(start.consenting), ground.rule.transfer_min_public_rows
    names, public = _listed(sorted(start.names)), sum(start.public.values())
    if consented < least:
        few = f"{public} public rows in all, and {consented} whose people consented to a base model ({names})"
        return _Attempt(False, _too_few("transfer_learning", few, least, "min_public_rows"))
    crossings = start_models.crossings_of(start.consenting, profile, hub=ground.hub, look=ground.look)
    if blocked := _refused(crossings):
        return _Attempt(False, f"Not transfer learning: {blocked[0].why()}.", blocked=blocked)
    reason = (
        f"Transfer learning on {profile.rows} own rows, from a base model of {consented} rows of {names} "
        "whose people consented to it."
    )
    return _Attempt(True, reason, tuple(crossings))


def _synthetic(ground: _Ground, profile: Profile) -> _Attempt:
    rule, rows = ground.rule, profile.rows or 0
    if rows < rule.synthetic_min_rows:
        return _Attempt(False, _too_few("synthetic", f"{rows} rows", rule.synthetic_min_rows))
    blocked: list[PlannedCrossing] = []
    others = [other for other in ground.profiles if other.region != profile.region]
    for donor in sorted(others, key=lambda other: (other.shareable, other.region), reverse=True):
        if not _eligible(donor, rule.synthetic_min_donor_rows):
            continue
        crossing = ground.look(Kind.SYNTHETIC, donor.label, donor.region, profile.region, donor.shareable)
        if crossing.permitted:
            reason = f"Synthetic rows from {donor.region} ({donor.counted()}) beside {rows} own rows."
            return _Attempt(True, reason, (crossing,), tuple(blocked), donor.region)
        blocked.append(crossing)
    why = blocked[0].why() if blocked else _no_donor(others, max(rule.synthetic_min_donor_rows, 1))
    return _Attempt(False, f"Not synthetic: {why}.", blocked=tuple(blocked))


def _no_donor(others: Iterable[Profile], least: int) -> str:
    """That nobody has rows enough to give from, and who would have, were all of them shareable."""
    bound = [
        f"{other.region} has {other.counted()}" for other in others if (other.rows or 0) >= least > other.shareable
    ]
    none = f"no other region has {least} shareable rows to give from"
    return f"{none} ({_listed(bound)})" if bound else none


def _local(rule: StrategyRule, profile: Profile) -> _Attempt:
    rows, least = profile.rows or 0, rule.local_min_rows
    if rows < least:
        return _Attempt(False, f"No training: {rows} rows; needs at least {least} (strategy.local.min_rows).")
    return _Attempt(True, f"Local: {rows} own rows, and no better strategy was possible.")
