"""A store's encrypted files, in its folder or in a bucket: read, put, removed and listed by the same code.

    files = files_at(folder, place)
    files.put("records-5f.parquet", folder / "records-5f.parquet")     # there when this returns
    content = files.read("records-5f.parquet")

Files are written encrypted into the store's folder, hashed, and put from there. Which of them are the store, its
manifest decides. It stays in the folder, names them, says where they are, and is replaced in one step. So a bucket is
never asked what a store is, and nothing that it answers is believed before its SHA-256 was compared.

A bucket is one region's: `claim` leaves an object in it, `MARKER`, that says whose it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fedsov.border.law.yaml_text import read_mapping
from fedsov.errors import ConfigurationError, KeyUnavailable, StoreDamaged, WorkspaceUnusable
from fedsov.keys.credentials import check_private
from fedsov.keys.protocol import RegionKeys
from fedsov.partition.backends.place import StorePlace, place_of
from fedsov.partition.manifest import MANIFEST, Manifest, mend
from fedsov.storage.atomic_files import sync_file, sync_folder
from fedsov.storage.bounded_files import TooLarge, read_bounded

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MARKER = "fedsov-region"
"""The object that says whose a bucket is."""
CREDENTIALS: Mapping[str, tuple[str, ...]] = {
    "s3": ("access_key_id", "secret_access_key", "session_token"),
    "az": ("account_name", "account_key", "sas_key", "tenant_id", "client_id", "client_secret"),
}
"""What a file of credentials may hold, as YAML; that of ``gs://`` is the service account's own file."""
_DENIED = "see store.credentials_file (`fedsov region show REGION`), and what its owner may do in the bucket"
_MEND = "look at store.bucket, store.endpoint and store.aws_region (`fedsov region show REGION`)"


class FilesAt(Protocol):
    """The files of one store."""

    @property
    def is_remote(self) -> bool:
        """Whether they are elsewhere than in the store's folder."""
        ...

    def address(self, name: str) -> str:
        """What an error calls a file."""
        ...

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises StoreDamaged where it is missing, WorkspaceUnusable where nobody can be asked."""
        ...

    def put(self, name: str, path: Path) -> None:
        """Takes a file from the store's folder; it lasts when this returns. Raises WorkspaceUnusable, OSError."""
        ...

    def remove(self, names: Collection[str]) -> None:
        """Removes files, as far as they are there. Raises WorkspaceUnusable, OSError."""
        ...

    def names(self) -> dict[str, int]:
        """Each file that is there, and its bytes. Raises WorkspaceUnusable, OSError."""
        ...


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """Files beside their manifest."""

    folder: Path
    is_remote = False

    def address(self, name: str) -> str:
        return str(self.folder / name)

    def read(self, name: str) -> bytes:
        path = self.folder / name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise StoreDamaged(f"{path} is missing; {mend(path)}") from None
        except OSError as error:
            raise StoreDamaged(f"cannot read {path}: {error.strerror}") from None

    def put(self, name: str, path: Path) -> None:
        sync_file(path)

    def remove(self, names: Collection[str]) -> None:
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def names(self) -> dict[str, int]:
        return {path.name: path.stat().st_size for path in self.folder.iterdir() if path.name != MANIFEST}


@dataclass(frozen=True, slots=True)
class BucketFiles:
    """Files in a bucket, under the name of their store's folder; their manifest is in `folder`."""

    folder: Path
    place: StorePlace
    is_remote = True

    def address(self, name: str) -> str:
        return self.place.under(self.folder.name, name)

    def read(self, name: str) -> bytes:
        try:
            with _asking("read", self.address(name), self.place, self.folder.name) as (obstore, store):
                return bytes(obstore.get(store, name).bytes())
        except FileNotFoundError:
            raise StoreDamaged(f"{self.address(name)} is missing; {mend(self.folder / name)}") from None

    def put(self, name: str, path: Path) -> None:
        with _asking("write", self.address(name), self.place, self.folder.name) as (obstore, store):
            obstore.put(store, name, path)

    def remove(self, names: Collection[str]) -> None:
        if names:
            with (
                _asking("remove", self.address(""), self.place, self.folder.name) as (obstore, store),
                suppress(FileNotFoundError),
            ):
                obstore.delete(store, [*names])

    def names(self) -> dict[str, int]:
        with _asking("list", self.address(""), self.place, self.folder.name) as (obstore, store):
            found = [each for page in obstore.list(store) for each in page]
            return {each["path"]: each["size"] for each in found if "/" not in each["path"]}


