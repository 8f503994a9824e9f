"""The group `metrics` of region.yaml: closed by default, and what cannot be is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from fedsov.errors import ConfigurationError
from fedsov.region.serving.use_settings import UseSettings
from fedsov.region.settings import RegionSettings
from fedsov.serialization import to_plain


def test_nothing_is_shared_or_counted_until_the_owner_says_so() -> None:
    assert not UseSettings().share and UseSettings().seconds == 0
    assert UseSettings(share=True).seconds == 3600


def test_settings_are_read_as_they_were_written() -> None:
    metrics = UseSettings(True, 20, 1440, 0.5, 50.0)
    assert UseSettings.from_settings(to_plain(metrics)) == metrics
    assert RegionSettings.from_settings({"region": "DE"}).metrics == UseSettings()


@pytest.mark.parametrize(
    ("plain", "match"),
    [
        ({"share": "yes"}, "metrics.share must be True or False"),
        ({"people": 9}, "metrics.people must be a whole number of 10 or more"),
        ({"minutes": 0}, "metrics.minutes must be a whole number of 1 or more"),
        ({"minutes": 7}, "metrics.minutes must divide a day"),
        ({"minutes": 2880}, "metrics.minutes must be a whole number from 1 to 1,440"),
        ({"epsilon": 1.0}, "metrics.lifetime_epsilon must be set beside epsilon"),
        ({"epsilon": 20.0, "lifetime_epsilon": 50.0}, "metrics.epsilon must be a number above 0 and at most 10"),
        ({"epsilon": 2.0, "lifetime_epsilon": 1.0}, "metrics.lifetime_epsilon must be a number of 2 or more"),
        ({"shares": True}, "metrics.shares is not a setting; did you mean metrics.share"),
    ],
)
def test_what_cannot_be_is_refused_by_name(plain: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        UseSettings.from_settings(plain)


def test_words_change_them_in_any_order() -> None:
    own = RegionSettings("DE").changed(["metrics.epsilon=0.5", "metrics.lifetime_epsilon=5", "metrics.share=true"])
    assert (own.metrics.epsilon, own.metrics.lifetime_epsilon, own.metrics.share) == (0.5, 5.0, True)
