"""What a run says of itself to a runtime reaches each region as that region's own start, and nothing else does."""

from __future__ import annotations

import json
from inspect import signature
from pathlib import Path

import pytest

from fedsov.artifact import Party
from fedsov.hub.runtime import RegionLinks, RunStart, Runtime
from fedsov.model.targets import TargetRule
from fedsov.protocol.job import Asked, RegionStart, TrainingJob
from fedsov.runtimes.in_process import InProcess, ProcessLinks
from fedsov.runtimes.region_starts import region_starts
from fedsov.serialization import from_plain, to_plain
from fedsov.storage.workspace import Workspace
from tests.hub.world import World
from tests.runtimes.one_process import Links, OneProcess

ASKED = Asked(evidence=Path("/register.yaml"), days_per_round=3)
REGIONS = {name: Party(name, name, f"Example {name}") for name in ("DE", "FR", "US")}


def _start(second_process: bool = False) -> RunStart:
    return RunStart(
        run="r1",
        hub=Party("hub", "IE", "Example Holding"),
        regions=REGIONS,
        nodes={"DE": 2, "FR": 3},
        public_keys={name: f"key of {name}" for name in REGIONS},
        last_known_heads={"DE": {"size": 4}},
        hub_head={"head": "{}", "paths": "{}"},
        job=TrainingJob("people", TargetRule("ill")),
        asked=ASKED,
        second_process=second_process,
    )


def test_each_region_that_is_opened_is_told_of_the_others_and_of_its_own_folder(tmp_path: Path) -> None:
    starts = dict(region_starts(_start(), Workspace(tmp_path)))
    assert set(starts) == {2, 3}
    germany = starts[2]
    assert (germany.region, germany.folder) == (REGIONS["DE"], tmp_path / "regions" / "DE")
    assert germany.peers == {name: REGIONS[name] for name in ("FR", "US")}
    assert germany.peer_keys == {"FR": "key of FR", "US": "key of US"}
    assert germany.last_known_head == {"size": 4} and starts[3].last_known_head is None
    assert germany.asked == ASKED
    assert germany.hub_head == starts[3].hub_head == {"head": "{}", "paths": "{}"}


@pytest.mark.parametrize("second", [False, True])
def test_a_start_travels_as_json(tmp_path: Path, second: bool) -> None:
    for _, start in region_starts(_start(second), Workspace(tmp_path)):
        assert from_plain(RegionStart, json.loads(json.dumps(to_plain(start)))) == start
        assert start.second_process is second


@pytest.mark.parametrize("kind", [InProcess, OneProcess, World])
def test_a_runtime_has_four_methods_of_the_protocol_s_form(kind: type) -> None:
    methods = ("ingest", "connect", "register", "close")
    assert {name for name in vars(Runtime) if not name.startswith("_")} == set(methods)
    for name in methods:
        assert list(signature(getattr(kind, name)).parameters) == list(signature(getattr(Runtime, name)).parameters)


@pytest.mark.parametrize("kind", [ProcessLinks, Links, World])
def test_links_send_and_poll(kind: type) -> None:
    for name in ("send", "poll"):
        assert list(signature(getattr(kind, name)).parameters) == list(signature(getattr(RegionLinks, name)).parameters)
