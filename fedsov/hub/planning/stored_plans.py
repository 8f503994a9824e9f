"""Plans, profiles and amendments as they were written down, read again: the inverse of their `to_json`.

A plan that was made before a run was killed stands when the run goes on; what each of its crossings was answered then
is read here as it was said, and decides nothing any more: every crossing is decided anew when it happens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import date
from typing import TYPE_CHECKING, Any

from fedsov.artifact import Kind
from fedsov.border.decisions import Permit, Refusal, Review
from fedsov.hub.planning.amendments import Amendment
from fedsov.hub.planning.plan_values import Plan, PlannedCrossing, Profile, RegionPlan
from fedsov.label import Label

if TYPE_CHECKING:
    from fedsov.hub.planning.plan import Decision

ANSWERS = {kind.verdict: kind for kind in (Permit, Refusal, Review)}


def profile_said(profile: Profile) -> dict[str, Any]:
    """A profile in plain values."""
    return {**asdict(profile), "label": profile.label.to_json()}


def profile_read(value: Mapping[str, Any]) -> Profile:
    """The inverse of `profile_said`."""
    return Profile(**{**value, "label": Label.from_json(value["label"])})


def plan_read(value: Mapping[str, Any]) -> Plan:
    """The inverse of `Plan.to_json`. Raises KeyError or TypeError for what is no plan."""
    regions = tuple(_region(one) for one in value["regions"])
    return Plan(regions, tuple(value["contributors"]), value["unsafe"])


def amendment_read(value: Mapping[str, Any]) -> Amendment:
    """The inverse of `Amendment.to_json`."""
    return Amendment(
        region=value["region"],
        round=value["round"],
        day=date.fromisoformat(value["day"]),
        left=value["change"] == "left",
        why=value["why"],
        crossing=None if value["crossing"] is None else _crossing(value["crossing"]),
    )


def _region(value: Mapping[str, Any]) -> RegionPlan:
    return RegionPlan(
        region=value["region"],
        rows=value["rows"],
        strategy=value["strategy"],
        reasons=tuple(value["reasons"]),
        crossings=_crossings(value["crossings"]),
        donor=value["donor"],
        blocked=_crossings(value["blocked"]),
        amendments=tuple(amendment_read(one) for one in value["amendments"]),
    )


def _crossings(values: Sequence[Mapping[str, Any]]) -> tuple[PlannedCrossing, ...]:
    return tuple(_crossing(one) for one in values)


def _crossing(value: Mapping[str, Any]) -> PlannedCrossing:
    return PlannedCrossing(
        source=value["source"],
        target=value["target"],
        kind=Kind(value["kind"]),
        label=Label.from_json(value["label"]),
        count=value["count"],
        decision=_answer(value["decision"]),
    )


def _answer(value: Mapping[str, Any]) -> Decision:
    kind: Any = ANSWERS[value["verdict"]]
    parts = {part.name: value[part.name] for part in fields(kind)}
    answer: Decision = kind(**{name: tuple(part) if isinstance(part, list) else part for name, part in parts.items()})
    return answer
