"""A store's files move to another place as they are: ciphertext, whose keys stay in the manifest.

Killed at any instant, the manifest names the old place or the new one, and all its files are there. What is left of a
killed move in the folder or in the bucket that is named, the next writing sweeps. Deliberately not here: what it left
in a bucket that no manifest names any more. That is ciphertext, which its owner removes with the bucket.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from fedsov.errors import FedsovError
from fedsov.keys.protocol import RegionKeys
from fedsov.partition.backends.files_at import FilesAt, files_at, put_files
from fedsov.partition.backends.place import StorePlace, place_of
from fedsov.partition.backends.staged import Staged, write_pending
from fedsov.partition.encrypted_parquet import intact, writing
from fedsov.partition.lifecycle.erasure import sweep
from fedsov.partition.manifest import MANIFEST, sealing
from fedsov.partition.store import Store
from fedsov.storage.atomic_files import sync_folder
from fedsov.storage.private_files import beside, create_private_file


def move_store(folder: Path, keys: RegionKeys, place: StorePlace) -> bool:
    """Puts a store's files where a place says; whether they were not there yet.

    Raises:
        StoreDamaged, KeyUnavailable: as `Store.open`, and for a file that is not what the manifest says.
        WorkspaceUnusable: a file cannot be written; the store stays where it is.
    """
    store = Store.open(folder, keys)
    before, files, names = place_of(store.manifest.place), files_at(folder, place), [*store.manifest.sha256]
    if before == place:
        sweep(folder, store.manifest)
        return False
    is_moved, pending = not before.is_same(place), beside(folder / MANIFEST)
    new = replace(store.manifest, place=place.to_json())
    new = replace(new, seal=sealing(keys, new))
    with ExitStack() as undo, writing(folder):
        undo.callback(pending.unlink, missing_ok=True)
        if is_moved:
            undo.callback(_take_back, files, names)
            for name in names:
                _copy(store, name, files)
        write_pending(pending, new)
        undo.pop_all()
        Staged(folder, new, pending, store.files if is_moved and store.files.is_remote else None).commit()
        sync_folder(folder)
    return is_moved


def _copy(store: Store, name: str, files: FilesAt) -> None:
    """One file of a store, once it was found whole, to another place."""
    path = store.folder / name
    content = intact(store.files, path, store.manifest.sha256[name])
    if not store.files.is_remote:
        files.put(name, path)
        return
    path.unlink(missing_ok=True)  # a killed one may have left it
    create_private_file(path)
    path.write_bytes(content)
    put_files(files, store.folder, [name])


def _take_back(files: FilesAt, names: list[str]) -> None:
    """Removes copies that will not be in force, as far as they can be reached."""
    with suppress(OSError, FedsovError):
        files.remove(names)
