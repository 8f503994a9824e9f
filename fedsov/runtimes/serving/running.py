"""What an endpoint's workers really have: written by their parent at each change, read by others of the same region.

    write_running(path, Running.of(reports, ...))       # in the endpoint's process
    running = read_running(path)                        # None where no endpoint runs

An approved list says what may answer; this says what answers. Workers tell it after they took a list, so a version that
could not be loaded is not in it. Beside it are the counts of all workers, for the region's own guard
(`fedsov.inference.use.guard`). It stays in the region's folder, and is believed while the process that wrote it lives.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from fedsov.storage.bounded_files import TooLarge, parsed_json, read_bounded
from fedsov.storage.private_files import FILE, beside, make_private_folder

FORMAT = "fedsov running versions 1"


class RunningVersion(NamedTuple):
    """A version that answers: its role, the SHA-256 of its parameters, how many workers have it, and since when."""

    model: str
    version: int
    role: str
    digest: str
    workers: int = 0
    since: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What runs at one moment.

    Attributes:
        workers: that are there; `counter` the lowest number of the approved lists that they have, 0 of none.
        versions: what answers, each with the number of workers that have it.
        waits_for: why nobody is answered; "" where requests are.
        faults: what workers could not take, in sentences.
        usage: the joined counts of all workers (`fedsov.inference.use.usage.joined`).
    """

    workers: int = 0
    counter: int = 0
    versions: tuple[RunningVersion, ...] = ()
    waits_for: str = ""
    faults: tuple[str, ...] = ()
    usage: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(reports: Sequence[Mapping[str, Any]], before: Running, *, at: str, usage: Mapping[str, Any]) -> Running:
        """What workers reported, each by its last line; a version that was there before keeps its time.

        Args:
            at: now, ISO 8601.
        """
        since = {each[:4]: each.since for each in before.versions}
        counts = Counter(
            (str(model), int(version), str(role), str(digest))
            for report in reports
            for model, version, role, digest in report["runs"]
        )
        faults = dict.fromkeys(str(fault) for report in reports for fault in report["faults"])
        waits = [str(report["waits_for"]) for report in reports]
        return Running(
            workers=len(reports),
            counter=min((int(report["counter"]) for report in reports), default=0),
            versions=tuple(
                RunningVersion(*each, workers=count, since=since.get(each, at))
                for each, count in sorted(counts.items())
            ),
            waits_for="" if "" in waits else next(iter(waits), "a worker to start"),
            faults=tuple(faults),
            usage=usage,
        )


def write_running(path: Path, running: Running) -> None:
    """Puts what runs in its place; not on the disk for sure, since it ends with this process. Raises OSError."""
    plain = {
        "format": FORMAT,
        "process": [os.getpid(), _began(os.getpid())],
        **{name: getattr(running, name) for name in ("workers", "counter", "versions", "waits_for", "faults", "usage")},
    }
    make_private_folder(path.parent)
    aside = beside(path)
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE), "wb") as file:
            file.write(json.dumps(plain).encode())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def read_running(path: Path) -> Running | None:
    """What runs now; None where the process that wrote it is gone, or there is none."""
    try:
        plain = dict(parsed_json(read_bounded(path)))
        number, began = plain.pop("process")
        if plain.pop("format") != FORMAT or not began or _began(int(number)) != began:
            return None
        versions = tuple(RunningVersion(*each) for each in plain["versions"])
        return replace(Running(**{**plain, "faults": tuple(plain["faults"])}), versions=versions)
    except (OSError, TooLarge, ValueError, TypeError, KeyError):
        return None


def _began(number: int) -> str:
    """When a process began, as its system counts it; "" of none. A number is used again, with another time."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19]
    if os.path.isdir("/proc/self"):
        return ""
    with suppress(OSError):
        os.kill(number, 0)
        return "there"
    return ""
