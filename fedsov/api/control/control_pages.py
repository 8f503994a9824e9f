"""The pages of people, as the hub's control plane serves them."""

from __future__ import annotations

from typing import Any

from fedsov.api.control.control_hub import ControlHub
from fedsov.storage.party_file import HubAddress


def control_pages(hub: ControlHub, address: HubAddress) -> Any:
    """The ASGI application of a hub, which people reach at this address; None for no pages."""
    return None
