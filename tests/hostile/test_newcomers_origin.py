"""One newcomer from another jurisdiction shows in no label that leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fedsov.label import Label, Scope
from fedsov.partition.records import Records
from fedsov.region.answers.rare_origins import without_rare_origins
from tests.cli.world import call
from tests.hostile.people_region import COLUMNS, PeopleRegion, drawn, told

DE, FR = (Label(frozenset({code})) for code in ("DE", "FR"))
BOTH = (
    "federation.catalogue={DE: {name: DE, jurisdictions: [DE, FR], location: DE, entity: operator in DE}}",
    "federation.regions=[DE]",
)


def _asked(region: PeopleRegion, french: int, run: str) -> tuple[dict[str, Any], Label]:
    """The profile of a hundred people from DE and some from FR, and what binds answers about all rows."""
    rows = [(("FR" if one >= 100 else "DE"), *row) for one, row in enumerate(drawn(range(100 + french)))]
    lines = [",".join(map(str, row)) for row in (COLUMNS, *rows)]
    (region.place / "people.csv").write_text("\n".join(lines) + "\n")
    assert call("ingest", *region.words(*BOTH), "--json", "--quiet").json
    opened = region.opened(*BOTH, run=run)
    try:
        return dict(told(opened, "query.profile", {})["profile"]), opened.outbound.session.label(Scope.ALL)
    finally:
        opened.close()


def test_a_newcomer_s_origin_shows_once_ten_people_share_it(tmp_path: Path) -> None:
    region = PeopleRegion(tmp_path)
    before, label = _asked(region, 0, "before")
    assert label.origins == {"DE"} and before["rows"] == 100
    assert _asked(region, 1, "one") == (before, label)
    after, label = _asked(region, 10, "ten")
    assert label.origins == {"DE", "FR"} == {*after["label"]["origins"]} and after["rows"] == 110


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
