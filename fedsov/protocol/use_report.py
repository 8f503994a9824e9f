"""What a region tells a hub of the use of its endpoint: a closed schema, in which no number is about fewer than ten.

    report = UseReport("DE", begins=1_790_000_000, minutes=60, least=10, cells=(cell, ...))
    content = report.to_bytes()              # what crosses, whose digest the region's ledger has
    read_use_report(content) == report       # at the hub; UseReportRefused for anything else

A report is of one closed window. Its cells part the requests of that window: no request is in two of them, there is no
total beside them, and what too few people stand behind is not there, nor how many those are. So sums and differences of
cells are about whole cells. A cell's people and requests are whole tens, rounded down: 10 is 10 to 19.

Nothing else fits: another key, another word, a number that is no ten, cells that overlap are refused, by whoever makes
a report and by whoever reads one. A name of a model is the only text that is not from a table below.

>>> cell = UseCell("m", 1, "champion", "answered", people=20, requests=130, seconds=(0, 1), score=(3, 9))
>>> read_use_report(UseReport("DE", 3600, 60, 10, (cell,)).to_bytes()).cells[0].people
20
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from fedsov.errors import FedsovError
from fedsov.serialization import Unserializable, from_plain, to_plain
from fedsov.storage.bounded_files import parsed_json

FORMAT = "fedsov use 1"
LEAST, TEN = 10, 10
"""People behind a cell, at least; and what people and requests are rounded down to."""
SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5)
"""Upper edges of the bands of an answer's seconds; the last band has none."""
SCORES = tuple(place / 10 for place in range(1, 10))
"""Upper edges of the bands of a score, a probability."""
ROLES = ("champion", "canary")
OUTCOMES = ("answered", "refused", "failed")
"""A prediction; a request that its sender can mend (4xx); one that the endpoint failed (5xx)."""
DRIFT = ("small", "moderate", "large")
"""A population stability index below .1, of .1 to .25, above .25."""
MOST_BYTES = 2**20
MOST_MINUTES = 1440
_MODEL = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_REGION = re.compile(r"[A-Za-z0-9_-]{1,100}")
Band = tuple[int, int]
"""The first and the last band of those that were joined."""


class UseReportRefused(FedsovError):
    """A report that is none: the message names the place."""


