"""A rollout as people and pages are shown it: its state, each region's, who did what, and what is to be done next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from fedsov.control_plane.rollouts import states, tables
from fedsov.control_plane.rollouts.evaluation import evaluation_sentences
from fedsov.control_plane.rollouts.proposal import ProposedVersion
from fedsov.control_plane.rollouts.states import RegionStep, Rollout
from fedsov.control_plane.rollouts.tables import RolloutEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStatus:
    """A rollout, what was proposed, and what was done about it."""

    rollout: Rollout
    proposal: ProposedVersion
    events: tuple[RolloutEvent, ...] = ()

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What a person may do now, in sentences with the command."""
        return tuple(_next_steps(self.rollout))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rollout, proposal = self.rollout, self.proposal
        about = proposal.to_json()
        return (
            {
                "rollout": rollout.number,
                "model": rollout.model,
                "version": rollout.version,
                "state": rollout.state,
                "progress": rollout.progress,
                "why": rollout.why,
                "canary": rollout.canary,
                "regions": {name: asdict(rollout.steps[name]) for name in rollout.order},
                "next": list(self.next_steps),
                "events": [asdict(each) for each in self.events],
            }
            | {name: about[name] for name in ("mode", "share", "digest", "label", "verdict", "report", "registry")}
            | {name: about[name] for name in ("evaluation", "proposed", "approved")}
        )

    def lines(self) -> Iterator[str]:
        """In sentences."""
        rollout, proposal = self.rollout, self.proposal
        because = f": {rollout.why}" if rollout.why else ""
        called = f"{rollout.model} {rollout.version} as {proposal.mode}"
        yield f"rollout {rollout.number}: {called}, {rollout.state}{because}"
        yield f"  attack verdict {proposal.verdict}"
        yield f"  evaluation: {'; '.join(evaluation_sentences(proposal.evaluation))}"
        yield f"  proposed by {proposal.proposed.by}: {proposal.proposed.why}"
        if proposal.approved is not None:
            yield f"  approved at the hub by {proposal.approved.by}: {proposal.approved.why}"
        for name in rollout.order:
            step = rollout.steps[name]
            details = "; ".join(part for part in (step.why, _report(step)) if part)
            is_canary = " (canary)" if name == rollout.canary else ""
            yield f"  {name}{is_canary}: {step.state}{': ' if details else ''}{details}"
        yield from (f"  next: {sentence}" for sentence in self.next_steps)


def status_of(connection: Connection, number: int) -> RolloutStatus:
    """A rollout. Raises ConfigurationError where there is none of this number."""
    rollout, proposal = tables.get(connection, number)
    return RolloutStatus(rollout=rollout, proposal=proposal, events=tuple(tables.events_of(connection, number)))


def _report(step: RegionStep) -> str:
    """The region's word about its endpoint; one that has the version no more said it before."""
    has_it = step.state in states.SERVING
    return f"{'reports' if has_it else 'reported'} {step.word}" if step.word else ""


def _next_steps(rollout: Rollout) -> Iterator[str]:
    number = rollout.number
    if rollout.state == states.PROPOSED:
        yield f"`fedsov rollout approve {number}` approves it at the hub"
        return
    if rollout.state not in states.OPEN:
        return
    for name in rollout.at(states.UNSIGNED):
        yield f"{name} stays where it is until `fedsov rollout approve {number} --region {name}` in its home"
    if rollout.state == states.APPROVED and rollout.canary in rollout.at(states.SIGNED):
        yield f"`fedsov rollout start {number}` begins with {rollout.canary}"
    if rollout.state == states.FROZEN:
        yield f"`fedsov rollout start {number}` has it go on, `fedsov rollout rollback {number}` takes it back"
    if rollout.state == states.RUNNING and (watched := rollout.at(states.PUBLISHED)):
        yield (
            f"it goes on when {', '.join(watched)} had a whole window without a fault, or by "
            f"`fedsov rollout start {number}`"
        )
    elif rollout.state == states.RUNNING and rollout.at(states.SIGNED):
        yield f"no region of it has passed, so it waits: `fedsov rollout start {number}` begins its next wave"
