"""What decides a region's rows, their labels, people and outcomes: the same values from a job, a file and a digest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.errors import ConfigurationError
from fedsov.model.targets import TARGET_SETTINGS, TargetRule
from fedsov.partition.classify import ClassifyRules, RestrictionRule
from fedsov.partition.description import (
    DESCRIBED,
    description_digest,
    description_of,
    differing,
    is_whole,
    of_target,
    read_description,
)
from fedsov.partition.manifest import MANIFEST, read_manifest, sealing
from tests.partition.world import keys_of, people, run, spec_of, store_folder, written

SPEC = spec_of(Path("people.csv"))
CLOSED = RestrictionRule("contract", "closed", "home")


@pytest.mark.parametrize(
    "rule",
    [
        TargetRule("wage", above_region_median=True),
        TargetRule("contract", positive="open"),
        TargetRule("job", classes=("nurse", "clerk")),
        TargetRule("job", classes=("nurse", "clerk"), separator=";"),
        TargetRule("wage", scale=(0.0, 1e17)),
    ],
)
def test_a_description_is_read_as_it_was_written(rule: TargetRule) -> None:
    whole = description_of(replace(SPEC, target=rule, drop=("b", "a"), kinds={"age": "numeric"}))
    assert read_description(whole) == whole and list(whole) == list(DESCRIBED) and is_whole(whole)
    assert TargetRule.from_settings(whole) == rule and set(of_target(rule)) == set(TARGET_SETTINGS)
    assert not differing(whole, whole)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"subject": None}, "subject"),
        ({"aliases": {"Deutschland": "DE"}}, "aliases"),
        ({"drop": ("age",)}, "drop"),
        ({"kinds": {"age": "drop"}}, "kinds"),
        ({"classify": ClassifyRules({"wage": ("financial",)}, restrictions=(CLOSED,))}, "restrictions"),
        ({"classify": ClassifyRules()}, "categories"),
        ({"classify": ClassifyRules({"wage": ("financial",)}, ())}, "default_categories"),
        ({"target": TargetRule("wage", positive="9")}, "target_positive"),
        ({"nonfinite": "quarantine"}, "nonfinite"),
    ],
)
def test_what_differs_is_named_and_has_another_digest(changes: dict, key: str) -> None:
    first, other = description_of(SPEC), description_of(replace(SPEC, **changes))
    assert key in differing(first, other) and description_digest(first) != description_digest(other)
    assert not differing({name: first[name] for name in first if name not in differing(first, other)}, other)


def test_where_the_file_is_and_which_values_a_column_can_have_is_no_part_of_it() -> None:
    elsewhere = replace(SPEC, path=Path("moved.csv"), sha256="ab", described={"bounds": ("age",)}, name="again")
    assert description_of(elsewhere) == description_of(SPEC)


def test_a_value_that_cannot_be_is_refused_by_name() -> None:
    for plain in (
        {"kinds": 3},
        {"drop": "a"},
        {"restrictions": {}},
        {"classes": ["a"], "target": "y"},
        {"task": "binary"},
    ):
        with pytest.raises(ConfigurationError, match="dataset\\."):
            read_description(plain)


def test_stores_say_what_sorted_their_rows_and_those_that_do_not_are_made_anew(tmp_path: Path) -> None:
    spec, place = spec_of(written(tmp_path, people())), tmp_path / "w"
    run(spec, place)
    store, keys = store_folder(place, "US", "people"), keys_of(place, "US")
    before = read_manifest(store)
    assert before.description == description_digest(description_of(spec)) and run(spec, place).up_to_date
    older = replace(before, description="")
    (store / MANIFEST).write_text(replace(older, seal=sealing(keys, older)).to_json())
    assert not run(spec, place).up_to_date
    assert read_manifest(store).description == before.description
