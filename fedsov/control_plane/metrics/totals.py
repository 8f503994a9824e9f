"""Reports of use added up: by region and version, how many requests at least and at most, how fast, how they ended.

    for total in totals(reports): print(total.region, total.version, total.requests, total.seconds_of(0.99))

Each cell's numbers are tens rounded down, so a sum is from a least to a most; a cell whose requests are not told counts
one for each of its people at least, and has no most. Nothing is told of requests that too few people stand behind, so a
sum is of what was told, not of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fedsov.protocol.use_report import (
    DRIFT,
    OUTCOMES,
    TEN,
    Band,
    Drift,
    UseCell,
    UseReport,
    score_words,
    seconds_words,
)

Key = tuple[str, str, int, str]
"""Region, model, version, role."""
ANSWERED, REFUSED, FAILED = OUTCOMES


class TotalPart(NamedTuple):
    """What requests that were told together have in common."""

    outcome: str
    seconds: Band
    score: Band | None


@dataclass(frozen=True, slots=True)
class Requests:
    """How many requests: `least` at least, and `most` at most; None where that is not told."""

    least: int = 0
    most: int | None = 0

    def __add__(self, other: Requests) -> Requests:
        most = None if self.most is None or other.most is None else self.most + other.most
        return Requests(self.least + other.least, most)

    @staticmethod
    def of(cell: UseCell) -> Requests:
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
        parts: requests by outcome, seconds and score, as they were told together.
        people: of the cell with most people, of all windows, in tens: so many different people asked at least.
        drift: of the last window that has it.
        noise: whether any of it was told under noise.
        evaluation: how the version did on the region's test rows in its training, by measure.
    """

    region: str
    model: str
    version: int
    role: str
    windows: int = 0
    begins: int = 0
    ends: int = 0
    people: int = 0
    parts: dict[TotalPart, Requests] = field(default_factory=dict)
    drift: Drift | None = None
    noise: bool = False
    evaluation: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Whose it is."""
        return self.region, self.model, self.version, self.role

    @property
    def outcomes(self) -> dict[str, Requests]:
        """Requests by how they ended, of those outcomes that were told."""
        sums = {outcome: _sum(count for part, count in self.parts.items() if part.outcome == outcome)
                for outcome in OUTCOMES}  # fmt: skip
        return {outcome: count for outcome, count in sums.items() if count.least}

    @property
    def requests(self) -> Requests:
        """Of every outcome."""
        return _sum(self.parts.values())

    @property
    def scores(self) -> dict[Band, Requests]:
        """Answers by bands of scores, as they were joined."""
        bands = sorted({part.score for part in self.parts if part.score is not None})
        return {band: _sum(count for part, count in self.parts.items() if part.score == band) for band in bands}

    def seconds_of(self, share: float) -> Band | None:
        """The bands of seconds within which this share of the answers lie; None where none are told."""
        answers = {part.seconds: Requests() for part in self.parts if part.outcome == ANSWERED}
        for part, count in self.parts.items():
            if part.outcome == ANSWERED:
                answers[part.seconds] += count
        return _quantile([*answers], [count.least for count in answers.values()], share) if answers else None

    def add(self, part: TotalPart, count: Requests) -> None:
        """Adds requests to a part."""
        self.parts[part] = self.parts.get(part, Requests()) + count

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        plain: dict[str, object] = {"region": self.region, "model": self.model, "version": self.version}
        plain |= {"role": self.role, "windows": self.windows, "begins": self.begins, "ends": self.ends}
        plain |= {"people_at_least": self.people, "noise": self.noise}
        plain |= {outcome: _plain(self.outcomes.get(outcome, Requests())) for outcome in OUTCOMES}
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            band = self.seconds_of(share)
            plain[name] = None if band is None else seconds_words(band)
        plain["scores"] = [{"score": score_words(band), **_plain(count)} for band, count in self.scores.items()]
        plain["drift"] = None if self.drift is None else {**_counts(self.drift), "score": self.drift.score}
        plain["evaluation"] = dict(self.evaluation)
        return plain


def totals(reports: Iterable[UseReport]) -> list[Total]:
    """What reports tell of each version, by region, model and version."""
    every: dict[Key, Total] = {}
    for report in sorted(reports, key=lambda each: each.begins):
        drifts = {(drift.model, drift.version): drift for drift in report.drift}
        seen: set[Key] = set()
        for cell in report.cells:
            key = (report.region, cell.model, cell.version, cell.role)
            total = every.setdefault(key, Total(*key, begins=report.begins))
            total.add(TotalPart(cell.outcome, cell.seconds, cell.score), Requests.of(cell))
            total.people, total.ends = max(total.people, cell.people), report.ends
            total.noise |= report.noise is not None
            total.drift = drifts.get((cell.model, cell.version), total.drift)
            total.windows += key not in seen
            seen.add(key)
    return [every[key] for key in sorted(every)]


def _sum(counts: Iterable[Requests]) -> Requests:
    return sum(counts, Requests())


def _plain(count: Requests) -> dict[str, int | None]:
    return {"at_least": count.least, "at_most": count.most}


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
