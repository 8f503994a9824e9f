"""A region's records: encrypted Parquet that only the region's key opens.

A store is one folder: ``records-*.parquet`` (features, target, jurisdiction, pseudonym, label), a file of its
own for identifiers, further files of rows that were appended, and ``manifest.json``, which names them and says where
they are: beside it, or in the region's bucket (`fedsov.partition.backends`). Arrow's Parquet
Modular Encryption (AES-256-GCM, encrypted footer) hides values, column names, statistics and labels; each file has a
key of its own, which the manifest holds wrapped by the region's `RegionKeys` for that data set and part alone: a new
master key rewrites manifests, and no row (`fedsov.partition.lifecycle.rekeying`). It promises:
- without the region's key no value can be read (`KeyUnavailable`), and a changed byte is found
  (`StoreDamaged`);
- a write that fails leaves the old store as it was: new files get new names, and only replacing the manifest,
  in one step, makes them the store;
- rows of a jurisdiction that the region does not hold are refused when written and when read.

Stores of before have their keys wrapped inside the Parquet files and are read still.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from fedsov.errors import KeyUnavailable, StoreDamaged, WorkspaceUnusable
from fedsov.keys.protocol import RegionKeys
from fedsov.label import PUBLIC, Label
from fedsov.partition.arrow_columns import floats, levels, objects
from fedsov.partition.backends.files_at import FilesAt, files_at, files_of, put_files
from fedsov.partition.backends.place import FOLDER, StorePlace, place_of
from fedsov.partition.backends.staged import Staged, write_pending
from fedsov.partition.encrypted_parquet import (
    abandon,
    encrypted_writer,
    file_sha256,
    intact,
    new_file_key,
    read_encrypted,
    wrapped_inside,
    writing,
)
from fedsov.partition.further.merged_files import BATCH, DAY, LABEL, integers, merged, read_tags, tagged
from fedsov.partition.manifest import MANIFEST, Manifest, check_seal, read_manifest, sealing
from fedsov.partition.records import Records
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.private_files import make_private_folder

SUBJECT, JURISDICTION = "fedsov:subject", "fedsov:jurisdiction"
TARGET, FOLD, ROW = "fedsov:target", "fedsov:fold", "fedsov:row"
CONSENT = "fedsov:consent"
OWN = (SUBJECT, FOLD, ROW)
"""Columns in which few values repeat."""
STAMP = ("source_sha256", "spec_digest", "ingested", "description")


@dataclass(frozen=True, slots=True)
class Contents:
    """What is written beside the rows: kinds of the stored columns, labels, and the stamp of their origin.

    `stamp` has the keys of `STAMP`: the source file's SHA-256, the digest of the settings, the day, the digest of what
    the rows were sorted by.
    """

    dataset: str
    jurisdictions: frozenset[str]
    kinds: Mapping[str, str]
    labels: tuple[Label, ...]
    stamp: Mapping[str, str] = field(default_factory=lambda: dict.fromkeys(STAMP, ""))
    notes: Mapping[str, Any] = field(default_factory=dict)


def write_store(
    folder: Path, table: pa.Table, *, contents: Contents, keys: RegionKeys, place: StorePlace = FOLDER
) -> Manifest:
    """Writes a region's rows, replacing the store that was there."""
    writer = StoreWriter(folder, contents, keys, place=place)
    with contextlib.ExitStack() as undo:  # also after Ctrl-C: half a store is nobody's
        undo.callback(writer.discard)
        writer.append(table)
        staged = stage_store(writer, contents.notes)
        undo.pop_all()
    return staged.commit()


