"""Regions of the hub's own workspace take what was published for them, whether or not their agents run."""

from __future__ import annotations

from collections.abc import Sequence

from fedsov.api.control.serving.taken_lists import put_list
from fedsov.control_plane.rollouts.acts import HubRollouts
from fedsov.region.admission import open_region
from fedsov.region.settings_file import FILE
from fedsov.storage.workspace import Workspace


def hand_over(rollouts: HubRollouts, workspace: Workspace, names: Sequence[str]) -> None:
    """Has the regions that are in this workspace take what was published for them. Raises as `put_list`."""
    for name in names:
        published = rollouts.published(name)
        if published is None or not (workspace.region(name) / FILE).exists():
            continue
        with open_region(workspace.region(name), name) as (place, own):
            put_list(place, own, published[0])
