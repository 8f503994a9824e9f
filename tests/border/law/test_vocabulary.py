"""What a fact says is read once and compared plainly; what nobody stated supports nothing."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsov.border.law.vocabulary import (
    DENYING,
    OPERATORS,
    By,
    Duration,
    Fact,
    Term,
    Unreadable,
    compare,
    compiled,
    days_after,
    operators_of,
)
from tests.border.world import law

FACTS = st.sampled_from([law().facts[name] for name in sorted(law().facts)])
some = settings(max_examples=100, deadline=None)
LAST = date(9999, 12, 31)


@pytest.mark.parametrize(
    ("shape", "text", "value"),
    [
        ("word", " 2021/914 ", "2021/914"),
        ("word", "", None),
        ("words", "a, b,,a", frozenset({"a", "b"})),
        ("words", "", frozenset()),
        ("number", "10_000", 10_000.0),
        ("number", "1e-9", 1e-9),
        ("number", "none", None),
        ("day", "2026-11-22", date(2026, 11, 22)),
        ("day", "missing", None),
        ("flag", "yes", True),
        ("flag", "False", False),
        ("text", "anything at all", "anything at all"),
        ("text", " ", None),
    ],
)
def test_a_value_is_read_in_the_shape_of_its_fact(shape, text, value):
    assert Fact("some", shape, "").read(text) == value


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ("number", "many"), ("number", "-1"), ("number", "nan"), ("number", "inf"), ("number", "1e400"),
        ("number", "1,5"), ("day", "2026-13-01"), ("day", "soon"), ("day", "2026-02-30"), ("day", "10000-01-01"),
        ("flag", "perhaps"), ("flag", ""), ("word", "C->X"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_of_its_shape_or_its_closed_set_cannot_be_read(shape, text):
    with pytest.raises(Unreadable, match=r"some is '|unknown value of some '"):
        Fact("some", shape, "", frozenset({"C->C"})).read(text)


@some
@given(FACTS, st.text(st.characters(), max_size=30))
def test_any_text_is_read_or_unreadable_and_nothing_else(fact, text):
    try:
        value = fact.read(text)
    except Unreadable:
        return
    if fact.shape == "word" and fact.values:
        assert value is None or value in fact.values


FITTING = {
    "word": ("x", frozenset({"x"}), By("other", {"x": "x"})),
    "words": (frozenset({"x"}), frozenset()),
    "number": (1, 0.5),
    "day": (date(2026, 1, 1), Duration(1, "D"), Term("other", Duration(1, "D"))),
    "flag": (True, False),
    "text": (None,),
}


@pytest.mark.parametrize("shape", OPERATORS)
def test_silence_satisfies_no_operator_but_those_that_deny(shape):
    facts = {"day": date(2026, 1, 1)}
    for operator in operators_of(shape):
        for wanted in (frozenset({"x"}),) if operator in ("in", "not_in") else FITTING[shape]:
            held = compare(shape, operator, None, wanted, facts)
            assert held is (operator in DENYING), operator
            assert compiled("fact", shape, operator, wanted)(facts) is held, operator


VALUES = {
    "word": st.sampled_from(["a", "b", None]),
    "words": st.sampled_from([frozenset(), frozenset("a"), frozenset("ab"), frozenset("*"), None]),
    "number": st.sampled_from([0.0, 1.0, 9.0, 10.0, None]),
    "day": st.sampled_from([date(2026, 11, day) for day in (20, 21, 22, 23)] + [None]),
    "flag": st.sampled_from([True, False, None]),
    "text": st.sampled_from(["x", None]),
}
CONDITIONS = sorted({one.notation: one for rule in law().rules for one in rule.when}.items())


@some
@given(st.sampled_from(CONDITIONS), st.data())
def test_the_compiled_test_of_a_condition_is_its_definition(named, data):
    _, one = named
    facts = {"day": date(2026, 11, 22)}
    for name in filter(None, (one.field, one.other)):
        shape = law().facts[name].shape
        found = VALUES[shape] if shape != "word" or name == "day" else _words_near(one)
        facts[name] = data.draw(found)
    if facts["day"] is None:
        facts["day"] = date(2026, 11, 22)
    assert (
        one.test(facts) is one.holds_for(facts) is compare(one.shape, one.operator, facts[one.field], one.value, facts)
    )


def _words_near(one) -> st.SearchStrategy:
    wanted = one.value if isinstance(one.value, frozenset) else {one.value} if isinstance(one.value, str) else set()
    return st.sampled_from([*sorted(wanted), "another", None])


@pytest.mark.parametrize(
    "word",
    [
        "none", "missing", "no", "No", "pending", "Pending", "applied", "applied for", "draft", "Draft v2", "withdrawn",
        "rejected", "refused", "lapsed", "expired 2025", "terminated", "revoked", "suspended", "tbd", "unknown", "n/a",
        "not yet signed", "no licence", "approval pending", "BCR-17 (withdrawn)", "under_review", "0", "-", "?", " ",
    ],
)  # fmt: skip
def test_a_word_for_what_is_not_there_is_stated_and_absent_and_never_present(word):
    for shape in ("word", "text"):
        held = {name: compare(shape, name, word, None, {}) for name in ("present", "absent", "stated", "missing")}
        assert held == {"present": False, "absent": True, "stated": True, "missing": False}
        assert all(compiled("x", shape, name, None)({"x": word}) is holds for name, holds in held.items())


@pytest.mark.parametrize(
    "word", ["present", "yes", "2021/914", "No. 12/2024", "DOJ-2026-17", "SCOPE Europe", "DP-SGD", "A. Nolan", "批准-7"]
)
def test_a_number_or_a_name_is_present(word):
    assert compare("text", "present", word, None, {}) and not compare("word", "absent", word, None, {})


@pytest.mark.parametrize(
    ("operator", "found", "wanted", "holds"),
    [
        ("older_than", date(2023, 11, 22), Duration(3, "Y"), False),  # exactly three years old
        ("older_than", date(2023, 11, 21), Duration(3, "Y"), True),
        ("not_older_than", date(2023, 11, 22), Duration(3, "Y"), True),
        ("not_older_than", date(2023, 11, 21), Duration(3, "Y"), False),
        ("on_or_before_crossing", date(2026, 11, 22), None, True),
        ("before_crossing", date(2026, 11, 22), None, False),
        ("before_crossing", date(2026, 11, 21), None, True),
        ("after_crossing", date(2026, 11, 22), None, False),
        ("after_crossing", date(2026, 11, 23), None, True),
        ("before", date(2026, 11, 22), date(2026, 11, 22), False),
        ("on_or_after", date(2026, 11, 22), date(2026, 11, 22), True),
    ],
)
def test_days_are_compared_with_the_day_of_the_crossing_on_their_very_edge(operator, found, wanted, holds):
    assert compare("day", operator, found, wanted, {"day": date(2026, 11, 22)}) is holds


@pytest.mark.parametrize(
    ("span", "day", "later"),
    [
        ("P3Y", date(2024, 2, 29), date(2027, 2, 28)),
        ("P1M", date(2026, 1, 31), date(2026, 2, 28)),
        ("P12M", date(2026, 12, 31), date(2027, 12, 31)),
        ("P60D", date(2026, 1, 1), date(2026, 3, 2)),
        ("P10WD", date(2026, 11, 20), date(2026, 12, 4)),
        ("P1WD", date(2026, 11, 20), date(2026, 11, 23)),  # Friday to Monday
        ("P1WD", date(2026, 11, 21), date(2026, 11, 23)),  # Saturday to Monday
        ("P9999Y", date(2026, 1, 1), LAST),
        ("P9999WD", LAST, LAST),
        ("P1D", LAST, LAST),
    ],
)
def test_a_span_ends_on_the_day_that_a_calendar_says_and_never_beyond_the_last(span, day, later):
    assert Duration.read(span).after(day) == later


@pytest.mark.parametrize("text", ["", "P", "P0Y", "P-1D", "3Y", "P1W", "P1Y6M", "p1y", "P10000D", None, 3, ["P1Y"]])
def test_what_is_no_span_cannot_be_read(text):
    with pytest.raises(Unreadable):
        Duration.read(text)


@some
@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 400))
def test_working_days_are_counted_as_one_counts_them_by_hand(day, count):
    walked, left = day, count
    while left:
        walked += timedelta(days=1)
        left -= walked.weekday() < 5
    assert days_after(day, count, working=True) == walked
    assert isinstance(walked, date) and not isinstance(walked, datetime)


def test_a_delta_of_one_over_the_people_or_more_is_at_least_one_over_them():
    facts = {"count": 500, "day": date(2026, 1, 1)}
    for delta, holds in ((1 / 500, True), (0.0021, True), (0.00199, False), (0.0, False)):
        assert compare("number", "at_least_one_over", delta, "count", facts) is holds
    assert compare("number", "at_least_one_over", 1.0, "count", {"count": 0}) is False
