"""Reports of use added up: by region and version, how many requests at least and at most, how fast, how they ended.

    for total in totals(reports): print(total.region, total.version, total.answered, total.seconds_of(0.99))

Each cell's numbers are tens rounded down, so a sum is from a least to a most; a cell whose requests are not told counts
one for each of its people at least, and has no most. Nothing is told of requests that too few people stand behind, so a
sum is of what was told, not of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fedsov.protocol.use_report import (
    DRIFT,
    OUTCOMES,
    TEN,
    Band,
    Cell,
    Drift,
    UseReport,
    score_words,
    seconds_words,
)

Key = tuple[str, str, int, str]
"""Region, model, version, role."""
ANSWERED, REFUSED, FAILED = OUTCOMES


@dataclass(frozen=True, slots=True)
class Requests:
    """How many requests: `least` at least, and `most` at most; None where that is not told."""

    least: int = 0
    most: int | None = 0

    def __add__(self, other: Requests) -> Requests:
        most = None if self.most is None or other.most is None else self.most + other.most
        return Requests(self.least + other.least, most)

    @staticmethod
    def of(cell: Cell) -> Requests:
        """Those of one cell."""
        if cell.requests is None:
            return Requests(cell.people, None)
        return Requests(max(cell.requests, cell.people), cell.requests + TEN - 1)

    def __str__(self) -> str:
        if self.most is None:
            return f"{self.least:,} or more"
        return f"{self.least:,} to {self.most:,}" if self.most else "none told"


@dataclass(slots=True)
class Total:
    """What was told of one version in one region.

    Attributes:
        windows: in which something was told of it; `begins` of the first, `ends` of the last, seconds since 1970.
        outcomes: requests by how they ended.
        people: of the cell with most people, of all windows, in tens: so many different people asked at least.
        drift: of the last window that has it.
        noise: whether any of it was told under noise.
    """

    region: str
    model: str
    version: int
    role: str
    windows: int = 0
    begins: int = 0
    ends: int = 0
    outcomes: dict[str, Requests] = field(default_factory=dict)
    people: int = 0
    cells: list[Cell] = field(default_factory=list)
    drift: Drift | None = None
    noise: bool = False

    @property
    def key(self) -> Key:
        return self.region, self.model, self.version, self.role

    @property
    def requests(self) -> Requests:
        """Of every outcome."""
        return sum(self.outcomes.values(), Requests())

    def seconds_of(self, share: float) -> Band | None:
        """The bands of seconds within which this share of the answers lie; None where none are told."""
        cells = sorted((cell for cell in self.cells if cell.outcome == ANSWERED), key=lambda cell: cell.seconds)
        if not cells:
            return None
        return _quantile([cell.seconds for cell in cells], [Requests.of(cell).least for cell in cells], share)

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        plain: dict[str, object] = {"region": self.region, "model": self.model, "version": self.version}
        plain |= {"role": self.role, "windows": self.windows, "begins": self.begins, "ends": self.ends}
        plain |= {"people_at_least": self.people, "noise": self.noise}
        for outcome in OUTCOMES:
            requests = self.outcomes.get(outcome, Requests())
            plain[outcome] = {"at_least": requests.least, "at_most": requests.most}
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            band = self.seconds_of(share)
            plain[name] = None if band is None else seconds_words(band)
        plain["scores"] = [
            {"score": score_words(band), "at_least": requests.least, "at_most": requests.most}
            for band, requests in self.scores().items()
        ]
        plain["drift"] = None if self.drift is None else {**_counts(self.drift), "score": self.drift.score}
        return plain

    def scores(self) -> dict[Band, Requests]:
        """Answers by bands of scores, as they were joined."""
        by_band: dict[Band, Requests] = {}
        for cell in self.cells:
            if cell.score is not None:
                by_band[cell.score] = by_band.get(cell.score, Requests()) + Requests.of(cell)
        return dict(sorted(by_band.items()))


def totals(reports: Iterable[UseReport]) -> list[Total]:
    """What reports tell of each version, by region, model and version."""
    every: dict[Key, Total] = {}
    for report in sorted(reports, key=lambda each: each.begins):
        seen: set[Key] = set()
        for cell in report.cells:
            key = (report.region, cell.model, cell.version, cell.role)
            total = every.setdefault(key, Total(*key, begins=report.begins))
            total.outcomes[cell.outcome] = total.outcomes.get(cell.outcome, Requests()) + Requests.of(cell)
            total.people, total.ends = max(total.people, cell.people), report.ends
            total.noise |= report.noise is not None
            total.cells.append(cell)
            if key not in seen:
                seen.add(key)
                total.windows += 1
        for drift in report.drift:
            for total in every.values():
                if (total.region, total.model, total.version) == (report.region, drift.model, drift.version):
                    total.drift = drift
    return [every[key] for key in sorted(every)]


def _quantile(bands: Sequence[Band], weights: Sequence[int], share: float) -> Band:
    """The narrowest range that is sure to hold a quantile, where a weight may lie anywhere in its band."""
    needed = share * sum(weights)
    fastest, slowest = (_edge(sorted(zip(edges, weights, strict=True)), needed)
                        for edges in ([band[0] for band in bands], [band[1] for band in bands]))  # fmt: skip
    return fastest, slowest


def _edge(ordered: Sequence[tuple[int, int]], needed: float) -> int:
    passed = 0
    for edge, weight in ordered:
        passed += weight
        if passed >= needed:
            return edge
    return ordered[-1][0]


def _counts(drift: Drift) -> dict[str, int]:
    return dict(zip((f"inputs_{word}" for word in DRIFT), drift.inputs, strict=True))
