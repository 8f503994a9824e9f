"""A job states where its parties are and whose; a region goes by those that it pinned, for places and for sums."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedsov.api.region_settings import set_settings
from fedsov.keys import KeySettings, open_keys
from fedsov.ledger import known_keys
from fedsov.ledger.ledger import Ledger
from fedsov.privacy.secure_aggregation.fixed_point import Bounds
from fedsov.protocol.job import RegionStart
from fedsov.protocol.secure_sum_messages import ADVERTISE, TOLD
from fedsov.region.settings_file import Change, read_settings, write_settings
from fedsov.region.trust.parties import Parties
from fedsov.region.worker import ClosedRegion, OpenRegion, open_region
from fedsov.storage.workspace import ledger_of
from tests.hostile.people_region import COLUMNS, PeopleRegion, drawn, told
from tests.world import answered, called

HUB = "federation.hub.location=US"
"""To which the shipped law permits no update of Germany's people without documents."""


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> PeopleRegion:
    """DE, whose hub is in the United States."""
    made = PeopleRegion(tmp_path_factory.mktemp("parties"))
    made.ingest(drawn(range(60)), HUB)
    return made


def _set(region: PeopleRegion, *words: str) -> None:
    """Changes the region's settings, as its owner."""
    set_settings(region.place / "w", ["DE"], words, by="A. Person", why="a test")


def _refusal(start: RegionStart) -> str:
    """Why the region's worker takes no job, as it says and as its ledger says."""
    opened = open_region(start)
    assert isinstance(opened, ClosedRegion), opened
    with closing(Ledger.read(ledger_of(start.folder))) as ledger:
        noted: dict[str, Any] = ledger.entries()[-1].body["note"]["refused_job"]
    assert opened.failure == "JobRefused: " + "; ".join(noted["why"])
    return opened.failure


@pytest.mark.parametrize(
    ("party", "change", "command"),
    [
        ("hub", {"location": "DE"}, "parties.hub.location=DE"),
        ("hub", {"location": "CN"}, "parties.hub.location=CN"),
        ("hub", {"entity": "Bank AG"}, "'parties.hub.entity=Bank AG'"),
        ("hub", {"owners": frozenset({"DE"})}, "'parties.hub.owners=[DE]'"),
        ("hub", {"role": "processor"}, "parties.hub.role=processor"),
        ("hub", {"name": "hub-in-DE", "location": "DE"}, "parties.hub.name=hub-in-DE parties.hub.location=DE"),
        ("region", {"location": "US"}, "parties.region.location=US"),
        ("region", {"entity": "Bank Inc."}, "'parties.region.entity=Bank Inc.'"),
    ],
    ids=["hub home", "hub further", "entity", "owners", "role", "another hub", "region moved", "region's entity"],
)
def test_a_job_that_states_a_pinned_party_otherwise_is_refused_with_the_command_and_recorded(
    region: PeopleRegion, party: str, change: Mapping[str, Any], command: str
) -> None:
    """Before, a hub in the United States had its updates by saying that it is in Germany."""
    start = region.start(HUB)
    refusal = _refusal(replace(start, **{party: replace(getattr(start, party), **change)}))
    assert f"`fedsov region set DE {command}` would change it" in refusal


def test_an_ingestion_under_another_hub_is_refused_before_anything_is_told_and_the_owner_may_move_it(
    region: PeopleRegion,
) -> None:
    done = called("ingest", *region.words(), "--quiet")
    assert done.returncode == 9 and "`fedsov region set DE parties.hub.location=DE" in done.stderr, done.stderr
    _set(region, "parties.hub.location=DE")
    opened = open_region(region.start())
    assert isinstance(opened, OpenRegion), opened
    opened.close()
    _set(region, "parties.hub.location=US")
    assert "parties.hub.location=DE" in _refusal(region.start())


