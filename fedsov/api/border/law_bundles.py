"""Which law a workspace decides by: shown, confirmed for longer, written to a file, and replaced by a newer one.

An installed bundle and the confirmations lie in the workspace's folder ``law/``; each change is noted in every ledger.
Installed is only what is newer than the law in force and bears the signature of a publisher whose key was pinned here,
or of a law owner whom a region pins. A region goes on under the law that its own settings name until its owner changes
that: ``region set NAME law.bundle=installed``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from fedsov.api import region_settings
from fedsov.api.border.reviews import write_note
from fedsov.border.law.bundle import Bundle
from fedsov.border.law.bundle_file import INSTALLED, bundle_text, installed, read_bundle_file
from fedsov.border.law.bundle_loader import load_bundle, packaged
from fedsov.border.law.confirmations import (
    CONFIRMATIONS,
    Confirmation,
    confirmations_text,
    furthest,
    read_confirmations,
    standing,
)
from fedsov.border.law.in_force import law_in_force
from fedsov.border.law.noted import NOTE, last, notes
from fedsov.errors import ConfigurationError, WorkspaceUnusable
from fedsov.keys.local import read_signing_key
from fedsov.ledger.ledger import entry_time
from fedsov.region.settings_file import FILE
from fedsov.storage.atomic_files import replace_file
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.workspace import Workspace

PUBLISHER = "publisher"
"""The file of the pinned publisher's public key, in the folder of law."""


@dataclass(frozen=True, slots=True)
class LawShown:
    """The law that a workspace decides by, and what its regions name.

    Attributes:
        bundle: as confirmed; is_installed: whether it came by `install`, not with the program.
        confirmations: those about it; publisher: the pinned key, or "".
        regions: name to the digest that its settings name; owners: name to the law owner's key it pins, or "".
    """

    bundle: Bundle
    is_installed: bool
    confirmations: tuple[Confirmation, ...]
    publisher: str
    regions: dict[str, str]
    owners: dict[str, str]

    @property
    def early(self) -> dict[str, date]:
        """Regimes whose law counts as known for less long than the rest, and until when."""
        most = self.bundle.law_until("")
        ids = {reign.id for reigns in self.bundle.regimes.values() for reign in reigns}
        return {name: until for name in sorted(ids) if (until := self.bundle.law_until(name)) < most}

    def to_json(self, today: date) -> dict[str, Any]:
        """For `border bundle show --json`."""
        return {
            "digest": self.bundle.digest,
            "dated": self.bundle.dated.isoformat(),
            "age_days": (today - self.bundle.dated).days,
            "installed": self.is_installed,
            "known_until": self.bundle.law_until("").isoformat(),
            "earlier": {name: until.isoformat() for name, until in self.early.items()},
            "confirmations": [each.to_json() for each in self.confirmations],
            "publisher": self.publisher,
            "regions": self.regions,
        }


def show(root: Path) -> LawShown:
    """The law in force in a workspace. Raises ConfigurationError where what was installed cannot be read."""
    workspace = Workspace(root)
    bundle = law_in_force(workspace.law)
    laws = {name: region_settings.show(root, name).settings.law for name in _settled(root)}
    regions, owners = ({name: getattr(law, part) for name, law in laws.items()} for part in ("bundle", "owner"))
    counted = {each for owner in {"", *owners.values()} for each in standing(workspace.law, bundle.digest, owner)}
    listed = tuple(sorted(counted, key=lambda each: each.at))
    return LawShown(bundle, installed(workspace.law) is not None, listed, _publisher(workspace), regions, owners)


def confirm(root: Path, *, until: date, by: str, why: str, key: Path | None = None) -> Confirmation:
    """Records that a person confirms the law in force until a day.

    Raises ConfigurationError for a day that is not later than the law's own or further than three years away, and where
    a region pins a law owner whose key is not given; KeyUnavailable.
    """
    shown = show(root)
    if not by.strip() or not why.strip():
        raise ConfigurationError("say who confirms the law (--by) and why (--why)")
    if until <= shown.bundle.dated:
        raise ConfigurationError(f"--until {until} is no day after {shown.bundle.dated}, on which the law was read")
    new = Confirmation(shown.bundle.digest, until, by, why, entry_time())
    if until > (last_day := furthest(new.at)):
        raise ConfigurationError(f"--until {until} is further than three years from today; name a day up to {last_day}")
    if key is not None:
        new = new.signed(read_signing_key(key, missing=f"no key at {key}; name the file of the law owner's key"))
    if strangers := [name for name, owner in shown.owners.items() if owner and owner != new.key]:
        raise ConfigurationError(
            f"region {', '.join(strangers)} pins a law owner, whose signature a confirmation needs; add --key FILE, the"
            " law owner's key"
        )
    _write(root, CONFIRMATIONS, confirmations_text((*read_confirmations(Workspace(root).law), new)), new.to_json())
    return new


