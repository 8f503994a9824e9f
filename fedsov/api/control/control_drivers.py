"""What the hub's control plane does by itself: which function of which subject, and how often."""

from __future__ import annotations

from collections.abc import Sequence

from fedsov.api.control.control_hub import ControlHub
from fedsov.control_plane.repository.renewal import renew
from fedsov.runtimes.deployment.control.drivers import Driver

HOUR = 3600.0


def control_drivers(hub: ControlHub) -> Sequence[Driver]:
    """The drivers of a hub."""
    return (Driver("renewal of what regions fetch", lambda: renew(hub.repository), HOUR),)
