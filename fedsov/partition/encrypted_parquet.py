"""One Parquet file under a key of its own: written, read, found whole or damaged.

The key is 32 bytes, drawn for the file and wrapped by the region's keys for a context (data set and part); the file is
bound to its name. Files of before hold their wrapped keys inside and are read still (`wrapped_inside`).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from fedsov.errors import FedsovError, KeyUnavailable, StoreDamaged, WorkspaceUnusable
from fedsov.keys.protocol import RegionKeys
from fedsov.partition.backends.files_at import FilesAt
from fedsov.partition.manifest import changed, mend
from fedsov.partition.people.row_names import with_digits, without_digits
from fedsov.storage.private_files import create_private_file


def new_file_key(keys: RegionKeys, context: str) -> tuple[bytes, str]:
    """A key of 32 bytes for one file, and the same wrapped for the manifest, base64.

    Args:
        context: data set and part, such as ``people/records``.
    """
    file_key = secrets.token_bytes(32)
    return file_key, base64.b64encode(keys.wrap(file_key, context)).decode()


class _Kms(pe.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    """Arrow's question for a key, put to the region's keys, for one context."""

    def __init__(self, keys: RegionKeys, context: str) -> None:
        super().__init__()
        self._keys, self._context = keys, context

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        return self._keys.unwrap(base64.b64decode(wrapped_key), self._context)


def wrapped_inside(keys: RegionKeys, context: str) -> pe.FileDecryptionProperties:
    """What opens a file of before, by a factory and a token of this opening's own.

    Arrow's `CryptoFactory` caches unwrapped keys under `key_access_token`, whose default all factories' users share:
    with one factory, a principal without the key reads what another opened.
    """
    token = f"{keys.region}/{keys.principal}/{keys.key_id}/{secrets.token_hex(8)}"
    factory = pe.CryptoFactory(lambda _: _Kms(keys, context))
    connection = pe.KmsConnectionConfig(key_access_token=token)
    return factory.file_decryption_properties(connection, pe.DecryptionConfiguration())


def encrypted_writer(path: Path, schema: pa.Schema, file_key: bytes, unlike: Collection[str]) -> pq.ParquetWriter:
    """A writer of a new file, which opens under no other name; in columns that are `unlike` few values repeat."""
    properties = pe.create_encryption_properties(file_key, aad_prefix=path.name.encode(), store_aad_prefix=False)
    create_private_file(path)
    fixed = {field.name for field in schema if _is_number(field.type)}
    packed = {field.name for field in schema if pa.types.is_fixed_size_binary(field.type)}
    return pq.ParquetWriter(
        path,
        schema,
        compression={name: "lz4" if name in fixed else "none" if name in packed else "zstd" for name in schema.names},
        use_dictionary=[name for name in schema.names if name not in {*unlike, *fixed, *packed}],
        column_encoding=dict.fromkeys(fixed, "BYTE_STREAM_SPLIT"),
        write_statistics=False,  # a file is read whole: no reader looks for them
        encryption_properties=properties,
    )


def _is_number(kind: pa.DataType) -> bool:
    """Whether bytes of one place in the numbers are alike, so that they are packed side by side: a quarter of the time
    of a dictionary, and smaller."""
    return kind in (pa.int32(), pa.int64(), pa.float32(), pa.float64())


def write_encrypted(path: Path, table: pa.Table, file_key: bytes, unlike: Collection[str]) -> None:
    """Writes a whole file, names of rows in 16 bytes each; see `encrypted_writer`."""
    table = without_digits(table, unlike)
    with encrypted_writer(path, table.schema, file_key, unlike) as writer:
        writer.write_table(table)


def read_encrypted(
    path: Path, content: bytes, decryption: pe.FileDecryptionProperties, columns: Collection[str] | None = None
) -> pa.Table:
    """The rows of a file's bytes, or these of its columns, those that it has; names of 16 bytes as their 32 digits.

    Raises KeyUnavailable, StoreDamaged naming the file.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(content), decryption_properties=decryption)
        chosen = None if columns is None else [name for name in file.schema_arrow.names if name in columns]
        return with_digits(file.read(chosen))
    except KeyUnavailable as error:
        raise KeyUnavailable(f"{path}: {error}") from None
    except (pa.ArrowException, OSError, ValueError):
        raise StoreDamaged(f"{path} does not decrypt; {mend(path)}") from None


def intact(files: FilesAt, path: Path, sha256: str) -> bytes:
    """The bytes of a file that its folder calls `path`. Raises StoreDamaged where it is missing or another one."""
    content = files.read(path.name)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise StoreDamaged(changed(path, files.address(path.name)))
    return content


def file_sha256(path: Path) -> str:
    """Hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What the disk refuses becomes WorkspaceUnusable, with the way out."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "the disk refused"
        raise WorkspaceUnusable(f"cannot write {folder}: {reason}; free space or choose workspace=DIR") from None


def abandon(files: FilesAt, folder: Path, names: Sequence[str]) -> None:
    """Removes files that never were in force, as far as they can be reached; the next writing sweeps what is left."""
    with contextlib.suppress(OSError):
        for name in names:
            (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError, FedsovError):
        files.remove(names)
