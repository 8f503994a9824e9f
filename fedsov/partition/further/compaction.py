"""Small further files of a store become one, so that there are never many, however often rows come.

    store = compacted(store)                # as it is, until there is something to merge

The last files are merged once there are `MERGED` of which none holds more bytes than the others together. So a row is
written anew only into a file of twice the size at least, and the logarithm of the rows bounds how often. No file grows
beyond `MOST` bytes: a merge holds it in memory, and an erasure writes it anew. Rows stay in their order, and what the
store says of them stays true.
"""

from __future__ import annotations

from collections.abc import Sequence

from fedsov.partition.further.merged_files import merged
from fedsov.partition.lifecycle.erasure import IDENTIFIERS, RECORDS, restage
from fedsov.partition.store import Store
from fedsov.storage.atomic_files import sync_folder

MERGED = 16
"""Files that are merged at once, at least."""
MOST = 4 << 20
"""Bytes of files that are merged at once, at most."""


def compacted(store: Store) -> Store:
    """The store with its last files merged; on the disk. Raises as `Store.read`, and WorkspaceUnusable."""
    numbers = sorted(part.partition("-")[2] for part in store.manifest.files if part.startswith(f"{RECORDS}-"))
    if len(numbers) < MERGED:
        return store
    there = store.files.names()
    sizes = [there.get(store.manifest.files[f"{RECORDS}-{number}"], 0) for number in numbers]
    last = numbers[len(numbers) - to_merge(sizes) :]
    if not last:
        return store
    groups = [group for group in (RECORDS, IDENTIFIERS) if f"{group}-{last[0]}" in store.manifest.files]
    tables = {f"{group}-{last[0]}": merged([store.file(f"{group}-{each}") for each in last]) for group in groups}
    leaving = {f"{group}-{each}" for group in groups for each in last[1:]}
    manifest = restage(store, tables, rows=store.manifest.rows, leaving=leaving).commit()
    sync_folder(store.folder)
    return Store(store.folder, manifest, store.keys)


def to_merge(sizes: Sequence[int]) -> int:
    """How many of the last files become one, by the bytes of each; 0 for none."""
    total = largest = found = 0
    for count, size in enumerate(reversed(sizes), 1):
        total, largest = total + size, max(largest, size)
        if total > MOST:
            break
        if count >= MERGED and 2 * largest <= total:
            found = count
    return found
