"""Two versions of a data set, person by person: who changed, who is gone, and what does not matter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.partition.people.changed_people import (
    ChangedPeople,
    compared,
    keyed_name,
    packed,
    people_of,
    unpacked,
    versions_with,
)

SECRET = b"secret"


def _people(rows, chosen=None, secret=SECRET):
    """The people of (person, number, level) rows."""
    who, numbers, levels = (list(part) for part in zip(*rows, strict=True)) if rows else ([], [], [])
    columns = {"age": np.array(numbers, float), "ward": np.array(levels, object)}
    mask = np.ones(len(rows), bool) if chosen is None else np.array(chosen)
    return people_of(columns, np.array(who, dtype="U8"), mask, secret=secret)


ROWS = [(f"p{one}", float(one), "AB"[one % 2]) for one in range(20)]


def test_a_person_who_came_left_or_changed_is_one():
    before = _people(ROWS)
    assert compared(before, _people([*ROWS, ("q", 1.0, "A")])) == ChangedPeople(1, 0, columns=False)
    assert compared(before, _people(ROWS[1:])) == ChangedPeople(1, 1, columns=False)
    assert compared(before, _people([("p0", 5.5, "A"), *ROWS[1:]])) == ChangedPeople(1, 0, columns=False)
    assert compared(before, _people([*ROWS[2:], ("q", 1.5, "A")])) == ChangedPeople(2, 2, columns=False)


def test_the_order_of_rows_and_another_name_for_the_same_rows_change_nobody():
    renamed = [(f"other {one}", *row[1:]) for one, row in enumerate(ROWS)]
    assert compared(_people(ROWS), _people(renamed[::-1])) == ChangedPeople(0, 0, columns=False)
    assert _people(ROWS).version == _people(ROWS[::-1]).version


def test_a_new_division_of_the_same_people_changes_nobody():
    before, after = (_people(ROWS, [(one + turn) % 2 == 0 for one in range(20)]) for turn in (0, 1))
    assert before.version != after.version
    assert compared(before, after) == ChangedPeople(0, 0, columns=False)


def test_newcomers_who_were_not_chosen_changed_nothing():
    more = [*ROWS, *[(f"q{one}", 0.5, "A") for one in range(15)]]
    after = _people(more, [True] * 20 + [False] * 15)
    assert compared(_people(ROWS), after) == ChangedPeople(0, 0, columns=False)
    assert _people(ROWS).version == after.version


def test_other_columns_are_compared_by_who_is_there():
    before, who = _people(ROWS), np.array([row[0] for row in ROWS])
    after = people_of({"age": np.arange(20.0)}, who, np.ones(20, bool), secret=SECRET)
    assert compared(before, after) == ChangedPeople(0, 0, columns=True)
    fewer = people_of({"age": np.arange(19.0)}, who[1:], np.ones(19, bool), secret=SECRET)
    assert compared(before, fewer) == ChangedPeople(1, 1, columns=True)


def test_a_person_with_several_rows_is_one_and_rows_of_nobody_are_none():
    rows = [("p", 1.0, "A"), ("p", 2.0, "B"), ("", 3.0, "A")]
    assert len(_people(rows).chosen) == 1
    other = _people([*rows[:2], ("", 4.0, "A")])
    assert compared(_people(rows), other).changed == 0 and _people(rows).version != other.version


def test_what_is_kept_is_keyed_and_holds_no_name_and_no_value():
    content = packed([_people([("p0000001", 1.0, "readable")])])
    assert b"p0000001" not in content and b"readable" not in content
    assert packed([_people(ROWS)]) != packed([_people(ROWS, secret=b"other")])


def test_a_missing_number_is_one_value_and_so_is_zero():
    odd = np.frombuffer(np.uint64(0x7FF8000000000001).tobytes(), np.float64)[0]
    assert _people([("p", odd, None)]).version == _people([("p", float("nan"), None)]).version
    assert _people([("p", -0.0, "A")]).version == _people([("p", 0.0, "A")]).version


@pytest.mark.parametrize("rows", [[], ROWS])
def test_people_survive_their_bytes(rows):
    people = _people(rows, [one % 3 == 0 for one in range(len(rows))])
    assert unpacked(packed([people])) == [people]


def test_who_is_in_a_version_is_told_without_unpacking_it():
    rows = [(f"p{one}", float(one), "A") for one in range(40)]
    versions = [_people(rows[start : start + 20], [one % 2 == 0 for one in range(20)]) for start in range(0, 20, 3)]
    content = packed(versions)
    for name in ("p0", "p5", "p19", "p38", "p39", "nobody"):
        known = keyed_name(name, SECRET)
        assert versions_with(content, {known}).tolist() == [known in {*v.chosen, *v.others} for v in versions]
    some = {keyed_name(name, SECRET) for name in ("p1", "p30")}
    assert versions_with(content, some).tolist() == [bool(some & {*v.chosen, *v.others}) for v in versions]
    assert versions_with(content, set()).tolist() == [False] * 7 and versions_with(packed([]), some).tolist() == []


def test_several_versions_survive_their_bytes_and_take_room_for_what_changed():
    rows = [(f"p{one}", float(one), "A") for one in range(5000)]
    versions = [
        _people(rows[start : start + 4000], [one % 2 == 0 for one in range(4000)]) for start in range(0, 200, 10)
    ]
    content = packed(versions)
    assert unpacked(content) == versions and unpacked(packed([])) == []
    changed = (
        4000 + 2 * 19 * 10 + 4000
    )  # whoever is chosen in one version and beside it in another is in the table once
    assert len(content) < 32 * changed + 20 * 2 * changed / 8


@given(st.lists(st.integers(0, 5), max_size=12), st.lists(st.integers(0, 5), max_size=12))
def test_nobody_changed_only_where_the_rows_are_the_same(first, second):
    before, after = (
        _people([(f"p{one}", float(age), "A") for one, age in enumerate(ages)]) for ages in (first, second)
    )
    difference = compared(before, after)
    assert (difference.changed == 0) == (sorted(first) == sorted(second))
    assert difference.changed <= max(len(first), len(second))
