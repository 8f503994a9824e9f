"""What regions answered about rows that are sent, as long as it stands.

A server asks the same regions the same things several times a second. An answer that let rows pass is given again
where nothing is left that could change it: it was given on the same day, the region did not look at a row, and no file
changed that it may have read (settings, ledgers, keys, registers, law, what is stored of other data sets). Whatever
looked at rows, of erased people say, is asked again for the next rows; a refusal is never kept.

    standing = StandingAnswers(conditions, lambda: watched_files(workspace, dataset))
    with standing.group(today):
        stores.store(..., standing.conditions())
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date

from fedsov.jurisdiction import Region
from fedsov.partition.arrival import Arrival, ArrivingRows, Conditions
from fedsov.partition.recipients import Gathered
from fedsov.partition.sources.location import SentHome, Share

Stated = tuple[str, int, int, int]
"""A file's path, inode, time of its last change in ns, and bytes."""
LONGEST = 60.0
"""Seconds that an answer stands at most: a paper's own file is read by a register, and is not watched here."""


@dataclass(slots=True)
class StandingAnswers:
    """The conditions of an ingestion, asked once for the groups that they are alike for.

    Attributes:
        asked: the conditions themselves.
        files: what they may read.
        bounded: the share that is asked about, for one that is sent.
    """

    asked: Conditions
    files: Callable[[], Sequence[Stated]]
    bounded: Callable[[Share], Share] = lambda share: share
    _answers: dict[Hashable, SentHome | None] = field(default_factory=dict)
    _seen: tuple[date, Sequence[Stated]] | None = None
    _since: float = 0.0
    _fresh: bool = False

    @contextmanager
    def group(self, today: date) -> Iterator[None]:
        """Around what is asked for one group of rows, while the workspace is held."""
        if self._seen != (today, self.files()) or time.monotonic() > self._since + LONGEST:
            self._answers.clear()
            self._since = time.monotonic()
        self._fresh = False
        yield
        if self._fresh:  # what was asked may have been written down
            self._seen = today, self.files()

    def conditions(self) -> Conditions:
        """As `asked`."""
        return replace(self.asked, check_rows=self._check_rows, admitted=self._admitted, send_home=self._send_home)

    def _check_rows(self, region: Region, rows: ArrivingRows) -> None:
        looked = _Looked()
        self._answer(
            ("rows", region.name, rows.ingested), lambda: self.asked.check_rows(region, looked.at(rows)), looked
        )

    def _admitted(self, arrival: Arrival) -> None:
        looked = _Looked()
        watched = replace(
            arrival,
            of_region=lambda name: looked.at(arrival.of_region(name)),
            homeless=looked.at(arrival.homeless),
        )
        names = tuple(region.name for region in arrival.regions)
        self._answer(("admitted", names, arrival.ingested), lambda: self.asked.admitted(watched), looked)

    def _send_home(self, shares: Sequence[Share]) -> SentHome:
        about = [self.bounded(share) for share in shares]
        key = ("home", *((share.region.name, share.label, share.rows) for share in about))
        return self._answer(key, lambda: self.asked.send_home(about), _Looked()) or SentHome()

    def _answer(self, key: Hashable, ask: Callable[[], SentHome | None], looked: _Looked) -> SentHome | None:
        if key in self._answers:
            return self._answers[key]
        self._fresh = True
        answer = ask()
        if not looked.yes and not (answer and answer.stays):
            self._answers[key] = answer
        return answer


@dataclass(slots=True)
class _Looked:
    """Whether somebody looked at rows."""

    yes: bool = False

    def at(self, rows: ArrivingRows) -> ArrivingRows:
        """The rows, watched."""

        def gathered() -> Gathered:
            self.yes = True
            return rows.gathered()

        return replace(rows, gathered=gathered)
