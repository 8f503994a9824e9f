"""Files that are whole or not there: written aside, synced and renamed, and refused where a byte of them changed.

A sealed file is JSON of one form only, a body and its SHA-256; any other text, however alike, is damage. Arrays are
safetensors beside it, whose digest the body holds. The seal finds what a disk, a copy or a careless hand did; it is no
signature: whoever may write the folder can seal anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fedsov.border import durable
from fedsov.errors import CheckpointDamaged, WorkspaceUnusable

Arrays = Mapping[str, np.ndarray[Any, Any]]


def put(path: Path, content: bytes) -> None:
    """Puts a file in its place, on the disk when this returns; at any instant the old or the new one is there.

    Raises:
        WorkspaceUnusable: it cannot be written; the old one stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.put(path, content)
    except OSError as error:
        raise WorkspaceUnusable(f"{path} cannot be written: {error.strerror}; make room or allow writing") from error


def put_sealed(path: Path, body: Mapping[str, Any]) -> None:
    """Writes plain values under their digest. Raises WorkspaceUnusable."""
    put(path, _plain({"body": body, "sha256": digest(_plain(body))}))


def read_sealed(path: Path) -> dict[str, Any]:
    """The body of a sealed file. Raises FileNotFoundError, and CheckpointDamaged for a file with any byte changed."""
    content = path.read_bytes()
    try:
        value = json.loads(content)
        whole = _plain(value) == content and digest(_plain(value["body"])) == value["sha256"]
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise CheckpointDamaged(f"{path} was changed or cut since it was written")
    return dict(value["body"])


def packed(arrays: Arrays) -> bytes:
    """Arrays as safetensors."""
    from safetensors.numpy import save

    return save({name: np.array(array, order="C") for name, array in arrays.items()})


def unpacked(path: Path, sha256: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a file with this digest. Raises CheckpointDamaged for any other file, or none."""
    from safetensors.numpy import load

    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise CheckpointDamaged(f"{path} is gone") from None
    if digest(content) != sha256:
        raise CheckpointDamaged(f"{path} was changed or cut since it was written")
    return load(content)


def digest(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _plain(value: Any) -> bytes:
    """The one form: keys in the order they have, which reading keeps; a score that is not a number is NaN."""
    return json.dumps(value, separators=(",", ":")).encode()
