"""Which function of which subject answers each call of a region to the hub's control plane."""

from __future__ import annotations

from pathlib import Path

from fedsov.control_plane.database.engine import Database
from fedsov.runtimes.deployment.control.answers import ControlAnswers


def control_answers(home: Path, database: Database) -> ControlAnswers:
    """The answers of a hub's home."""
    return ControlAnswers()
