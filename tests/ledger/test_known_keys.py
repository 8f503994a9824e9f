"""Each region has the others' verify keys in its own folder; a pinned key stays, and a damaged directory is said."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.errors import KeyUnavailable
from fedsov.ledger.known_keys import FILE, add_key, believed_keys, keys_at_hand, pin_keys, read_keys
from fedsov.ledger.ledger import Ledger
from fedsov.storage.workspace import Workspace, ledger_of


def test_the_key_that_is_pinned_is_that_of_the_region_s_ledger(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    pin_keys(workspace, ["DE", "FR"])
    for name in ("DE", "FR"):
        with closing(Ledger.read(ledger_of(workspace.region(name)))) as ledger:
            assert {read_keys(folder)[name].hex() for folder in (workspace.hub, workspace.region("FR"))} == {ledger.key}


def test_a_half_born_ledger_of_a_region_gets_its_key_when_keys_are_pinned(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.region("DE").mkdir(parents=True)
    ledger_of(workspace.region("DE")).write_bytes(b"")
    pin_keys(workspace, ["DE"])
    assert set(read_keys(workspace.region("DE"))) == {"DE"}


def test_the_keys_at_hand_are_those_of_all_ledgers_that_can_be_read_by_their_owners_names(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    pin_keys(workspace, ["DE", "FR"])
    with closing(Ledger(ledger_of(workspace.hub), "IE")) as hub:
        assert keys_at_hand(workspace) == {
            **{name: key.hex() for name, key in read_keys(workspace.hub).items()},
            "IE": hub.key,
        }
    ledger_of(workspace.region("FR")).write_bytes(b"no ledger")
    assert set(keys_at_hand(workspace)) == {"IE", "DE"}


def test_the_hub_s_directory_is_not_believed_against_the_heads_that_its_ledger_noted(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    pin_keys(workspace, ["DE", "FR"])
    keys = read_keys(workspace.hub)
    heads = {"DE": {"size": 1, "key": keys["DE"].hex()}, "FR": {"size": 1}}
    assert believed_keys(workspace.hub, heads) == believed_keys(workspace.hub, {}) == keys
    edited = {name: key.hex() for name, key in {**keys, "DE": keys["FR"]}.items()}
    (workspace.hub / FILE).write_text(json.dumps(edited))
    with pytest.raises(KeyUnavailable, match="another key for DE than the hub's ledger noted"):
        believed_keys(workspace.hub, heads)


@pytest.mark.parametrize("text", ["", "[]", "[[1]]", '{"DE": 7}', '{"DE": "00"}', '{"DE": "no hex"}', "[" * 100_000])
def test_a_damaged_directory_is_named_when_it_is_read_and_when_keys_are_added(tmp_path: Path, text: str) -> None:
    workspace = Workspace(tmp_path)
    pin_keys(workspace, ["DE"])
    path = workspace.region("DE") / FILE
    path.write_text(text)
    for reading in (lambda: read_keys(workspace.region("DE")), lambda: pin_keys(workspace, ["DE", "FR"])):
        with pytest.raises(KeyUnavailable, match=f"{FILE}: the other regions' verify keys cannot be read"):
            reading()


def test_a_directory_is_one_json_object_that_people_can_compare(tmp_path: Path) -> None:
    pin_keys(Workspace(tmp_path), ["DE"])
    keys = json.loads((tmp_path / "hub" / FILE).read_text())
    assert list(keys) == ["DE"] and len(bytes.fromhex(keys["DE"])) == 32


def test_a_key_is_added_once_and_never_exchanged(tmp_path: Path) -> None:
    add_key(tmp_path / "hub", "DE", "ab" * 32)
    add_key(tmp_path / "hub", "DE", "ab" * 32)
    add_key(tmp_path / "hub", "US", "cd" * 32)
    with pytest.raises(KeyUnavailable, match="knows DE by the key abab.*, and it came with cdcd"):
        add_key(tmp_path / "hub", "DE", "cd" * 32)
    assert {name: key.hex() for name, key in read_keys(tmp_path / "hub").items()} == {"DE": "ab" * 32, "US": "cd" * 32}
