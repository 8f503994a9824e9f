"""A region closes its windows of use: what may leave passes its gate once, and waits for the hub; the rest is deleted.

    for closed in close_windows(place, own, now=time.time()): print(closed.sentence)
    waiting_reports(folder)                    # what `fedsov.api.control.use_reports` sends

The order makes two reports of one window impossible, whoever is killed when: the report is on the disk, the region's
ledger notes which window it is of, the gate decides and records its crossing, then it may be sent, then the window is
deleted with the secret of its people. What was left half done goes on with the same bytes. A window that begins before
the last one that was noted ended is deleted unread.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fedsov.api.control.use.use_drift import drift_of
from fedsov.api.control.use.use_noise import draw_noise, reserved_noise
from fedsov.api.inference.approval import approvals
from fedsov.artifact import Artifact, Kind
from fedsov.border.gate import Refused
from fedsov.errors import BudgetExceeded, ConfigurationError, counted
from fedsov.inference.use.cells import UseFrame, joined_frames
from fedsov.inference.use.leaving import Group, Leaving, LeavingRule, cells_that_leave, noised
from fedsov.inference.use.spool import UseSpool, Window
from fedsov.label import Label
from fedsov.protocol.use_report import OUTCOMES, ROLES, UseNoise, UseReport, read_use_report
from fedsov.region.admission import Place
from fedsov.region.serving.hosting import serving_gate
from fedsov.region.settings import RegionSettings
from fedsov.storage.atomic_files import sha256_hex, write_file
from fedsov.storage.bounded_files import read_bounded
from fedsov.storage.control_folder import RegionControlFolder
from fedsov.storage.serving_folder import ServingFolder

GRACE = 30.0
"""Seconds after its end in which workers still put down what they counted of a window."""
NOTE = "use_report"
"""The note of a region's ledger about a window that it tells of, before the gate is asked."""
_PENDING, _WAITING = ".pending", ".json"


@dataclass(frozen=True, slots=True)
class ClosedWindow:
    """What became of a window.

    Attributes:
        report: what waits for the hub; None where nothing leaves, and `why`, with a way to mend it where there is one.
        left_out: groups of too few people; it stays here.
    """

    window: Window
    report: UseReport | None = None
    why: str = ""
    left_out: int = 0

    @property
    def sentence(self) -> str:
        """For whoever looks after the region."""
        about = f"use from {_moment(self.window.begins)}, {counted(self.window.seconds // 60, 'minute')}"
        if self.report is None:
            return f"{about}: nothing leaves: {self.why}"
        left_out = f"; {counted(self.left_out, 'group')} of too few people left out" if self.left_out else ""
        return f"{about}: {counted(len(self.report.cells), 'cell')} may leave{left_out}"


def has_closed(folder: Path, now: float) -> bool:
    """Whether a region's folder has a window to close; cheap, for whoever looks often."""
    return any(now >= window.ends + GRACE for window in UseSpool(ServingFolder(folder).use).windows())


def close_windows(place: Place, own: RegionSettings, *, now: float) -> list[ClosedWindow]:
    """Closes every window that has ended, the oldest first.

    Args:
        now: seconds since 1970.

    Raises ConfigurationError, JobRefused, ApprovalRefused, LedgerBroken, BudgetBroken, WorkspaceUnusable, OSError: what
    was not closed yet is closed next time.
    """
    spool = UseSpool(ServingFolder(place.folder).use)
    for path in sorted(RegionControlFolder(place.folder).metrics.glob(f"*{_PENDING}")):
        if (report := _go_on(place, own, path)) is not None:
            spool.remove(Window(report.begins, report.ends - report.begins))
    closed = []
    for window in spool.windows():
        if now >= window.ends + GRACE:
            closed.append(_closed(place, own, window, list(spool.frames(window))))
            spool.remove(window)
    return closed


def waiting_reports(folder: Path) -> list[Path]:
    """The reports of a region that passed its gate and that no hub has acknowledged, the oldest first."""
    return sorted(RegionControlFolder(folder).metrics.glob(f"*{_WAITING}"))


def use_notes(place: Place) -> list[Mapping[str, Any]]:
    """What the ledger noted of each window that was told of."""
    return [entry.body["note"][NOTE] for entry in place.ledger.notes(NOTE)]


