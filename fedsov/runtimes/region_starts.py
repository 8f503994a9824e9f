"""What each region is told when it is opened, from what the hub says of the run: every region of its own folder."""

from __future__ import annotations

from collections.abc import Iterator

from fedsov.hub.runtime import RunStart
from fedsov.protocol.job import RegionStart
from fedsov.storage.workspace import Workspace


def region_starts(start: RunStart, workspace: Workspace) -> Iterator[tuple[int, RegionStart]]:
    """By node id, the start of each region that is to be opened now."""
    for name, node in start.nodes.items():
        yield node, _region_start(start, workspace, name)


def _region_start(start: RunStart, workspace: Workspace, name: str) -> RegionStart:
    peers = {other: party for other, party in start.regions.items() if other != name}
    return RegionStart(
        region=start.regions[name],
        hub=start.hub,
        folder=workspace.region(name),
        run=start.run,
        job=start.job,
        asked=start.asked,
        secure_sum=start.secure_sum,
        peers=peers,
        peer_keys={other: start.public_keys[other] for other in peers},
        peer_signatures={other: start.key_signatures[other] for other in peers if other in start.key_signatures},
        last_known_head=start.last_known_heads.get(name),
        hub_head=start.hub_head,
        second_process=start.second_process,
    )