def export(path: Path, *, root: Path, folder: Path | None = None, key: Path | None = None) -> Bundle:
    """Writes the law in force, or the law of a folder, to one file, signed where a key is given; what it holds.

    Raises ConfigurationError for law that is not understood, KeyUnavailable, WorkspaceUnusable.
    """
    signer = None if key is None else read_signing_key(key, missing=f"no key at {key}")
    new = installed(Workspace(root).law)
    files = packaged(folder) if folder is not None else packaged() if new is None else new.files
    content = bundle_text(files, signer)
    try:
        replace_file(path, content)
    except OSError as error:
        raise WorkspaceUnusable(f"cannot write {path}: {error.strerror}") from None
    return load_bundle(files=files)


def install(root: Path, path: Path, *, publisher: str = "") -> Bundle:
    """Puts a bundle's file in force in a workspace; the hub decides by it from the next run on.

    Args:
        publisher: the public key (hexadecimal) to pin as the publisher's, where none is pinned yet.

    Raises ConfigurationError for a file that is none, that no one signed whose word counts here, or whose law is not
    newer than the law in force.
    """
    workspace, shown = Workspace(root), show(root)
    if publisher and shown.publisher not in ("", publisher):
        raise ConfigurationError(f"publisher {shown.publisher[:16]}… is pinned; another one cannot take its place here")
    try:
        new = read_bundle_file(path)
    except FileNotFoundError:
        raise ConfigurationError(f"there is no bundle at {path}") from None
    trusted = {publisher or shown.publisher, *shown.owners.values()} - {""}
    if new.key not in trusted:
        signer = f"signed by {new.key[:16]}…" if new.key else "not signed"
        raise ConfigurationError(
            f"{path} is {signer}; it must be signed by a law owner whom a region pins, or by the publisher that you pin"
            " with --publisher HEX"
        )
    if new.bundle.dated <= shown.bundle.dated:
        raise ConfigurationError(
            f"{path} is of {new.bundle.dated}, no newer than the law in force ({shown.bundle.dated})"
        )
    what = {"digest": new.bundle.digest, "dated": new.bundle.dated.isoformat(), "signed_by": new.key}
    if publisher:
        _write(root, PUBLISHER, publisher.encode() + b"\n", {"publisher": publisher})
    _write(root, INSTALLED, new.text, what)
    return law_in_force(workspace.law)


def _write(root: Path, name: str, content: bytes, note: dict[str, Any]) -> None:
    """Notes a change in every ledger, then puts the file in its place."""
    write_note(root, {NOTE: note})
    folder = Workspace(root).law
    try:
        make_private_folder(folder)
        replace_file(folder / name, content)
    except OSError as error:
        raise WorkspaceUnusable(f"cannot write {folder / name}: {error.strerror}") from None


def _publisher(workspace: Workspace) -> str:
    """The publisher's key that the ledger noted as pinned, or "". Raises ConfigurationError where the file differs."""
    path = workspace.law / PUBLISHER
    noted = str(last(notes(workspace.root, NOTE), PUBLISHER).get(PUBLISHER, ""))
    try:
        pinned = path.read_text().strip()
    except FileNotFoundError:
        return noted
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from None
    if pinned != noted:
        raise ConfigurationError(
            f"{path} is not the publisher that the ledger noted as pinned ({noted or 'none'}); remove the file, then"
            " `fedsov border bundle install FILE --publisher HEX` pins it again"
        )
    return pinned


def _settled(root: Path) -> Iterable[str]:
    """The regions that have settings."""
    workspace = Workspace(root)
    return [name for name in workspace.region_names() if (workspace.region(name) / FILE).exists()]
