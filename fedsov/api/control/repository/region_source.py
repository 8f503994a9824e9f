"""The hub's repository as a region's agent reads it: opened once, for whatever the hub has news of.

    reads = RegionReads(workspace, "DE")
    reads.source(client).poll()

Two acts of one agent share it, for one process at a time writes the region's folder of metadata.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fedsov.api.inference.approval.approvals import hub_key
from fedsov.region.admission import Place, open_region
from fedsov.region.settings import RegionSettings
from fedsov.region.trust.control_root import trusted_root
from fedsov.runtimes.deployment.region_agent.approved_source import ApprovedSource, RegionPins
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient
from fedsov.storage.control_folder import RegionControlFolder
from fedsov.storage.workspace import Workspace

LARGEST = 2**31
"""Bytes of a file."""


class RegionReads:
    """What reads the repository for one region, made when it is asked for; made anew where the region pins other keys.

    Args:
        root: the workspace that holds the region, or its home.
    """

    def __init__(self, root: Path, name: str) -> None:
        self._root, self._name = root, name
        self._source: tuple[RegionPins, bytes, ApprovedSource] | None = None

    def source(self, client: ControlClient) -> ApprovedSource:
        """The repository, by this connection.

        Raises RepositoryRefused where no root was taken; ConfigurationError where the hub's key is not pinned;
        SettingsBroken, LedgerBroken.
        """
        with open_region(Workspace(self._root).region(self._name), self._name) as (place, own):
            return self.source_of(place, own, client)

    def source_of(self, place: Place, own: RegionSettings, client: ControlClient) -> ApprovedSource:
        """The same, of a region that is open."""
        pins = RegionPins(self._name, hub_key(own), place.ledger.key)
        root = trusted_root(place.folder, place.ledger)
        if self._source is None or self._source[:2] != (pins, root):

            def fetch(path: str) -> Iterable[bytes] | None:
                return client.stream(path, most=LARGEST)

            self._source = pins, root, ApprovedSource(RegionControlFolder(place.folder), pins, root, fetch)
        return self._source[2]
