"""The repository of what regions take: opened, added to within the caller's transaction, and handed out by path.

    repository = Repository.open(database, HubControlFolder(home), hub_ledger)
    with database.changing() as connection:
        repository.enroll(connection, "DE", verify_key)
    with database.changing() as connection:
        draft = repository.draft(connection, "DE", approved)     # the region's ledger signs these bytes
    listed = repository.complete("DE", approved, draft, signature)
    with database.changing() as connection:
        repository.publish(connection, lists=[listed])           # what was published, and this, or nothing at all
    repository.fetch("timestamp.json", region="DE")

All it knows is in the database, so that several services hand out the same; large files are in the hub's folder. What
it signs anew was checked first: whoever can write the database can break it, and cannot have it signed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, insert, update
from tuf.api.metadata import Root, Snapshot, Targets

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.database.notices import announce
from fedsov.control_plane.repository import metadata as steps
from fedsov.control_plane.repository import tables
from fedsov.control_plane.repository.chain import Chain
from fedsov.control_plane.repository.metadata import (
    CONFIGURATION,
    MODELS,
    RESERVED,
    ROOT,
    TARGETS,
    TIMESTAMP,
    SignedList,
)
from fedsov.control_plane.repository.signing_keys import (
    ONLINE,
    ROOT_KEYS,
    HoldsKey,
    KeyFile,
    names_keys,
    new_key,
    online_keys,
)
from fedsov.errors import ApprovalRefused, ConfigurationError
from fedsov.keys.certificates.party_names import check_name
from fedsov.ledger.signed_head import signature_holds
from fedsov.protocol.control import APPROVED
from fedsov.protocol.role_drafts import checked_draft, written_draft
from fedsov.storage.atomic_files import sha256_hex, write_file
from fedsov.storage.control_folder import HubControlFolder

MOST_VERSION = 2**30
"""Of a role's metadata: what a region says that it has may be higher than the hub's, and leaves room to go on."""
IN_DATABASE = 2**16
"""Bytes of a file that the database holds; a larger one is in the folder."""
_METADATA = re.compile(r"([1-9][0-9]{0,9})\.([A-Za-z0-9_-]{1,80})\.json")
_MODEL_PATH = re.compile(rf"{MODELS}/(?!\.\.?/)[^/]{{1,200}}/[1-9][0-9]{{0,9}}/(?!\.\.?$)[^/]{{1,200}}")
_CONFIGURATION_PATH = re.compile(rf"{CONFIGURATION}/[A-Za-z0-9_-]{{1,63}}\.json")
_FILE = re.compile(r"(?:[^/]+/){1,3}([0-9a-f]{64})\.[^/]+")


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Repository:
    """An open repository.

    Attributes:
        hub: the hub's ledger, or whatever signs with its key.
        keys: what signs while the service runs, by role.
        now: the clock.
    """

    database: Database
    folder: HubControlFolder
    hub: HoldsKey
    keys: Mapping[str, KeyFile]
    now: Callable[[], datetime] = _utc_now

    @staticmethod
    def open(
        database: Database, folder: HubControlFolder, hub: HoldsKey, *, now: Callable[[], datetime] = _utc_now
    ) -> Repository:
        """The repository in this database, which is made with its keys where there is none.

        Raises KeyUnavailable where its keys are gone or others, WorkspaceUnusable.
        """
        with database.reading() as connection:
            root = tables.newest(connection, ROOT)
        if root is None:
            with database.changing() as connection:
                root = tables.newest(connection, ROOT) or _begin(connection, folder, hub, now)
        return Repository(database, folder, hub, online_keys(folder, steps.read(root, Root).signed), now)

    def root(self) -> bytes:
        """The newest root metadata, which a region takes before it fetches anything."""
        with self.database.reading() as connection:
            return self.chain(connection).stored(ROOT)

    def has_root(self, sha256: str) -> bool:
        """Whether this is the digest of one of its roots, from which a region follows to the newest."""
        with self.database.reading() as connection:
            return any(sha256_hex(content) == sha256 for content in tables.versions(connection, ROOT))

    def enrolled(self) -> dict[str, str]:
        """The verify key (hexadecimal) of each region that has a role."""
        with self.database.reading() as connection:
            return tables.verify_keys(connection)

    def enroll(self, connection: Connection, region: str, verify_key: str, *, replaces: bool = False) -> None:
        """Gives a region a role, which takes the hub's signature and that of this ledger key.

        Args:
            verify_key: of the region's ledger, hexadecimal.
            replaces: whether another key than before takes the place of that.

        Raises ConfigurationError for a name that no region can have, ApprovalRefused for another key.
        """
        if check_name(region) in RESERVED or region.startswith(f"{MODELS}-"):
            raise ConfigurationError(f"a region cannot be called {region!r} in the repository; choose another name")
        before = tables.verify_keys(connection).get(region)
        if before == verify_key:
            return
        if before is not None and not replaces:
            raise ApprovalRefused(
                f"{region} is known by the ledger key {before[:12]}…, and came with {verify_key[:12]}…; let it restore "
                "its ledger, or join by another name"
            )
        chain = self.chain(connection)
        targets = steps.with_region(chain.targets(), region, hub=self.hub.key, verify_key=verify_key)
        changed = chain.sign_anew(TARGETS, targets)
        if before is None:
            connection.execute(insert(tables.REGIONS).values(region=region, verify_key=verify_key, drafted=0))
        else:
            chosen = tables.REGIONS.c.region == region
            connection.execute(update(tables.REGIONS).where(chosen).values(verify_key=verify_key))
        chain.snapshot({TARGETS: changed})

    def draft(self, connection: Connection, region: str, content: bytes, *, after: int = 0) -> bytes:
        """Metadata of a region's role that names this approved list: what both must sign (`role_drafts`).

        Each draft has a higher version than every draft before.

        Args:
            after: the version that the region says it has: more than this one has, where it was put back from a backup.

        Raises ConfigurationError for a region without a role; ApprovalRefused for a version that no role can have.
        """
        if not 0 <= after <= MOST_VERSION:
            raise ApprovalRefused(f"{region} says that its role has version {after}; let its approver approve again")
        version = tables.next_draft(connection, region, after=after)
        if version == 0:
            raise ConfigurationError(f"{region} has no role in the repository; let it join first (`fedsov deploy`)")
        expires = steps.expiry(region, self.now())
        return written_draft(region, content, version=version, expires=expires)

    def complete(self, region: str, content: bytes, draft: bytes, signature: bytes) -> SignedList:
        """A list whose draft the region signed, with the hub's signature beside.

        Args:
            content: the approved list; draft: as `draft` wrote it for this list; signature: the region's, of the draft.

        Raises ApprovalRefused where the signature is not the region's, or the draft is of another list.
        """
        checked_draft(draft, region, content, after=0)
        key = self.enrolled().get(region, "")
        if not key or not signature_holds(draft, key, signature.hex()):
            raise ApprovalRefused(
                f"the metadata of the approved list is not signed by {region}, whose key is {key[:16] or 'not known'}; "
                f"let {region}'s approver approve it again"
            )
        return SignedList(
            region, content, steps.with_signatures(draft, {key: signature, self.hub.key: self.hub.sign(draft)})
        )

    def publish(
        self,
        connection: Connection,
        *,
        lists: Sequence[SignedList] = (),
        files: Mapping[str, bytes] | None = None,
        readers: Iterable[str] = (),
        retired: Iterable[str] = (),
    ) -> None:
        """Publishes approved lists and files, all under one new snapshot, within the caller's transaction.

        Args:
            files: by path, ``models/MODEL/VERSION/FILE`` or ``configuration/NAME.json``.
            readers: the regions that may fetch these files: those to which their crossing was permitted.
            retired: paths of files that nobody needs any more.

        Raises ApprovalRefused for a list that both did not sign, or that is older than the published one;
        ConfigurationError for a path outside; WorkspaceUnusable.
        """
        changed = {each.region: self._list(connection, each) for each in lists}
        changed |= self._files(connection, files or {}, list(readers), list(retired))
        if changed:
            self.chain(connection).snapshot(changed)
        for each in lists:
            announce(connection, APPROVED, each.region)
        for path in files or ():
            if path.startswith(f"{CONFIGURATION}/"):
                announce(connection, CONFIGURATION, path.removeprefix(f"{CONFIGURATION}/").removesuffix(".json"))

    def allow(self, connection: Connection, paths: Iterable[str], readers: Iterable[str]) -> None:
        """Lets further regions fetch files that are published. Raises ConfigurationError for a path that is not."""
        wanted = list(paths)
        digests = tables.digests_of(connection, wanted)
        if missing := [path for path in wanted if path not in digests]:
            raise ConfigurationError(f"{missing[0]} is not published; propose its version again")
        tables.let_read(connection, digests.values(), list(readers))

    def fetch(self, path: str, *, region: str) -> bytes | Path | None:
        """What a region asks for: metadata or a file; a large file's place; None of what there is not, or not for it.

        Args:
            path: ``timestamp.json``, ``VERSION.ROLE.json``, or a file's path with its SHA-256 before its name.
        """
        with self.database.reading() as connection:
            if path == f"{TIMESTAMP}.json":
                return tables.newest(connection, TIMESTAMP)
            if match := _METADATA.fullmatch(path):
                version, role = int(match[1]), match[2]
                is_foreign = role not in RESERVED and not role.startswith(f"{MODELS}-") and role != region
                return None if is_foreign else tables.of_version(connection, role, version)
            match = _FILE.fullmatch(path)
            if match is None or not tables.may_read(connection, match[1], region):
                return None
            stored = tables.content_of(connection, match[1])
            if stored is None:
                return None
            return self.folder.artifact(match[1]) if stored[1] is None else stored[1]

    def chain(self, connection: Connection) -> Chain:
        """The roles, within a transaction, with the keys that the root names now: a command may have replaced some."""
        chain = Chain(connection, self.hub, self.keys, self.now)
        root = steps.read(chain.stored(ROOT), Root).signed
        return chain if names_keys(root, self.keys) else replace(chain, keys=online_keys(self.folder, root))

    def _list(self, connection: Connection, listed: SignedList) -> int:
        """Adds a region's list; the version of its role."""
        key = tables.verify_keys(connection).get(listed.region)
        if key is None:
            raise ConfigurationError(f"{listed.region} has no role in the repository; let it join first")
        version = steps.check_list(listed, (self.hub.key, key))
        before = tables.newest(connection, listed.region)
        if before is not None and steps.read(before, Targets).signed.version >= version:
            raise ApprovalRefused(
                f"version {version} of the role of {listed.region} is not newer than the published one; propose the "
                "rollout again"
            )
        self.chain(connection).add_signed(listed.region, version, listed.metadata)
        self._store(connection, listed.content, [listed.region])
        return version

    def _files(
        self, connection: Connection, files: Mapping[str, bytes], readers: Sequence[str], retired: Sequence[str]
    ) -> dict[str, int]:
        """Adds files to their roles and takes retired ones off; the new version of each role that changed."""
        by_role: dict[str, list[str]] = {}
        for path in dict.fromkeys([*files, *retired]):
            by_role.setdefault(_role_of(path), []).append(path)
        chain, changed = self.chain(connection), {}
        for role, paths in by_role.items():
            targets = chain.files(role)
            for path in paths:
                if path in files:
                    targets.targets[path] = steps.target(path, files[path])
                    self._store(connection, files[path], readers)
                    tables.put_path(connection, path, sha256_hex(files[path]))
                else:
                    targets.targets.pop(path, None)
                    tables.drop_path(connection, path)
            changed[role] = chain.sign_anew(role, targets)
        return changed

    def _store(self, connection: Connection, content: bytes, readers: Sequence[str]) -> None:
        """Keeps a file for those who may fetch it. A large one is on the disk before the transaction ends."""
        digest, is_large = sha256_hex(content), len(content) > IN_DATABASE
        if is_large and not self.folder.artifact(digest).exists():
            write_file(self.folder.artifact(digest), content)
        tables.add_content(connection, digest, len(content), None if is_large else content)
        tables.let_read(connection, [digest], readers)