def _closed(place: Place, own: RegionSettings, window: Window, frames: Sequence[UseFrame]) -> ClosedWindow:
    name = own.region
    if not own.metrics.share:
        return ClosedWindow(window, why=f"`fedsov region set {name} metrics.share=true` would let it")
    if window.begins < max((note["begins"] + 60 * note["minutes"] for note in use_notes(place)), default=0):
        return ClosedWindow(window, why="it begins before a window ended that was told of, and two do not overlap")
    if window.seconds % 60 or not frames:
        return ClosedWindow(window, why="nobody asked")
    try:
        leaving, noise = _leaving(place, own, joined_frames(frames))
    except BudgetExceeded as error:
        return ClosedWindow(window, why=f"metrics.lifetime_epsilon of region {name} is spent: {error}")
    if not leaving.cells:
        groups = counted(leaving.left_out, "group")
        why = f"no version with one outcome was asked by {own.metrics.people} people or more ({groups} left out)"
        return ClosedWindow(window, why=why, left_out=leaving.left_out)
    cells = tuple(sorted(leaving.cells, key=lambda cell: (cell.key, cell.score or (), cell.seconds)))
    drift = () if noise else drift_of(place.folder, {(cell.model, cell.version) for cell in cells})
    report = UseReport(name, window.begins, window.seconds // 60, own.metrics.people, cells, drift, noise)
    why = _cross(place, own, _noted(place, report, leaving))
    return ClosedWindow(window, None if why else report, why, leaving.left_out)


def _leaving(place: Place, own: RegionSettings, frame: UseFrame) -> tuple[Leaving, UseNoise | None]:
    rule = LeavingRule(own.metrics.people, own.limits.dominance)
    if own.metrics.epsilon is None:
        return cells_that_leave(frame, rule), None
    noise = reserved_noise(place, own, frame.begins)
    return noised(frame, rule, noise, _groups(place, own), draw_noise), noise


def _groups(place: Place, own: RegionSettings) -> list[Group]:
    """What is told of under noise, whatever was asked: the approved versions that answer."""
    versions = [each for each in approvals.in_force(place, own).versions if each.mode in ROLES]
    return [(each.model, each.version, each.mode, outcome) for each in versions for outcome in OUTCOMES]


def _noted(place: Place, report: UseReport, leaving: Leaving) -> Path:
    """The report on the disk, and what it is of in the ledger."""
    content = report.to_bytes()
    path = RegionControlFolder(place.folder).metrics / f"{report.begins:012d}-{report.minutes}{_PENDING}"
    write_file(path, content)
    about = {"begins": report.begins, "minutes": report.minutes, "sha256": sha256_hex(content)}
    label = {"origins": sorted(leaving.origins), "categories": sorted(leaving.categories)}
    place.ledger.note({NOTE: {**about, **label, "fewest": leaving.fewest}})
    return path


def _go_on(place: Place, own: RegionSettings, path: Path) -> UseReport | None:
    """Ends what was begun with a report that was noted, as it is; None for one that was not, which is dropped."""
    content = read_bounded(path)
    digest = sha256_hex(content)
    if not any(note["sha256"] == digest for note in use_notes(place)):
        path.unlink()
        return None
    bodies = [entry.body for entry in place.ledger.entries()]
    asked = [body["verdict"] for body in bodies if body.get("act") == "cross" and body.get("digest") == digest]
    if asked and asked[-1] == "permit":
        os.replace(path, path.with_suffix(_WAITING))
    elif asked:
        path.unlink()
    else:
        _cross(place, own, path)
    return read_use_report(content)


def _cross(place: Place, own: RegionSettings, path: Path) -> str:
    """Asks the region's gate, and lets the report wait for the hub; why not, where it is not permitted."""
    content = read_bounded(path)
    note = next(each for each in use_notes(place) if each["sha256"] == sha256_hex(content))
    gate, hub = serving_gate(place, own), own.parties.hub
    if hub is None:
        raise ConfigurationError(f"region {own.region} has not pinned where the hub is (parties.hub)")
    name = f"use of its endpoint from {_moment(note['begins'])}, {note['minutes']} minutes"
    label = Label(frozenset(note["origins"]), frozenset(note["categories"]))
    try:
        gate.cross(Artifact(Kind.METRICS, label, content, count=note["fewest"], name=name), hub)
    except Refused as refused:
        with suppress(FileNotFoundError):
            path.unlink()
        return str(refused)
    os.replace(path, path.with_suffix(_WAITING))
    return ""


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
