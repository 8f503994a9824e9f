import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsov.errors import ConfigurationError
from fedsov.model.column_statistics import spelled
from fedsov.partition.classify import ClassifyRules, ConsentRule, RestrictionRule, classify

RULES = ClassifyRules(
    categories={"wage": ("financial",), "illness": ("health", "special")},
    restrictions=(RestrictionRule("contract", "closed", "no_export"),),
)


def test_a_label_names_origin_categories_and_restrictions() -> None:
    label = classify("DE", ["wage", "illness", "age"], {"contract": "closed"}, RULES)
    assert label.origins == {"DE"}
    assert label.categories == {"financial", "health", "special", "personal"}
    assert label.restrictions == {"no_export"}


def test_a_restriction_binds_only_the_rows_that_it_names() -> None:
    assert not classify("DE", ["age"], {"contract": "open"}, RULES).restrictions


@pytest.mark.parametrize("empty", [{}, {"contract": None}, {"contract": ""}, {"contract": float("nan")}])
def test_an_empty_restriction_column_binds(empty: dict) -> None:
    assert classify("DE", ["age"], empty, RULES).restrictions == {"no_export"}


@given(st.lists(st.sampled_from(["wage", "illness", "age"])), st.sampled_from(["wage", "illness", "age"]))
def test_one_more_column_never_binds_less(columns: list[str], more: str) -> None:
    few, many = (classify("DE", names, {"contract": "open"}, RULES) for names in (columns, [*columns, more]))
    assert few | many == many


@given(st.integers(-(10**12), 10**12))
def test_whole_numbers_are_spelled_alike_from_csv_and_parquet(number: int) -> None:
    assert spelled(number) == spelled(float(number)) == spelled(f" {number} ")


def test_consent_needs_a_share_or_a_column_with_its_value() -> None:
    with pytest.raises(ConfigurationError, match=r"1\.5"):
        ConsentRule(share=1.5)
    with pytest.raises(ConfigurationError, match="both column and equals"):
        ConsentRule(column="agreed")
