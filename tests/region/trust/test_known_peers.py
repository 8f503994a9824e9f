"""Pinned keys come before what anybody tells; what is not pinned is named, and gets no rows and no part in a sum."""

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
from fedsov.region.trust.parties import Parties
from fedsov.storage.workspace import ledger_of
from tests.own_settings import CLOSED

DE, FR = (Party(name, name, f"operator in {name}") for name in ("DE", "FR"))
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


def test_members_of_a_sum_are_the_region_and_the_peers_that_it_pinned_and_no_hub() -> None:
    hub = Parties(Party("hub", "US", "Bank Inc."), DE)
    own = replace(CLOSED, keys={"FR": A, "hub": B, "DE": B}, parties=replace(hub, peers={"FR": FR}))
    assert known_peers.members(own, A) == {"FR": bytes.fromhex(A), "DE": bytes.fromhex(A)}
    assert known_peers.members(replace(own, parties=hub), A) == {"DE": bytes.fromhex(A)}, "a key and no place"
    assert known_peers.members(CLOSED, A) == {"DE": bytes.fromhex(A)}


def test_a_contradiction_and_a_party_that_nobody_pinned_are_said_with_their_commands() -> None:
    own = replace(CLOSED, keys={"FR": A})
    (said,) = known_peers.contradictions(own, {"FR": B, "US": B})
    assert f"fedsov region set DE keys.FR={B}" in said
    assert known_peers.contradictions(own, {"FR": A}) == []
    us = Party("US", "US", "Bank Inc.", frozenset({"CN"}), "processor")
    stated = Parties(Party("hub", "US", "Bank Inc."), DE, {"FR": FR, "US": us})
    french, american = known_peers.unpinned(own, {"FR": A, "US": B}, stated)
    place = "parties.peers.FR.location=FR 'parties.peers.FR.entity=operator in FR'"
    assert "pinned no place of FR: it seals no rows for it, and takes" in french and f"region set DE {place}`" in french
    assert (
        "pinned no key and no place of US: it seals no rows for it, and takes part in no secure sum with it; "
        in american
    )
    assert f"'parties.peers.US.owners=[CN]' parties.peers.US.role=processor keys.US={B}`" in american
    whole = replace(own, keys={"FR": A, "US": B}, parties=stated)
    assert known_peers.unpinned(whole, {"FR": A, "US": B}, stated) == []
    (said,) = known_peers.unpinned(whole, {"hub": B}, stated)
    assert "no key of hub: it takes the first ledger" in said and f"region set DE keys.hub={B}`" in said


def test_a_sealing_key_needs_that_its_peer_is_pinned_and_signed_it(tmp_path: Path) -> None:
    keys, verify = _keys(tmp_path, "FR")
    start = _start(tmp_path, keys)
    own = replace(CLOSED, keys={"FR": verify}, parties=Parties.of(start))
    assert known_peers.sealing_key(own, start, "FR") == keys.public.sealing
    assert known_peers.faults(own, {"FR": bytes.fromhex(verify), "other": bytes.fromhex(B)}, start) == []
    forged = replace(start, peer_keys={"FR": A})
    with pytest.raises(JobRefused, match="is not signed by the key"):
        known_peers.sealing_key(own, forged, "FR")
    for nobody in (replace(own, keys={}), replace(own, parties=Parties())):
        with pytest.raises(JobRefused, match=r"which it has not pinned; `fedsov region set DE parties.peers.FR"):
            known_peers.sealing_key(nobody, start, "FR")
    assert len(known_peers.faults(own, {"FR": bytes.fromhex(B)}, forged)) == 2
    for nothing in ({}, {"FR": "no hex"}):
        with pytest.raises(KeyUnavailable, match="sealing key of FR"):
            known_peers.sealing_key(own, replace(start, peer_keys=nothing), "FR")
    closed = replace(CLOSED, parties=Parties(start.hub, start.region))
    assert known_peers.faults(closed, {}, replace(start, peer_keys={"FR": "no hex"})) == []


def test_a_party_under_two_names_and_a_region_that_pinned_nobody_are_faults(tmp_path: Path) -> None:
    start = _start(tmp_path, _keys(tmp_path, "FR")[0])
    closed = replace(CLOSED, parties=Parties(start.hub, start.region))
    (said,) = known_peers.faults(closed, {}, replace(start, peers={"IT": FR}))
    assert "is told of a peer IT under two names" in said
    assert len(known_peers.faults(CLOSED, {}, start)) == 2


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
