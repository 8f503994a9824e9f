"""A key that a region pinned is exchanged by its owner alone: no file, no job and no message puts another in its place.

The hub's process writes `verify_keys.json`, hands out the sealing keys of peers, and says what its own ledger's key is.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedsov.artifact import Party
from fedsov.errors import JobRefused, KeyUnavailable
from fedsov.keys import KeySettings, open_keys
from fedsov.ledger import known_keys
from fedsov.ledger.ledger import Ledger
from fedsov.partition.manifest import MANIFEST
from fedsov.protocol.job import RegionStart
from fedsov.region.trust.known_peers import sealing_key, signed_sealing_key
from fedsov.region.worker import ClosedRegion, OpenRegion, open_region
from tests.hostile.people_region import COLUMNS, PeopleRegion, drawn, told
from tests.world import answered, called

FR = Party("FR", "FR", "operator in FR")
OTHER = "ab" * 32


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    """DE, which was there before FR."""
    made = PeopleRegion(tmp_path_factory.mktemp("keys"))
    made.ingest(drawn(range(40)))
    rows = [("DE", row) for row in drawn(range(40))] + [("FR", row) for row in drawn(range(100, 140))]
    lines = [",".join(map(str, (country, *row))) for country, row in rows]
    (made.place / "people.csv").write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    return made


def _ingested(region: PeopleRegion) -> list[str]:
    """What regions have to say when the source is looked at once more."""
    return list(answered(called("ingest", *region.words(), "--json", "--quiet"))["remarks"])


def _pinned(region: PeopleRegion, name: str) -> dict[str, str]:
    return dict(answered(called("region", "show", name, "--json", f"workspace={region.place / 'w'}"))["keys"])


def _key(region: PeopleRegion, *place: str) -> str:
    with closing(Ledger.read(region.place.joinpath("w", *place, "ledger.sqlite"))) as ledger:
        return ledger.key


def _with_peer(region: PeopleRegion, signer: str = "FR") -> RegionStart:
    """The start of a job beside FR, whose sealing key a region signed."""
    key, signature = signed_sealing_key(open_keys(KeySettings(signer, region.place / "w" / "regions" / signer)))
    return replace(region.start(), peers={"FR": FR}, peer_keys={"FR": key}, peer_signatures={"FR": signature})


def _refusal(start: RegionStart) -> str:
    opened = open_region(start)
    assert isinstance(opened, ClosedRegion), opened
    with closing(Ledger.read(start.folder / "ledger.sqlite")) as ledger:
        noted: dict[str, Any] = ledger.entries()[-1].body["note"]["refused_job"]
    assert opened.failure == "JobRefused: " + "; ".join(noted["why"])
    return opened.failure


def test_the_first_ingestion_pins_the_parties_at_hand_and_a_later_peer_is_said_by_name(region: PeopleRegion) -> None:
    hub = region.start().hub.name
    assert _pinned(region, "DE") == {hub: _key(region, "hub")}
    (said,) = _ingested(region)
    assert "region DE has pinned no key and no place of FR" in said
    assert f"keys.FR={_key(region, 'regions', 'FR')}`" in said and "parties.peers.FR.location=FR" in said
    assert _pinned(region, "FR") == {hub: _key(region, "hub"), "DE": _key(region, "regions", "DE")}
    place = ("parties.peers.FR.location=FR", "parties.peers.FR.entity=operator in FR")
    region.set(f"keys.FR={_key(region, 'regions', 'FR')}", *place)
    assert _ingested(region) == []


def test_a_directory_that_tells_another_key_than_was_pinned_is_refused_with_the_command(region: PeopleRegion) -> None:
    path = region.folder / known_keys.FILE
    before, start = path.read_text(), _with_peer(region)
    try:
        path.write_text(json.dumps({**json.loads(before), "FR": OTHER}))
        refusal = _refusal(start)
        assert f"region DE has pinned the key {_key(region, 'regions', 'FR')[:12]}… for FR" in refusal
        assert f"`fedsov region set DE keys.FR={OTHER}`" in refusal
    finally:
        path.write_text(before)
    opened = open_region(start)
    assert isinstance(opened, OpenRegion), opened
    opened.close()


def test_no_row_is_sealed_with_a_key_that_the_pinned_peer_did_not_sign(region: PeopleRegion) -> None:
    true, stranger = _with_peer(region), _with_peer(region, "DE")
    with_own_key = replace(true, peer_keys=stranger.peer_keys)
    for start in (stranger, with_own_key, replace(true, peer_signatures={}), replace(true, peer_keys={"FR": "00"})):
        assert "region DE seals nothing for FR" in _refusal(start)
    opened = open_region(true)
    assert isinstance(opened, OpenRegion)
    own = opened.outbound.session.settings
    opened.close()
    assert sealing_key(own, true, "FR").hex() == true.peer_keys["FR"]
    with pytest.raises(JobRefused, match="seals nothing for FR"):
        sealing_key(own, stranger, "FR")
    with pytest.raises(KeyUnavailable, match="sealing key of US"):
        sealing_key(own, true, "US")


def test_the_head_of_another_hub_than_was_pinned_is_not_noted(region: PeopleRegion, tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "ledger.sqlite", region.start().hub.name)) as another:
        another.append({"act": "note"})
        head = another.head().to_json()
    opened = open_region(region.start())
    assert isinstance(opened, OpenRegion)
    refused = told(opened, "query.ledger", {"head": json.dumps(head), "paths": "{}"})
    opened.close()
    assert (
        f"keys.{region.start().hub.name}={head['key']}" in refused["error"] and "has pinned the key" in refused["error"]
    )


def test_a_peer_that_comes_back_with_another_key_ends_the_ingestion_by_name(region: PeopleRegion) -> None:
    true = _key(region, "regions", "FR")
    region.set(f"keys.FR={OTHER}")
    done = called("ingest", *region.words(), "--quiet")
    assert done.returncode == 9 and f"`fedsov region set DE keys.FR={true}" in done.stderr, done.stderr
    written = (region.folder / "store" / "people" / MANIFEST).stat().st_mtime_ns
    again = called("ingest", *region.words(), "--rebuild", "--quiet")
    assert again.returncode == 9 and f"keys.FR={true}" in again.stderr, again.stderr
    assert (region.folder / "store" / "people" / MANIFEST).stat().st_mtime_ns == written, "refused before it is stored"
    region.set(f"keys.FR={true}")


@pytest.mark.parametrize("word", ["keys.FR=ab", "keys.FR=no", "keys.FR=7", f"keys={OTHER}"])
def test_what_is_no_key_is_not_pinned(region: PeopleRegion, word: str) -> None:
    done = called("region", "set", "DE", word, "--yes", f"workspace={region.place / 'w'}")
    assert done.returncode == 2 and "keys" in done.stderr
