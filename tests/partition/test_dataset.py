"""What a data set is, as configured: each thing that cannot be is refused by the name of its setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.errors import ConfigurationError
from fedsov.model.targets import TargetRule
from tests.partition.world import spec_of


def test_settings_that_cannot_be_are_refused() -> None:
    for settings in ({"nonfinite": "ignore"}, {"missing_target": "zero"}, {"name": "../x"}, {"source": "web"}):
        with pytest.raises(ConfigurationError, match=next(iter(settings))):
            spec_of(Path("x"), **settings)
    with pytest.raises(ConfigurationError, match="both 'country'"):
        spec_of(Path("x"), target=TargetRule("country"))


@pytest.mark.parametrize("name", ["", "a b", "../up", "x" * 65, ".hidden", "a/b"])
def test_a_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="names a folder"):
        spec_of(Path("x"), name=name)
