"""A store that is written and not yet in force, one that is put in force, and one that leaves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fedsov.keys.protocol import RegionKeys
from fedsov.partition.backends.files_at import FilesAt, files_of, remove_unnamed
from fedsov.partition.encrypted_parquet import writing
from fedsov.partition.manifest import MANIFEST, Manifest, check_seal, read_manifest
from fedsov.storage.atomic_files import sync_file, sync_folder
from fedsov.storage.private_files import create_private_file


@dataclass(frozen=True, slots=True)
class Staged:
    """A store whose files are written and which is not in force until `commit`.

    Attributes:
        folder: the store's.
        pending: the manifest before it is in force.
        left: the place that its files leave, where that is a bucket.
    """

    folder: Path
    manifest: Manifest
    pending: Path
    left: FilesAt | None = None

    def commit(self) -> Manifest:
        """Puts the new files in force, in one step, and removes what the manifest no longer names.

        Where the same bucket was reached by another address, what the manifest names stays there: it may be the same.

        Raises WorkspaceUnusable; where the manifest was replaced by then, the new files are in force and old ones stay
        until the next writing.
        """
        with writing(self.folder):
            os.replace(self.pending, self.folder / MANIFEST)
            remove_unnamed(self.folder, self.manifest)
            if self.left is not None:
                sync_folder(self.folder)
                is_maybe_same = self.left.address("") == files_of(self.folder, self.manifest).address("")
                stays = self.manifest.sha256.keys() if is_maybe_same else ()
                self.left.remove([name for name in self.left.names() if name not in stays])
        return self.manifest


def write_pending(pending: Path, manifest: Manifest, *, durable: bool = True) -> None:
    """Writes a manifest aside. Raises OSError."""
    create_private_file(pending)
    pending.write_text(manifest.to_json())
    if durable:
        sync_file(pending)


def remove_store(folder: Path, keys: Callable[[], RegionKeys]) -> None:
    """Removes a store; what is in a bucket first, since only the manifest says that there is anything.

    Raises StoreDamaged, KeyUnavailable, WorkspaceUnusable where files are in a bucket and stay there.
    """
    if (folder / MANIFEST).exists() and (manifest := read_manifest(folder)).place:
        check_seal(folder, manifest, keys())
        files = files_of(folder, manifest)
        files.remove([*files.names()])
    shutil.rmtree(folder, ignore_errors=True)
