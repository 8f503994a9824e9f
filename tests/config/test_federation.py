"""Who takes part, and how rounds go: each setting by its key, each region from the catalogue or of a country's name."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fedsov.algorithms.compression import Compression
from fedsov.algorithms.local_steps import Schedule
from fedsov.border.law.bundle_loader import load_atlas
from fedsov.config.federation import FederationSettings, RuntimeSettings
from fedsov.errors import ConfigurationError
from fedsov.jurisdiction import Region

ATLAS = load_atlas({"Österreich": "AT"})
HUB = {"name": "hub", "location": "IE", "entity": "Example Ltd"}
DE = {"name": "DE", "jurisdictions": ["DE", "AT"], "location": "DE", "entity": "Example GmbH", "key_id": "de-store"}
PLAIN: dict[str, Any] = {
    "regions": ["DE", "Österreich"],
    "catalogue": {"DE": {**DE, "owners": ["CHN"], "role": "processor", "retention_days": 30}},
    "hub": HUB,
    "rounds": 3,
    "minimum_regions": 2,
}


def _made(**changed: Any) -> FederationSettings:
    return FederationSettings.from_settings({**PLAIN, **changed}, ATLAS)


def test_a_region_is_the_catalogue_s_or_the_territory_of_a_country() -> None:
    de, at = _made().regions or ()
    assert de == Region(
        "DE",
        frozenset({"DE", "AT"}),
        "DE",
        "Example GmbH",
        "de-store",
        retention_days=30,
        owners=frozenset({"CN"}),
        role="processor",
    )
    assert at == Region("AT", frozenset({"AT"}), "AT", "operator in AT", "at-store")
    assert _made(regions="auto").regions is None and _made().hub.role == "controller"


def test_what_is_not_said_is_the_default() -> None:
    plain = _made()
    assert (plain.days_per_round, plain.patience, plain.max_update_norm) == (0, None, math.inf)
    assert (plain.schedule, plain.compression) == (Schedule(), Compression())


def test_what_is_said_is_what_is_asked_for() -> None:
    said = _made(
        days_per_round=30,
        patience=2,
        max_update_norm=1,
        schedule={"name": "cosine", "least": 0.5},
        compression="topk",
        compression_share=0.5,
    )
    assert (said.days_per_round, said.patience, said.max_update_norm) == (30, 2, 1.0)
    assert (said.schedule, said.compression) == (Schedule("cosine", least=0.5), Compression("topk", share=0.5))


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"regions": []}, "federation.regions must be a list of regions, or auto; got []"),
        ({"regions": "DE"}, "federation.regions must be a list of regions, or auto; got 'DE'"),
        ({"regions": ["DE", "DE"]}, "federation.regions names a region twice: DE, DE"),
        (
            {"regions": ["DE", False]},
            "federation.regions[1] must be the name of a region, got False; put a word such as NO in quotes",
        ),
        (
            {"regions": ["Atlantis"]},
            "federation.regions: no region 'Atlantis'; name one of the catalogue (DE) or an ISO code of a country",
        ),
        ({"catalogue": []}, "federation.catalogue must be a mapping as {NAME: REGION}, got []"),
        (
            {"catalogue": {"DE": {**DE, "owner": ["CN"]}}},
            "federation.catalogue.DE.owner is not a setting; did you mean federation.catalogue.DE.owners? "
            "federation.catalogue.DE has name, jurisdictions, location, entity, key_id, retention_days, owners, role",
        ),
        (
            {"catalogue": {"DE": {key: DE[key] for key in DE if key != "key_id"}}},
            "federation.catalogue.DE.key_id is not set",
        ),
        (
            {"catalogue": {"DE": {**DE, "jurisdictions": ["DE", "Mordor"]}}},
            "federation.catalogue.DE.jurisdictions has 'Mordor', which is no ISO code of a country",
        ),
        (
            {"catalogue": {"DE": {**DE, "location": "Mordor"}}},
            "federation.catalogue.DE.location is 'Mordor', no ISO code of a country",
        ),
        (
            {"catalogue": {"DE": {**DE, "retention_days": -1}}},
            "federation.catalogue.DE.retention_days must be a whole number of 0 or more, got -1",
        ),
        ({"hub": {**HUB, "owners": ["QQ"]}}, "federation.hub.owners has 'QQ', which is no ISO code of a country"),
        (
            {"hub": {**HUB, "role": "procesor"}},
            "federation.hub.role must be one of controller, processor, got 'procesor'; did you mean processor?",
        ),
        ({"hub": {**HUB, "owners": [""]}}, "federation.hub.owners has '', which is no ISO code of a country"),
        *(
            ({"hub": {**HUB, key: word}}, f"federation.hub.{key} must be a name with a letter or a digit, got {word!r}")
            for key, word in (("entity", ""), ("entity", "\t"), ("entity", "*"), ("name", ""))
        ),
        (
            {"catalogue": {"DE": {**DE, "entity": " "}}},
            "federation.catalogue.DE.entity must be a name with a letter or a digit, got ' '",
        ),
        ({"hub": {"name": "hub"}}, "federation.hub.location is not set"),
        ({"rounds": 2.0}, "federation.rounds must be a whole number of 1 or more, got 2.0"),
        ({"minimum_regions": 1}, "federation.minimum_regions must be a whole number of 2 or more, got 1"),
        ({"max_update_norm": math.nan}, "federation.max_update_norm must be a number above 0, or null, got nan"),
        ({"compression": "zip"}, "federation.compression must be one of none, int8, topk, got 'zip'"),
        (
            {"schedule": {"name": "step", "by": 0}},
            "federation.schedule.by must be a number above 0, got 0",
        ),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_key(changed: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _made(**changed)
    assert str(refused.value) == line


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"timeout": 0}, "runtime.timeout must be a number above 0 and at most 1e+09, got 0; it is in seconds"),
        ({"kind": None}, "runtime.kind must be the name of a runtime, got None"),
        (
            {"time": 3},
            "runtime.time is not a setting; did you mean runtime.timeout? runtime has kind, timeout, hub, options",
        ),
    ],
)
def test_a_runtime_is_named_and_waits_for_seconds(changed: dict[str, Any], line: str) -> None:
    assert RuntimeSettings.from_settings({"kind": "in_process", "timeout": 5}) == RuntimeSettings("in_process", 5.0)
    with pytest.raises(ConfigurationError) as refused:
        RuntimeSettings.from_settings({"kind": "in_process", "timeout": 5, **changed})
    assert str(refused.value) == line