@dataclass(frozen=True, slots=True)
class UseCell:
    """Requests that one version took, with one outcome, in a range of seconds and of scores.

    Attributes:
        people: who asked, in tens, rounded down.
        requests: in tens, rounded down; None where one person sent so many of them that the number would tell of them.
        seconds: the bands of `SECONDS` that were joined; `score` those of `SCORES`, None for requests that have no
            score of their own: of several rows, of a model of numbers, not answered.
    """

    model: str
    version: int
    role: str
    outcome: str
    people: int
    requests: int | None
    seconds: Band = (0, len(SECONDS))
    score: Band | None = None

    def __post_init__(self) -> None:
        _check(_MODEL.fullmatch(self.model) is not None, "model", "a name of 1 to 200 letters")
        _check(0 < self.version < 2**31, "version", "a number of 1 or more")
        _check(self.role in ROLES, "role", f"one of {', '.join(ROLES)}")
        _check(self.outcome in OUTCOMES, "outcome", f"one of {', '.join(OUTCOMES)}")
        _check(_is_tens(self.people), "people", f"{LEAST} or more, in tens")
        _check(self.requests is None or _is_tens(self.requests), "requests", f"{LEAST} or more, in tens, or null")
        _check(_is_band(self.seconds, len(SECONDS)), "seconds", f"two numbers of 0 to {len(SECONDS)}, in order")
        scores = self.score is None or _is_band(self.score, len(SCORES))
        _check(scores, "score", f"two numbers of 0 to {len(SCORES)}, in order, or null")

    def overlaps(self, other: UseCell) -> bool:
        """Whether a request could be in both."""
        if self.key != other.key or not _meet(self.seconds, other.seconds):
            return False
        if self.score is None or other.score is None:
            return self.score == other.score
        return _meet(self.score, other.score)

    @property
    def key(self) -> tuple[str, int, str, str]:
        """What its requests have in common beside the bands."""
        return self.model, self.version, self.role, self.outcome


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a version's inputs and scores are from its training, over the window's rows.

    Attributes:
        inputs: for each of `DRIFT` how many inputs.
        score: one of `DRIFT`.
    """

    model: str
    version: int
    inputs: tuple[int, int, int]
    score: str

    def __post_init__(self) -> None:
        _check(_MODEL.fullmatch(self.model) is not None, "drift.model", "a name of 1 to 200 letters")
        _check(0 < self.version < 2**31, "drift.version", "a number of 1 or more")
        _check(all(0 <= count < 2**20 for count in self.inputs), "drift.inputs", "three numbers of inputs")
        _check(self.score in DRIFT, "drift.score", f"one of {', '.join(DRIFT)}")


@dataclass(frozen=True, slots=True)
class UseNoise:
    """Discrete Laplace noise that was added to the people of each cell before it was rounded.

    Attributes:
        epsilon, delta: of this report, by person; `cells` that one person counts in, at most.
    """

    epsilon: float
    delta: float
    cells: int

    def __post_init__(self) -> None:
        _check(0.0 < self.epsilon <= 10.0 and 0.0 < self.delta < 1e-3, "noise", "an epsilon of (0, 10], a small delta")
        _check(1 <= self.cells <= 100, "noise.cells", "1 to 100")


@dataclass(frozen=True, slots=True)
class UseReport:
    """A closed window of one region.

    Attributes:
        begins: seconds since 1970, a whole number of windows; `minutes` how long it is.
        least: people that stand behind each cell, at least, as the region's owner set it.
        cells: at least one, none overlapping another.
        drift: of versions that have a cell.
        noise: None where numbers are exact before they are rounded.
    """

    region: str
    begins: int
    minutes: int
    least: int
    cells: tuple[UseCell, ...]
    drift: tuple[Drift, ...] = ()
    noise: UseNoise | None = None

    def __post_init__(self) -> None:
        _check(_REGION.fullmatch(self.region) is not None, "region", "the name of a region")
        _check(1 <= self.minutes <= MOST_MINUTES, "minutes", f"1 to {MOST_MINUTES}")
        _check(
            0 <= self.begins < 2**40 and not self.begins % (60 * self.minutes), "begins", "a whole number of windows"
        )
        _check(LEAST <= self.least < 2**31, "least", f"{LEAST} or more")
        enough = all(cell.people + TEN > self.least for cell in self.cells)
        _check(bool(self.cells) and enough, "cells", f"at least one, each of {self.least} people or more")
        _check(_are_apart(self.cells), "cells", "requests of their own each: the difference of two could be a person")
        told = {(cell.model, cell.version) for cell in self.cells}
        versions = [(each.model, each.version) for each in self.drift]
        _check(len({*versions}) == len(versions) and told.issuperset(versions), "drift", "once of versions with a cell")

    @property
    def ends(self) -> int:
        """When the window ended, seconds since 1970."""
        return self.begins + 60 * self.minutes

    def to_bytes(self) -> bytes:
        """The one text of this report."""
        return json.dumps({"format": FORMAT, **to_plain(self)}, sort_keys=True, separators=(",", ":")).encode()


def read_use_report(content: bytes) -> UseReport:
    """The report of a text that `UseReport.to_bytes` wrote. Raises UseReportRefused for any other."""
    if len(content) > MOST_BYTES:
        raise UseReportRefused(f"a report of use has at most {MOST_BYTES:,} bytes, and this one more")
    try:
        plain = parsed_json(content)
        if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
            raise UseReportRefused(f"this is no report of use: its format is not {FORMAT!r}")
        report: UseReport = from_plain(UseReport, plain)
    except (ValueError, Unserializable) as error:
        raise UseReportRefused(f"this is no report of use: {error}") from None
    if report.to_bytes() != content:
        raise UseReportRefused("a report of use is written in one way, and this one is written in another")
    return report


def tens(number: int) -> int:
    """A number rounded down to tens."""
    return number - number % TEN


def drift_band(psi: float) -> str:
    """The word of `DRIFT` for a population stability index."""
    return DRIFT[(psi >= 0.1) + (psi > 0.25)]


def seconds_words(band: Band) -> str:
    """A range of seconds for people.

    >>> seconds_words((0, 1)), seconds_words((2, 5)), seconds_words((0, 5))
    ('up to 5 ms', 'above 5 ms', 'any')
    """
    low, high = band
    if band == (0, len(SECONDS)):
        return "any"
    if high == len(SECONDS):
        return f"above {SECONDS[low - 1] * 1000:g} ms"
    top = f"{SECONDS[high] * 1000:g} ms"
    return f"{SECONDS[low - 1] * 1000:g} to {top}" if low else f"up to {top}"


def score_words(band: Band | None) -> str:
    """A range of scores for people.

    >>> score_words((0, 4)), score_words(None)
    ('0 to 0.5', '')
    """
    if band is None:
        return ""
    edges: Sequence[float] = (0.0, *SCORES, 1.0)
    return f"{edges[band[0]]:g} to {edges[band[1] + 1]:g}"


_MOST_ALIKE = (len(SECONDS) + 1) * (len(SCORES) + 2)


def _are_apart(cells: Sequence[UseCell]) -> bool:
    """Whether no request can be in two of them."""
    alike: dict[tuple[str, int, str, str], list[UseCell]] = {}
    for cell in cells:
        alike.setdefault(cell.key, []).append(cell)
    return all(
        len(group) <= _MOST_ALIKE and not any(first.overlaps(second) for first, second in combinations(group, 2))
        for group in alike.values()
    )


def _meet(first: Band, second: Band) -> bool:
    return first[0] <= second[1] and second[0] <= first[1]


def _is_tens(number: int) -> bool:
    return LEAST <= number < 2**40 and not number % TEN


def _is_band(band: Band, last: int) -> bool:
    return 0 <= band[0] <= band[1] <= last


def _check(holds: bool, name: str, expected: str) -> None:
    """Raises UseReportRefused; the message repeats no value, which could be anything."""
    if not holds:
        raise UseReportRefused(f"a report of use has as {name} {expected}, and this one something else")