def _begin(connection: Connection, folder: HubControlFolder, hub: HoldsKey, now: Callable[[], datetime]) -> bytes:
    """Makes a repository: its root, the roles that say whose word counts, and the first snapshot; the root."""
    roots = [new_key(folder, ROOT) for _ in range(ROOT_KEYS)]
    keys = {role: new_key(folder, role) for role in ONLINE}
    chain, expires = Chain(connection, hub, keys, now), partial(steps.expiry, now=now())
    root = chain.add(ROOT, steps.first_root(roots, keys, expires=expires(ROOT)), *roots)
    chain.add(TARGETS, steps.first_targets(hub, expires=expires(TARGETS)), keys[TARGETS])
    chain.add(MODELS, steps.first_models(hub, expires=expires(MODELS)), hub)
    chain.add(CONFIGURATION, Targets(expires=expires(CONFIGURATION)), hub)
    chain.put_snapshot(Snapshot(), dict.fromkeys((TARGETS, MODELS, CONFIGURATION), 1), after=0)
    return root


def _role_of(path: str) -> str:
    """The role that stands for a file. Raises ConfigurationError for a path that no role has."""
    if _MODEL_PATH.fullmatch(path) and path.isprintable():
        return steps.bin_of(path)
    if _CONFIGURATION_PATH.fullmatch(path):
        return CONFIGURATION
    raise ConfigurationError(
        f"{path[:80]!r} cannot be published; a file's path is {MODELS}/MODEL/VERSION/FILE or {CONFIGURATION}/NAME.json"
    )
