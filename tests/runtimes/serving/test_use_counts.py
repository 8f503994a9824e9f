"""A worker's counts of use go to the disk, by the settings of the moment, and what cannot be written is said."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedsov.inference.tokens.token_check import Claims
from fedsov.inference.use.cells import ANSWERED
from fedsov.inference.use.spool import UseSpool
from fedsov.inference.use.usage import Usage
from fedsov.runtimes.serving.place import EndpointPlace
from fedsov.runtimes.serving.use_counts import UseCounts
from tests.inference.endpoint_world import served

VERSION, OUTPUTS = served(1), np.array([[0.31]], np.float32)


def place(folder: Path, seconds: int) -> EndpointPlace:
    return EndpointPlace(
        region="DE", folder=folder, region_key="", hub_key="", jurisdictions=("DE",), use_seconds=seconds
    )


def asks(counts: UseCounts, often: int = 1) -> None:
    for _ in range(often):
        claims = Claims("DE", "anna", "https://idp.example", 2e9, "k")
        counts.cells.observe(VERSION, ANSWERED, claims, seconds=0.1, outputs=OUTPUTS)


def written(folder: Path) -> dict[int, int]:
    """How many requests are on the disk, by how long their windows are."""
    spool = UseSpool(folder / "serving" / "use")
    return {
        window.seconds: sum(sum(people.values()) for each in spool.frames(window) for people in each.cells.values())
        for window in spool.windows()
    }


def test_what_was_counted_is_put_down_and_a_change_of_the_settings_needs_no_restart(tmp_path: Path) -> None:
    counts = UseCounts(place(tmp_path, 3600), Usage())
    asks(counts, 3)
    counts.take(place(tmp_path, 60))
    asks(counts, 2)
    counts.take(replace(place(tmp_path, 60), workers=2))  # what has nothing to do with it begins nothing anew
    asks(counts)
    asyncio.run(counts.put_down())
    assert written(tmp_path) == {3600: 3, 60: 3}


def test_of_a_region_that_shares_nothing_nothing_is_counted(tmp_path: Path) -> None:
    counts = UseCounts(place(tmp_path, 0), Usage())
    asks(counts, 3)
    asyncio.run(counts.put_down())
    assert not (tmp_path / "serving" / "use").exists()
    counts.take(place(tmp_path, 3600))
    asks(counts)
    counts.take(place(tmp_path, 0))
    asyncio.run(counts.put_down())
    assert written(tmp_path) == {3600: 1}


@pytest.mark.parametrize("begins", [True, False])
def test_what_cannot_be_written_is_said_and_harms_nothing_else(tmp_path: Path, begins: bool) -> None:
    usage = Usage()
    if begins:
        (tmp_path / "serving").mkdir()
        (tmp_path / "serving" / "use").write_text("no folder")
    counts = UseCounts(place(tmp_path, 3600), usage)
    asks(counts)
    if not begins:
        spool = UseSpool(tmp_path / "serving" / "use")
        for window in spool.windows():
            spool.remove(window)
    asyncio.run(counts.put_down())
    assert usage.snapshot(0.0)["events"]["use not counted"] >= 1
