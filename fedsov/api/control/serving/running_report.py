"""What a region tells the hub of what runs: the versions that its workers have, and a word on how each does.

    told = RunningTold(workspace.region("DE"), "DE")
    told.report()                     # what the agent sends every two seconds, and at a change
    told.follow(agent, stop)          # a thread: has the agent send at once what changed

It says what workers have, not what the list says, so that the hub sees a version that could not be loaded. Of use it
says a word and bands (`fedsov.inference.use.guard`); a count stays home. How the agent fares goes to ``agent.json`` in
the region's own folder, where its people see since when the hub is away.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from fedsov.api.control.serving.region_guard import RegionGuard
from fedsov.api.control.serving.region_taking import ListTaking
from fedsov.errors import ConfigurationError, FedsovError, WorkspaceUnusable
from fedsov.inference.use.guard import WATCHING, GuardLimits, Judgement
from fedsov.inference.use.usage import Key
from fedsov.protocol.control import control_pb2 as control
from fedsov.protocol.rollouts import RolloutCandidate
from fedsov.region.admission import open_region
from fedsov.region.settings_file import FILE
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient, ControlRefused
from fedsov.runtimes.serving.running import Running, read_running
from fedsov.storage.atomic_files import write_file
from fedsov.storage.bounded_files import parsed_json
from fedsov.storage.control_folder import RegionControlFolder
from fedsov.storage.folder_watch import FolderWatch
from fedsov.storage.serving_folder import ServingFolder

LOOK = 0.5
"""Seconds between two looks, where nothing wakes it."""
NOTE = "version_judged"
"""What a ledger calls the note of a word about a version, before it is told."""
LONGEST = 500
"""Letters of a remark."""
SERVING, CLOSED, NONE = "serving", "closed", "none"


class Reporting(Protocol):
    """What is asked of the agent (`fedsov.runtimes.deployment.region_agent.agent.RegionAgent`)."""

    report_now: threading.Event

    @property
    def cut_off_since(self) -> datetime | None: ...


class RunningTold:
    """What one region tells; `report` and `follow` may be in different threads."""

    def __init__(
        self,
        folder: Path,
        name: str,
        taking: ListTaking,
        say: Callable[..., None] = lambda event, text, **fields: None,
    ) -> None:
        self._folder, self._name, self._taking, self._say = folder, name, taking, say
        self._awaited = ""
        self._told: dict[Key, Judgement] = {}
        self._serving, self._guard = ServingFolder(folder), RegionGuard(folder)
        self._lock, self._limits, self._settings = threading.Lock(), GuardLimits(), (0, 0)

    def report(self) -> control.RunningReport:
        """What runs now, and how it does."""
        with self._lock:
            running, remarks = read_running(self._serving.running), []
            judged: Mapping[Key, Judgement] = {}
            if running is not None:
                try:
                    self._guard.look(running)
                except WorkspaceUnusable as error:
                    remarks.append(f"what a version had answered when it began cannot be remembered: {error}")
                judged = self._noted(self._guard.judgements(self._guard_limits()), remarks)
        remarks += [self._taking.refused] if self._taking.refused else []
        return control.RunningReport(
            counter=0 if running is None else running.counter,
            versions=_versions(running),
            verdicts=[_verdict(key, each) for key, each in judged.items()],
            endpoint=self._endpoint(running),
            stale_since=self._taking.stale_since,
            software=version("fedsov"),
            remarks=[remark[:LONGEST] for remark in (*remarks, *(() if running is None else running.faults))],
        )

    def look_for_rollouts(self, client: ControlClient) -> None:
        """Says which version waits for a person of the region, once. Raises HubUnreachable."""
        try:
            answer = client.candidate(control.CandidateRequest())
            candidate = RolloutCandidate.from_json(parsed_json(answer.document))
        except (ControlRefused, ConfigurationError, ValueError):
            self._awaited = ""
            return
        asked = f"rollout {candidate.rollout}: {candidate.model} {candidate.version}, approved at the hub"
        way = f'`fedsov rollout approve {candidate.rollout} --region {self._name} --by NAME --why "..."`'
        if asked != self._awaited:
            self._awaited = asked
            self._say("rollout", f"{asked}, waits for {self._name}; {way} approves it", number=candidate.rollout)

    def follow(self, agent: Reporting, stop: threading.Event) -> None:
        """Has the agent report what changed, as soon as it did; and writes down how the agent fares."""
        watch, last, fares = FolderWatch(self._serving.running.parent), b"", b""
        while not stop.is_set():
            if watch.descriptor < 0:
                watch = FolderWatch(self._serving.running.parent)
            watch.wait(LOOK)
            with suppress(FedsovError, OSError):  # it is said with the next report that can be made
                now = self.report().SerializeToString(deterministic=True)
                if now != last:
                    last = now
                    agent.report_now.set()
                since = agent.cut_off_since
                plain = {"cut_off_since": since and since.isoformat(timespec="seconds")}
                plain |= {
                    "waits": self._awaited,
                    "stale_since": self._taking.stale_since,
                    "refused": self._taking.refused,
                }
                if (text := json.dumps(plain).encode()) != fares:
                    write_file(RegionControlFolder(self._folder).agent, text)
                    fares = text
        watch.close()

    def _noted(self, judged: Mapping[Key, Judgement], remarks: list[str]) -> Mapping[Key, Judgement]:
        """What may leave: each word is in the region's ledger first, and until it changes the same is told again."""
        told = {
            key: self._told[key] if key in self._told and self._told[key].word == each.word else each
            for key, each in judged.items()
        }
        new = {key: each for key, each in told.items() if each.word != WATCHING and self._told.get(key) != each}
        if new:
            try:
                with open_region(self._folder, self._name) as (place, _):
                    place.ledger.note_all({NOTE: _as_noted(key, each)} for key, each in new.items())
            except FedsovError as error:
                remarks.append(f"how {len(new)} versions do is not told, for the ledger does not note it: {error}")
                return {key: each for key, each in told.items() if key not in new}
        self._told = told
        return told

    def _endpoint(self, running: Running | None) -> str:
        if running is not None and not running.waits_for:
            return SERVING
        return CLOSED if self._serving.endpoint.exists() else NONE

    def _guard_limits(self) -> GuardLimits:
        """The limits that the region's settings have now; read where their file is another."""
        with suppress(OSError):
            status = (self._folder / FILE).stat()
            if (stamp := (status.st_mtime_ns, status.st_ino)) != self._settings:
                with open_region(self._folder, self._name) as (_, own):
                    self._limits = GuardLimits.from_settings(dict(own.serving.guard))
                self._settings = stamp
        return self._limits


def _versions(running: Running | None) -> Sequence[control.RunningVersion]:
    """What every worker has; while they differ, what any has."""
    return [
        control.RunningVersion(
            model=each.model, version=each.version, mode=each.role, digest=each.digest, since=each.since
        )
        for each in (() if running is None else running.versions)
    ]


def _as_noted(key: Key, judged: Judgement) -> dict[str, Any]:
    return {"model": key[0], "version": key[1], "word": judged.word, "bands": dict(judged.bands), "why": judged.why}


def _verdict(key: Key, judged: Judgement) -> control.VersionVerdict:
    return control.VersionVerdict(model=key[0], version=key[1], verdict=judged.word, bands=dict(judged.bands))
