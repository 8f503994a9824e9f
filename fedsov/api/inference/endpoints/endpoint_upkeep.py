"""What a region's endpoint needs while it runs and its workers may not do: the border asked again, tables taken.

    python -m fedsov.api.inference.endpoints.endpoint_upkeep WORKSPACE NAME

Every day, and within seconds of a change of the region's settings, its documents, the law or its approved list, it
decides again whose requests are taken and publishes the endpoint anew. A jurisdiction whose permission lapsed is served
no more, and it is said. Where it cannot decide (settings that were edited, a ledger that is full) it says so and tries
again; the endpoint goes on as it was published, and closes when that is two days old (`EndpointPlace.valid_until`).
It closes at once where the border permits nobody's requests any more. What somebody else puts in the place of what was
published is written over. It also closes the windows in which the endpoint's use is counted
(`fedsov.api.control.use.closed_windows`).
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from fedsov.api.control.use.closed_windows import close_windows, has_closed
from fedsov.api.inference.endpoints.endpoint import Published, published_again
from fedsov.api.inference.endpoints.serving_settings import watched_files
from fedsov.errors import FedsovError
from fedsov.inference.approved import read_approved
from fedsov.keys.certificates import REGION
from fedsov.protocol.calendar import real_day
from fedsov.region.admission import open_region
from fedsov.region.settings_file import FILE
from fedsov.runtimes.deployment.supervision.log_lines import LogLines, write_python_logging
from fedsov.runtimes.deployment.supervision.parties import ENVIRONMENT
from fedsov.runtimes.deployment.supervision.supervised import under_supervisor
from fedsov.runtimes.deployment.supervision.supervisor import Service
from fedsov.runtimes.serving.place import EndpointPlace, read_place
from fedsov.runtimes.serving.service import endpoint_service
from fedsov.storage.bounded_files import TooLarge, read_bounded
from fedsov.storage.folder_watch import FolderWatch
from fedsov.storage.private_files import keep_private
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import Workspace

SECONDS = 1.0
"""Between two looks at the files; at once where a version that was just approved waits for a decision."""
SLICE = 0.25
"""Of a wait, after which it is looked whether to stop."""
AGAIN = 60.0
"""Before another try, where the last one failed."""

State = tuple[date, tuple[tuple[str, int, int], ...]]
"""The day, and each file that a decision hangs on with its time and size."""


class Upkeep:
    """Publishes one region's endpoint anew whenever what it hangs on changed, until it is told to stop."""

    def __init__(self, root: Path, name: str, lines: LogLines, stop: threading.Event) -> None:
        self._root, self._folder, self._name = root, Workspace(root).region(name), name
        self._lines, self._stop = lines, stop
        self._watched: list[Path] = []
        self._refused: Mapping[str, str] = {}
        self._last: EndpointPlace | None = None
        self._closes_again = 0.0
        self._watch = FolderWatch(ServingFolder(self._folder).root)

    def serve(self, health: Any) -> None:
        """Publishes, and publishes again what changed."""
        done: State | None = None
        while not self._stop.is_set():
            health.beat()
            now = self._state()
            wait = SECONDS
            if now != done or not self._is_as_written():
                done, wait = (now, SECONDS) if self.publish(health) else (done, AGAIN)
            self.close_windows()
            self._wait(wait)

    def _wait(self, seconds: float) -> None:
        """Until these seconds are over, it is to stop, or the region approved what nothing was decided for."""
        end, approved = time.monotonic() + seconds, ServingFolder(self._folder).approved.name
        while not self._stop.is_set() and (left := end - time.monotonic()) > 0.0:
            if approved in self._watch.wait(min(SLICE, left)) and self._is_awaited():
                return

    def _is_awaited(self) -> bool:
        """Whether a version on the list takes data for which it is not decided yet whose requests may come."""
        last, path = self._last, ServingFolder(self._folder).approved
        if last is None:
            return True
        try:
            listed = read_approved(read_bounded(path), last.hub_key, last.region_key)
        except (OSError, TooLarge, FedsovError):
            return False  # it is said when it is looked at next
        return any(version.label.categories.difference(last.categories) for version in listed.versions)

    def publish(self, health: Any) -> bool:
        """Decides and publishes; False where that failed, which is said."""
        try:
            with open_region(self._folder, self._name) as (place, own):
                self._watched = watched_files(own)
                published = published_again(place, own, self._last)
        except FedsovError as error:
            health.tell(waits_for=f"its hosts to be decided: {error}")
            self._lines.warning("hosting", f"whom it serves could not be decided again: {error}")
            return False
        health.tell(waits_for="", connected=True)
        if published is not None:
            self._last = published.place
            self._say(published)
        return True

    def close_windows(self) -> None:
        """Has what the endpoint's use may tell leave by the region's gate, where a window ended."""
        if time.monotonic() < self._closes_again or not has_closed(self._folder, time.time()):
            return
        try:
            with open_region(self._folder, self._name) as (place, own):
                for closed in close_windows(place, own, now=time.time()):
                    self._lines.info("use", closed.sentence)
        except (FedsovError, OSError) as error:
            self._closes_again = time.monotonic() + AGAIN
            self._lines.warning("use", f"a window of use could not be closed: {error}; it is tried again")

    def _is_as_written(self) -> bool:
        """Whether what was published last is what lies there."""
        try:
            return self._last is None or read_place(self._last.path, self._last.region_key) == self._last
        except FedsovError:
            return False

    def _say(self, published: Published) -> None:
        hosting = published.hosting
        for code, why in hosting.refused.items():
            if code not in self._refused:
                self._lines.warning("hosting", f"people of {code} are served no more: {why}", jurisdiction=code)
        self._refused = hosting.refused
        self._lines.info("hosting", f"serves people of {', '.join(hosting.served)}")

    def _state(self) -> State:
        law = Workspace(self._root).law
        files = [self._folder / FILE, ServingFolder(self._folder).approved, *(law.glob("*") if law.is_dir() else ())]
        files += self._watched
        return real_day(), tuple(entry for path in sorted(files) if (entry := _entry(path)) is not None)


def _entry(path: Path) -> tuple[str, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return str(path), status.st_mtime_ns, status.st_size


def endpoint_services(place: EndpointPlace) -> list[Service]:
    """The processes of a published endpoint: the one that answers, and the one that publishes it anew."""
    root = Workspace.around(place.folder).root
    command = [sys.executable, "-m", "fedsov.api.inference.endpoints.endpoint_upkeep", str(root), place.region]
    return [endpoint_service(place), Service(f"{place.region} (hosting)", REGION, command, environment=ENVIRONMENT)]


def main() -> None:
    """Looks after one region's endpoint, under a supervisor."""
    health, root, name = under_supervisor(), Path(sys.argv[1]), sys.argv[2]
    keep_private()
    lines, stop = LogLines(f"{name} (hosting)"), threading.Event()
    write_python_logging(lines)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Upkeep(root, name, lines, stop).serve(health)


if __name__ == "__main__":
    main()
