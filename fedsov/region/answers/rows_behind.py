"""The rows of those who stood behind an answer, as these people are now.

A round looks at the people whom the last statistics were about, and a region's end at those whom its profile counted:
newcomers wait for the next answer. Whoever was corrected since has other rows than stood behind it. With the new rows,
or without any, an update would differ from the one before by that person. So both are counted here, and
`fedsov.region.answers.people_rows` gives no update of rows that are no longer all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from fedsov.partition.people.changed_people import People, keyed_name
from fedsov.training.rows import DataSplit, Rows


@dataclass(frozen=True, slots=True)
class RowsBehind:
    """The rows of those behind an answer who are as they were.

    Attributes:
        rows: theirs, and public ones.
        corrected: how many of those who were trained on, or counted, are no longer as they were.
        corrected_beside: how many of those whom a division set beside them.
    """

    rows: DataSplit
    corrected: int = 0
    corrected_beside: int = 0


def rows_behind(rows: DataSplit, before: People, now: People, key: bytes, *, divided: bool) -> RowsBehind:
    """The rows of people who stood behind an answer, on the same side of it.

    Args:
        rows: of the answer's scope, now.
        before, now: who stands behind the answer, and who would.
        key: of the digests.
        divided: whether the answer is about training rows, and not about all rows as a profile is.
    """
    chosen = _standing_for(before.chosen, now.chosen)
    beside = _standing_for(before.others, now.others) if divided else chosen

    def selected(part: Rows, standing: Collection[bytes]) -> Rows:
        persons = map(str, np.asarray(part.persons))
        return part.select(np.array([person == "" or keyed_name(person, key) in standing for person in persons], bool))

    left = DataSplit(selected(rows.train, chosen), selected(rows.validation, beside), selected(rows.test, beside))
    return RowsBehind(left, len(before.chosen) - len(chosen), len(before.others) - len(beside) if divided else 0)


def above_median(numbers: DataSplit) -> DataSplit:
    """The same rows with outcomes in place of numbers: 1 above the median of the training rows, else 0.

    Of rows behind an answer, which are the same until the next one: a newcomer would move a median of the newest rows,
    and the label of whoever stands beside it. Public rows come and go with no new answer, so they are not counted where
    others are.
    """
    train = numbers.train
    counted = train.y[np.asarray(train.persons) != ""]
    middle = np.median(counted if len(counted) else train.y) if len(train) else np.nan
    parts = (numbers.train, numbers.validation, numbers.test)
    return DataSplit(*(replace(part, y=(part.y > middle).astype(np.float32)) for part in parts))


def _standing_for(before: Mapping[bytes, bytes], now: Mapping[bytes, bytes]) -> frozenset[bytes]:
    """Who of now's people stands for one of before: by name where the rows are equal, else anybody with equal rows.

    Each stands for one alone, so that a newcomer with the rows of somebody who is still there stands for nobody.
    """
    same = {name for name, digest in now.items() if before.get(name) == digest}
    free = Counter(digest for name, digest in before.items() if name not in same)
    for name in sorted(now.keys() - same):
        if free[now[name]] > 0:
            free[now[name]] -= 1
            same.add(name)
    return frozenset(same)
