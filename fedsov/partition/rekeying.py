"""After a rotation: the keys of a store's files, wrapped anew by the newest of the region's keys.

The files' own keys stay, and so do the files: one manifest is rewritten for each store. Until then the store opens by
the older version, which the region's keys still have.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

from fedsov.errors import StoreDamaged
from fedsov.keys.protocol import RegionKeys
from fedsov.partition.manifest import MANIFEST, mend, sealing
from fedsov.partition.store import Store
from fedsov.storage.atomic_files import write_file


def rekey(folder: Path, keys: RegionKeys) -> int:
    """Wraps the keys of a store's files anew, by the newest of the region's keys; how many. No row is read or written.

    Killed at any instant, the manifest is the old one or the new one.

    Raises:
        StoreDamaged, KeyUnavailable: as `Store.open`; and for a store of before, whose files hold their keys.
        WorkspaceUnusable: the manifest cannot be written.
    """
    manifest = Store.open(folder, keys).manifest
    if inside := [name for name in manifest.files.values() if name not in manifest.wrapped]:
        raise StoreDamaged(f"{folder / inside[0]} holds its own key, as older stores do; {mend(folder / MANIFEST)}")
    wrapped = {}
    for part, name in manifest.files.items():
        context = f"{manifest.dataset}/{part}"
        file_key = keys.unwrap(base64.b64decode(manifest.wrapped[name]), context)
        wrapped[name] = base64.b64encode(keys.wrap(file_key, context)).decode()
    again = replace(manifest, wrapped=wrapped)
    write_file(folder / MANIFEST, replace(again, seal=sealing(keys, again)).to_json().encode())
    return len(wrapped)
