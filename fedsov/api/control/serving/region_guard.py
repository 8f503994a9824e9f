"""The region's own judgement of each version that its endpoint runs, since it began to run there.

    guard = RegionGuard(folder)
    guard.look(running)                        # at each change of what workers have and counted
    guard.judgements(limits)                   # by (model, version): `fedsov.inference.use.guard.Judgement`

Workers count for as long as they live, so the guard remembers what a version had answered when it began, and which
champion it took the place of. That is on the disk: an agent that is killed judges on by the same window.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedsov.errors import ConfigurationError
from fedsov.inference.approved import CHAMPION
from fedsov.inference.use.drift import REFERENCE, Reference
from fedsov.inference.use.guard import GuardLimits, Judgement, VersionWindow, judge
from fedsov.inference.use.usage import Key, windows
from fedsov.runtimes.serving.running import Running
from fedsov.storage.atomic_files import write_file
from fedsov.storage.bounded_files import TooLarge, parsed_json, read_bounded
from fedsov.storage.control_folder import RegionControlFolder
from fedsov.storage.serving_folder import ServingFolder


@dataclass(frozen=True, slots=True)
class _Watched:
    """A version that runs: since when, what it had answered before, and the champion that was there; 0 of none."""

    since: str
    began: VersionWindow = field(default_factory=VersionWindow)
    before: int = 0

    def to_json(self) -> dict[str, Any]:
        return {"since": self.since, "began": self.began.to_json(), "before": self.before}

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> _Watched:
        return _Watched(str(plain["since"]), VersionWindow.from_json(plain["began"]), int(plain["before"]))


class RegionGuard:
    """The windows of one region; for one thread."""

    def __init__(self, folder: Path) -> None:
        self._path, self._serving = RegionControlFolder(folder).guard, ServingFolder(folder)
        self._watched, self._champions = _read(self._path)
        self._running: Running | None = None

    def look(self, running: Running) -> None:
        """Takes what runs now; a version that was not there begins a window. Raises WorkspaceUnusable."""
        known = (self._watched, self._champions)
        present = {(each.model, each.version): each for each in running.versions}
        models = {model for model, _ in present}
        watched = {key: each for key, each in self._watched.items() if key in present or key[0] not in models}
        for key, each in present.items():
            if key not in watched or watched[key].since != each.since:
                before = self._rival(running, *key) or (watched[key].before if key in watched else 0)
                watched[key] = _Watched(each.since, VersionWindow.of(running.usage, key), before)
        champions = {each.model: each.version for each in running.versions if each.role == CHAMPION}
        self._running, self._watched, self._champions = running, watched, {**self._champions, **champions}
        if known != (self._watched, self._champions):
            plain = {
                "watched": [[*key, each.to_json()] for key, each in self._watched.items()],
                "champions": self._champions,
            }
            write_file(self._path, json.dumps(plain).encode())

    def judgements(self, limits: GuardLimits) -> dict[Key, Judgement]:
        """How each version that runs does."""
        running = self._running
        if running is None:
            return {}
        present = [(each.model, each.version) for each in running.versions if each.workers]
        drift = windows(running.usage, {key: reference for key in present if (reference := self._reference(key))})
        judged = {}
        for key in present:
            each = self._watched[key]
            window = VersionWindow.of(running.usage, key, drift.get(key)).since(each.began)
            before = VersionWindow.of(running.usage, (key[0], each.before)) if each.before else None
            judged[key] = judge(window, before, limits)
        return judged

    def _rival(self, running: Running, model: str, version: int) -> int:
        """The champion that answers beside a version, or that was there before it; 0 of none."""
        beside = (each.version for each in running.versions if each.model == model and each.role == CHAMPION)
        earlier = self._champions.get(model, 0)
        return next((other for other in (*beside, earlier) if other != version), 0)

    def _reference(self, key: Key) -> Reference | None:
        """What a version's inputs were like in training, as the endpoint counts against it."""
        try:
            return Reference.from_json(parsed_json(read_bounded(self._serving.model(*key) / REFERENCE)))
        except (OSError, TooLarge, ValueError, ConfigurationError):
            return None


def _read(path: Path) -> tuple[dict[Key, _Watched], dict[str, int]]:
    """What was remembered; nothing where it cannot be read: windows are then of all that workers counted."""
    try:
        plain = parsed_json(read_bounded(path))
        watched = {(str(model), int(version)): _Watched.from_json(each) for model, version, each in plain["watched"]}
        return watched, {str(model): int(version) for model, version in plain["champions"].items()}
    except (OSError, TooLarge, ValueError, TypeError, KeyError, AttributeError):
        return {}, {}
