"""The roles of the repository as they stand within one transaction: read, checked, and signed anew one on the other.

    chain = Chain(connection, hub, keys, now)
    targets = chain.targets()                       # checked against the root
    chain.snapshot({"targets": chain.sign_anew("targets", targets)})

Nothing is signed on top of metadata whose own signatures do not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection
from tuf.api.metadata import MetaFile, Root, Snapshot, Targets, Timestamp

from fedsov.control_plane.repository import metadata as steps
from fedsov.control_plane.repository import tables
from fedsov.control_plane.repository.metadata import CONFIGURATION, MODELS, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from fedsov.control_plane.repository.signing_keys import HoldsKey, KeyFile
from fedsov.errors import ApprovalRefused

STAY = 50
"""Versions of a role's metadata that stay, for whoever has just read an older timestamp."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The repository's roles, and who signs them.

    Attributes:
        hub: the hub's ledger key.
        keys: of the repository's own, by role.
        now: the clock.
    """

    connection: Connection
    hub: HoldsKey
    keys: Mapping[str, KeyFile]
    now: Callable[[], datetime]

    def stored(self, role: str) -> bytes:
        """The newest metadata of a role, not checked. Raises ApprovalRefused where there is none."""
        content = tables.newest(self.connection, role)
        if content is None:
            raise ApprovalRefused(f"the repository has no {role} metadata; restore the control plane's database")
        return content

    def root(self) -> Root:
        """The root, which its own keys sign. Raises ApprovalRefused."""
        content = self.stored(ROOT)
        root = steps.read(content, Root).signed
        steps.check_delegated(root, ROOT, content)
        return root

    def top(self, role: str, kind: type[steps.Kind]) -> steps.Kind:
        """A role that the root names. Raises ApprovalRefused where it has not its signature."""
        content = self.stored(role)
        steps.check_delegated(self.root(), role, content)
        return steps.read(content, kind).signed

    def targets(self) -> Targets:
        """The role that says whose word counts for which files. Raises ApprovalRefused."""
        return self.top(TARGETS, Targets)

    def files(self, role: str) -> Targets:
        """A role of files that the hub signs alone; an empty one of a bin that has no file yet.

        Raises ApprovalRefused.
        """
        content = tables.newest(self.connection, role)
        if content is None:
            empty = Targets(expires=steps.expiry(role, self.now()))
            empty.version = 0
            return empty
        is_bin = role not in (MODELS, CONFIGURATION)
        steps.check_delegated(self.files(MODELS) if is_bin else self.targets(), role, content)
        return steps.read(content, Targets).signed

    def sign_anew(self, role: str, targets: Targets) -> int:
        """Adds the next version of `targets`, or of a role that the hub signs alone; its number."""
        targets.version, targets.expires = targets.version + 1, steps.expiry(role, self.now())
        self.add(role, targets, self.keys[TARGETS] if role == TARGETS else self.hub)
        return targets.version

    def add(self, role: str, payload: steps.Kind, *holders: HoldsKey) -> bytes:
        """Signs a version of a role and adds it; its text."""
        content = steps.signed(payload, holders)
        self.add_signed(role, payload.version, content)
        return content

    def add_signed(self, role: str, version: int, content: bytes) -> None:
        """Adds a version of a role that is signed. Every root stays: a region follows one after the other."""
        tables.add_version(self.connection, role, version, content, stay=0 if role == ROOT else STAY)

    def snapshot(self, changed: Mapping[str, int]) -> None:
        """The next snapshot, in which these roles have these versions, and the timestamp that names it."""
        snapshot = self.top(SNAPSHOT, Snapshot)
        snapshot.version += 1
        self.put_snapshot(snapshot, changed, after=self.top(TIMESTAMP, Timestamp).version)

    def put_snapshot(self, snapshot: Snapshot, changed: Mapping[str, int], *, after: int) -> None:
        """Adds this snapshot with these versions, and a timestamp whose number follows `after`."""
        snapshot.meta |= {f"{role}.json": MetaFile(version) for role, version in changed.items()}
        snapshot.expires = steps.expiry(SNAPSHOT, self.now())
        self.put_timestamp(self.add(SNAPSHOT, snapshot, self.keys[SNAPSHOT]), after=after)

    def timestamp(self) -> None:
        """The next timestamp, of the same snapshot."""
        self.top(SNAPSHOT, Snapshot)
        self.put_timestamp(self.stored(SNAPSHOT), after=self.top(TIMESTAMP, Timestamp).version)

    def put_timestamp(self, snapshot: bytes, *, after: int) -> None:
        """Adds a timestamp that names this snapshot, and whose number follows `after`."""
        named = steps.meta(snapshot, steps.read(snapshot, Snapshot).signed.version)
        expires = steps.expiry(TIMESTAMP, self.now())
        self.add(TIMESTAMP, Timestamp(after + 1, None, expires, named), self.keys[TIMESTAMP])
