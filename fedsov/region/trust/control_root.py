"""The root of the hub's repository that a region took: noted in its ledger, so that no other takes its place unseen.

    take_root(place.folder, place.ledger, content, by="A. Person", why="joined")
    root = trusted_root(place.folder, place.ledger)

Newer roots need no act: each is believed where the one before signs it. This first one is, because the owner took it
with the papers of joining.
"""

from __future__ import annotations

from pathlib import Path

from fedsov.errors import RepositoryRefused
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_files import noted_content, put_noted
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.bounded_files import TooLarge
from fedsov.storage.control_folder import RegionControlFolder
from fedsov.storage.private_files import make_private_folder

NOTE = "control_root"
"""What a ledger calls the note of the root that was taken."""
LARGEST = 512_000
"""Bytes of a root, as TUF's clients read it."""


def take_root(folder: Path, ledger: Ledger, content: bytes, *, by: str, why: str) -> bool:
    """Takes this root, unless it is the one that was taken last; whether it was another.

    Raises RepositoryRefused for one that is too large; LedgerBroken, WorkspaceUnusable.
    """
    digest = sha256_hex(content)
    if not content or len(content) > LARGEST:
        raise RepositoryRefused(f"the root of the hub's repository has {len(content):,} bytes; ask for it again")
    path = RegionControlFolder(folder).trusted_root
    if digest == noted_digest(ledger) and path.is_file():
        return False
    make_private_folder(path.parent)
    put_noted(path, content, ledger, {NOTE: {"sha256": digest, "by": by, "why": why}})
    return True


def noted_digest(ledger: Ledger) -> str:
    """The digest of the root that a region took last; "" of none."""
    notes = [entry.body["note"][NOTE] for entry in ledger.notes(NOTE)]
    return str(notes[-1]["sha256"]) if notes else ""


def trusted_root(folder: Path, ledger: Ledger) -> bytes:
    """The root that a region's owner took. Raises RepositoryRefused where there is none, or it is another."""
    path, digest = RegionControlFolder(folder).trusted_root, noted_digest(ledger)
    if not digest:
        raise RepositoryRefused(
            f"{ledger.owner} has taken no root of the hub's repository, so it can take no approved version from the "
            "hub; let the hub's operator send a new package (`fedsov deploy approve`), and accept it"
        )
    try:
        content = noted_content(path, digest, largest=LARGEST)
    except (OSError, TooLarge):
        content = b""
    if sha256_hex(content) != digest:
        raise RepositoryRefused(
            f"{path} is not the root that the ledger of {ledger.owner} notes: it was edited, put back or lost; restore "
            "your copy, or accept the hub's package again"
        )
    return content