class StoreWriter:
    """A new store beside the one in force, to which rows are appended; `stage_store` ends it, or `discard`.

    Each part is one encrypted file, and further ones beyond `most` rows: an erasure writes few anew. `folder` is the
    store's, made where missing; `keys` are those of the region whose rows these are. With `beside`, a store in force,
    the rows are further ones of it, and lie where its rows do; `place` is where those of a new store will.
    """

    def __init__(
        self,
        folder: Path,
        contents: Contents,
        keys: RegionKeys,
        *,
        beside: Store | None = None,
        most: int | None = None,
        place: StorePlace = FOLDER,
    ) -> None:
        self.folder, self.contents, self.keys = folder, contents, keys
        self.place = place if beside is None else place_of(beside.manifest.place)
        self._number = 0 if beside is None else _last_number(beside.manifest) + 1
        self.stamp, self.rows, self._rows_of_file = secrets.token_hex(6), 0, 0
        self._most = ROWS_OF_FILE if most is None else most
        self.files: dict[str, str] = {}
        self.wrapped: dict[str, str] = {}
        self._parts: dict[str, pq.ParquetWriter] = {}
        self._identifiers = [name for name, kind in contents.kinds.items() if kind == "identifier"]

    def append(self, table: pa.Table) -> None:
        """More rows, as a group of rows of their own.

        Args:
            table: the columns of `contents.kinds`, and `SUBJECT`, `JURISDICTION`, `LABEL` (place in
                `contents.labels`), `TARGET`, `FOLD` and, where rows are known by their values, `ROW`; where people
                were asked, `CONSENT`.

        Raises:
            StoreDamaged: rows of a jurisdiction that the region does not hold, or whose label names another
            origin. WorkspaceUnusable: the disk is full or the folder cannot be written.
        """
        held, labels = self.contents.jurisdictions, self.contents.labels
        check_tags(self.folder, held, labels, (*levels(table.column(JURISDICTION)), integers(table.column(LABEL))))
        parts = {"records": table.drop_columns(self._identifiers) if self._identifiers else table}
        if self._identifiers:
            parts["identifiers"] = table.select([SUBJECT, JURISDICTION, *self._identifiers])
        if self._rows_of_file and self._rows_of_file + table.num_rows > self._most:
            self.close()
            self._number, self._rows_of_file = self._number + 1, 0
        with writing(self.folder):
            for part, rows in parts.items():
                labelled = tagged(rows, _tags(self.contents, self.keys))
                if part not in self._parts:
                    self._parts[part] = self._opened(part, labelled.schema)
                self._parts[part].write_table(labelled)
        self.rows += table.num_rows
        self._rows_of_file += table.num_rows

    def close(self) -> None:
        """Ends the files. Raises WorkspaceUnusable."""
        parts, self._parts = self._parts, {}
        with writing(self.folder):
            for writer in parts.values():
                writer.close()

    def discard(self) -> None:
        """Removes the files; the store in force stays."""
        with contextlib.suppress(WorkspaceUnusable, pa.ArrowException):
            self.close()
        abandon(files_at(self.folder, self.place), self.folder, [*self.files.values(), self.pending.name])

    @property
    def pending(self) -> Path:
        """The manifest before it is in force."""
        return self.folder / f".{MANIFEST}.{self.stamp}"

    def _opened(self, part: str, schema: pa.Schema) -> pq.ParquetWriter:
        make_private_folder(self.folder)
        part = f"{part}-{self._number:0{DIGITS}d}" if self._number else part
        name = self.files[part] = f"{part}-{self.stamp}.parquet"
        file_key, self.wrapped[name] = new_file_key(self.keys, f"{self.contents.dataset}/{part}")
        return encrypted_writer(self.folder / name, schema, file_key, {*OWN, *self._identifiers})


def stage_store(writer: StoreWriter, notes: Mapping[str, Any], *, durable: bool = False) -> Staged:
    """Ends a new store beside the one in force.

    Args:
        notes: what is written beside the rows; see `Manifest`.
        durable: whether it is on the disk when this returns; a store in a bucket always is.

    Raises WorkspaceUnusable.
    """
    files, left = files_at(writer.folder, writer.place), _left(writer)
    with writing(writer.folder):
        writer.close()
        manifest = _manifest(writer, replace(writer.contents, notes=notes))
        if durable := durable or files.is_remote or left is not None:
            put_files(files, writer.folder, writer.files.values())
        write_pending(writer.pending, manifest, durable=durable)
    return Staged(writer.folder, manifest, writer.pending, left)


