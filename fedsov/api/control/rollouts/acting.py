"""What commands do about a rollout at the hub once it is approved, and how they show it.

    status = act(root, "start", 3, by="A. Person", why="a quiet day")
    for line in overview(root).lines(): print(line)

A region of the same workspace takes its list at once, whether or not its agent runs. Others hear of it by their own
call to the hub.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsov.api.acting_person import UNSAID, user
from fedsov.api.control.control_hub import hub_rollouts
from fedsov.control_plane.regions.directory import directory
from fedsov.control_plane.rollouts.acts import HubRollouts
from fedsov.control_plane.rollouts.states import OPEN
from fedsov.control_plane.rollouts.status import RolloutStatus
from fedsov.control_plane.rollouts.wanted import drifting
from fedsov.storage.workspace import Workspace, is_there, ledger_of

LOOK = 0.2
"""Seconds between two looks of whoever follows."""


@dataclass(frozen=True, slots=True)
class RolloutsShown:
    """Rollouts, and the regions that serve another list than is wanted."""

    statuses: Sequence[RolloutStatus]
    drift: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"rollouts": [each.to_json() for each in self.statuses], "drift": list(self.drift)}

    def lines(self) -> Iterator[str]:
        """In sentences."""
        if not self.statuses:
            yield "no rollout goes on; `fedsov rollout propose MODEL VERSION` begins one, `--all` shows those before"
        for each in self.statuses:
            yield from each.lines()
        yield from (f"drift: {sentence}" for sentence in self.drift)


def act(root: Path, name: str, number: int, *, by: str = "", why: str = "") -> RolloutStatus:
    """Starts, rolls back or freezes a rollout; regions of this workspace take their list at once.

    Args:
        name: ``start``, ``rollback`` or ``freeze``.

    Raises ConfigurationError where that cannot be.
    """
    with hub_rollouts(root) as rollouts:
        acts = {"start": rollouts.start, "rollback": rollouts.rollback, "freeze": rollouts.freeze}
        status = acts[name](number, by=by or user(), why=why or UNSAID)
        if any(is_there(ledger_of(Workspace(root).region(name))) for name in status.rollout.order):
            from fedsov.api.control.serving.handing_over import hand_over  # a hub's own home needs nothing of a region

            hand_over(rollouts, Workspace(root), status.rollout.order)
    return status


def overview(root: Path, number: int | None = None, *, every: bool = False) -> RolloutsShown:
    """A rollout, or those that go on, or every one; and who drifts. Raises ConfigurationError for no such number."""
    with hub_rollouts(root) as rollouts:
        return _overview(rollouts, number, every=every)


def follow(root: Path, number: int | None = None, *, every: bool = False) -> Iterator[RolloutsShown]:
    """The same, and again whenever something changed; ends when the rollout that is named is over."""
    with hub_rollouts(root) as rollouts:
        seen = -1
        while True:
            changes = rollouts.database.changes
            if changes != seen:
                seen, shown = changes, _overview(rollouts, number, every=every)
                yield shown
                if number is not None and shown.statuses[0].rollout.state not in OPEN:
                    return
            time.sleep(LOOK)


def _overview(rollouts: HubRollouts, number: int | None, *, every: bool) -> RolloutsShown:
    statuses = [rollouts.status(number)] if number is not None else rollouts.statuses(only_open=not every)
    with rollouts.database.reading() as connection:
        served = {each.name: each.counter for each in directory(connection)}
    known = {name: each for name, each in rollouts.wanted().items() if name in served}
    return RolloutsShown(statuses, tuple(drifting(known, served).values()))
