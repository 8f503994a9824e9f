"""The hub's control plane in its home, open: its database, its repository of signed metadata, and its ledger.

    with hub_rollouts(Path(".fedsov")) as rollouts:
        rollouts.start(3, by="A. Person", why="a trial")

Commands in the hub's home and the service use the same functions on the same database, so that either may be killed,
and neither has to run for the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from fedsov.control_plane.database.place import open_database
from fedsov.control_plane.repository.repository import Repository
from fedsov.control_plane.rollouts.acts import HubRollouts
from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger
from fedsov.storage.control_folder import HubControlFolder
from fedsov.storage.workspace import Workspace, is_there, ledger_of


@contextmanager
def hub_rollouts(home: Path) -> Iterator[HubRollouts]:
    """The rollouts of a hub's home, or of a workspace that holds the hub.

    Raises ConfigurationError where there is no hub; LedgerBroken, KeyUnavailable, WorkspaceUnusable.
    """
    path = ledger_of(Workspace(home).hub)
    if not is_there(path):
        raise ConfigurationError(
            f"{home} holds no hub, and rollouts are the hub's; go to its home, or name the workspace: --workspace DIR"
        )
    with closing(Ledger.existing(path)) as ledger, closing(open_database(home)) as database:
        yield HubRollouts(database, ledger, Repository.open(database, HubControlFolder(home), ledger))
