"""Pinned keys come before what anybody tells; what is not pinned is believed and named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fedsov.artifact import Party
from fedsov.errors import ConfigurationError, JobRefused, KeyUnavailable
from fedsov.keys import KeySettings, RegionKeys, create_keys
from fedsov.ledger import known_keys
from fedsov.ledger.ledger import Ledger
from fedsov.model.targets import TargetRule
from fedsov.protocol.job import Asked, RegionStart, TrainingJob
from fedsov.region.settings import RegionSettings
from fedsov.region.trust import known_peers
from fedsov.storage.workspace import ledger_of
from tests.own_settings import CLOSED

A, B = "ab" * 32, "12" * 32


def _keys(folder: Path, name: str) -> tuple[RegionKeys, str]:
    """A region's keys, and its verify key in hexadecimal."""
    ledger = Ledger(ledger_of(folder / name), name)
    ledger.close()
    return create_keys(KeySettings(name, folder / name)), ledger.key


def _start(folder: Path, keys: RegionKeys) -> RegionStart:
    sealing, signature = known_peers.signed_sealing_key(keys)
    parties = [Party(name, name, f"operator in {name}") for name in ("DE", "hub", "FR")]
    job = TrainingJob("people", TargetRule("ill"))
    start = RegionStart(parties[0], parties[1], folder, "r", job, Asked(), {"FR": parties[2]}, {"FR": sealing})
    return replace(start, peer_signatures={"FR": signature})


def test_a_pinned_key_comes_before_what_a_directory_tells_and_others_are_believed() -> None:
    own = replace(CLOSED, keys={"FR": A})
    told = {"FR": bytes.fromhex(B), "US": bytes.fromhex(B)}
    assert known_peers.verify_keys(own, told) == {"FR": bytes.fromhex(A), "US": bytes.fromhex(B)}
    assert known_peers.verify_keys(CLOSED, told) == told


def test_a_contradiction_and_a_key_that_nobody_pinned_are_said_with_their_commands() -> None:
    own = replace(CLOSED, keys={"FR": A})
    (said,) = known_peers.contradictions(own, {"FR": B, "US": B})
    assert f"fedsov region set DE keys.FR={B}" in said
    (said,) = known_peers.unpinned(own, {"FR": B, "US": B})
    assert f"fedsov region set DE keys.US={B}" in said
    assert known_peers.unpinned(CLOSED, {"US": B}) == known_peers.contradictions(own, {"FR": A}) == []


def test_a_sealing_key_of_a_pinned_peer_needs_that_peer_s_signature(tmp_path: Path) -> None:
    keys, verify = _keys(tmp_path, "FR")
    start, own = _start(tmp_path, keys), replace(CLOSED, keys={"FR": verify})
    assert known_peers.sealing_key(own, start, "FR") == keys.public.sealing
    assert known_peers.faults(own, {"FR": bytes.fromhex(verify), "other": bytes.fromhex(B)}, start) == []
    forged = replace(start, peer_keys={"FR": A})
    with pytest.raises(JobRefused, match="seals nothing for FR"):
        known_peers.sealing_key(own, forged, "FR")
    assert known_peers.sealing_key(CLOSED, forged, "FR") == bytes.fromhex(A)
    assert len(known_peers.faults(own, {"FR": bytes.fromhex(B)}, forged)) == 2
    for nothing in ({}, {"FR": "no hex"}):
        with pytest.raises(KeyUnavailable, match="sealing key of FR"):
            known_peers.sealing_key(own, replace(start, peer_keys=nothing), "FR")
    assert known_peers.faults(CLOSED, {}, replace(start, peer_keys={"FR": "no hex"})) == []


def test_a_region_without_a_directory_was_told_nothing(tmp_path: Path) -> None:
    assert known_peers.directory(tmp_path) == {}
    (tmp_path / known_keys.FILE).write_text("[]")
    with pytest.raises(KeyUnavailable, match=known_keys.FILE):
        known_peers.directory(tmp_path)


def test_keys_are_set_one_by_one_and_taken_away_by_null() -> None:
    own = CLOSED.changed([f"keys.FR={A.upper()}", f"keys.US={'1' * 64}"])
    assert own.keys == {"FR": A, "US": "1" * 64}
    assert RegionSettings.from_settings(own.to_plain()) == own
    assert own.changed(["keys.FR=null"]).keys == {"US": "1" * 64}
    for word in ("keys.FR=ab", "keys.FR=12", "keys=x", "keys.=" + A):
        with pytest.raises(ConfigurationError, match="keys"):
            CLOSED.changed([word])
