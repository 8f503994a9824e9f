from __future__ import annotations

import pytest

from fedsov.errors import ConfigurationError
from fedsov.partition.sources.csv_format import NULLS, CsvFormat


def test_nothing_said_is_every_default_and_null_says_nothing() -> None:
    assert CsvFormat.from_settings(None) == CsvFormat.from_settings({}) == CsvFormat()
    assert CsvFormat.from_settings({"delimiter": None, "null": None, "encoding": None}) == CsvFormat()
    assert CsvFormat().nothing == NULLS and "None" not in NULLS


def test_each_setting_is_read() -> None:
    given = {"delimiter": ";", "decimal": ",", "thousands": ".", "encoding": "Latin-1", "null": ["?", 0]}
    form = CsvFormat.from_settings({**given, "skip": 3, "comment": "#", "ragged": "quarantine"})
    assert form == CsvFormat(";", ",", ".", "iso8859-1", ("?", "0"), 3, "#", "quarantine")
    assert CsvFormat.from_settings(form.to_settings()) == form and CsvFormat().to_settings() == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"delimiter": ",,"}, r"dataset\.csv\.delimiter must be one character"),
        ({"comment": ""}, r"dataset\.csv\.comment must be one character"),
        ({"encoding": "klingon"}, r"dataset\.csv\.encoding must be an encoding, such as utf-8"),
        ({"skip": -1}, r"dataset\.csv\.skip"),
        ({"ragged": "drop"}, r"dataset\.csv\.ragged.*refuse.*quarantine"),
        ({"null": "?"}, r"dataset\.csv\.null must be a list"),
        ({"thousands": "."}, r"dataset\.csv\.thousands must be another character than dataset\.csv\.decimal"),
        ({"quote": "'"}, r"dataset\.csv\.quote is not a setting"),
        ([], r"dataset\.csv must be a mapping"),
    ],
)
def test_what_cannot_be_is_refused_by_name(given: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        CsvFormat.from_settings(given)
