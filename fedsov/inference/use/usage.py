"""How an endpoint is used, without people: counts, latency, scores and drift, of a region, as Prometheus reads them.

    usage = Usage()
    usage.answered("m", 1, "champion", rows=1, seconds=0.0001)
    usage.refused(422)
    text = prometheus(joined([usage.snapshot(), other_worker]), region="DE", windows={("m", 1): window})

Nothing here names a person, a jurisdiction or a token; a count is of requests. What leaves the region passes its gate
elsewhere. Each worker process counts for itself; a snapshot is plain values, and whoever is asked joins them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fedsov.inference.use.drift import DriftWindow, Reference

LATENCIES = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper edges of the histogram of seconds."""
FINE = tuple(0.00005 * 2.0 ** (step / 4) for step in range(73))
"""Upper edges of the finer one, by which two versions are compared: four for each doubling, to 13 seconds."""
FRESH = 4096
"""Answers of a version whose seconds are counted by bins at once."""
FOLD = 512
"""Rows that are counted by bins at once: one by one it would cost more than the prediction."""
WINDOW = 86_400.0
"""Seconds of a window of drift; what is told is of the last one and the present."""
Key = tuple[str, int]
_Snapshot = Mapping[str, Any]


class VersionCounts:
    """The counts of one version in one role, since its endpoint began.

    Attributes:
        faults: requests that were not answered because this version failed: an error, or what is no number.
        unread: bodies that this version did not read, though their request was admitted.
        fine: answers by `FINE`.
    """

    __slots__ = ("_fresh", "faults", "fine", "latencies", "requests", "rows", "seconds", "unread")

    def __init__(
        self, requests: int = 0, rows: int = 0, seconds: float = 0.0, latencies: Sequence[int] = (),
        faults: int = 0, unread: int = 0, fine: Sequence[int] = (),
    ) -> None:  # fmt: skip
        self.requests, self.rows, self.seconds, self.faults, self.unread = requests, rows, seconds, faults, unread
        self.latencies = list(latencies) or [0] * (len(LATENCIES) + 1)
        self.fine = list(fine) or [0] * (len(FINE) + 1)
        self._fresh: list[float] = []

    def answered(self, rows: int, seconds: float) -> None:
        """Counts an answer."""
        self.requests += 1
        self.rows += rows
        self._fresh.append(seconds)
        if len(self._fresh) >= FRESH:
            self._fold()

    def joined(self, other: VersionCounts) -> VersionCounts:
        """These and those of another worker."""
        self._fold()
        other._fold()
        return VersionCounts(
            self.requests + other.requests,
            self.rows + other.rows,
            self.seconds + other.seconds,
            _added(self.latencies, other.latencies),
            self.faults + other.faults,
            self.unread + other.unread,
            _added(self.fine, other.fine),
        )

    def plain(self) -> tuple[int, int, float, list[int], int, int, list[int]]:
        """Plain values, in the order of the arguments."""
        self._fold()
        return self.requests, self.rows, self.seconds, self.latencies, self.faults, self.unread, self.fine

    def _fold(self) -> None:
        if not self._fresh:
            return
        fresh, self._fresh = np.asarray(self._fresh), []
        self.seconds += float(fresh.sum())
        for edges, counts in ((LATENCIES, self.latencies), (FINE, self.fine)):
            for place, count in zip(*np.unique(np.searchsorted(edges, fresh), return_counts=True), strict=True):
                counts[place] += int(count)


def _added(first: Sequence[int], second: Sequence[int]) -> list[int]:
    return [mine + more for mine, more in zip(first, second, strict=True)]


