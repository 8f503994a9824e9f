"""A party's backup: its files of one moment, with a signed manifest, in one encrypted archive.

    archived = backup(home, "DE", out=Path("/backups"), passphrase_file="backup.passphrase", progress=print)

The party may go on meanwhile (`fedsov.api.backups.snapshot`). What of it lies elsewhere is named, with how to back it
up there; and what an erasure means for archives, which hold the people of their day.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fedsov import __version__
from fedsov.api.backups.archive import ArchiveContents, new_archive, put_contents, put_files
from fedsov.api.backups.party_files import (
    REGION,
    PartyHome,
    head_of,
    is_in_file,
    left_out,
    party_at,
)
from fedsov.api.backups.snapshot import Still, still_files
from fedsov.errors import ConfigurationError, WorkspaceUnusable, counted
from fedsov.ledger.ledger import Ledger, entry_time
from fedsov.ledger.signed_head import Signer
from fedsov.storage.workspace import ledger_of

Progress = Callable[[str], None]
SIGNING_KEY, ENDING = "signing.key", ".fedsov-backup"
MEBIBYTE = 2**20
_SECONDS = 2.0
ERASURE = (
    "erased people: this archive holds the people of its day; who is erased later is in it until the archive is "
    "destroyed. `fedsov keys retire` ends what opens older archives only where a key service protects the keyring"
)


@dataclass(frozen=True, slots=True)
class Archived:
    """A backup that was made: where, and what it holds."""

    path: Path
    contents: ArchiveContents
    archive_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Plain values, the files as a number."""
        plain = {**self.contents.to_json(), "files": len(self.contents.files), "digest": self.contents.digest}
        return {**plain, "archive": str(self.path), "archive_bytes": self.archive_bytes, "erasure": self.erasure}

    @property
    def erasure(self) -> str:
        """What an erasure means for this archive; "" for the hub's, which holds no row."""
        return ERASURE if self.contents.role == REGION else ""

    def lines(self) -> list[str]:
        """The same in sentences."""
        contents, head = self.contents, self.contents.head
        size = f"{counted(len(contents.files), 'file')}, {contents.size / MEBIBYTE:.1f} MiB"
        at = f", its ledger at {head['size']:,} entries ({head['digest'][:16]}…)" if head else ""
        out = [f"not in it: {line}" for line in contents.left_out]
        key = f"signed by {contents.key[:16]}…; the passphrase is not in it and cannot be had again"
        return [
            f"{self.path}: {contents.party} of {contents.day}, {size}{at}",
            key,
            *out,
            *filter(None, [self.erasure]),
        ]


def backup(home: Path, name: str | None, *, out: Path, passphrase_file: str = "", progress: Progress) -> Archived:
    """Writes a party's archive; nothing of the party is changed.

    Args:
        name: "hub" or a region; None where the home keeps one party.
        out: the archive's file, or a folder in which it gets a name of its party and moment.

    Raises:
        ConfigurationError: no such party, a file that exists, or no passphrase. WorkspaceUnusable, LedgerBroken.
    """
    party = party_at(home, name)
    check_outside(home, out)
    moment = datetime.now(UTC)
    path = out / f"{party.name}-{moment:%Y%m%dT%H%M%SZ}{ENDING}" if out.is_dir() else out
    with new_archive(path, party.name, passphrase_file) as archive, still_files(party) as files:
        tell = counting(progress, "backup", sum(each.size for each in files))
        signer = Signer.read(party.folder / SIGNING_KEY)
        contents = _contents(party, files, moment, signer)
        contents = replace(contents, files=put_files(archive, files, tell))
        put_contents(archive, contents, signer.private.sign(contents.message()).hex())
    return Archived(path, contents, path.stat().st_size)


def check_outside(home: Path, out: Path) -> None:
    """Raises ConfigurationError where an archive would lie in the home that it is of."""
    if out.resolve().is_relative_to(home.resolve()):
        raise ConfigurationError(f"--out {out} lies in the home itself; name a place on another disk or machine")


def counting(progress: Progress, what: str, size: int) -> Callable[[int], None]:
    """Says every two seconds how much was written, of so many bytes; of none where the number is not known."""
    state = {"done": 0, "told": time.monotonic()}

    def tell(count: int) -> None:
        state["done"] += count
        if time.monotonic() - state["told"] >= _SECONDS:
            state["told"] = time.monotonic()
            of = f" of {size / MEBIBYTE:,.1f}" if size else ""
            progress(f"{what}: {state['done'] / MEBIBYTE:,.1f}{of} MiB")

    return tell


def _contents(party: PartyHome, files: list[Still], moment: datetime, signer: Signer) -> ArchiveContents:
    """The manifest but for the files, by the ledger as it is in the archive."""
    ledger = next((each.path for each in files if each.name == _ledger_name(party)), None)
    if ledger is None and is_in_file(party):
        raise WorkspaceUnusable(f"{party.ledger} is not among the files of {party.name}; nothing was backed up")
    head = None if ledger is None else _head(ledger)
    own = head["key"] if head else head_of(party)["key"]
    if own != signer.public:
        raise WorkspaceUnusable(f"{party.folder / SIGNING_KEY} is not the key of the party's ledger; restore it first")
    day, home = entry_time(moment), str(party.home.resolve())
    return ArchiveContents(party.name, party.role, day, __version__, home, head, (), tuple(left_out(party)), own)


def _ledger_name(party: PartyHome) -> str:
    return ledger_of(party.folder).relative_to(party.home).as_posix()


def _head(path: Path) -> dict[str, Any]:
    with closing(Ledger.read(path)) as ledger:
        return ledger.head().to_json()
