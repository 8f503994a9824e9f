"""The pages of people, as the hub's control plane serves them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fedsov.api.control.control_hub import ControlHub
from fedsov.api.control.hub.accounts import PROVIDER, read_provider
from fedsov.api.control.hub.page_acts import PageActs
from fedsov.control_plane.metrics.routes import metrics_routes
from fedsov.control_plane.overview.read_overview import NewestOverview
from fedsov.control_plane.pages.acting import NOTE as PERSON_ACT
from fedsov.control_plane.pages.application import application
from fedsov.control_plane.pages.site import Site
from fedsov.control_plane.pages.views import overview_routes
from fedsov.control_plane.people.accounts import NOTE as ACCOUNT
from fedsov.control_plane.people.openid import LOOPBACK
from fedsov.ledger.ledger import Ledger
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import HubAddress, read_party

HTTPS = 443
NOTES = (PERSON_ACT, ACCOUNT, PROVIDER)
"""What the hub's ledger notes of people."""


def control_pages(hub: ControlHub, address: HubAddress) -> Any:
    """The ASGI application of a hub, which people reach at this address, or at the one that its party.yaml says."""
    doing = PageActs(hub.home, hub.rollouts)
    site = Site(
        hub.database,
        origins_of(address, _public_address(hub.home) or address),
        hub.ledger.note,
        noted=lambda: people_notes(hub.ledger),
        audit=doing.audit,
        acts=doing.acts,
        provider=read_provider(hub.home),
        name=hub.name,
    )
    return application(site, routers=[overview_routes(NewestOverview(hub.database, hub=hub.name)), metrics_routes()])


def origins_of(*addresses: HubAddress) -> frozenset[str]:
    """How browsers name addresses; one of this machine by each of its names."""
    origins = set[str]()
    for address in addresses:
        for host in LOOPBACK - {"::1"} if address.host in LOOPBACK else {address.host}:
            name = f"[{host}]" if ":" in host else host
            origins.add(f"https://{name}" if address.port == HTTPS else f"https://{name}:{address.port}")
    return frozenset(origins)


def people_notes(ledger: Ledger) -> Iterator[dict[str, Any]]:
    """What a hub's ledger notes of people and their accounts, the oldest first."""
    entries = sorted((entry.seq, name, entry) for name in NOTES for entry in ledger.notes(name))
    for seq, name, entry in entries:
        yield {"seq": seq, "at": entry.body["at"], "about": name, **entry.body["note"][name]}


def _public_address(home: Path) -> HubAddress | None:
    file = DeploymentFolder(home).party
    return read_party(file).hub.pages if file.is_file() else None
