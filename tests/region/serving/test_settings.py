"""The group `serving` of region.yaml: what may be said, and what is refused by name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from fedsov.errors import ConfigurationError
from fedsov.region.serving.settings import ServingSettings
from fedsov.region.settings import RegionSettings
from fedsov.serialization import to_plain

OWN = RegionSettings("DE")


def test_settings_are_read_as_they_were_written() -> None:
    words = ("before_answer", "without_subjects", 30)
    serving = ServingSettings(
        ("DE", "AT"), ("FR",), Path("/etc/issuers.yaml"), 2, *words, {"rows": 5}, {"psi": 0.5}, "ab"
    )
    assert ServingSettings.from_settings(to_plain(serving)) == serving
    assert ServingSettings.from_settings({}) == ServingSettings()


@pytest.mark.parametrize(
    ("plain", "match"),
    [
        ({"hosts": ["Frnace"]}, "serving.hosts is 'Frnace', no ISO code of a country; did you mean FR"),
        ({"hosts": [False]}, "put a word such as NO in quotes"),
        ({"hosts": ["DE"], "jurisdictions": ["DE"]}, "serving.hosts has DE, which serving.jurisdictions has too"),
        ({"durable": "never"}, "serving.durable must be one of batch, before_answer"),
        ({"on_full_disk": "drop"}, "serving.on_full_disk must be one of refuse, without_subjects"),
        ({"workers": 0}, "serving.workers must be a whole number of 1 or more"),
        ({"limits": {"rows": -1}}, "serving.limits.rows must be a number of 0 or more"),
        ({"guard": {"psi": -1}}, "serving.guard.psi must be a number of 0 or more"),
        ({"issuers": "issuers.yaml"}, "named by its whole path"),
        ({"host": "FR"}, "serving.host is not a setting; did you mean serving.hosts"),
    ],
)
def test_what_cannot_be_is_refused_by_name(plain: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        ServingSettings.from_settings(plain)


def test_words_change_them_and_a_table_of_issuers_is_taken_as_it_is(tmp_path: Path) -> None:
    table = tmp_path / "issuers.yaml"
    table.write_text("issuers: []\n")
    words = ["serving.hosts=[FR, AT]", f"serving.issuers={table}", "serving.limits.rows=10", "serving.guard.psi=0.5"]
    serving = OWN.changed(words).serving
    assert (serving.hosts, serving.limits, serving.guard) == (("FR", "AT"), {"rows": 10}, {"psi": 0.5})
    assert serving.issuers_sha256 == hashlib.sha256(table.read_bytes()).hexdigest()
    table.write_text("issuers: [other]\n")
    assert OWN.changed(words[:1]).serving.issuers_sha256 == ""
    other = OWN.changed(words).changed(["serving.limits.rows=null", "serving.issuers=null"]).serving
    assert (other.limits, other.issuers, other.issuers_sha256) == ({}, None, "")


@pytest.mark.parametrize("word", ["serving.issuers_sha256=ab", "serving.host=[FR]", "serving.issuers=/nowhere/i.yaml"])
def test_a_word_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(ConfigurationError):
        OWN.changed([word])
