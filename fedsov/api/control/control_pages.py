"""The pages of people, as the hub's control plane serves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedsov.control_plane.database.engine import Database
from fedsov.storage.party_file import HubAddress


def control_pages(home: Path, database: Database, address: HubAddress) -> Any:
    """The ASGI application of a hub's home; None for no pages."""
    return None
