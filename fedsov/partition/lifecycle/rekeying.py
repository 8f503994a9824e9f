"""After a rotation: the keys of stores' files, wrapped anew by the newest of the region's keys.

The files' own keys stay, and so do the files: one manifest is rewritten for each store. Until then the store opens by
the older version, which the region's keys still have. So the disk is waited for twice in all, not for each manifest.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from fedsov.errors import StoreDamaged, WorkspaceUnusable
from fedsov.keys.local import version_of
from fedsov.keys.protocol import RegionKeys
from fedsov.partition.manifest import MANIFEST, Manifest, mend, sealing
from fedsov.partition.store import Store
from fedsov.storage.private_files import beside, create_private_file


def rekey(stores: Sequence[Path], keys: RegionKeys) -> int:
    """Wraps the keys of these stores' files by the newest of the region's keys, where an older one did; how many.

    No row is read or written, and no manifest before all are made. Killed at any instant, each manifest is the old one
    or the new one; when this returns, all are on the disk.

    Raises:
        StoreDamaged, KeyUnavailable: as `Store.open`; and for an older store, whose files hold their own keys.
        WorkspaceUnusable: a manifest cannot be written.
    """
    opened = [(folder, Store.open(folder, keys).manifest) for folder in stores]
    newest = version_of(keys.wrap(b"", ""))
    changes = {folder: _anew(folder, old, keys) for folder, old in opened if not _is_newest(old, newest)}
    if not changes:
        return 0
    try:
        with ExitStack() as undo:
            asides = {folder: beside(folder / MANIFEST) for folder in changes}
            for folder, aside in asides.items():
                undo.callback(aside.unlink, missing_ok=True)
                create_private_file(aside)
                aside.write_text(changes[folder].to_json())
            os.sync()
            for folder, aside in asides.items():
                os.replace(aside, folder / MANIFEST)
            os.sync()
    except OSError as error:
        raise WorkspaceUnusable(f"cannot write a manifest: {error.strerror}; make room, then run this again") from None
    return sum(len(manifest.wrapped) for manifest in changes.values())


def _anew(folder: Path, manifest: Manifest, keys: RegionKeys) -> Manifest:
    if inside := [name for name in manifest.files.values() if name not in manifest.wrapped]:
        raise StoreDamaged(f"{folder / inside[0]} holds its own key, as older stores do; {mend(folder / MANIFEST)}")
    wrapped = {}
    for part, name in manifest.files.items():
        context = f"{manifest.dataset}/{part}"
        file_key = keys.unwrap(base64.b64decode(manifest.wrapped[name]), context)
        wrapped[name] = base64.b64encode(keys.wrap(file_key, context)).decode()
    new = replace(manifest, wrapped=wrapped)
    return replace(new, seal=sealing(keys, new))


def _is_newest(manifest: Manifest, newest: int) -> bool:
    texts = [manifest.seal, *(manifest.wrapped.get(name, "") for name in manifest.files.values())]
    return all(text and version_of(base64.b64decode(text)) == newest for text in texts)
