"""What becomes of a plan when the law it rests on changes during training: who left, when, why, and what follows.

A plan holds on the day it was made. Before each round the hub asks the border again about the crossings of every
member (`needed`), and writes each change down as an `Amendment`. When the training has ended, a region that is out has
what it would have been given without federated training (`fallback`, `amended`). Like the plan it is pure: the day, the
decisions and the new plan come in from outside.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fedsov.artifact import Kind
from fedsov.hub.planning.plan_values import Amendment, Plan, PlannedCrossing, Profile, RegionPlan, StrategyRule
from fedsov.label import Label

if TYPE_CHECKING:
    from fedsov.hub.planning.plan import Judge


def needed(member: Profile, label: Label, *, people: int, hub: str, judge: Judge) -> tuple[PlannedCrossing, ...]:
    """The crossings of a round with one member: the global model to it, its scores and its update back.

    What it sends back is made from the global model too, so the model's label binds it beside its own.

    Args:
        label: what binds the global model; the origins of members that left stay in it.
        people: records behind the global model.
    """
    bound = label | member.label
    wanted = (
        (Kind.MODEL, label, hub, member.region, people),
        (Kind.METRICS, bound, member.region, hub, member.shareable),
        (Kind.UPDATE, bound, member.region, hub, member.shareable),
    )
    return tuple(
        PlannedCrossing(source, target, kind, binds, count, judge(kind, binds, source, target, count))
        for kind, binds, source, target, count in wanted
    )


def why_refused(crossing: PlannedCrossing, lapsed: Sequence[str] = ()) -> str:
    """Why a crossing is no longer permitted and what would mend it, in the border's own words.

    Args:
        lapsed: what became of documents that its permission rested on before, in sentences; the border names the
            papers that would cost least, and these need not be the same.
    """
    decision = crossing.decision
    waits = "" if decision.verdict == "refuse" else f"{crossing.kind} {crossing.source} -> {crossing.target} waits: "
    rested = " ".join(sentence for sentence in lapsed if sentence not in decision.reason)
    parts = (f"{waits}{decision.reason}", f"It was permitted until now: {rested}" if rested else "", decision.remedy)
    return " ".join(filter(None, parts))


def fallback(rule: StrategyRule, *, start_model: bool) -> StrategyRule:
    """The rule for a region that left: what could still be given to it.

    Never federated training; transfer learning only where its start model was trained. It is not trained late: what a
    member answers after it had the global model is bound by that model's label, and a start model is bound by nothing.
    """
    gone = {"federated"} if start_model else {"federated", "transfer_learning"}
    return replace(rule, order=tuple(name for name in rule.order if name not in gone))


def amended(plan: Plan, amendments: Sequence[Amendment], *, out: Collection[str], instead: Plan) -> Plan:
    """The plan with its amendments; a region that is out in the end follows what `instead` gives it.

    Args:
        out: the regions that are out in the end.
        instead: a plan for the same regions, made by the `fallback` rule.
    """
    regions = tuple(_amended(region, amendments, out=out, instead=instead) for region in plan.regions)
    return replace(plan, regions=regions)


def _amended(region: RegionPlan, amendments: Sequence[Amendment], *, out: Collection[str], instead: Plan) -> RegionPlan:
    mine = tuple(amendment for amendment in amendments if amendment.region == region.region)
    if region.region not in out:
        return replace(region, amendments=mine)
    new = instead.region(region.region)
    refused = tuple(amendment.crossing for amendment in mine if amendment.crossing is not None)
    reasons = (mine[-1].sentence(), *new.reasons)
    return replace(new, reasons=reasons, blocked=(*refused, *new.blocked), amendments=mine)
