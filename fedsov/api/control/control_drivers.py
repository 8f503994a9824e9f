"""What the hub's control plane does by itself: which function of which subject, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedsov.control_plane.database.engine import Database
from fedsov.runtimes.deployment.control.drivers import Driver


def control_drivers(home: Path, database: Database) -> Sequence[Driver]:
    """The drivers of a hub's home."""
    return ()
