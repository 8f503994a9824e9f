"""Files that are whole or not there: written aside, synced and renamed; refused where a byte of them changed.

A sealed file is JSON of one form only, a body and its HMAC-SHA-256 (RFC 2104) under a secret of whoever wrote it, and
bound to what it is; any other text, however alike, is damage. Arrays are safetensors beside it, whose digest the body
holds. Whoever may write the folder and does not have the secret can put back an older file, and make none.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fedsov.errors import CheckpointDamaged, WorkspaceUnusable
from fedsov.storage.bounded_files import parsed_json
from fedsov.storage.private_files import FILE, beside, make_private_folder


def replace_file(path: Path, content: bytes) -> None:
    """Puts a file in its place, readable by its owner alone; at any instant the old or the new one is there.

    A link at its name is replaced, not followed. Raises OSError where it cannot be written; the old one stays.
    """
    with written_beside(path, content) as aside:
        os.replace(aside, path)
    sync_folder(path.parent)


@contextmanager
def written_beside(path: Path, content: bytes) -> Iterator[Path]:
    """A file of this content on the disk, for its owner alone, under a name in the folder of `path` that nobody can
    foresee; for the length of the block, in which it is moved or linked to `path`. Raises OSError."""
    aside = beside(path)
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield aside
    finally:
        aside.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Waits until a file's content is on the disk."""
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


Arrays = Mapping[str, np.ndarray[Any, Any]]


def write_file(path: Path, content: bytes) -> None:
    """Puts a file in its place, on the disk when this returns; at any instant the old or the new one is there.

    Raises:
        WorkspaceUnusable: it cannot be written; the old one stays.
    """
    try:
        make_private_folder(path.parent)
        replace_file(path, content)
    except OSError as error:
        raise WorkspaceUnusable(f"{path} cannot be written: {error.strerror}; make room or allow writing") from error


def write_sealed(path: Path, body: Mapping[str, Any], *, key: bytes, bound: str) -> None:
    """Writes plain values under their seal. Raises WorkspaceUnusable.

    Args:
        key: the secret of the seal.
        bound: what the file is, such as whose journal; no other file passes for it.
    """
    write_file(path, plain_json({"body": body, "hmac_sha256": _seal(body, key, bound)}))


def read_sealed(path: Path, *, key: bytes, bound: str) -> dict[str, Any]:
    """The body of a sealed file.

    Raises FileNotFoundError, and CheckpointDamaged for any byte changed, another key, or another file in its place.
    """
    content = path.read_bytes()
    try:
        value = parsed_json(content)
        seal = str(value["hmac_sha256"]).encode()
        whole = plain_json(value) == content and hmac.compare_digest(_seal(value["body"], key, bound).encode(), seal)
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise CheckpointDamaged(f"{path} was changed, cut, forged or exchanged since it was written")
    return dict(value["body"])


def _seal(body: Any, key: bytes, bound: str) -> str:
    return hmac.new(key, plain_json([bound, body]), hashlib.sha256).hexdigest()


def pack_arrays(arrays: Arrays) -> bytes:
    """Arrays as safetensors."""
    from safetensors.numpy import save

    return save({name: np.array(array, order="C") for name, array in arrays.items()})


def unpack_arrays(content: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """The inverse of `pack_arrays`."""
    from safetensors.numpy import load

    return load(content)


def read_arrays(path: Path, sha256: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a file with this digest. Raises CheckpointDamaged for any other file, or none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise CheckpointDamaged(f"{path} is gone") from None
    if sha256_hex(content) != sha256:
        raise CheckpointDamaged(f"{path} was changed or cut since it was written")
    return unpack_arrays(content)


def sha256_hex(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def plain_json(value: Any) -> bytes:
    """JSON in the one form of a sealed file: keys in the order they have, which reading keeps; NaN for no score."""
    return json.dumps(value, separators=(",", ":")).encode()
