"""Whatever stands in region.yaml, it is read as written or refused by name; never half read, never another error."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fedsov.errors import ConfigurationError, SettingsBroken
from fedsov.keys import create_keys
from fedsov.keys.protocol import KeySettings
from fedsov.ledger.ledger import Ledger
from fedsov.region.settings import RegionSettings
from fedsov.region.settings_file import FILE, Change, read_settings, write_settings
from tests.hostile.fuzzing import fuzzed

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_NAMES = [part.name for part in fields(RegionSettings)]
_INNER = ["bundle", "rules", "owner", "unsafe_open", "require", "lifetime_epsilon", "rounds", "questions", "steps"]


@fuzzed(100)
@given(
    changes=st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=6), _VALUES, max_size=4),
    inner=st.dictionaries(st.sampled_from(_INNER) | st.text(max_size=6), _VALUES, max_size=3),
    group=st.sampled_from(["law", "privacy", "limits", "datasets"]),
)
def test_any_values_are_settings_that_read_back_equal_or_are_refused(
    changes: dict[str, object], inner: dict[str, object], group: str
) -> None:
    plain = RegionSettings("DE").to_plain()
    for given_values in (plain | changes, plain | {group: {**plain[group], **inner}}):
        try:
            settings = RegionSettings.from_settings(given_values)
        except ConfigurationError:
            continue
        assert RegionSettings.from_settings(settings.to_plain()) == settings


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ledger, bytes]:
    folder = tmp_path_factory.mktemp("DE")
    keys, ledger = create_keys(KeySettings("DE", folder)), Ledger(folder / "ledger.sqlite", "DE")
    write_settings(folder, keys, ledger, Change(RegionSettings("DE"), "A. Person", "first"))
    return folder, ledger, (folder / FILE).read_bytes()


@fuzzed(100)
@given(raw=st.binary(max_size=60), spot=st.integers(0, 3000), length=st.integers(0, 40), changes=_VALUES)
def test_a_file_of_any_bytes_is_the_one_that_was_signed_or_is_refused_by_name(
    place: tuple[Path, Ledger, bytes], raw: bytes, spot: int, length: int, changes: object
) -> None:
    folder, ledger, signed = place
    edited = yaml.safe_load(signed) | {"datasets": changes}
    contents = (raw, signed[:spot] + raw + signed[spot + length :], yaml.safe_dump(edited, allow_unicode=True).encode())
    for content in contents:
        (folder / FILE).write_bytes(content)
        if content == signed:
            assert read_settings(folder, ledger).region == "DE"
            continue
        with pytest.raises(SettingsBroken, match=FILE):
            read_settings(folder, ledger)
