"""What keeps the repository's metadata from expiring, and what mends it: roles signed anew, and a new root.

    renew(repository)                                       # for the service, each hour
    new_root(repository, replaced=["timestamp"])            # a person's act, with two of the three root keys at hand
    for expiry in expiries(repository): ...

A new root takes the place of keys that were lost or stolen, and of a root that is about to expire. It is also the way
back where the hub was restored from a backup, and regions refuse what it hands out as older than what they have: they
forget the numbers of `snapshot` and `timestamp` where the root names new keys for them. A region's approved list is
counted in the region's own ledger, and an older one is refused as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection
from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from fedsov.control_plane.repository import metadata as steps
from fedsov.control_plane.repository import tables
from fedsov.control_plane.repository.chain import Chain
from fedsov.control_plane.repository.metadata import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from fedsov.control_plane.repository.repository import Repository
from fedsov.control_plane.repository.signing_keys import (
    ONLINE,
    ROOT_THRESHOLD,
    KeyFile,
    new_key,
    public_key,
    root_keys,
)
from fedsov.errors import ConfigurationError, KeyUnavailable, unknown


@dataclass(frozen=True, slots=True)
class Expiry:
    """Until when a role's metadata holds."""

    role: str
    version: int
    until: datetime


def expiries(repository: Repository) -> tuple[Expiry, ...]:
    """Until when each role holds, the first to expire first; `root` and regions' roles are people's to renew."""
    with repository.database.reading() as connection:
        every = [_expiry(connection, role, version) for role, version in tables.newest_versions(connection).items()]
    return tuple(sorted(every, key=lambda each: each.until))


def renew(repository: Repository) -> list[str]:
    """Signs anew what is within half of its life; the roles that were.

    The root is not among them: its keys may lie elsewhere. A region's role is not either, for it takes both signatures.

    Raises ApprovalRefused for metadata whose own signatures do not hold.
    """
    with repository.database.reading() as connection:
        if not _due(connection, repository):
            return []
    with repository.database.changing() as connection:
        chain, due = repository.chain(connection), _due(connection, repository)
        files = [role for role in due if role not in (SNAPSHOT, TIMESTAMP)]
        changed = {role: chain.sign_anew(role, _targets(chain, role)) for role in files}
        if changed or SNAPSHOT in due:
            chain.snapshot(changed)
        elif due:
            chain.timestamp()
        return due


def new_root(repository: Repository, *, replaced: Iterable[str] = (), lost: str = "") -> Repository:
    """Signs the next root, with new keys for roles; the repository with them.

    Args:
        replaced: of targets, snapshot and timestamp those that get a new key.
        lost: how the public half of a root key begins, in the place of which a new one is made; "" of none.

    Raises KeyUnavailable where fewer than two root keys are at hand, ConfigurationError for another role or key.
    """
    roles = tuple(dict.fromkeys(replaced))
    for role in roles:
        if role not in ONLINE:
            raise ConfigurationError(unknown("role with a key of the repository's own", role, ONLINE))
    with repository.database.changing() as connection:
        before = repository.chain(connection)
        root = before.root()
        at_hand = root_keys(repository.folder, root)
        if len(at_hand) < ROOT_THRESHOLD:
            raise KeyUnavailable(
                f"{ROOT_THRESHOLD} of the three root keys sign a new root, and {len(at_hand)} is in "
                f"{repository.folder.root_keys}; bring the others there for this act"
            )
        keys = {**repository.keys, **{role: new_key(repository.folder, role) for role in roles}}
        _name_keys(root, {role: keys[role] for role in roles})
        signers = [*at_hand, *_new_root_key(root, repository, lost)]
        root.version, root.expires = root.version + 1, steps.expiry(ROOT, repository.now())
        snapshot, timestamp = before.top(SNAPSHOT, Snapshot), before.top(TIMESTAMP, Timestamp)
        targets = before.targets()
        chain = Chain(connection, repository.hub, keys, repository.now)
        chain.add(ROOT, root, *signers)
        changed = {TARGETS: chain.sign_anew(TARGETS, targets)} if TARGETS in roles else {}
        snapshot.version += 1
        chain.put_snapshot(snapshot, changed, after=timestamp.version)
    return Repository(repository.database, repository.folder, repository.hub, keys, repository.now)


def _expiry(connection: Connection, role: str, version: int) -> Expiry:
    content = tables.of_version(connection, role, version) or b""
    return Expiry(role, version, steps.expires_at(content))


def _due(connection: Connection, repository: Repository) -> list[str]:
    """The roles of the hub's that are within half of their life."""
    regions, now = tables.verify_keys(connection), repository.now()
    versions = tables.newest_versions(connection).items()
    every = [_expiry(connection, role, version) for role, version in versions if role not in regions and role != ROOT]
    return [each.role for each in every if each.until - now < steps.life(each.role) / 2]


def _targets(chain: Chain, role: str) -> Targets:
    return chain.targets() if role == TARGETS else chain.files(role)


def _name_keys(root: Root, keys: Mapping[str, KeyFile]) -> None:
    """Has the root name these keys for their roles, in the place of those before."""
    for role, holder in keys.items():
        for keyid in list(root.roles[role].keyids):
            root.revoke_key(keyid, role)
        root.add_key(public_key(holder.key), role)


def _new_root_key(root: Root, repository: Repository, lost: str) -> Sequence[KeyFile]:
    """A new root key in the place of the one that was lost; none where none was."""
    if not lost:
        return []
    publics = {str(root.keys[keyid].keyval["public"]): keyid for keyid in root.roles[ROOT].keyids}
    chosen = [keyid for public, keyid in publics.items() if public.startswith(lost)]
    if len(chosen) != 1:
        raise ConfigurationError(f"{unknown('root key', lost, publics)}; give the beginning of its public half")
    new = new_key(repository.folder, ROOT)
    root.revoke_key(chosen[0], ROOT)
    root.add_key(public_key(new.key), ROOT)
    return [new]
