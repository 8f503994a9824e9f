from __future__ import annotations

from dataclasses import replace

import numpy as np

from fedsov.label import Label
from fedsov.partition.records import Records
from fedsov.region.answers.rare_origins import without_rare_origins

DE, FR = (Label(frozenset({code})) for code in ("DE", "FR"))


def _records(german: int, french: int) -> Records:
    rows = german + french
    return Records(
        region="DE",
        columns={"age": np.arange(float(rows))},
        kinds={"age": "numeric"},
        target=np.zeros(rows),
        subjects=np.array([f"{row:032x}" for row in range(rows)]),
        labels=(DE, FR, DE | FR),
        label_of=(np.arange(rows) >= german).astype(int),
    )


def test_the_label_is_whole_for_whatever_rows_are_left() -> None:
    assert without_rare_origins(_records(20, 9), 10).label == DE
    assert without_rare_origins(_records(20, 10), 10).label == DE | FR
    assert len(without_rare_origins(_records(20, 9), 10)) == 20


def test_a_region_of_few_people_keeps_its_most_common_origin() -> None:
    assert len(without_rare_origins(_records(5, 0), 10)) == 5
    assert without_rare_origins(_records(5, 4), 10).label == DE


def test_many_rows_of_few_people_are_of_a_rare_origin_all_the_same() -> None:
    records = _records(20, 30)
    records.subjects[20:] = records.subjects[20]
    assert without_rare_origins(records, 10).label == DE


def test_people_whose_rows_a_restriction_binds_do_not_bring_in_the_first_row_without_one() -> None:
    restricted = Label(frozenset({"FR"}), restrictions=frozenset({"no_export"}))
    rows = _records(20, 13)
    beside = replace(rows, labels=(DE, FR, restricted), label_of=np.array([0] * 20 + [2] * 12 + [1]))
    left = without_rare_origins(beside, 10)
    assert len(left) == 32 and left.select(left.unrestricted).label == DE


def test_a_consent_counts_where_enough_of_its_origin_gave_one() -> None:
    for french, left in ((9, DE), (10, DE | FR)):
        consents = np.isin(np.arange(60), [*range(15), *range(30, 30 + french)])
        records = without_rare_origins(replace(_records(30, 30), consents=consents), 10)
        assert len(records) == 60 and records.select(records.consented).label == left
