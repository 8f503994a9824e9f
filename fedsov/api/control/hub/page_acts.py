"""What people do on the hub's pages, by the functions of a rollout.

Start, freeze and roll back are the hub's own, in this process. What reads a registry or a region's folder (to propose,
to approve) is a command in a process of its own: the control plane's process loads no library of rows or of training.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from fedsov.control_plane.pages.site import Acts
from fedsov.control_plane.rollouts.acts import HubRollouts
from fedsov.errors import (
    ApprovalRefused,
    ConfigurationError,
    CrossingRefused,
    FedsovError,
    JobRefused,
    LedgerBroken,
    LimitExceeded,
    WorkspaceUnusable,
)
from fedsov.storage.workspace import Workspace

SECONDS = 300
"""How long a command may take."""
KINDS: Mapping[int, type[FedsovError]] = {
    kind.exit_code: kind
    for kind in (ConfigurationError, CrossingRefused, LedgerBroken, ApprovalRefused, WorkspaceUnusable, JobRefused)
}
"""The error of a command's exit code."""


@dataclass(frozen=True, slots=True)
class PageActs:
    """The acts of the pages of a hub's home."""

    home: Path
    rollouts: HubRollouts
    _auditing: Lock = field(default_factory=Lock)

    @property
    def acts(self) -> Acts:
        """Each act, as the pages call it."""
        here = frozenset(Workspace(self.home).region_names())
        return Acts(self.propose, self.approve, self.start, self.rollback, self.freeze, regions_here=here)

    def propose(self, model: str, version: int, *, regions: list[str], canary: str, by: str, why: str) -> int:
        """Proposes a version; returns the rollout's number. Raises as the command ends."""
        for name in (model, *regions, canary):
            if name.startswith("-") or not name.isprintable():
                raise ConfigurationError(f"{name!r} is no name; a name begins with a letter or digit")
        options = [f"--region={','.join(regions)}"] if regions else []
        options += [f"--canary={canary}"] if canary else []
        answer = run_command(self.home, ["rollout", "propose", model, str(version), *options, *_person(by, why)])
        return int(answer["rollout"])

    def approve(self, number: int, *, region: str, by: str, why: str) -> str:
        """Approves as the hub, or as a region whose home this is too. Raises as the command ends."""
        if region and region not in Workspace(self.home).region_names():
            raise ConfigurationError(
                f"region {region} is not in this hub's home; its approver runs `fedsov rollout approve {number} "
                f"--region {region}` in the region's own"
            )
        options = [f"--region={region}"] if region else []
        answer = run_command(self.home, ["rollout", "approve", str(number), *options, *_person(by, why)])
        return str(answer["state"])

    def audit(self) -> dict[str, Any]:
        """What `fedsov audit status` answers: every ledger verified; one such question at a time.

        Raises LimitExceeded while another is answered.
        """
        if not self._auditing.acquire(blocking=False):
            raise LimitExceeded("the ledgers are being verified for somebody else; ask again in a minute")
        try:
            return run_command(self.home, ["audit", "status"], answers_with=(0, LedgerBroken.exit_code))
        finally:
            self._auditing.release()

    def start(self, number: int, *, region: str, by: str, why: str, seen: str) -> str:
        """Starts it, or its next wave, where it is as far as the person saw."""
        return self.rollouts.start(number, by=by, why=why, seen=seen).rollout.state

    def rollback(self, number: int, *, region: str, by: str, why: str) -> str:
        """Takes it back."""
        return self.rollouts.rollback(number, by=by, why=why).rollout.state

    def freeze(self, number: int, *, region: str, by: str, why: str) -> str:
        """Keeps it where it is."""
        return self.rollouts.freeze(number, by=by, why=why).rollout.state


def run_command(home: Path, words: Sequence[str], *, answers_with: Sequence[int] = (0,)) -> dict[str, Any]:
    """The JSON that a command of a home answers with, run in a process of its own.

    Args:
        answers_with: the exit codes of a command that printed its answer.

    Raises the error that the command ended with, in its own sentence; ConfigurationError where it took too long.
    """
    command = [sys.executable, "-m", "fedsov", *words, "--workspace", str(home), "--json"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"`fedsov {' '.join(words[:2])}` did not end in {SECONDS} s; see `fedsov rollout status`, and run it in "
            "the hub's home"
        ) from None
    if ended.returncode not in answers_with or not ended.stdout:
        lines = [line for line in ended.stderr.splitlines() if line.startswith("fedsov: ")]
        sentence = lines[-1].removeprefix("fedsov: ") if lines else f"it ended with {ended.returncode}"
        raise KINDS.get(ended.returncode, ConfigurationError)(sentence)
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def _person(by: str, why: str) -> list[str]:
    return [f"--by={by}", f"--why={why}"]