def _left(writer: StoreWriter) -> FilesAt | None:
    """The files of the store in force, where they are in a bucket and the new ones will be elsewhere.

    Raises StoreDamaged, KeyUnavailable where what is in force says so and is not the region's.
    """
    if not (writer.folder / MANIFEST).exists():
        return None
    before = read_manifest(writer.folder)
    if not before.place or place_of(before.place).is_same(writer.place):
        return None
    check_seal(writer.folder, before, writer.keys)
    return files_of(writer.folder, before)


def stage_further(writer: StoreWriter, before: Store, notes: Mapping[str, Any], *, batches: str) -> Staged:
    """Ends further files of a store in force; on the disk when this returns, in force by `commit`.

    Args:
        before: the store that the writer was begun beside.
        notes: as of `stage_store`, of all rows, those before among them.
        batches: what the rows are: the digest of their batches.

    Raises WorkspaceUnusable.
    """
    with writing(writer.folder):
        writer.close()
        old, fresh = before.manifest, {name: file_sha256(writer.folder / name) for name in writer.files.values()}
        put_files(before.files, writer.folder, fresh)
        manifest = replace(
            old,
            rows=old.rows + writer.rows,
            files={**old.files, **writer.files},
            sha256={**old.sha256, **fresh},
            wrapped={**old.wrapped, **writer.wrapped},
            notes=dict(notes),
            appended=sha256_hex(f"{old.appended}{batches}".encode()),
        )
        manifest = replace(manifest, seal=sealing(writer.keys, manifest))
        write_pending(writer.pending, manifest)
    return Staged(writer.folder, manifest, writer.pending)


ROWS_OF_FILE = 1 << 17
"""Rows of a file at most, where they are not appended at once."""
DIGITS = 9
"""Of the number of a further file in its name, so that names have the order of the files."""


def _last_number(manifest: Manifest) -> int:
    """The number of a store's last further file; 0 where there is none."""
    numbers = [part.partition("-")[2] for part in manifest.files]
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


@dataclass(frozen=True, slots=True)
class Store:
    """A store that is in force, opened with its region's keys."""

    folder: Path
    manifest: Manifest
    keys: RegionKeys

    @staticmethod
    def open(folder: Path, keys: RegionKeys) -> Store:
        """Raises StoreDamaged for a missing or changed manifest, KeyUnavailable for another store's keys."""
        manifest = read_manifest(folder)
        check_seal(folder, manifest, keys)
        return Store(folder, manifest, keys)

    @property
    def files(self) -> FilesAt:
        """The files that the manifest names."""
        return files_of(self.folder, self.manifest)

    def read(self) -> Records:
        """All rows. Raises StoreDamaged naming the file that is missing, changed, cut or another region's."""
        path, table = self.table("records")
        tags = read_tags(path, table)
        labels = tuple(Label.from_json(label) for label in tags["labels"])
        words, codes = levels(table.column(JURISDICTION))
        label_of = integers(table.column(LABEL))
        if tags["region"] != self.keys.region:
            raise StoreDamaged(f"{path} holds rows of {tags['region']}, not of {self.keys.region}")
        check_tags(path, frozenset(tags["jurisdictions"]), labels, (words, codes, label_of))
        kinds = {name: kind for name, kind in self.manifest.kinds.items() if kind != "identifier"}
        columns = {name: stored_values(table.column(name)) for name in kinds}
        subjects = objects(table.column(SUBJECT)).astype("U32")
        target = stored_values(table.column(TARGET))
        folds = integers(table.column(FOLD))
        digests = integers(table.column(ROW)) if ROW in table.column_names else None
        consents = integers(table.column(CONSENT)).astype(bool) if CONSENT in table.column_names else None
        arrived = arrivals(table)
        region = self.keys.region
        return Records(region, columns, kinds, target, subjects, labels, label_of, folds, digests, consents, arrived)

    def identifiers(self) -> dict[str, np.ndarray]:
        """Column to (rows,) object array of text and None; pseudonyms as "subject"; rows as in `read`."""
        if "identifiers" not in self.manifest.files:
            return {}
        _, table = self.table("identifiers")
        names = [name for name, kind in self.manifest.kinds.items() if kind == "identifier"]
        return {"subject": objects(table.column(SUBJECT))} | {name: objects(table.column(name)) for name in names}

    def table(self, group: str, columns: Sequence[str] | None = None) -> tuple[Path, pa.Table]:
        """The rows of all files of "records" or "identifiers", in the order of `read`, or these of their columns; and
        what an error calls them."""
        files = [self.file(part, columns) for part in self.manifest.files if part.partition("-")[0] == group]
        return (files[0][0] if len(files) == 1 else self.folder), merged(files)

    def file(self, part: str, columns: Sequence[str] | None = None) -> tuple[Path, pa.Table]:
        """The rows of one file, or these of its columns as far as it has them. Raises as `read`."""
        name = self.manifest.files[part]
        path = self.folder / Path(name).name
        content = intact(self.files, path, self.manifest.sha256.get(name, ""))
        decryption = self._decryption(name, f"{self.manifest.dataset}/{part}")
        return path, read_encrypted(path, content, decryption, columns)

    def _decryption(self, name: str, context: str) -> pe.FileDecryptionProperties:
        """What opens one file. Raises KeyUnavailable."""
        if name not in self.manifest.wrapped:
            return wrapped_inside(self.keys, context)
        try:
            file_key = self.keys.unwrap(base64.b64decode(self.manifest.wrapped[name]), context)
        except KeyUnavailable as error:
            raise KeyUnavailable(f"{self.folder / name}: {error}") from None
        return pe.create_decryption_properties(file_key, aad_prefix=name.encode())


