"""A rule whose value is in no row, or in some under another spelling, is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedsov.errors import InputError
from fedsov.partition.classify import ClassifyRules, ConsentRule, RestrictionRule
from fedsov.partition.columns.rule_values import check_rules
from tests.partition.world import spec_of


def check(counts: dict[str, int], *values: str, missing: int = 0) -> bool:
    rules = tuple(RestrictionRule("contract", value, "contract") for value in values)
    spec = spec_of(Path("x"), classify=ClassifyRules(restrictions=rules))
    places = np.repeat(np.arange(len(counts) + 1), [*counts.values(), missing])
    check_rules(spec, {"contract": (list(counts), places)})
    return True


def test_a_value_that_occurs_or_may_be_silent_everywhere_is_taken() -> None:
    assert check({"closed": 20, "open": 20}, "closed")
    assert check({"1.50": 20, "2": 20}, "1.5")
    assert check({"true": 20, "false": 20}, "True")
    assert check({}, "closed", missing=5)


def test_a_value_that_occurs_in_no_row_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"no row of column 'contract' has .*restrictions\[0\]\.equals='shut'; name a"):
        check({"closed": 20}, "shut")
    with pytest.raises(InputError, match=r"restrictions\[1\]\.equals='shut'"):
        check({"closed": 20}, "closed", "shut")


def test_other_spellings_are_named_where_ten_rows_share_them_and_else_counted() -> None:
    with pytest.raises(
        InputError, match=r"otherwise in some rows.*'No Sharing' \(20 rows or more\), 1 spelling of fewer"
    ) as bad:
        check({"no-sharing": 20, "No Sharing": 20, "ＮＯ-sharing": 9}, "no-sharing")
    assert "ＮＯ" not in str(bad.value)
    check({"no-sharing": 20, "No Sharing": 20}, "no-sharing", "No Sharing")


def test_consent_that_nobody_could_have_given_is_refused() -> None:
    rule = ConsentRule(document="D", column="consent", equals="yes")
    spec = spec_of(Path("x"), consent=rule)
    places = np.repeat([0, 1], [20, 20])
    check_rules(spec, {"consent": (["yes", "no"], places)})
    with pytest.raises(
        InputError, match=r"dataset\.consent\.equals='yes'.*'YES' \(20 rows or more\); write consent alike"
    ):
        check_rules(spec, {"consent": (["YES", "no"], places)})
