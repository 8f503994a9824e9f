"""The codes that a region serves."""

import pytest

from fedsov.api.inference.codes import checked_code, with_parts
from fedsov.errors import ConfigurationError


def test_a_country_comes_with_the_parts_that_no_other_region_names():
    served = with_parts(["US", "FR"], others=["US-OH"])
    assert {"US", "US-CA", "FR", "FR-75"} <= set(served) or {"US", "US-CA", "FR", "FR-75C"} <= set(served)
    assert "US-OH" not in served
    assert with_parts(["US-OH"], others=["US"]) == ("US-OH",)


@pytest.mark.parametrize("word", ["PT-BR", "pt-BR", "de", "XX", "UK", "US-ZZ", "USA", "", "Germany"])
def test_what_is_no_code_is_refused(word):
    with pytest.raises(ConfigurationError, match="not a known ISO 3166 code"):
        checked_code(word)
