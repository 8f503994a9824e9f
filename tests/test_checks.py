"""What a single setting may be: each check gives the value back, or raises one line that names it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fedsov
from fedsov.checks import (
    FLOAT32_LEAST,
    FLOAT32_MOST,
    MOST,
    as_number,
    choice,
    flag,
    instance,
    mapping,
    names,
    only,
    override_words,
    real,
    require,
    section,
    several,
    shown,
    store,
    text,
    text_mapping,
    text_or_none,
    texts,
    whole,
)
from fedsov.config.hydra_compose import compose
from fedsov.errors import ConfigurationError

ANYTHING = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.text(max_size=8),
    st.none(),
    st.fractions(),
    st.decimals(),
    st.complex_numbers(),
    st.lists(st.integers(), max_size=3),
    st.binary(max_size=4),
    st.floats(width=32).map(np.float32),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
)


def _checked(check: Any, *given: Any, **bounds: Any) -> tuple[Any, str]:
    """What a check gives back; or None, and the line it raises."""
    try:
        return check(*given, **bounds), ""
    except ConfigurationError as error:
        return None, str(error)


@given(ANYTHING)
def test_a_whole_number_comes_back_as_an_int_and_anything_else_is_one_line(value: Any) -> None:
    number, said = _checked(whole, "rows", value, at_least=1, at_most=100)
    if number is None:
        assert said.startswith("rows must be a whole number") and "\n" not in said
        return
    assert type(number) is int and number == value and 1 <= number <= 100 and not isinstance(value, bool | float)


@given(ANYTHING)
def test_a_real_number_comes_back_as_a_float_and_anything_else_is_one_line(value: Any) -> None:
    number, said = _checked(real, "rate", value, above=0.0, at_most=1e3)
    if number is None:
        assert said.startswith("rate must be a number above 0 and at most 1000, got") and "\n" not in said
        return
    assert type(number) is float and 0.0 < number <= 1e3 and not isinstance(value, bool | str | Decimal)


def test_the_limits_of_float32_are_numpy_s() -> None:
    assert (float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)) == (FLOAT32_LEAST, FLOAT32_MOST)


@pytest.mark.parametrize(
    ("check", "says"),
    [
        (lambda: whole("rows", 0, at_least=1), "rows must be a whole number of 1 or more, got 0"),
        (lambda: whole("rows", 2.0, at_least=1), "rows must be a whole number of 1 or more, got 2.0"),
        (lambda: whole("rows", MOST + 1, at_least=1), "rows must be a whole number from 1 to 2,147,483,647, got 214"),
        (lambda: whole("rows", 10**9999, at_least=1), "got an int of thousands of digits"),
        (lambda: real("rate", math.nan), "rate must be a finite number, got nan"),
        (lambda: real("rate", "1", above=0), "rate must be a number above 0, got '1'"),
        (lambda: real("rate", 1, at_least=0, below=1), "rate must be a number of 0 or more and below 1, got 1"),
        (lambda: real("rate", 0, above=0, remedy="try 1"), "rate must be a number above 0, got 0; try 1"),
        (lambda: real("rate", 10**400), "rate must be a finite number, got 1000"),
        (lambda: flag("measures", 1), "measures must be True or False, got 1"),
        (lambda: flag("measures", np.array([True])), r"measures must be True or False, got array\(\[ True\]\)"),
        (lambda: choice("loss", "binery", ("binary", "regression")), "got 'binery'; did you mean binary?"),
        (lambda: choice("loss", ["binary"], ("binary",)), r"loss must be one of binary, got \['binary'\]"),
        (lambda: several("weights", "12", "a list of numbers", real), "weights must be a list of numbers, got '12'"),
        (lambda: several("weights", [1, "x"], "a list", real), r"weights\[1\] must be a finite number, got 'x'"),
        (lambda: several("weights", np.eye(2), "a list", real), "weights must be a list, got array"),
        (lambda: names("frozen", 5), "frozen must be a list of names, got 5"),
        (lambda: names("frozen", ["a", 5]), r"frozen must be a list of names, got \['a', 5\]"),
        (lambda: names("frozen", b"ab"), "frozen must be a list of names"),
        (lambda: mapping("options", [1], "a mapping"), r"options must be a mapping, got \[1\]"),
        (lambda: instance("steps", 5, str, "some text"), "steps must be some text, got 5"),
    ],
)
def test_a_refusal_says_the_setting_the_range_and_the_value(check: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        check()


def test_what_fits_comes_back_as_python_s_own() -> None:
    assert type(flag("measures", np.bool_(True))) is bool and flag("measures", False) is False
    assert (choice("loss", "binary", ["binary"]), names("frozen", "head"), names("frozen", {"a"})) == (
        "binary", ("head",), ("a",),
    )  # fmt: skip
    assert several("weights", np.array([1, 2]), "a list", real) == (1.0, 2.0)
    assert (real("rate", Fraction(1, 4)), real("rate", np.longdouble(2))) == (0.25, 2.0)
    assert as_number(math.inf) == math.inf and math.isnan(as_number(True)) and math.isnan(as_number(10**400))


def test_a_long_value_is_cut_and_one_of_several_lines_made_one() -> None:
    assert shown("x" * 500).endswith("…") and len(shown("x" * 500)) == 80
    assert "\n" not in shown(np.eye(9))


def test_checked_values_are_stored_in_a_frozen_class() -> None:
    from fedsov.algorithms.local_steps import Schedule

    schedule = Schedule()
    store(schedule, least=0.5)
    assert schedule.least == 0.5


def test_text_is_what_yaml_makes_of_it() -> None:
    assert [text("column", value) for value in ("a", 2017, 0.5, "")] == ["a", "2017", "0.5", ""]
    assert text("equals", True, truth=True) == "True" and text_or_none("column", None) is None
    assert texts("drop", ["a", 3]) == ("a", "3") and texts("drop", ()) == ()
    assert text_mapping("aliases", {2017: "DE"}) == {"2017": "DE"}


@pytest.mark.parametrize(
    ("check", "line"),
    [
        (lambda: text("column", False), "column must be text, got False; put a word such as NO in quotes"),
        (lambda: text("column", None, "the name of a column"), "column must be the name of a column, got None"),
        (lambda: text("column", math.nan), "column must be text, got nan"),
        (lambda: text("column", 10**9999), "column must be text, got an int of thousands of digits"),
        (lambda: text_or_none("column", ["a"]), "column must be text, or null, got ['a']"),
        (lambda: texts("drop", "ab"), "drop must be a list as [A, B], got 'ab'; write [ab]"),
        (lambda: texts("drop", {"a": 1}), "drop must be a list as [A, B], got {'a': 1}"),
        (lambda: texts("drop", ["a", None]), "drop[1] must be text, got None"),
        (lambda: text_mapping("aliases", {"a": []}), "aliases.a must be text, got []"),
        (
            lambda: text_mapping("aliases", {False: "NO"}),
            "a name in aliases must be text, got False; put a word such as NO in quotes",
        ),
        (lambda: several("widths", {1: 2}, "a list", whole), "widths must be a list, got {1: 2}"),
    ],
)
def test_what_is_no_text_is_one_line(check: Callable[[], Any], line: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check()
    assert str(refused.value) == line


@dataclass(frozen=True, slots=True)
class Toy:
    size: int
    color: str = "red"
    origin: str = "elsewhere"


def test_a_section_has_the_fields_of_its_class_and_what_else_is_named() -> None:
    assert section("toy", {"size": 1}, Toy) == {"size": 1}
    assert section("toy", {"color": "blue", "owner": 3}, Toy, beside=("owner",), without=("size",)) == {
        "color": "blue",
        "owner": 3,
    }


@pytest.mark.parametrize(
    ("check", "line"),
    [
        (lambda: section("toy", {}, Toy), "toy.size is not set"),
        (
            lambda: section("toy", {"size": 1, "colour": "x"}, Toy),
            "toy.colour is not a setting; did you mean toy.color? toy has size, color, origin",
        ),
        (lambda: section("toy", {"size": 1, "origin": "x"}, Toy, without=("origin",)), "toy.origin is not a setting"),
        (lambda: section("toy", [1], Toy), "toy must be a mapping with size, color, origin, got [1]"),
        (lambda: only("", {"sede": 1}, ("seed",)), "sede is not a setting; did you mean seed? A run has seed"),
        (lambda: only("toy", {3: 1}, ("seed",)), "3 is not a setting; toy has seed"),
        (lambda: require("", {}, "seed"), "seed is not set"),
    ],
)
def test_a_key_that_nobody_reads_or_that_is_missing_is_refused(check: Callable[[], Any], line: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check()
    assert line in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("federation.rounds=5", "['federation.rounds=5']"),
        ({"federation.rounds": 5, "seed": 1}, "['federation.rounds=5', 'seed=1']"),
        ({}, "['federation.rounds=5']"),
        (None, "['federation.rounds=5']"),
        ([5], "['federation.rounds=5']"),
    ],
)
def test_overrides_that_are_no_list_of_text_are_refused_with_the_form_that_is_right(value: object, form: str) -> None:
    with pytest.raises(
        ConfigurationError, match=re.escape(f"overrides must be a list of text, got {value!r}; write {form}")
    ):
        override_words(value)
    for enter in (fedsov.train, compose):
        with pytest.raises(ConfigurationError, match="overrides must be a list of text"):
            enter(value)  # type: ignore[arg-type]
    assert override_words(("seed=1",)) == ["seed=1"]
