"""Regions get their role in the hub's repository, and take its root: with the papers of joining, or in a trial.

root = enrolled(home, ledger, {"DE": verify_key})       # at the hub; the root goes with DE's package
take_trial_roots(workspace, ["DE"], ledger)             # in a workspace that holds both
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from fedsov.control_plane.database.place import open_database
from fedsov.control_plane.repository.repository import Repository
from fedsov.ledger.ledger import Ledger
from fedsov.region.trust.control_root import noted_digest, take_root
from fedsov.storage.control_folder import HubControlFolder
from fedsov.storage.workspace import Workspace, ledger_of


def enrolled(home: Path, hub: Ledger, verify_keys: Mapping[str, str]) -> bytes:
    """Gives each region its role in the repository of a hub's home; the repository's root.

    Args:
        hub: the hub's ledger, open for writing.
        verify_keys: of each region's ledger, hexadecimal.

    Raises ApprovalRefused for a region that came by another key before; ConfigurationError, KeyUnavailable,
    WorkspaceUnusable.
    """
    with closing(open_database(home)) as database:
        repository = Repository.open(database, HubControlFolder(home), hub)
        _enroll(repository, verify_keys)
        return repository.root()


def take_trial_roots(root: Path, names: Iterable[str], hub: Ledger, *, by: str, why: str) -> None:
    """Has the regions of a workspace take the root of its hub's repository, unless they follow it already.

    Raises as `enrolled`, and LedgerBroken.
    """
    workspace = Workspace(root)
    with closing(open_database(root)) as database:
        repository = Repository.open(database, HubControlFolder(root), hub)
        for name in names:
            folder = workspace.region(name)
            with closing(Ledger.existing(ledger_of(folder))) as ledger:
                _enroll(repository, {name: ledger.key})
                if not repository.has_root(noted_digest(ledger)):
                    take_root(folder, ledger, repository.root(), by=by, why=why)


def _enroll(repository: Repository, verify_keys: Mapping[str, str]) -> None:
    known = repository.enrolled()
    if any(known.get(name) != key for name, key in verify_keys.items()):
        with repository.database.changing() as connection:
            for name, key in verify_keys.items():
                repository.enroll(connection, name, key)