class Usage:
    """The counts of one process; for one thread."""

    def __init__(self, earlier: _Snapshot | None = None) -> None:
        """
        Args:
            earlier: what a process before this one had counted in its place; totals go on.
        """
        earlier = earlier or {}
        self._versions = {(model, version, role): VersionCounts(*counts)
                          for model, version, role, *counts in earlier.get("versions", ())}  # fmt: skip
        self._statuses: dict[int, int] = {int(status): count for status, count in earlier.get("statuses", {}).items()}
        self._events: dict[str, int] = dict(earlier.get("events", {}))
        self._windows: dict[Key, list[DriftWindow]] = {}
        self._since: dict[Key, float] = {}
        self._rows: dict[Key, list[tuple[np.ndarray, np.ndarray]]] = {}
        self._pending = 0

    def watch(self, references: Mapping[Key, Reference], now: float) -> None:
        """Counts drift of these versions, and of no others; one that is watched already goes on.

        Args:
            now: seconds.
        """
        self.fold(now)
        self._windows = {
            key: self._windows[key]
            if key in self._windows and self._windows[key][0].reference == reference
            else [DriftWindow(reference), DriftWindow(reference)]
            for key, reference in references.items()
        }
        self._since = {key: self._since.get(key, now) for key in references}

    def answered(self, model: str, version: int, role: str, *, rows: int, seconds: float) -> None:
        """Counts an answer of a version."""
        counts = self._versions.get((model, version, role))
        if counts is None:
            counts = self._of(model, version, role)
        counts.answered(rows, seconds)

    def failed(self, model: str, version: int, role: str) -> None:
        """Counts a request that a version did not answer because it failed."""
        self._of(model, version, role).faults += 1

    def unread(self, model: str, version: int, role: str) -> None:
        """Counts a body that a version did not read."""
        self._of(model, version, role).unread += 1

    def _of(self, model: str, version: int, role: str) -> VersionCounts:
        return self._versions.setdefault((model, version, role), VersionCounts())

    def refused(self, status: int) -> None:
        """Counts an answer that is no prediction."""
        self._statuses[status] = self._statuses.get(status, 0) + 1

    def noted(self, event: str) -> None:
        """Counts something that operators should see."""
        self._events[event] = self._events.get(event, 0) + 1

    def observed(self, key: Key, inputs: np.ndarray, scores: np.ndarray, now: float) -> None:
        """Takes the inputs and outputs of a request of a watched version for its drift."""
        if key not in self._windows:
            return
        self._rows.setdefault(key, []).append((inputs, scores))
        self._pending += len(inputs)
        if self._pending >= FOLD:
            self.fold(now)

    def fold(self, now: float) -> None:
        """Counts what was taken, by bins; begins a new window where the present one is old enough."""
        rows, self._rows, self._pending = self._rows, {}, 0
        for key, taken in rows.items():
            if key not in self._windows:
                continue
            if now - self._since[key] >= WINDOW:
                reference = self._windows[key][1].reference
                self._windows[key] = [self._windows[key][1], DriftWindow(reference)]
                self._since[key] = now
            inputs, scores = (np.concatenate(parts) for parts in zip(*taken, strict=True))
            self._windows[key][1].with_rows(inputs, scores)

    def snapshot(self, now: float) -> dict[str, Any]:
        """Everything as plain values, for `joined` and for the process after this one."""
        self.fold(now)
        versions = [[*key, *counts.plain()] for key, counts in self._versions.items()]
        drift = [[*key, last.joined(present.to_json()).to_json()] for key, (last, present) in self._windows.items()]
        statuses = {str(status): count for status, count in self._statuses.items()}
        return {"versions": versions, "statuses": statuses, "events": dict(self._events), "drift": drift}


def joined(snapshots: Iterable[_Snapshot]) -> dict[str, Any]:
    """The sum of the workers' counts, and all of their windows of drift."""
    versions: dict[tuple[str, int, str], VersionCounts] = {}
    sums: dict[str, dict[str, int]] = {"statuses": {}, "events": {}}
    drift: list[Any] = []
    for snapshot in snapshots:
        for model, version, role, *counts in snapshot["versions"]:
            key = (model, version, role)
            versions[key] = versions.get(key, VersionCounts()).joined(VersionCounts(*counts))
        for name, counts in sums.items():
            for key, count in snapshot[name].items():
                counts[key] = counts.get(key, 0) + count
        drift += snapshot["drift"]
    return {"versions": [[*key, *counts.plain()] for key, counts in versions.items()], **sums, "drift": drift}