def files_at(folder: Path, place: StorePlace) -> FilesAt:
    """The files of the store in a folder."""
    return BucketFiles(folder, place) if place.bucket else FolderFiles(folder)


def files_of(folder: Path, manifest: Manifest) -> FilesAt:
    """The files that a store's manifest names."""
    return files_at(folder, place_of(manifest.place))


def remove_unnamed(folder: Path, manifest: Manifest) -> None:
    """Removes what the manifest does not name, in the folder and where it says that its files are.

    A manifest whose files are elsewhere is on the disk before one of them goes. Raises WorkspaceUnusable, OSError.
    """
    files, here = files_of(folder, manifest), FolderFiles(folder)
    beside = frozenset[str]() if files.is_remote else manifest.sha256.keys()
    here.remove([name for name in here.names() if name not in beside])
    if files.is_remote:
        sync_folder(folder)
        files.remove([name for name in files.names() if name not in manifest.sha256])


def put_files(files: FilesAt, folder: Path, names: Collection[str]) -> None:
    """Puts files from the store's folder where they belong; what belongs elsewhere is in the folder no more."""
    for name in names:
        files.put(name, folder / name)
        if files.is_remote:
            (folder / name).unlink()


def claim(place: StorePlace, keys: RegionKeys) -> None:
    """Makes a bucket the region's, where it is nobody's yet.

    Raises ConfigurationError where it is another's, or does not exist; WorkspaceUnusable, KeyUnavailable.
    """
    url, own = f"{place.root}/{MARKER}", {"region": keys.region, "key": keys.key_id}
    with _asking("write", url, place, root=True) as (obstore, store):
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with suppress(AlreadyExistsError, PreconditionError):
            obstore.put(store, MARKER, json.dumps(own).encode(), mode="create")
            return
        content = bytes(obstore.get(store, MARKER).bytes())
    try:
        marker = json.loads(content)
        region, key = str(marker["region"]), str(marker["key"])
    except (ValueError, KeyError, TypeError):
        region = key = ""
    if (region, key) != (keys.region, keys.key_id):
        owner = f"region {region[:80]}" if region != keys.region else f"a region {region} with another keyring"
        raise ConfigurationError(
            f"{place.root} belongs to {owner if region else 'somebody else'}, as {MARKER} in it says, and each region "
            f"has a bucket of its own; choose another store.bucket for {keys.region}"
        )


@contextmanager
def _asking(act: str, url: str, place: StorePlace, store: str = "", *, root: bool = False) -> Iterator[tuple[Any, Any]]:
    """obstore, and the part of the bucket that belongs to a store, or all of it."""
    try:
        import obstore

        from fedsov.partition.backends.object_store import faults
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"store.bucket={place.bucket} needs {missing.name}; run: pip install 'fedsov[object-store]'"
        ) from None
    with faults(act, url, WorkspaceUnusable, denied=_DENIED, mend=_MEND):
        yield obstore, _opened(place, place.root if root else place.under(store), _credentials(place), os.getpid())


@lru_cache(maxsize=64)
def _opened(place: StorePlace, url: str, credentials: tuple[tuple[str, str], ...], _process: int) -> ObjectStore:
    from fedsov.partition.backends.object_store import opened

    region = {"region": place.aws_region} if place.kind == "s3" else {}
    return opened(url, {"endpoint": place.endpoint, **region, **dict(credentials)})


def _credentials(place: StorePlace) -> tuple[tuple[str, str], ...]:
    """What the file of credentials holds, as obstore calls it; nothing where no file is named.

    Raises KeyUnavailable where it cannot be read, or others may read it. No message has a value of it.
    """
    if not place.credentials_file:
        return ()
    path = Path(place.credentials_file)
    try:
        check_private(path)
        content = read_bounded(path)
        if place.kind == "gs":
            return (("service_account_key", content.decode()),)
        given = read_mapping(content, str(path))
    except (OSError, TooLarge, UnicodeDecodeError, ConfigurationError) as error:
        reason = getattr(error, "strerror", None) or "it is no YAML as access_key_id: ..."
        raise KeyUnavailable(f"cannot read {path} (store.credentials_file): {reason}") from None
    known = CREDENTIALS[place.kind]
    if not given or not {*given} <= {*known} or not all(isinstance(value, str) for value in given.values()):
        raise KeyUnavailable(f"{path} (store.credentials_file) must hold lines of text, some of {', '.join(known)}")
    return tuple(sorted(given.items()))