def check_tags(
    path: Path,
    jurisdictions: frozenset[str],
    labels: tuple[Label, ...],
    rows: tuple[list[str], np.ndarray, np.ndarray],
) -> None:
    """Raises StoreDamaged unless every row's jurisdiction is held, and its label is public or of that one
    origin.

    Args:
        jurisdictions: those that the region holds.
        rows: the different jurisdictions, (rows,) places among them, and (rows,) places among `labels`.
    """
    words, codes, label_of = rows
    strangers = sorted(word for word in words if not {word, word.partition("-")[0]} & jurisdictions)
    if strangers:
        owned = ", ".join(sorted(jurisdictions))
        raise StoreDamaged(f"{path}: rows of {', '.join(strangers)} among those of {owned}; refused")
    if len(codes) and not (label_of.min() >= 0 and label_of.max() < len(labels) and codes.max() < len(words)):
        raise StoreDamaged(f"{path}: rows without a jurisdiction or a label; refused")
    for pair in np.flatnonzero(np.bincount(codes * len(labels) + label_of)).tolist():
        code, place = divmod(pair, len(labels))
        if labels[place] != PUBLIC and labels[place].origins != {words[code]}:
            raise StoreDamaged(f"{path}: rows of {words[code]} under the label '{labels[place]}'; refused")


def _tags(contents: Contents, keys: RegionKeys) -> dict[str, Any]:
    return {
        "region": keys.region,
        "jurisdictions": sorted(contents.jurisdictions),
        "labels": [label.to_json() for label in contents.labels],
    }


def _manifest(writer: StoreWriter, contents: Contents) -> Manifest:
    manifest = Manifest(
        dataset=contents.dataset,
        region=writer.keys.region,
        key_id=writer.keys.key_id,
        rows=writer.rows,
        kinds=dict(contents.kinds),
        files=writer.files,
        notes=dict(contents.notes),
        sha256={name: file_sha256(writer.folder / name) for name in writer.files.values()},
        wrapped=writer.wrapped,
        place=writer.place.to_json(),
        **{name: contents.stamp[name] for name in STAMP},
    )
    return replace(manifest, seal=sealing(writer.keys, manifest))


def arrivals(table: pa.Table) -> np.ndarray | None:
    """(rows,) days since 1970 on which rows were appended, NaN for those that an ingestion stored; None without any."""
    if DAY not in table.column_names:
        return None
    is_appended = integers(table.column(BATCH)) != 0
    return np.where(is_appended, integers(table.column(DAY)).astype(np.float64), np.nan)


def stored_values(column: pa.ChunkedArray) -> np.ndarray:
    return floats(column) if pa.types.is_floating(column.type) else objects(column)