def windows(whole: _Snapshot, references: Mapping[Key, Reference]) -> dict[Key, DriftWindow]:
    """The joined windows of drift of each version that has a reference; counts by other bins are left out."""
    joined = {key: DriftWindow(reference) for key, reference in references.items()}
    for model, version, plain in whole["drift"]:
        window = joined.get((model, version))
        if window is not None and [len(each) for each in window.inputs] == [len(each) for each in plain["inputs"]]:
            joined[model, version] = window.joined(plain)
    return joined


def prometheus(
    whole: _Snapshot, *, region: str, drift: Mapping[Key, DriftWindow], gauges: Mapping[str, tuple[str, float]]
) -> str:
    """The counts in the text format of Prometheus (0.0.4).

    Args:
        gauges: further values of the region, each with what it is.
    """
    own = f'region="{_escaped(region)}"'
    lines: list[str] = []
    for name, (what, value) in gauges.items():
        lines += [*_head(name, "gauge", what), f"fedsov_inference_{name}{{{own}}} {value:.10g}"]
    lines += _counted("answers_total", "status", "Answers that are no prediction, by status.", whole["statuses"], own)
    lines += _counted("events_total", "event", "What operators should see.", whole["events"], own)
    versions = [(f'{own},model="{_escaped(model)}",version="{version}",role="{role}"', *counts)
                for model, version, role, *counts in sorted(whole["versions"])]  # fmt: skip
    for name, place, what in (
        ("requests_total", 1, "Predictions."),
        ("rows_total", 2, "Rows of predictions."),
        ("faults_total", 5, "Requests that a version did not answer because it failed."),
        ("unread_total", 6, "Bodies that a version did not read."),
    ):
        lines += _head(name, "counter", what)
        lines += [f"fedsov_inference_{name}{{{row[0]}}} {row[place]}" for row in versions]
    lines += _head("seconds", "histogram", "Seconds from a request's head to its answer.")
    for labels, requests, _, seconds, latencies, *_ in versions:
        lines += _histogram("seconds", labels, LATENCIES, latencies)
        lines += [f"fedsov_inference_seconds_sum{{{labels}}} {seconds:.10g}"]
        lines += [f"fedsov_inference_seconds_count{{{labels}}} {requests}"]
    return "\n".join([*lines, *_drift_lines(drift, own)]) + "\n"


def _drift_lines(drift: Mapping[Key, DriftWindow], own: str) -> list[str]:
    lines = [*_head("drift_rows", "gauge", "Rows of the windows of drift.")]
    labels = {key: f'{own},model="{_escaped(key[0])}",version="{key[1]}"' for key in drift}
    lines += [f"fedsov_inference_drift_rows{{{labels[key]}}} {window.rows}" for key, window in drift.items()]
    lines += _head("drift_psi", "gauge", "Population stability index against training, by input and of the scores.")
    for key, window in drift.items():
        lines += [
            f'fedsov_inference_drift_psi{{{labels[key]},input="{_escaped(name)}"}} {value:.6g}'
            for name, value in window.psi().items()
        ]
    lines += _head("score", "histogram", "Scores of the windows of drift, by output.")
    for key, window in drift.items():
        for place, (bins, counts) in enumerate(zip(window.reference.scores, window.scores, strict=True)):
            lines += _histogram("score", f'{labels[key]},output="{place}"', bins.edges, counts.tolist())
            lines += [f'fedsov_inference_score_count{{{labels[key]},output="{place}"}} {window.rows}']
    return lines


def _counted(name: str, label: str, what: str, counts: Mapping[str, int], own: str) -> list[str]:
    rows = [
        f'fedsov_inference_{name}{{{own},{label}="{_escaped(key)}"}} {count}' for key, count in sorted(counts.items())
    ]
    return [*_head(name, "counter", what), *rows]


def _histogram(name: str, labels: str, edges: Sequence[float], counts: Sequence[int]) -> list[str]:
    total, lines = 0, []
    for edge, count in zip([*(f"{edge:.6g}" for edge in edges), "+Inf"], counts, strict=True):
        total += count
        lines.append(f'fedsov_inference_{name}_bucket{{{labels},le="{edge}"}} {total}')
    return lines


def _head(name: str, kind: str, what: str) -> list[str]:
    return [f"# HELP fedsov_inference_{name} {what}", f"# TYPE fedsov_inference_{name} {kind}"]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
