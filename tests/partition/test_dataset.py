"""What a data set is, as configured: each thing that cannot be is refused by the name of its setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import ConfigurationError
from fedsov.model.targets import TargetRule
from fedsov.partition.dataset import DatasetSpec
from tests.partition.world import spec_of


def test_settings_that_cannot_be_are_refused() -> None:
    for changes in ({"nonfinite": "ignore"}, {"missing_target": "zero"}, {"name": "../x"}, {"source": "web"}):
        with pytest.raises(ConfigurationError, match=next(iter(changes))):
            spec_of(Path("x"), **changes)
    with pytest.raises(ConfigurationError, match="both 'country'"):
        spec_of(Path("x"), target=TargetRule("country"))


def test_columns_that_bounds_and_levels_describe_are_known_by_their_setting() -> None:
    described = settings(compose(["dataset.bounds={zzz: [0, 1]}", "dataset.levels={yyy: [a]}"])).dataset.described
    assert "zzz" in described["bounds"] and described["levels"] == ("yyy",)


@pytest.mark.parametrize("name", ["", "a b", "../up", "x" * 65, ".hidden", "a/b"])
def test_a_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="names a folder"):
        spec_of(Path("x"), name=name)


def test_a_category_that_no_rule_knows_is_refused_where_it_is_named_with_the_one_that_is_meant() -> None:
    for setting, plain in (
        ("categories.income", {"categories": {"income": ["finacial"]}}),
        ("default_categories", {"default_categories": ["helth"]}),
    ):
        with pytest.raises(ConfigurationError, match=rf"dataset\.{setting}: unknown category.*did you mean"):
            DatasetSpec.from_settings({"name": "p", "jurisdiction": "c", "target": "y"} | plain, seed=0)
