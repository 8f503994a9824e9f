"""What a worker tells of itself: readiness at its port, and the region's metrics within the zone alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from fedsov.inference.receiving import Scope
from fedsov.inference.request_log.writer import LogState
from fedsov.inference.state import EndpointState
from fedsov.inference.use.usage import Usage, joined, prometheus, windows
from fedsov.runtimes.serving.shared_counts import SharedCounts
from fedsov.storage.bounded_files import TooLarge, parsed_json, read_bounded

ZONE = "fedsov zone"
"""The key of an ASGI scope's state by which connections of the zone's port are known."""


class WorkerPages:
    """The pages of one worker; its counts and those of the others come from shared memory."""

    def __init__(
        self,
        usage: Usage,
        counts: SharedCounts,
        place: int,
        log: Callable[[], LogState],
        keys: Callable[[], str],
        *,
        agent: Path | None = None,
    ) -> None:
        """
        Args:
            agent: where the region's agent says how it fares.
            place: of this worker in the shared counts.
            log: how its log of requests does.
            keys: why tokens cannot be checked; "" where they can.
        """
        self._usage, self._counts, self._place, self._log, self._keys = usage, counts, place, log, keys
        self._agent = agent

    def waits_for(self, state: EndpointState) -> str:
        """Why it answers nothing; "" where it answers."""
        if not state.models:
            return state.faults[0] if state.faults else f"a version that {state.region} approves: fedsov promote"
        if why := state.too_old(time.time()):
            return f"a decision: {why}"
        return self._keys() or self._log().fault

    def ready(self, state: EndpointState) -> tuple[int, str]:
        """Status and text of /readyz; what is not as it was approved is told also where the rest goes on."""
        waits_for = self.waits_for(state)
        log = ["the log of requests has no room: its lines are without people and contents"]
        beside = [*state.faults, *(log if self._log().is_without_content else [])]
        lines = [f"{state.region} waits for {waits_for}" if waits_for else "ready", *beside]
        return (503 if waits_for else 200), "\n".join(dict.fromkeys(lines)) + "\n"

    def metrics(self, state: EndpointState) -> str:
        """The counts of all workers."""
        self.share()
        log, whole = self._log(), joined(self._counts.read_all())
        references = {
            (served.model, served.version): served.reference for served in state.served if served.reference is not None
        }
        gauges = {
            "ready": ("1 where requests are answered.", float(not self.waits_for(state))),
            "faults": ("Approved versions and settings that could not be taken.", float(len(state.faults))),
            "log_waiting_lines": ("Lines of this worker that are not on the disk yet.", float(log.waiting)),
            "log_fault": ("1 where this worker's log cannot be written.", float(bool(log.fault))),
            "log_without_content": (
                "1 where lines are without people, for lack of room.",
                float(log.is_without_content),
            ),
        }
        gauges |= self._hub()
        return prometheus(whole, region=state.region, drift=windows(whole, references), gauges=gauges)

    def _hub(self) -> dict[str, tuple[str, float]]:
        """Since when the region goes on without the hub, as its agent says; nothing where it has none."""
        try:
            plain = parsed_json(read_bounded(self._agent)) if self._agent else {}
            cut_off, stale = (plain.get(name) for name in ("cut_off_since", "stale_since"))
            since = {name: 0.0 if not at else datetime.fromisoformat(at).timestamp()
                     for name, at in (("cut_off", cut_off), ("stale", stale))}  # fmt: skip
        except (OSError, TooLarge, ValueError, TypeError, AttributeError):
            return {}
        if not plain:
            return {}
        return {
            "hub_cut_off_since": (
                "Since when the hub cannot be reached, seconds since 1970; 0 where it can.",
                since["cut_off"],
            ),
            "hub_stale_since": (
                "Since when nothing new is taken, for the hub's word expired; 0 where it holds.",
                since["stale"],
            ),
        }

    def share(self) -> bool:
        """Puts this worker's counts where the others read them; False where they are too many."""
        return self._counts.write(self._place, self._usage.snapshot(time.time()))

    def is_zone(self, scope: Scope) -> bool:
        """Whether a request came by the zone's own port."""
        return bool(scope.get("state", {}).get(ZONE))
