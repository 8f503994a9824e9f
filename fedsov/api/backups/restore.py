"""A party put back from its archive: everything is checked aside, and only then put in place.

    back = restore(archive, home, passphrase_file="backup.passphrase", progress=print)

Every file must be the one that the signed manifest names, and the ledger must verify up to the head in it. A home that
has more than the archive is left as it is, unless the party is named by `replaces`; then what was there is moved aside,
and stays. The party's ledger notes that it was put back, and the party does not go on before its owner and the others
have accepted what it lacks (`fedsov.ledger.gaps`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fedsov.api.backups.archive import ArchiveContents, take_out
from fedsov.api.backups.backup import Progress, counting
from fedsov.api.backups.party_files import ELSEWHERE, HUB, REGION, PartyHome, is_passing, named_files
from fedsov.api.backups.snapshot import sweep
from fedsov.errors import ConfigurationError, LedgerBroken, StoreDamaged, WorkspaceUnusable, counted
from fedsov.ledger import gaps
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.signed_head import Head
from fedsov.registry.moved import move
from fedsov.storage.atomic_files import sync_folder
from fedsov.storage.locks import hold_workspace
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.workspace import Workspace, is_there, registry_of

LATER_ERASURES = (
    "people who were erased after {day} are in it again: before the region takes a job, run `fedsov erase --region "
    "{name} --subject ID --why TEXT` anew for each request since then"
)


@dataclass(frozen=True, slots=True)
class Restored:
    """A party that was put back.

    Attributes:
        aside: where what was in its place was moved; None where nothing was.
        next: what its owner does now, in sentences.
    """

    home: Path
    contents: ArchiveContents
    aside: Path | None
    next: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values, the files as a number."""
        plain = {**self.contents.to_json(), "files": len(self.contents.files), "digest": self.contents.digest}
        return {**plain, "workspace": str(self.home), "aside": self.aside and str(self.aside), "next": list(self.next)}

    def lines(self) -> list[str]:
        """The same in sentences."""
        contents = self.contents
        lines = [f"{self.home}: {contents.party} as of {contents.day}, {counted(len(contents.files), 'file')}"]
        lines += [f"signed by {contents.key}; compare it with the key that others noted of {contents.party}"]
        lines += [f"what was there lies in {self.aside}"] if self.aside else []
        lines += [f"not in the archive: {line}" for line in contents.left_out]
        return [*lines, *(f"next: {line}" for line in self.next)]


def restore(
    archive: Path, home: Path, *, passphrase_file: str = "", replaces: str = "", progress: Progress
) -> Restored:
    """Puts a party back into a home, or leaves the home as it is.

    Args:
        replaces: the party's name, where the home may lose what it has beyond the archive.

    Raises:
        StoreDamaged, KeyUnavailable: the archive. LedgerBroken: its ledger does not verify.
        ConfigurationError: the home has more than the archive. WorkspaceUnusable: it is in use, or not writable.
    """
    sweep(home, "restore")
    staged = home / f".restore-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        make_private_folder(staged)
        contents = take_out(archive, staged, passphrase_file, counting(progress, "restore", 0))
        party = PartyHome(staged, contents.party, contents.role)
        _check_names(contents)
        _check_ledger(party, contents)
        with hold_workspace(Workspace(home)):
            there = PartyHome(home, contents.party, contents.role)
            more = _more_than(contents, home, _tops(contents))
            if more and replaces != contents.party:
                raise ConfigurationError(_refusal(there, contents, more))
            _note(party, contents)
            _move_registry(party, contents, home)
            aside = _put_in_place(staged, home, _tops(contents), moves=bool(more))
    except OSError as error:
        raise WorkspaceUnusable(
            f"{error.filename or home} cannot be written ({error.strerror}); make room, and run the same again"
        ) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return Restored(home, contents, aside, tuple(_next(there, contents)))


def _check_names(contents: ArchiveContents) -> None:
    """Raises StoreDamaged where an archive of one party holds files of another's folder."""
    if contents.role not in (HUB, REGION) or (contents.role == HUB) != (contents.party == HUB):
        raise StoreDamaged(f"the archive is of no party: {contents.party!r} as {contents.role!r}")
    Workspace(Path()).region(contents.party)  # a name that is none raises ConfigurationError
    own = "hub/" if contents.role == HUB else f"regions/{contents.party}/"
    for each in contents.files:
        if each.name.startswith(("hub/", "regions/")) and not each.name.startswith(own):
            raise StoreDamaged(f"the archive of {contents.party} holds {each.name}, which is another party's")


