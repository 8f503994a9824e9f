"""Files that a ledger's owner wrote: signed with the ledger's key, the digest of each noted in the ledger.

The signature shows whose file it is; the note shows which file of this name and run is the newest. So one that was
edited, signed anew, taken from another run or put back from an older copy is refused. A file is written aside, noted,
and then moved into place: a kill at any instant leaves the noted one in its place or beside it, and both are read.

    write_signed(folder / "run.json", {"seed": 1}, ledger, run="r1")
    read_signed(folder / "run.json", ledger, notes(ledger, "r1"))
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedsov.errors import CheckpointDamaged, ConfigurationError, WorkspaceUnusable
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_head import signature_holds
from fedsov.storage.atomic_files import plain_json, sha256_hex, sync_folder, write_file
from fedsov.storage.bounded_files import TooLarge, parsed_json, read_bounded

NOTE = "checkpoint"
"""What a ledger calls the note of such a file."""
PURPOSE = b"fedsov signed file 1\n"
"""What a signature begins with, so that none of a file is one of a head."""
OWN = b"fedsov own file 1\n"
"""The same for one that no ledger notes, after its name."""
PENDING = ".pending"
LARGEST = 2**28
"""Bytes of such a file: it tells of every round."""


def write_signed(path: Path, body: Mapping[str, Any], ledger: Ledger, *, run: str) -> None:
    """Puts plain values in their place, signed and noted. Raises WorkspaceUnusable, LedgerBroken."""
    content = _signed(body, ledger, PURPOSE)
    put_noted(path, content, ledger, {NOTE: {"name": path.stem, "sha256": sha256_hex(content)}}, run=run)


def write_own(path: Path, body: Mapping[str, Any], ledger: Ledger) -> None:
    """Puts plain values in their place, signed and not noted: what can be had again. Raises WorkspaceUnusable."""
    write_file(path, _signed(body, ledger, _purpose(path)))


def read_own(path: Path, ledger: Ledger) -> dict[str, Any] | None:
    """The values that the owner of this ledger wrote there; None where there are none, or they were changed."""
    try:
        body, key, signature = _parts(read_bounded(path, largest=LARGEST))
    except (OSError, TooLarge):
        return None
    return body if key == ledger.key and signature_holds(_purpose(path) + plain_json(body), key, signature) else None


def _purpose(path: Path) -> bytes:
    return path.stem.encode() + b"\n" + OWN


def _signed(body: Mapping[str, Any], ledger: Ledger, purpose: bytes) -> bytes:
    signature = ledger.sign(purpose + plain_json(body)).hex()
    return plain_json({"body": body, "key": ledger.key, "signature": signature})


def put_noted(path: Path, content: bytes, ledger: Ledger, note: Mapping[str, Any], *, run: str = "") -> None:
    """Puts a file in its place, once the ledger has the note that tells its digest.

    Raises WorkspaceUnusable, LedgerBroken.
    """
    pending = path.with_suffix(PENDING)
    write_file(pending, content)
    ledger.note(note, run=run)
    try:
        os.replace(pending, path)
        sync_folder(path.parent)
    except OSError as error:
        raise WorkspaceUnusable(f"{path} cannot be written: {error.strerror}; make room or allow writing") from error


def notes(ledger: Ledger, run: str) -> dict[str, str]:
    """The files that a ledger notes for a run: name to the digest noted last, the newest note at the end."""
    digests: dict[str, str] = {}
    for entry in ledger.notes(NOTE):
        note = entry.body["note"][NOTE]
        if entry.body.get("run") == run and isinstance(note, dict):
            name = str(note.get("name"))
            digests.pop(name, None)
            digests[name] = str(note.get("sha256"))
    return digests


def read_signed(path: Path, ledger: Ledger, noted: Mapping[str, str]) -> dict[str, Any]:
    """The values of a file, which is the newest of its name that the owner of this ledger wrote.

    Args:
        noted: as of `notes`.

    Raises:
        FileNotFoundError: there is none.
        CheckpointDamaged: any byte of it changed, or it is another one than the ledger notes.
        ConfigurationError: the owner of another ledger signed it.
    """
    digest = noted.get(path.stem)
    try:
        content = noted_content(path, digest, largest=LARGEST)
    except TooLarge as problem:
        raise CheckpointDamaged(f"{path} was changed since it was written: {problem}") from None
    body, key, signature = _parts(content)
    signed = PURPOSE + plain_json(body)
    if sha256_hex(content) == digest and key == ledger.key and signature_holds(signed, key, signature):
        return body
    if key != ledger.key and signature_holds(signed, key, signature):
        raise ConfigurationError(f"{path} was written by the hub of another workspace; go on there, with workspace=DIR")
    raise CheckpointDamaged(
        f"{path} was changed, cut, or put in the place of another since it was written: it is not the one that the "
        "ledger notes (or an earlier version of fedsov wrote it)"
    )


def noted_content(path: Path, digest: str | None, *, largest: int) -> bytes:
    """What was put in this place and is of this digest, be it there or still beside it; else what is there.

    Raises OSError, TooLarge.
    """
    pending = path.with_suffix(PENDING)
    content = read_bounded(pending, largest=largest) if pending.is_file() else b""
    return content if content and sha256_hex(content) == digest else read_bounded(path, largest=largest)


def _parts(content: bytes) -> tuple[dict[str, Any], str, str]:
    """Body, key and signature; empty ones where the file has not their form."""
    try:
        value = parsed_json(content)
        if set(value) == {"body", "key", "signature"} and isinstance(value["body"], dict):
            return value["body"], str(value["key"]), str(value["signature"])
    except (ValueError, TypeError):
        pass
    return {}, "", ""
