"""Rounds follow each other by events: no lost wake-up waits for the end of a long poll."""

from __future__ import annotations

import time

from fedsov.runtimes.deployment.region.region_service import WAIT
from tests.runtimes.deployment.world import Deployment


def test_five_rounds_with_four_regions_take_less_than_one_long_poll(deployed: Deployment) -> None:
    """A wake-up that is lost, once in all of them, costs a region's whole poll; no machine is as slow as that."""
    run = deployed.run()
    run.until("round 1/5")
    began = time.monotonic()
    run.until("round 5/5")
    seconds = time.monotonic() - began
    run.ended()
    assert seconds < 0.75 * WAIT, f"four rounds took {seconds:.1f} s"
