"""The rollouts on the page: those that are open, and the last that ended."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from fedsov.control_plane.overview.values import ShownRollout, ShownRolloutRegion
from fedsov.control_plane.rollouts import states, tables
from fedsov.control_plane.rollouts.evaluation import evaluation_sentences
from fedsov.control_plane.rollouts.states import Rollout
from fedsov.control_plane.rollouts.tables import ROLLOUTS, RolloutEvent

ENDED_SHOWN = 4
"""How many rollouts that ended are shown below the open ones."""
SHOWED = "showed its lists"
"""What an event calls the act of a region's approver, whose name and reason it has."""
APPROVE, START, FREEZE, ROLLBACK = "approve", "start", "freeze", "rollback"


def rollouts(connection: Connection) -> tuple[ShownRollout, ...]:
    """Open rollouts and the last that ended, the newest first."""
    is_open = ROLLOUTS.c.state.in_(states.OPEN)
    numbers = list(connection.scalars(select(ROLLOUTS.c.number).where(is_open)))
    ended = select(ROLLOUTS.c.number).where(~is_open).order_by(ROLLOUTS.c.number.desc()).limit(ENDED_SHOWN)
    numbers += connection.scalars(ended)
    return tuple(_shown(connection, number) for number in sorted(numbers, reverse=True))


def _shown(connection: Connection, number: int) -> ShownRollout:
    rollout, proposal = tables.get(connection, number)
    events = tables.events_of(connection, number)
    approved = proposal.approved
    return ShownRollout(
        id=rollout.number,
        model=rollout.model,
        version=rollout.version,
        mode=proposal.mode,
        state=rollout.state,
        by=proposal.proposed.by,
        why=proposal.proposed.why,
        at=proposal.proposed.at,
        verdict=proposal.verdict,
        evaluation=evaluation_sentences(proposal.evaluation),
        regions=tuple(_region(rollout, name, events) for name in rollout.order),
        approvals=() if approved is None else ((approved.by, approved.why, approved.at),),
        stopped=rollout.why,
        acts=_acts(rollout),
        progress=rollout.progress,
    )


def _region(rollout: Rollout, name: str, events: Sequence[RolloutEvent]) -> ShownRolloutRegion:
    step = rollout.steps[name]
    has_signed = step.state not in (states.UNSIGNED, states.REFUSED)
    showed = [event for event in events if event.region == name and event.act == SHOWED and has_signed]
    return ShownRolloutRegion(
        name=name,
        is_canary=name == rollout.canary,
        state=step.state,
        word=step.word,
        approved_by=showed[-1].by if showed else "",
        why=showed[-1].why if showed else "",
        detail=step.why,
    )


def _acts(rollout: Rollout) -> tuple[tuple[str, str], ...]:
    """What the state lets a person do next: the act, and the region that it is about ("" for all of it)."""
    if rollout.state == states.PROPOSED:
        return (APPROVE, ""), (ROLLBACK, "")
    signs = tuple((APPROVE, name) for name in rollout.at(states.UNSIGNED)) if rollout.state in states.OPEN else ()
    if rollout.state == states.APPROVED:
        begins = ((START, ""),) if rollout.canary in rollout.at(states.SIGNED) else ()
        return (*signs, *begins, (ROLLBACK, ""))
    if rollout.state == states.RUNNING:
        return (*signs, *(((START, ""),) if rollout.at(states.SIGNED) else ()), (FREEZE, ""), (ROLLBACK, ""))
    if rollout.state == states.FROZEN:
        return (*signs, (START, ""), (ROLLBACK, ""))
    return ((ROLLBACK, ""),) if rollout.state == states.DONE and rollout.at(*states.SERVING) else ()
