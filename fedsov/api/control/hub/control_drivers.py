"""What the hub's control plane does by itself: which function of which subject, and how often."""

from __future__ import annotations

from collections.abc import Sequence

from fedsov.api.control.control_hub import ControlHub
from fedsov.api.control.hub.due_counting import count_due
from fedsov.api.control.rollouts.rollout_answers import take_reports
from fedsov.control_plane.overview.collecting import collect
from fedsov.control_plane.overview.shared_parts import collect_shared
from fedsov.control_plane.repository.renewal import renew
from fedsov.runtimes.deployment.control.drivers import Driver
from fedsov.storage.workspace import Workspace

HOUR, SOON, SECOND = 3600.0, 2.0, 1.0


def control_drivers(hub: ControlHub) -> Sequence[Driver]:
    """The drivers of a hub."""
    return (
        Driver("renewal of what regions fetch", lambda: renew(hub.repository), HOUR),
        Driver("counting of what the ledger says", lambda: collect(hub.database, Workspace(hub.home).hub), SECOND),
        Driver("counting of what regions share", lambda: collect_shared(hub.database), SECOND),
        Driver("what is due", lambda: count_due(hub), HOUR),
        Driver("rollouts by what regions report", lambda: take_reports(hub), SOON, at_changes=True),
    )
