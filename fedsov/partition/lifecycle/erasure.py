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
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fedsov.keys.protocol import RegionKeys
from fedsov.label import Label, join
from fedsov.partition.arrow_columns import text, view
from fedsov.partition.backends.files_at import put_files, remove_unnamed
from fedsov.partition.backends.staged import Staged, write_pending
from fedsov.partition.encrypted_parquet import abandon, file_sha256, new_file_key, write_encrypted, writing
from fedsov.partition.further.merged_files import LABEL, integers, read_tags
from fedsov.partition.manifest import MANIFEST, Manifest, sealing
from fedsov.partition.store import OWN, SUBJECT, Store
from fedsov.storage.atomic_files import sync_folder

RECORDS = "records"
IDENTIFIERS = "identifiers"


def subject_pseudonym(keys: RegionKeys, subject: str) -> str:
    """What a region's rows know a subject by: what `dataset.subject` says of its rows, under the region's key."""
    return keys.pseudonyms([f"subject:{subject}"])[0]


def keyed_digests(keys: RegionKeys, pseudonyms: Iterable[str]) -> list[str]:
    """What a ledger knows each subject by: 32 hexadecimal digits that only the region's key leads to."""
    return keys.pseudonyms(f"erased:{pseudonym}" for pseudonym in pseudonyms)


def rows_of(store: Store, pseudonym: str) -> np.ndarray:
    """(rows,) True for the rows of a subject."""
    import pyarrow.compute as pc

    column = store.table(RECORDS, [SUBJECT])[1].column(SUBJECT)
    word = text([pseudonym])[0]  # a plain word would have Arrow import pandas, and so would an empty column
    masks = [view(pc.equal(chunk, word).cast(pa.uint8())).astype(bool) for chunk in column.chunks]
    return np.concatenate([np.zeros(0, bool), *masks])


def remove_rows(store: Store, gone: np.ndarray) -> Manifest:
    """Puts the store in force without these rows, on the disk when this returns; gives its manifest.

    Args:
        gone: (rows,) True for those that leave, in the order of `Store.read`.

    Raises as `Store.read`, and WorkspaceUnusable; the old store stays.
    """
    if not gone.any():
        sweep(store.folder, store.manifest)
        return store.manifest
    parts = [part for part in store.manifest.files if part.partition("-")[0] == RECORDS]
    whose = {part: store.file(part, [SUBJECT, LABEL])[1] for part in parts}
    tables, first = dict[str, pa.Table](), 0
    for part, rows in whose.items():
        stays = ~gone[first : first + rows.num_rows]
        first += rows.num_rows
        if not stays.all():
            whose[part] = rows.filter(_mask(stays))
            beside = part.replace(RECORDS, IDENTIFIERS)
            for name in (name for name in (part, beside) if name in store.manifest.files):
                tables[name] = store.file(name)[1].filter(_mask(stays))
    manifest = restage(store, tables, rows=int(len(gone) - gone.sum()), whose=whose).commit()
    sync_folder(store.folder)
    return manifest


def sweep(folder: Path, manifest: Manifest) -> None:
    """Removes the files that the manifest does not name: what a writer that was killed left of old rows or new."""
    with writing(folder):
        remove_unnamed(folder, manifest)
        sync_folder(folder)


def restage(
    store: Store,
    tables: Mapping[str, pa.Table],
    *,
    rows: int,
    whose: Mapping[str, pa.Table] | None = None,
    leaving: Collection[str] = (),
    notes: Mapping[str, Any] | None = None,
) -> Staged:
    """Writes some files of a store anew beside those in force; `commit` puts them there.

    Args:
        tables: name in the manifest to the rows of that file.
        rows: how many the whole store holds then.
        whose: by each file of `RECORDS` its rows, `SUBJECT` and `LABEL` among their columns; read where None.
        leaving: names of files that leave, whose rows are among the others now.
        notes: of the manifest, where they change.
    """
    folder, manifest, keys, at = store.folder, store.manifest, store.keys, store.files
    stamp = secrets.token_hex(6)
    fresh = {part: f"{part}-{stamp}.parquet" for part in tables}
    pending = folder / f".{MANIFEST}.{stamp}"
    files = {part: name for part, name in manifest.files.items() if part not in leaving} | fresh
    same = {name for part, name in files.items() if part not in tables}
    wrapped = {name: key for name, key in manifest.wrapped.items() if name in same}
    digests = {name: digest for name, digest in manifest.sha256.items() if name in same}
    with ExitStack() as undo, writing(folder):
        undo.callback(abandon, at, folder, [*fresh.values(), pending.name])
        for part, table in tables.items():
            file_key, wrapped[fresh[part]] = new_file_key(keys, f"{manifest.dataset}/{part}")
            write_encrypted(folder / fresh[part], table, file_key, OWN)
            digests[fresh[part]] = file_sha256(folder / fresh[part])
            put_files(at, folder, [fresh[part]])
        if notes is None:
            notes = manifest.notes if leaving else _notes(store, tables if whose is None else whose)
        new = replace(manifest, rows=rows, files=files, sha256=digests, wrapped=wrapped, notes=dict(notes))
        new = replace(new, seal=sealing(keys, new))
        write_pending(pending, new)
        undo.pop_all()
    return Staged(folder, new, pending)


def _mask(rows: np.ndarray) -> pa.Array:
    """(rows,) bool as a column."""
    bits = pa.py_buffer(np.packbits(rows, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(rows), [None, bits])


def _notes(store: Store, whose: Mapping[str, pa.Table]) -> dict[str, Any]:
    """What a region's manifest says of its people, counted anew; the quarantine's says what the ingestion reported.

    Args:
        whose: as of `restage`; what is not there is read.
    """
    notes = dict(store.manifest.notes)
    if "people" not in notes:
        return notes
    every, bound, present = list[pa.ChunkedArray](), list[pa.ChunkedArray](), list[Label]()
    for part in store.manifest.files:
        if part.partition("-")[0] != RECORDS:
            continue
        table = whose[part] if part in whose else store.file(part, [SUBJECT, LABEL])[1]
        labels = [Label.from_json(label) for label in read_tags(store.folder, table)["labels"]]
        places = integers(table.column(LABEL))
        is_public = np.array([*(label.is_public for label in labels), True], bool)[places]
        every.append(table.column(SUBJECT))
        bound.append(table.column(SUBJECT).filter(_mask(~is_public)) if is_public.any() else table.column(SUBJECT))
        present += [labels[place] for place in np.flatnonzero(np.bincount(places))]
    return {**notes, "people": _different(bound) or _different(every), "label": join(present).to_json()}


def _different(columns: Sequence[pa.ChunkedArray]) -> int:
    """How many pseudonyms there are, by their first halves, as an ingestion counts them."""
    halves = [np.zeros(0, np.int64)]
    for chunk in (chunk.cast(pa.large_string()) for column in columns for chunk in column.chunks if len(chunk)):
        ends = np.frombuffer(chunk.buffers()[1], np.int64)[[chunk.offset, chunk.offset + len(chunk)]].tolist()
        digits = chunk.buffers()[2].slice(ends[0], ends[1] - ends[0]).to_pybytes().decode()
        halves.append(np.frombuffer(bytes.fromhex(digits), np.int64)[::2])
    ordered = np.sort(np.concatenate(halves))
    return int(np.count_nonzero(np.diff(ordered))) + (len(ordered) > 0)
