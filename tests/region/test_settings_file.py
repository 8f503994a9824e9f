"""region.yaml: signed, noted in the ledger at every change, and refused where it is not the file noted last."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.errors import ConfigurationError, SettingsBroken
from fedsov.keys import create_keys
from fedsov.keys.protocol import KeySettings, RegionKeys
from fedsov.ledger.ledger import Ledger
from fedsov.region.settings import RegionSettings
from fedsov.region.settings_file import (
    FILE,
    Change,
    has_settings,
    last_change,
    noted,
    read_settings,
    split_key,
    write_settings,
)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Path, RegionKeys, Ledger]]:
    ledger = Ledger(tmp_path / "ledger.sqlite", "DE")
    yield tmp_path, create_keys(KeySettings("DE", tmp_path)), ledger
    ledger.close()


def _write(place: tuple[Path, RegionKeys, Ledger], settings: RegionSettings, why: str = "first") -> RegionSettings:
    return write_settings(*place, Change(settings, "A. Person", why))


def test_settings_are_signed_noted_and_read_again(place: tuple[Path, RegionKeys, Ledger]) -> None:
    folder, keys, ledger = place
    assert not has_settings(folder, ledger)
    written = _write(place, RegionSettings("DE"))
    assert read_settings(folder, ledger) == written and has_settings(folder, ledger)
    assert len(split_key(written, keys)) == 32
    changed = _write(place, replace(written, rehearsal=True), "a rehearsal")
    assert read_settings(folder, ledger) == changed
    assert split_key(changed, keys) == split_key(written, keys), "the division of rows stays"
    (first, second) = (entry.body["note"]["settings"] for entry in ledger.entries())
    assert second["changed"] == {"rehearsal": True} and second["before"] == first["digest"]
    assert (last_change(folder, ledger)["by"], last_change(folder, ledger)["why"]) == ("A. Person", "a rehearsal")
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600


def test_the_secret_of_the_split_is_in_no_file_and_no_entry_as_it_is(place: tuple[Path, RegionKeys, Ledger]) -> None:
    folder, keys, ledger = place
    secret = split_key(_write(place, RegionSettings("DE")), keys).hex()
    assert secret not in (folder / FILE).read_text()
    assert secret not in json.dumps([dict(entry.body) for entry in ledger.entries()])


@pytest.mark.parametrize("edit", ["word", "comment", "signature", "empty"])
def test_a_file_that_was_edited_is_refused(place: tuple[Path, RegionKeys, Ledger], edit: str) -> None:
    folder, _, ledger = place
    _write(place, RegionSettings("DE"))
    text = (folder / FILE).read_text()
    changed = {
        "word": text.replace("rehearsal: false", "rehearsal: true"),
        "comment": text + "# mine\n",
        "signature": text.replace("signature: ", "signature: 0"),
        "empty": "",
    }[edit]
    assert changed != text
    (folder / FILE).write_text(changed)
    with pytest.raises(SettingsBroken, match=r"edited or put back"):
        read_settings(folder, ledger)


def test_an_older_file_that_is_put_back_and_a_lost_one_are_refused(place: tuple[Path, RegionKeys, Ledger]) -> None:
    folder, _, ledger = place
    loose = _write(place, replace(RegionSettings("DE"), rehearsal=True))
    shutil.copy(folder / FILE, folder / "kept")
    _write(place, replace(loose, rehearsal=False), "closed again")
    shutil.copy(folder / "kept", folder / FILE)
    with pytest.raises(SettingsBroken, match="put back"):
        read_settings(folder, ledger)
    (folder / FILE).unlink()
    with pytest.raises(SettingsBroken, match="the ledger noted it"):
        read_settings(folder, ledger)


def test_a_file_that_another_key_signed_is_refused_though_the_ledger_noted_it(
    place: tuple[Path, RegionKeys, Ledger], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, _, ledger = place
    other = tmp_path_factory.mktemp("other")
    foreign = Ledger(other / "ledger.sqlite", "DE")
    write_settings(other, create_keys(KeySettings("DE", other)), foreign, Change(RegionSettings("DE"), "x", "y"))
    shutil.copy(other / FILE, folder / FILE)
    ledger.append(dict(foreign.entries()[0].body))
    foreign.close()
    with pytest.raises(SettingsBroken, match="not signed by its region"):
        read_settings(folder, ledger)


@pytest.mark.parametrize("letter", ["\x85", "\u2028", "\x00", "ü", "'", "\n", "# "])
def test_no_letter_of_a_reason_bricks_a_region(place: tuple[Path, RegionKeys, Ledger], letter: str) -> None:
    folder, _, ledger = place
    first = _write(place, RegionSettings("DE"))
    with suppress(ConfigurationError):
        _write(place, replace(first, rehearsal=True), f"a{letter}b")
    assert read_settings(folder, ledger) in (first, replace(first, rehearsal=True))


@pytest.mark.parametrize("noted_first", [True, False])
def test_a_change_that_was_cut_is_whole_or_was_none(
    place: tuple[Path, RegionKeys, Ledger], monkeypatch: pytest.MonkeyPatch, noted_first: bool
) -> None:
    folder, _, ledger = place
    old = _write(place, RegionSettings("DE"))
    new = replace(old, rehearsal=True)
    append = Ledger.append
    with monkeypatch.context() as cut:

        def stop(ledger: Ledger, entry: dict) -> None:
            if noted_first:
                append(ledger, entry)
            raise KeyboardInterrupt

        cut.setattr(Ledger, "append", stop)
        with pytest.raises(KeyboardInterrupt):
            _write(place, new)
    assert read_settings(folder, ledger) == (new if noted_first else old)
    assert noted(ledger) is not None
