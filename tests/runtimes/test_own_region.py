"""A request of one region's own narrows a run's settings to it, and to its country."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.api import region_settings
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import Settings, settings
from fedsov.errors import ConfigurationError
from fedsov.runtimes.own_region import own_settings


def _settings(*words: str) -> Settings:
    return settings(compose(["dataset.jurisdiction=Country", *words]))


def test_a_request_of_all_regions_is_left_as_it_is() -> None:
    chosen = _settings()
    assert own_settings(chosen, {})[0] is chosen


def test_the_region_is_the_only_one_and_the_source_lies_in_its_country() -> None:
    narrowed, _ = own_settings(_settings(), {"region": "GB"})
    assert [region.name for region in narrowed.federation.regions or ()] == ["GB"]
    assert narrowed.dataset.location == "GB"
    elsewhere, _ = own_settings(_settings("dataset.location=FR"), {"region": "GB"})
    assert elsewhere.dataset.location == "FR", "what is said stands"


def test_a_country_that_is_not_described_is_a_region_of_its_own_name() -> None:
    narrowed, _ = own_settings(_settings("federation.regions=auto"), {"region": "JP"})
    (region,) = narrowed.federation.regions or ()
    assert (region.name, region.location, region.jurisdictions) == ("JP", "JP", frozenset({"JP"}))


def test_a_name_that_is_no_region_and_no_country_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"unknown region 'Nowhere'.*federation.catalogue"):
        own_settings(_settings(), {"region": "Nowhere"})


def test_a_region_that_pinned_itself_is_taken_as_it_is_pinned_where_none_is_described(tmp_path: Path) -> None:
    region_settings.init(tmp_path, "DE", ["parties.region.location=DE", "parties.region.entity=Bank GmbH"])
    words = ("federation.regions=auto", f"workspace={tmp_path}")
    (pinned,) = own_settings(_settings(*words), {"region": "DE"})[0].federation.regions or ()
    assert pinned.entity == "Bank GmbH"
    (described,) = own_settings(_settings("federation.regions=[DE]", words[1]), {"region": "DE"})[0].federation.regions
    assert described.entity == "Example Deutschland GmbH (fictional)", "what the job describes is compared, not lost"
    (new,) = own_settings(_settings(*words), {"region": "FR"})[0].federation.regions or ()
    assert new.entity == "operator in FR"
