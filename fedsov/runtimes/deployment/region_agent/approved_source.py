"""What a region takes from the hub's repository: its approved list, files of models, proposals of settings.

    source = ApprovedSource(RegionControlFolder(folder), RegionPins("DE", hub_key, region_key), root, fetch)
    polled = source.poll()                # one small file where nothing changed
    polled.content                        # the approved list, where it is another one than at the last poll
    source.file("models/salaries/2/model.onnx")

Every byte comes through `fetch`, from whoever answers; none is believed but by the signatures. The root was taken when
the region joined, and a newer one is believed where the one before signs it. The role of the region must name exactly
two keys, the hub's and its own, both of which sign: a hub that rewrites who may sign gains nothing. An older list, an
older timestamp, another file, one byte more than is signed: each raises RepositoryRefused, and the region stays as it
is. Metadata that expired gives nothing new; the region goes on serving and says since when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tuf.api import exceptions
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, TargetFile, Targets
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from fedsov.errors import RepositoryExpired, RepositoryRefused
from fedsov.protocol.role_drafts import approved_path
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.bounded_files import parsed_json
from fedsov.storage.control_folder import RegionControlFolder
from fedsov.storage.private_files import make_private_folder

Fetch = Callable[[str], Iterable[bytes] | None]
"""What is at a path of the repository, in pieces; None of what there is not. Raises OSError where nobody answers."""
HUB_ROLES = ("models", "configuration")
"""Roles for which the hub's ledger key alone signs."""
_ADDRESS = "fedsov:///"
_AGAIN = "nothing was taken, and what serves goes on; ask the hub's operator"


@dataclass(frozen=True, slots=True)
class RegionPins:
    """Whose signatures a region believes: the pinned key of the hub and its own (Ed25519, hexadecimal)."""

    region: str
    hub_key: str
    region_key: str


@dataclass(frozen=True, slots=True)
class Polled:
    """What the repository holds for a region.

    Attributes:
        content: the approved list, where it is another one than at the poll before; None where nothing changed, and of
            a region for which none was published.
        version: of the region's role; 0 where none was published.
        timestamp: the number of the timestamp that says so.
        fresh_until: until when that holds.
    """

    content: bytes | None
    version: int
    timestamp: int
    fresh_until: datetime


