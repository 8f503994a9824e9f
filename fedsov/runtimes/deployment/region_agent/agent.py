"""A region's loop towards the control plane: hello, wait for news, act on it; and a report every two seconds.

    agent = RegionAgent(client, RegionActs(running=..., on_news={"approved": take_approved}), tell, health)
    agent.serve(stop)            # until told to stop
    agent.report_now.set()       # something changed in the region: its report leaves at once

It calls outwards alone. While the hub is away the region goes on as it is; the agent says since when, tries again with
longer and longer pauses, and at the first answer asks for everything that it has not seen. An act that fails is said,
and done again: a notice counts as seen once its act returned. It holds up no news of another subject. Nothing that the
hub says makes the agent end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fedsov.errors import FedsovError
from fedsov.protocol.control import control_pb2 as control
from fedsov.runtimes.deployment.hub_connection import HubUnreachable, Pause
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient, ControlRefused
from fedsov.runtimes.deployment.supervision.health import Health
from fedsov.runtimes.deployment.supervision.log_lines import cut
from fedsov.runtimes.deployment.supervision.repeats import ThrottledEvents

WAIT = 20.0
"""Seconds of a long poll."""
BEAT = 2.0
"""Seconds between two reports."""
Act = Callable[[ControlClient], None]


@dataclass(frozen=True, slots=True)
class RepeatedAct:
    """Something that is done every so many seconds while the hub can be reached."""

    seconds: float
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionActs:
    """What the region does of what the hub asks; each is called in the agent's own thread, one at a time.

    Attributes:
        running: what runs in the region now; called from another thread.
        on_news: by subject, what is done where there is something new of it.
        repeated: what is done from time to time.
    """

    running: Callable[[], control.RunningReport]
    on_news: Mapping[str, Act] = field(default_factory=dict)
    repeated: Sequence[RepeatedAct] = ()


class RegionAgent:
    """The loop of one region.

    Args:
        tell: told of events: a word, a sentence, and fields.
        health: how it fares, for whoever looks after it.
    """

    def __init__(
        self,
        client: ControlClient,
        acts: RegionActs,
        tell: Callable[..., None] = lambda event, text, **fields: None,
        health: Health | None = None,
    ) -> None:
        self.report_now = threading.Event()
        self._client, self._acts, self._tell, self._health = client, acts, ThrottledEvents(tell), health or Health()
        self._cut_off_since: datetime | None = datetime.now(UTC)
        self._told_cut_off = ""
        self._seen: dict[str, int] = {}
        self._due = [0.0] * len(acts.repeated)

    @property
    def cut_off_since(self) -> datetime | None:
        """Since when the hub cannot be reached; None where it can."""
        return self._cut_off_since

    def serve(self, stop: threading.Event) -> None:
        """Waits for news and acts on them until it is told to stop."""
        reporting = threading.Thread(target=self._report, args=(stop,), name="reports", daemon=True)
        pause, begun = Pause(stop), False
        while not stop.is_set():
            try:
                if self._cut_off_since is not None:
                    self._hello()
                    if not begun:
                        reporting.start()
                        begun = True
                self._act(self._client.watch(self._seen, wait=self._wait()))
                pause.begin()
            except Exception as problem:  # boundary: whatever the hub says, and whatever an act makes of it
                if not stop.is_set():
                    self._lost(problem)
                    pause.wait()

    def interrupt(self) -> None:
        """Has an agent that is told to stop see it now, and not when its poll ends."""
        self.report_now.set()
        self._client.close()

    def _hello(self) -> None:
        told = self._client.hello()
        since = self._cut_off_since
        away = "" if since is None else f", after {(datetime.now(UTC) - since).total_seconds():.0f} s without it"
        at = f"the control plane at {self._client.address} answers{away}"
        self._tell("connected", at, hub=told.hub, instance=told.instance)
        self._cut_off_since, self._seen = None, {}
        self._health.tell(connected=True, waits_for="")
        self.report_now.set()

    def _act(self, news: Mapping[str, int]) -> None:
        """Does what is new, and what is due. What fails holds up nothing else, and counts as not seen.

        Raises what the first act raised that failed; HubUnreachable at once.
        """
        self._health.beat()
        problems: list[Exception] = []
        for subject, number in sorted(news.items()):
            try:
                self._do(subject)
                self._seen[subject] = number
            except HubUnreachable:
                raise
            except Exception as problem:  # boundary: whatever an act makes of it
                problems.append(problem)
        for place, each in enumerate(self._acts.repeated):
            if time.monotonic() >= self._due[place]:
                self._due[place] = time.monotonic() + each.seconds
                self._repeat(each)
        for further in problems[1:]:
            self._not_done(further, "it is tried again")
        if problems:
            raise problems[0]

    def _do(self, subject: str) -> None:
        act = self._acts.on_news.get(subject)
        if act is None:
            self._tell("not known", f"the hub has news of {cut(subject)}, which this version of fedsov does not know")
        else:
            act(self._client)
            self.report_now.set()

    def _repeat(self, each: RepeatedAct) -> None:
        """Does what is due; what fails waits for its next time, and holds up no news. Raises HubUnreachable."""
        try:
            each.act(self._client)
        except HubUnreachable:
            raise
        except Exception as problem:  # boundary: whatever an act makes of it
            self._not_done(problem, "it is done again when it is due")

    def _not_done(self, problem: Exception, then: str) -> None:
        """Says so; what nobody foresaw by its kind alone, for its words may quote a row."""
        reason = str(problem) if isinstance(problem, FedsovError | FileNotFoundError) else type(problem).__name__
        self._tell("not done", f"what is done for the control plane was not: {reason}; {then}")

    def _wait(self) -> float:
        """Seconds of the next poll: until something is due, and `WAIT` at most."""
        left = min(self._due, default=time.monotonic() + WAIT) - time.monotonic()
        return max(0.0, min(WAIT, left))

    def _lost(self, problem: Exception) -> None:
        if isinstance(problem, HubUnreachable):
            self._cut_off_since = self._cut_off_since or datetime.now(UTC)
            since = self._cut_off_since.isoformat(timespec="seconds")
            why = f"{problem}; the region goes on as it is, without the hub since {since}"
            if why != self._told_cut_off:
                self._told_cut_off = why
                self._tell("cut off", why, since=since)
            self._health.tell(connected=False, waits_for=cut(f"the hub ({problem})"))
        else:
            self._not_done(problem, "it is tried again")

    def _report(self, stop: threading.Event) -> None:
        """Says what runs at once where it changed, and every `BEAT` seconds."""
        while not stop.is_set():
            self.report_now.wait(BEAT)
            self.report_now.clear()
            self._tell.flush()
            if stop.is_set() or self._cut_off_since is not None:
                continue
            try:
                self._client.report(self._acts.running())
            except HubUnreachable:
                self._client.close()  # the long poll ends, and says so
            except ControlRefused as refused:
                self._tell("report refused", f"the hub does not take what this region reports: {refused}")
            except Exception as problem:  # boundary: a report that cannot be made ends no agent
                kind = type(problem).__name__
                self._tell(
                    "no report", f"what runs here could not be told ({kind}); the hub counts this region as silent"
                )
