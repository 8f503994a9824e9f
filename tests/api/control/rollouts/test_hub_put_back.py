"""A hub that is killed in the middle of a rollout goes on; one that is put back from a backup moves no region back."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from fedsov.api.control.control_hub import control_hub
from fedsov.api.control.rollouts import acting
from fedsov.control_plane.repository.renewal import new_root
from tests.api.control.processes import HUB, until
from tests.api.control.region_world import RegionWorld

pytestmark = pytest.mark.long


def test_a_hub_that_was_put_back_moves_no_region_back_and_goes_on_after_it(tmp_path: Path) -> None:
    with RegionWorld(tmp_path / "w", ["DE"]) as world:
        for _ in range(2):
            world.registered()
        world.begin_all()
        world.act("start", world.signed(1), at_once=True)
        world.until_served("DE", 1)
        world.until_known("DE", 1)
        world.processes.kill(HUB)
        backup = tmp_path / "backup"
        for name in ("hub", "control"):
            shutil.copytree(world.root / name, backup / name)
        _begin_hub(world)
        world.act("start", world.signed(2), at_once=True)
        world.until_served("DE", 2)
        world.until_known("DE", 2)

        world.processes.kill(HUB)
        for name in ("hub", "control"):
            shutil.rmtree(world.root / name)
            shutil.copytree(backup / name, world.root / name)
        _begin_hub(world)
        until(lambda: _drift(world), "the hub to hear that DE has more than it knows of")
        (sentence,) = _drift(world)
        assert sentence.startswith("DE serves list 2, and this hub knows of none after 1")
        assert world.versions("DE") == [2], "the region goes on serving"

        with control_hub(world.root) as hub:
            new_root(hub.repository, replaced=["snapshot", "timestamp"])
        number = world.signed(1)
        world.act("start", number, at_once=True)
        world.until_served("DE", 1)
        world.until_known("DE", 1)
        assert _drift(world) == ()


def test_a_hub_that_is_killed_while_a_wave_waits_goes_on_where_it_was(tmp_path: Path) -> None:
    with RegionWorld(tmp_path / "w", ["DE", "GB"]) as world:
        world.registered()
        world.begin_all()
        number = world.signed(1, canary="DE")
        world.act("start", number)
        world.processes.kill(HUB)
        assert world.status(number).rollout.at("published") == ("DE",)
        world.act("start", number)  # a command in the hub's home needs no service
        world.processes.begin_hub()
        for name in ("DE", "GB"):
            world.until_served(name, 1)
        world.processes.kill(HUB)
        world.act("rollback", number)
        world.processes.begin_hub()
        for name in ("DE", "GB"):
            until(lambda name=name: world.versions(name) == [], f"{name} to serve what it served before")


def _begin_hub(world: RegionWorld) -> None:
    now = time.time()
    world.processes.begin_hub()
    world.processes.until_seen("DE", after=now)


def _drift(world: RegionWorld) -> tuple[str, ...]:
    return tuple(acting.overview(world.root).drift)