class ApprovedSource:
    """The hub's repository, as one region reads it; for one process at a time."""

    def __init__(
        self,
        folder: RegionControlFolder,
        pins: RegionPins,
        root: bytes,
        fetch: Fetch,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """A repository that is read into this folder.

        Args:
            root: the root metadata that the region's owner took (`trusted_root`).
            now: the clock, for a timestamp that was already verified.
        """
        self._folder, self._pins, self._root, self._now = folder, pins, root, now
        self._fetcher = _PathFetcher(fetch)
        self._updater: Updater | None = None
        self._verified: tuple[bytes, Polled] | None = None
        self._delegated, self._taken = b"", ""
        self._untaken: bytes | None = None

    def poll(self) -> Polled:
        """What the repository holds for the region now; whoever calls this takes the list.

        Raises RepositoryRefused for what its signers did not sign, for older metadata, or expired; OSError where nobody
        answers.
        """
        polled = self.refresh()
        content, self._untaken = self._untaken, None
        return replace(polled, content=content)

    def refresh(self) -> Polled:
        """The same, for whoever reads other files: a list that is new waits for the next `poll`. Raises as `poll`."""
        with _refusals(self._pins.region):
            content = self._fetcher.download_bytes(f"{_ADDRESS}timestamp.json", UpdaterConfig.timestamp_max_length)
            if self._verified is not None and self._verified[0] == content:
                return self._unchanged(self._verified[1])
            updater = self._refreshed(content)
            polled, listed = self._listed(updater)
        self._updater, self._verified = updater, (content, polled)
        self._untaken = self._untaken if listed is None else listed
        return polled

    def file(self, path: str) -> bytes:
        """A file of a model, or a proposal of settings, as of the last poll.

        Raises RepositoryRefused for a path that nobody published, or another content than was signed; OSError.
        """
        updater = self._read()
        with _refusals(self._pins.region):
            return self._download(updater, _target(updater, path))

    def is_published(self, path: str) -> bool:
        """Whether there is a file under this path, as of the last poll. Raises RepositoryRefused, OSError."""
        updater = self._read()
        with _refusals(self._pins.region):
            return updater.get_targetinfo(path) is not None

    def approved_file(self, path: str, sha256: str, *, most: int) -> bytes:
        """A file whose digest the approved list tells, which hub and region signed: no metadata is read for it.

        Args:
            path: ``models/MODEL/VERSION/FILE``.
            most: bytes that it may have.

        Raises RepositoryRefused for one that is not there, another, or a larger one; OSError.
        """
        folder, _, name = path.rpartition("/")
        with _refusals(self._pins.region):
            content = self._fetcher.download_bytes(f"{_ADDRESS}{folder}/{sha256}.{name}", most)
        if sha256_hex(content) != sha256:
            raise RepositoryRefused(f"{path[:200]} is not the file that was approved; {_AGAIN}")
        return content

    def _read(self) -> Updater:
        """What the last poll read."""
        if self._updater is None:
            self.refresh()
        if self._updater is None:
            raise RepositoryRefused(f"the repository was not read yet; {_AGAIN}")
        return self._updater

    def _unchanged(self, polled: Polled) -> Polled:
        if self._now() >= polled.fresh_until:
            raise RepositoryExpired(_expired_words(self._pins.region, polled.fresh_until))
        return polled

    def _refreshed(self, timestamp: bytes) -> Updater:
        """All top-level metadata, verified; what did not change is read from the folder."""
        for each in (self._folder.metadata, self._folder.targets):
            make_private_folder(each)
        updater = Updater(
            str(self._folder.metadata),
            _ADDRESS,
            target_dir=str(self._folder.targets),
            target_base_url=_ADDRESS,
            fetcher=self._fetcher,
            bootstrap=self._root,
        )
        self._fetcher.timestamp = timestamp
        try:
            updater.refresh()
        except exceptions.ExpiredMetadataError:
            raise RepositoryExpired(_expired_words(self._pins.region, self.last_fresh)) from None
        finally:
            self._fetcher.timestamp = b""
        self._check_delegations()
        return updater

    def _check_delegations(self) -> None:
        """Raises RepositoryRefused where another than hub and region together could speak for the region's list."""
        content = self._local("targets")
        if content != self._delegated:
            check_delegations(Metadata[Targets].from_bytes(content).signed, self._pins)
            self._delegated = content

    def _listed(self, updater: Updater) -> tuple[Polled, bytes | None]:
        """What is there, and the approved list where it is another than the one before."""
        timestamp, named = self._signed("timestamp"), self._signed("snapshot")["meta"].get(f"{self._pins.region}.json")
        version = 0 if named is None else int(named["version"])
        polled = Polled(None, version, int(timestamp["version"]), _moment(timestamp))
        if named is None:
            return polled, None
        target = _target(updater, approved_path(self._pins.region))
        if target.hashes["sha256"] == self._taken:
            return polled, None
        content = self._download(updater, target)
        self._taken = target.hashes["sha256"]
        return polled, content

    def _download(self, updater: Updater, target: TargetFile) -> bytes:
        """A file's content, verified; it stays with the caller, and not in the folder."""
        place = Path(updater.download_target(target))
        content = place.read_bytes()
        place.unlink(missing_ok=True)
        return content

    def _local(self, role: str) -> bytes:
        """Metadata that was verified and written down."""
        return (self._folder.metadata / f"{quote(role, safe='')}.json").read_bytes()

    def _signed(self, role: str) -> dict[str, Any]:
        """What such metadata says."""
        return dict(parsed_json(self._local(role))["signed"])

    @property
    def last_fresh(self) -> datetime | None:
        """Until when the timestamp held that was verified last, be it by another process; None of none."""
        try:
            return _moment(self._signed("timestamp"))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _moment(signed: Mapping[str, Any]) -> datetime:
    """Until when metadata holds."""
    return datetime.strptime(signed["expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def check_delegations(targets: Targets, pins: RegionPins) -> None:
    """Raises RepositoryRefused where others than hub and region together could speak for the region's list."""
    path, delegations = approved_path(pins.region), targets.delegations or Delegations({}, {})
    roles = delegations.roles or {}
    others = [role.name for role in roles.values() if role.name != pins.region and role.is_delegated_path(path)]
    own = roles.get(pins.region)
    if path in targets.targets or others or own is None or not _is_whole(own, delegations, pins):
        raise RepositoryRefused(
            f"the hub's repository does not leave {path} to the pinned key of the hub and the key of {pins.region} "
            f"together; {_AGAIN}"
        )
    for name in HUB_ROLES:
        if name in roles and _keys(roles[name], delegations) != [pins.hub_key]:
            raise RepositoryRefused(f"the hub's repository leaves {name} to another key than the hub's; {_AGAIN}")


def _is_whole(own: DelegatedRole, delegations: Delegations, pins: RegionPins) -> bool:
    keys = _keys(own, delegations)
    is_both = own.threshold == 2 and sorted(keys) == sorted({pins.hub_key, pins.region_key}) and len(keys) == 2
    return is_both and own.paths == [approved_path(pins.region)]


def _keys(role: DelegatedRole, delegations: Delegations) -> list[str]:
    """The public keys that count for a role, hexadecimal; "" for one that is named and not there."""
    named = (delegations.keys.get(keyid) for keyid in role.keyids)
    return ["" if key is None else str(key.keyval.get("public")) for key in named]


def _target(updater: Updater, path: str) -> TargetFile:
    target = updater.get_targetinfo(path)
    if target is None or "sha256" not in target.hashes:
        raise RepositoryRefused(f"nobody published {path[:200]}; {_AGAIN}")
    return target


class _PathFetcher(FetcherInterface):
    """Asks by path, whatever lies between."""

    def __init__(self, fetch: Fetch) -> None:
        self._paths, self.timestamp = fetch, b""

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = url.removeprefix(_ADDRESS)
        if path == "timestamp.json" and self.timestamp:
            return iter([self.timestamp])
        pieces = self._paths(path)
        if pieces is None:
            raise exceptions.DownloadHTTPError("it is not there", 404)
        return iter(pieces)


@contextmanager
def _refusals(region: str) -> Iterator[None]:
    """What TUF's errors mean to a region."""
    try:
        yield
    except exceptions.BadVersionNumberError as problem:
        raise RepositoryRefused(
            f"the hub hands out older metadata than {region} has ({problem}): it was put back from a backup, or "
            f"somebody holds new lists back; {_AGAIN}"
        ) from None
    except exceptions.DownloadHTTPError as problem:
        raise RepositoryRefused(f"the hub's repository lacks a file that it names ({problem}); {_AGAIN}") from None
    except exceptions.DownloadLengthMismatchError as problem:
        raise RepositoryRefused(f"the hub's repository sends more than was signed ({problem}); {_AGAIN}") from None
    except exceptions.DownloadError as problem:
        if isinstance(problem.__cause__, OSError):
            raise problem.__cause__ from None
        raise OSError(str(problem)) from problem
    except exceptions.ExpiredMetadataError as problem:
        raise RepositoryExpired(f"metadata of the hub's repository expired ({problem}); {_AGAIN}") from None
    except (exceptions.RepositoryError, ValueError) as problem:
        raise RepositoryRefused(f"the hub's repository is not what was signed ({problem}); {_AGAIN}") from None


def _expired_words(region: str, since: datetime | None) -> str:
    when = "never since it joined" if since is None else f"last until {since:%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"the hub's word on what is newest expired; {region} could rely on it {when}. It goes on serving what it "
        "serves, and takes nothing new until the hub signs again; see that the hub's service runs and that clocks agree"
    )
