"""Rows leave a store: only the files that hold them are written anew, without them.

    pseudonym = subject_pseudonym(keys, "X4711")
    remove_rows(store, rows_of(store, pseudonym))

The files of a store are replaced in one step, as by an ingestion: killed at any instant, the store is the old one or
the new one, and `sweep` removes what a killed writer left. What comes back from `remove_rows` is on the disk. An
emptied store stays: its manifest is the tombstone by which its source is known again, and as old as it is.

Deliberately not here: the old files' blocks on the disk, and copies in backups. Both are ciphertext under keys that the
old manifest alone held wrapped; `fedsov keys retire` destroys what opens them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fedsov.keys.protocol import RegionKeys
from fedsov.label import Label, join
from fedsov.partition.arrow_columns import levels, numbers
from fedsov.partition.encrypted_parquet import file_sha256, new_file_key, remove_files, write_encrypted, writing
from fedsov.partition.further.merged_files import LABEL, integers, read_tags
from fedsov.partition.manifest import MANIFEST, Manifest, sealing
from fedsov.partition.store import OWN, SUBJECT, Staged, Store
from fedsov.storage.atomic_files import sync_file, sync_folder
from fedsov.storage.private_files import create_private_file

RECORDS = "records"
IDENTIFIERS = "identifiers"


def subject_pseudonym(keys: RegionKeys, subject: str) -> str:
    """What a region's rows know a subject by: what `dataset.subject` says of its rows, under the region's key."""
    return keys.pseudonyms([f"subject:{subject}"])[0]


def keyed_digests(keys: RegionKeys, pseudonyms: Iterable[str]) -> list[str]:
    """What a ledger knows each subject by: 32 hexadecimal digits that only the region's key leads to."""
    return keys.pseudonyms(f"erased:{pseudonym}" for pseudonym in pseudonyms)


def tables_of(store: Store, group: str) -> Iterator[tuple[str, pa.Table]]:
    """The files of `RECORDS` or `IDENTIFIERS`: each one's name in the manifest and its rows, in the order of `read`."""
    for part in store.manifest.files:
        if part.partition("-")[0] == group:
            yield part, store.file(part)[1]


def rows_of(store: Store, pseudonym: str) -> np.ndarray:
    """(rows,) True for the rows of a subject."""
    masks = [_is_subject(table, pseudonym) for _, table in tables_of(store, RECORDS)]
    return np.concatenate(masks) if masks else np.zeros(0, bool)


def _is_subject(table: pa.Table, pseudonym: str) -> np.ndarray:
    """(rows,) True where a file's row is of this subject."""
    words, codes = levels(table.column(SUBJECT))
    return np.asarray(codes == words.index(pseudonym)) if pseudonym in words else np.zeros(len(codes), bool)


def remove_rows(store: Store, gone: np.ndarray) -> Manifest:
    """Puts the store in force without these rows, on the disk when this returns; gives its manifest.

    Args:
        gone: (rows,) True for those that leave, in the order of `Store.read`.

    Raises as `Store.read`, and WorkspaceUnusable; the old store stays.
    """
    if not gone.any():
        sweep(store.folder, store.manifest)
        return store.manifest
    tables = dict(_without(store, RECORDS, gone)) | dict(_without(store, IDENTIFIERS, gone))
    manifest = restage(store, tables, rows=int(len(gone) - gone.sum())).commit()
    sync_folder(store.folder)
    return manifest


def sweep(folder: Path, manifest: Manifest) -> None:
    """Removes the files that the manifest does not name: what a writer that was killed left of old rows or new."""
    left = [path for path in folder.iterdir() if path.name != MANIFEST and path.name not in manifest.sha256]
    with writing(folder):
        for path in left:
            path.unlink(missing_ok=True)
        sync_folder(folder)


def restage(store: Store, tables: Mapping[str, pa.Table], *, rows: int) -> Staged:
    """Writes some files of a store anew beside those in force; `commit` puts them there.

    Args:
        tables: name in the manifest to the rows of that file.
        rows: how many the whole store holds then.
    """
    folder, manifest, keys = store.folder, store.manifest, store.keys
    stamp = secrets.token_hex(6)
    fresh = {part: f"{part}-{stamp}.parquet" for part in tables}
    pending = folder / f".{MANIFEST}.{stamp}"
    files = {**manifest.files, **fresh}
    same = {name for part, name in manifest.files.items() if part not in tables}
    wrapped = {name: key for name, key in manifest.wrapped.items() if name in same}
    digests = {name: digest for name, digest in manifest.sha256.items() if name in same}
    with ExitStack() as undo, writing(folder):
        undo.callback(remove_files, folder, [*fresh.values(), pending.name])
        for part, table in tables.items():
            file_key, wrapped[fresh[part]] = new_file_key(keys, f"{manifest.dataset}/{part}")
            write_encrypted(folder / fresh[part], table, file_key, OWN)
            sync_file(folder / fresh[part])
            digests[fresh[part]] = file_sha256(folder / fresh[part])
        notes = _notes(store, tables)
        new = replace(manifest, rows=rows, files=files, sha256=digests, wrapped=wrapped, notes=notes)
        new = replace(new, seal=sealing(keys, new))
        create_private_file(pending)
        pending.write_text(new.to_json())
        sync_file(pending)
        undo.pop_all()
    return Staged(folder, new, pending)


def _without(store: Store, group: str, gone: np.ndarray) -> Iterator[tuple[str, pa.Table]]:
    """The files of a group that hold rows which leave, without them."""
    first = 0
    for part, table in tables_of(store, group):
        leaves = gone[first : first + table.num_rows]
        first += table.num_rows
        if leaves.any():
            yield part, table.take(numbers(np.flatnonzero(~leaves)))


def _notes(store: Store, changed: Mapping[str, pa.Table]) -> dict[str, Any]:
    """What a region's manifest says of its people, counted anew; the quarantine's says what the ingestion reported."""
    notes = dict(store.manifest.notes)
    if "people" not in notes:
        return notes
    every, bound, present = set[str](), set[str](), list[Label]()
    for part in store.manifest.files:
        if part.partition("-")[0] != RECORDS:
            continue
        table = changed[part] if part in changed else store.file(part)[1]
        labels = [Label.from_json(label) for label in read_tags(store.folder, table)["labels"]]
        places = integers(table.column(LABEL))
        words, codes = levels(table.column(SUBJECT))
        is_public = np.array([*(label.is_public for label in labels), True], bool)
        every.update(words)
        bound.update(words[code] for code in np.flatnonzero(np.bincount(codes[~is_public[places]])))
        present += [labels[place] for place in np.flatnonzero(np.bincount(places))]
    return {**notes, "people": len(bound or every), "label": join(present).to_json()}