def test_a_region_yaml_without_parties_is_pinned_at_the_next_ingestion_which_says_so(region: PeopleRegion) -> None:
    with closing(Ledger(ledger_of(region.folder), "DE")) as ledger:
        old = replace(read_settings(region.folder, ledger), parties=Parties())
        write_settings(
            region.folder, open_keys(KeySettings("DE", region.folder)), ledger, Change(old, "x", "of before")
        )
    refusal = _refusal(region.start(HUB))
    assert "has not pinned where the hub is and whose" in refusal and "has not pinned where itself is" in refusal
    report = answered(called("ingest", *region.words(HUB), "--json", "--quiet"))
    (said,) = report["remarks"]
    assert "did not say where parties are and whose; pinned now" in said and "the hub in US" in said
    assert (
        answered(called("region", "show", "DE", "--json", f"workspace={region.place / 'w'}"))["parties"]["hub"][
            "location"
        ]
        == "US"
    )
    assert "parties.hub.location=DE" in _refusal(region.start())


def _advertised(region: PeopleRegion, number: int, *members: str) -> dict[str, Any]:
    """What the region answers a hub that names the members of a secure sum."""
    opened = open_region(replace(region.start(HUB, run=f"sum{number}"), secure_sum=Bounds()))
    assert isinstance(opened, OpenRegion), opened
    names = json.dumps({"names": sorted(members)})
    try:
        return told(opened, ADVERTISE, {TOLD: names, "words": 3, "server-round": 1})
    finally:
        opened.close()


def test_regions_that_nobody_pinned_are_no_members_of_a_sum_whatever_verify_keys_json_tells(
    region: PeopleRegion,
) -> None:
    """One ingestion with made-up people beside a hub's own two regions put their keys beside those of the region."""
    bait = region.place / "bait.csv"
    rows = [
        (country, f"{country}{name}", *rest) for country in ("FR", "IT", "DE") for name, *rest in drawn(range(90, 190))
    ]
    bait.write_text("\n".join(",".join(map(str, row)) for row in (COLUMNS, *rows)) + "\n")
    words = [word for word in region.words(HUB, name="bait") if not word.startswith("dataset.path")]
    report = answered(called("ingest", *words, f"dataset.path={bait}", "--json", "--quiet"))
    assert {"FR", "IT"} < json.loads((region.folder / known_keys.FILE).read_text()).keys()
    said = {
        name: line
        for line in report["remarks"]
        for name in ("FR", "IT")
        if f"DE has pinned no key and no place of {name}" in line
    }
    assert "takes part in no secure sum with it" in said["FR"] and "keys.IT=" in said["IT"]
    hub = region.start(HUB).hub.name
    for number, members in enumerate((("DE", "FR", "IT"), ("DE", "FR", hub), ("DE", "IT", hub))):
        assert _advertised(region, number, *members) == {"error": "SumRefused"}
    _set(region, *_pins(said["FR"]))
    assert _advertised(region, 8, "DE", "FR", "IT") == {"error": "SumRefused"}, "two of the three are pinned"
    _set(region, *_pins(said["IT"]))
    assert "keys" in _advertised(region, 9, "DE", "FR", "IT")


def test_the_key_of_a_hub_that_got_another_name_makes_it_no_member_of_a_sum(
    region: PeopleRegion, tmp_path: Path
) -> None:
    """Its old name stays among the keys: it was one of three in a sum, beside the region and one region of its own."""
    renamed = region.copied(tmp_path / "renamed")
    old = renamed.start(HUB).hub
    _set(renamed, "parties.hub.name=other-hub", f"keys.FR={'ab' * 32}", "parties.peers.FR.location=FR",
         "parties.peers.FR.entity=operator in FR")  # fmt: skip
    start = replace(renamed.start(HUB, run="sum"), hub=replace(old, name="other-hub"), secure_sum=Bounds())
    opened = open_region(start)
    assert isinstance(opened, OpenRegion), opened
    try:
        assert old.name in opened.outbound.session.settings.keys
        names = json.dumps({"names": sorted(["DE", "FR", old.name])})
        asked = {TOLD: names, "words": 3, "server-round": 1}
        assert told(opened, ADVERTISE, asked) == {"error": "SumRefused"}
    finally:
        opened.close()


def _pins(remark: str) -> list[str]:
    """The words of the command in a remark."""
    (command,) = remark.split("`")[1::2]
    return shlex.split(command.partition(" --workspace")[0])[4:]
