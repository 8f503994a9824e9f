"""What the hub's control plane has open: its database, its ledger, and the repository of what regions fetch.

with control_hub(home) as hub: ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.database.place import open_database
from fedsov.control_plane.repository.repository import Repository
from fedsov.control_plane.rollouts.acts import HubRollouts
from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger
from fedsov.storage.control_folder import HubControlFolder
from fedsov.storage.workspace import Workspace, is_there, ledger_of


@dataclass(frozen=True, slots=True)
class ControlHub:
    """A hub's home, opened.

    Attributes:
        ledger: the hub's, open for writing; threads may share it.
    """

    home: Path
    database: Database
    ledger: Ledger
    repository: Repository

    @property
    def name(self) -> str:
        """The hub's name."""
        return self.ledger.owner

    @property
    def rollouts(self) -> HubRollouts:
        """What may be done about rollouts."""
        return HubRollouts(self.database, self.ledger, self.repository)

    @property
    def folder(self) -> HubControlFolder:
        """The paths of its control plane."""
        return HubControlFolder(self.home)


@contextmanager
def control_hub(home: Path) -> Iterator[ControlHub]:
    """The control plane of a hub's home, made where there is none yet.

    Raises ConfigurationError where there is no hub, WorkspaceUnusable, LedgerBroken, KeyUnavailable.
    """
    path = ledger_of(Workspace(home).hub)
    if not is_there(path):
        raise ConfigurationError(
            f"{home} is no hub's home; go there, or name the workspace of a trial: --workspace DIR "
            "(`fedsov deploy init DIR` makes DIR/hub)"
        )
    with closing(open_database(home)) as database, closing(Ledger.existing(path)) as ledger:
        yield ControlHub(home, database, ledger, Repository.open(database, HubControlFolder(home), ledger))


@contextmanager
def hub_rollouts(home: Path) -> Iterator[HubRollouts]:
    """The rollouts of a hub's home. Raises as `control_hub`."""
    with control_hub(home) as hub:
        yield hub.rollouts
