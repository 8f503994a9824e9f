from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedsov.errors import InputError
from fedsov.label import Label
from fedsov.partition.classify import ClassifyRules, ConsentRule, RestrictionRule
from fedsov.partition.routing import (
    UNKNOWN,
    Homes,
    Levels,
    Quarantined,
    consenting,
    folds,
    label_rows,
    person_numbers,
    route,
    sort_rows,
)
from tests.partition.world import ATLAS, spec_of, two_regions

HELD = replace(ATLAS, regions=two_regions())


@pytest.mark.parametrize(("value", "name"), [("DE", "EU"), (" germany ", "EU"), ("us", "US"), ("US-OH", "US")])
def test_codes_names_and_parts_of_countries_find_their_region(value: str, name: str) -> None:
    assert route(value, HELD) == HELD.regions[name]


@pytest.mark.parametrize("value", [None, "", "  ", float("nan")])
def test_a_missing_jurisdiction_is_quarantined(value: object) -> None:
    assert route(value, HELD) == Quarantined("jurisdiction missing")


def test_a_known_country_without_a_region_is_quarantined_by_name() -> None:
    assert route("India", HELD) == Quarantined("no region holds IN")


def test_an_unknown_value_is_quarantined_and_never_quoted() -> None:
    answer = route("Jane Canary", HELD)
    assert answer == Quarantined("jurisdiction unknown")


def levels(*values: str | None) -> Levels:
    """A column of text as routing takes it."""
    words = list(dict.fromkeys(value for value in values if value is not None))
    return words, np.array([len(words) if value is None else words.index(value) for value in values], np.int64)


def homes_of(*values: str | None, regions: object = None, **faults: np.ndarray) -> Homes:
    chosen = two_regions() if regions is None else regions
    return sort_rows(levels(*values), spec_of(Path("x")), atlas=ATLAS, regions=chosen, faults=faults)  # type: ignore[arg-type]


def test_each_row_has_a_region_or_a_reason() -> None:
    homes = homes_of("us", "Germany", None, "IN", "Atlantis", "US-OH")
    assert [homes.regions[place].name if place >= 0 else None for place in homes.home] == [
        *("US", "EU", None, None, None, "US"),
    ]  # fmt: skip
    reasons = [homes.reasons[place] for place in homes.reason_of]
    assert reasons[2:5] == ["jurisdiction missing", "no region holds IN", "jurisdiction unknown"]
    assert [homes.codes[code] for code in homes.code_of] == ["US", "DE", UNKNOWN, "IN", UNKNOWN, "US-OH"]


def test_a_row_with_a_fault_goes_to_the_quarantine_for_it_unless_it_had_no_region_anyway() -> None:
    homes = homes_of("US", "US", "IN", faulty=np.array([True, False, True]))
    assert homes.home.tolist() == [-1, 0, -1]
    assert homes.reasons[homes.reason_of[0]] == "faulty"
    assert homes.reasons[homes.reason_of[2]] == "no region holds IN"


def test_auto_makes_one_region_for_each_jurisdiction_that_occurs() -> None:
    homes = homes_of("germany", "de", "US-OH", "IN", "Atlantis", regions="auto")
    assert [(region.name, region.location) for region in homes.regions] == [("DE", "DE"), ("IN", "IN"), ("US-OH", "US")]
    assert homes.home.tolist() == [0, 0, 2, 1, -1]


def test_where_no_row_has_a_region_frequent_spellings_are_named_and_rare_ones_are_not() -> None:
    with pytest.raises(InputError, match=r"most frequent values are 'Oz'; regions: US, EU.*dataset\.aliases"):
        homes_of(*["Oz"] * 10, "Jane Canary")
    with pytest.raises(InputError, match="no value repeats") as refused:
        homes_of(*["Oz"] * 9, "Jane Canary")
    assert "Oz" not in str(refused.value)


def test_rows_are_labelled_by_origin_columns_and_what_restricts_them() -> None:
    homes = homes_of("US", "DE", "DE", "Atlantis")
    closed = RestrictionRule("contract", "closed", "no_export")
    rules = ClassifyRules({"wage": ("financial",)}, ("personal",), (closed,))
    labels, label_of = label_rows(homes, ["wage", "age"], {"contract": levels("open", "closed", "open", None)}, rules)
    expected = [("US", False), ("DE", True), ("DE", False), (UNKNOWN, True)]
    for place, (origin, bound) in zip(label_of, expected, strict=True):
        restrictions = frozenset({"no_export"} if bound else ())
        assert labels[place] == Label(frozenset({origin}), frozenset({"financial", "personal"}), restrictions)
    assert len(labels) == 4


def test_rows_of_one_subject_are_one_persons_and_a_row_without_one_is_its_own_person() -> None:
    assert person_numbers(np.array([0, -1, 0, 1]), 2).tolist() == [0, 3, 0, 1]
    assert person_numbers(np.array([-1, -1]), 0).tolist() == [0, 1]


def test_folds_depend_on_the_person_alone_and_are_shared_by_thousands() -> None:
    names = [f"subject:{number}" for number in range(200_000)]
    numbers = folds(names)
    assert numbers.min() >= 0 and numbers.max() <= 65_535
    assert folds(names[::-1]).tolist() == numbers[::-1].tolist()
    assert len(np.unique(numbers)) > 60_000
    assert folds(["subject:A"]).tolist() == [int.from_bytes(hashlib.blake2b(b"subject:A", digest_size=2).digest())]


def test_consent_by_a_column_is_what_it_says_of_each_row() -> None:
    homes, rule = homes_of("US", "US", "DE"), ConsentRule(column="agreed", equals="1")
    assert consenting(homes, np.arange(3), rule, levels("1", None, "0")).tolist() == [True, False, False]
    assert not consenting(homes, np.arange(3), None, None).any()


def test_drawn_consent_takes_whole_people_of_each_region_and_repeats_with_the_seed() -> None:
    homes = homes_of(*["US", "DE"] * 100)
    person = np.repeat(np.arange(50), 4)
    chosen = consenting(homes, person, ConsentRule(share=0.2, seed=7), None)
    again = consenting(homes, person, ConsentRule(share=0.2, seed=7), None)
    other = consenting(homes, person, ConsentRule(share=0.2, seed=8), None)
    assert chosen.tolist() == again.tolist() != other.tolist()
    for region in (0, 1):
        in_region = homes.home == region
        drawn = set(person[chosen & in_region])
        assert len(drawn) == 10
        assert chosen[in_region].tolist() == [one in drawn for one in person[in_region]]