def _check_ledger(party: PartyHome, contents: ArchiveContents) -> None:
    """Raises LedgerBroken where the ledger is not the one whose head the manifest has."""
    if contents.head is None:
        return
    with closing(Ledger.read(party.ledger)) as ledger:
        head = ledger.verify().head
    if head != Head.from_json(contents.head) or head.key != contents.key:
        raise LedgerBroken(f"the ledger of {contents.party} in the archive is not the one of its manifest")


def _tops(contents: ArchiveContents) -> list[str]:
    """What is put in place as a whole, the ledger's folder last; of the hub each member, for its lock stays."""
    own = f"regions/{contents.party}"
    names = {each.name for each in contents.files}
    tops = {own if name.startswith(f"{own}/") else _top(name) for name in names}
    return sorted(tops, key=lambda top: (top == own, top.startswith("hub/"), top.startswith("hub/ledger"), top))


def _top(name: str) -> str:
    return "/".join(name.split("/")[: 2 if name.startswith("hub/") else 1])


def _more_than(contents: ArchiveContents, home: Path, tops: Iterable[str]) -> list[str]:
    """Files in the places of the archive that it does not hold as they are."""
    digests = {each.name: each.sha256 for each in contents.files}
    places = {*tops, *(["hub"] if contents.role == HUB else [])}
    found = sorted({path for top in places for path in _files(home / top)})
    more = []
    for path in found:
        name = path.relative_to(home).as_posix()
        if path.is_symlink() or digests.get(name) != _sha256(path):
            more.append(name)
    return more


def _files(place: Path) -> list[Path]:
    listed = [place] if place.is_file() or place.is_symlink() else [*place.rglob("*")]
    return [path for path in listed if not is_passing(path.name) and (path.is_file() or path.is_symlink())]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refusal(there: PartyHome, contents: ArchiveContents, more: list[str]) -> str:
    size = contents.head["size"] if contents.head else 0
    ledger = ""
    if is_there(there.ledger):
        with closing(Ledger.read(there.ledger)) as own:
            ledger = f" (its ledger has {own.head().size:,} entries, the archive's {size:,})"
    listed = ", ".join(more[:3]) + (f" and {len(more) - 3} more" if len(more) > 3 else "")
    return (
        f"{there.home} has what the archive of {contents.party} of {contents.day} has not{ledger}: {listed}; nothing "
        f"was changed. Name another home, or say --replace {contents.party}: what is there is moved aside"
    )


def _note(party: PartyHome, contents: ArchiveContents) -> None:
    """The ledger in the archive gets the entry that it was put back."""
    if contents.head is None:
        return
    owner = str(contents.head["owner"])
    with closing(Ledger(party.ledger, owner)) as ledger:
        gaps.note_restored(ledger, archive=contents.digest, backed_up=contents.day)


def _move_registry(party: PartyHome, contents: ArchiveContents, home: Path) -> None:
    path = registry_of(party.folder)
    if path.is_file():
        move(path, Path(contents.home), home.resolve())


def _put_in_place(staged: Path, home: Path, tops: list[str], *, moves: bool) -> Path | None:
    """Moves each part into its place; what was there is moved aside, or removed where the archive has all of it."""
    aside = home / f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    if any(top.startswith("hub/") for top in tops):
        for other in (path for path in (home / "hub").glob("*") if path.name != "lock"):
            _set_aside(other, aside / "hub" / other.name)
    for top in tops:
        place = home / top
        if place.exists() or place.is_symlink():
            _set_aside(place, aside / top)
        make_private_folder(place.parent)
        os.replace(staged / top, place)
        sync_folder(place.parent)
    if not moves and aside.exists():
        shutil.rmtree(aside)  # nothing but what the archive has
    return aside if aside.exists() else None


def _set_aside(place: Path, to: Path) -> None:
    make_private_folder(to.parent)
    os.replace(place, to)


def _next(there: PartyHome, contents: ArchiveContents) -> list[str]:
    """What its owner does now."""
    name, day = contents.party, contents.day
    steps = []
    for key, path in named_files(there.folder).items():
        if not Path(path).is_file():
            copy = there.home / ELSEWHERE / key / Path(path).name
            where = f"its copy is {copy}" if copy.is_file() else "it is not in the archive"
            steps.append(
                f"{key} of region.yaml names {path}, which is not here; {where}: put it there, or name another"
            )
    if contents.role == REGION:
        steps.append(LATER_ERASURES.format(day=day, name=name))
    if contents.head is None:
        return [*steps, "its ledger is stored elsewhere and was not put back: see what is not in the archive"]
    return [
        *steps,
        f"`fedsov ledger accept-gap {name} --why TEXT --workspace {there.home}` accepts what was lost since {day}"
        + (", its privacy budget as spent" if contents.role == REGION else "")
        + "; until then it takes no part in a run. Hand the statement to the other parties",
    ]
