"""What a run asks of privacy: settings that are checked, each refusal by its key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.errors import ConfigurationError
from fedsov.privacy.settings import RecordPrivacy
from tests.privacy.world import ASKED


def test_the_configuration_composes_into_what_is_asked_of_privacy() -> None:
    found = settings(compose(["privacy=record", "privacy.epsilon=2.5", "dataset.bounds={Salary: [0, 1e6]}"])).privacy
    assert found is not None and found.epsilon == 2.5 and found.delta is None and found.clip == 1.0
    assert found.bounds["Salary"] == (0.0, 1e6) and found.bounds["Hobby"] == (0.0, 1.0)
    assert RecordPrivacy.from_json(found.to_json()) == found
    assert settings(compose([])).privacy is None


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["privacy=record", "privacy.epsilon=0"], "privacy.epsilon must be a number above 0"),
        (["privacy=record", "privacy.epsilon=three"], "privacy.epsilon must be a number above 0"),
        (["privacy=record", "privacy.epsilon=11"], "above privacy.lifetime_epsilon=10"),
        (["privacy=record", "privacy.clip=-1"], "privacy.clip must be"),
        (["privacy=record", "privacy.delta=1"], r"privacy\.delta must be a number of 1e-30 or more and below 0\.1, g"),
        (["privacy=record", "privacy.lifetime_epsilon=21"], "privacy.lifetime_epsilon must be .* at most 20, got 21"),
        (["privacy=record", "privacy.epsilon=1e9"], "privacy.epsilon must be a number above 0 and at most 20"),
        (["privacy=record", "privacy.batch=2.5"], "privacy.batch must be a whole number"),
        (["privacy=record", "privacy.epsilom=3"], "epsilom"),
        (["privacy=record", "~privacy.clip"], "privacy.clip is not set"),
        (["+privacy.epsilon=3"], "would be ignored: no noise is added; choose privacy=record"),
        (["privacy=record", "dataset.bounds.Salary=[5,1]"], r"dataset.bounds.Salary must be \[LOW, HIGH\]"),
        (["privacy=record", "~dataset.bounds.Salary"], "private median needs bounds"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        settings(compose(overrides))


def test_delta_and_rate_follow_from_the_rows() -> None:
    assert ASKED.delta_for(1000) == 1e-6 and replace(ASKED, delta=1e-5).delta_for(1000) == 1e-5
    for delta, rows in ((1e-3, 1000), (0.09, 12), (1e-5, 100_001)):
        with pytest.raises(ConfigurationError, match=rf"privacy\.delta is {delta:g}, and with {rows:,} rows"):
            replace(ASKED, delta=delta).delta_for(rows)
    assert ASKED.sampling_rate(1000) == 0.1 and ASKED.sampling_rate(50) == 1.0
    assert ASKED.steps(1000, 2) == 20 and ASKED.steps(50, 3) == 3 and ASKED.steps(1000, 0) == 1


@pytest.mark.parametrize("name", ["epsilon", "clip", "lifetime_epsilon", "batch", "statistics_noise"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, True, "1"])
def test_numbers_that_are_none_are_refused_on_construction(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        replace(ASKED, **{name: value})
