"""Which files a party's backup holds, and what of the party lies elsewhere and is backed up there.

    regions/NAME or hub   the party's own folder: store (ciphertext as it lies), keyring, region.yaml, ledger and its
                          key, privacy budget, journals, answers, quarantine, registry with artifacts, checkpoints
    deployment            certificate, key, members and revocations, where they are this party's
    law, reviewers.yaml   the installed bundle of law and the reviewers
    quarantine            rows without a home, where the region is the only party of the home
    elsewhere             files that region.yaml names outside the home: register, rules, credentials

Left out: locks, logs (they may quote a row), space set aside for a full disk, and what a writer that was killed left
behind. Links are named, and are not followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsov.border.law.yaml_text import read_mapping
from fedsov.errors import ConfigurationError, unknown
from fedsov.keys import KeySettings, has_keys
from fedsov.keys.keyring_file import protecting
from fedsov.ledger.ledger import Ledger
from fedsov.partition.backends.place import place_of
from fedsov.partition.manifest import MANIFEST, read_manifest
from fedsov.region.settings import FILES
from fedsov.region.settings_file import FILE, flat
from fedsov.storage.control_folder import HubControlFolder
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.serving_folder import ServingFolder
from fedsov.storage.workspace import POSTGRESQL, Workspace, is_there, ledger_of

HUB, REGION = "hub", "region"
ELSEWHERE, KEYRING = "elsewhere", "keyring.json"
TOPS = ("hub", "regions", "quarantine", "law", "reviewers.yaml", "deployment", ELSEWHERE)
"""What names in an archive begin with."""
_PASSING = re.compile(r"lock|.*\.lock|.*-wal|.*-shm|.*-journal|.*\.log|.*\.reserve|\..+\.[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class PartyHome:
    """A party and the home that it keeps.

    Attributes:
        name: "hub", or the region's.
        role: `HUB` or `REGION`.
    """

    home: Path
    name: str
    role: str

    @property
    def folder(self) -> Path:
        """The party's own folder."""
        workspace = Workspace(self.home)
        return workspace.hub if self.role == HUB else workspace.region(self.name)

    @property
    def ledger(self) -> Path:
        """Where its ledger is, be it a file or an address."""
        return ledger_of(self.folder)

    @property
    def is_alone(self) -> bool:
        """Whether no other party has a ledger in this home."""
        return [*Workspace(self.home).ledgers()] == [self.name]

    def units(self) -> list[Path]:
        """What of the home is the party's, in the order in which it is put in place: its own folder last."""
        workspace, deployment = Workspace(self.home), DeploymentFolder(self.home)
        shared = [workspace.law, workspace.reviewers]
        shared += [deployment.root] if deployed_party(self.home) == self.name else []
        shared += [HubControlFolder(self.home).root] if self.role == HUB else []
        shared += [workspace.quarantine] if self.role == REGION and self.is_alone else []
        return [*shared, self.folder]


def party_at(home: Path, name: str | None) -> PartyHome:
    """The party that a home keeps, or the one of several that is named.

    Raises ConfigurationError where there is none, or several and no name.
    """
    ledgers = [*Workspace(home).ledgers()]
    if not ledgers:
        raise ConfigurationError(f"{home} keeps no party: it has no ledger; name its home with --workspace HOME")
    if name is None and len(ledgers) > 1:
        raise ConfigurationError(
            f"{home} keeps {', '.join(ledgers)}; name one: `fedsov backup {ledgers[0]} --out FILE`"
        )
    if name is not None and name not in ledgers:
        raise ConfigurationError(unknown("party", name, ledgers))
    chosen = name or ledgers[0]
    return PartyHome(home, chosen, HUB if chosen == HUB else REGION)


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of the party: its name in the archive, where it is, and what tells a change of it."""

    name: str
    path: Path
    state: tuple[int, int, int]

    @property
    def size(self) -> int:
        """Bytes, when it was listed."""
        return self.state[2]


def files_of(party: PartyHome) -> list[Listed]:
    """Every file of a party that its backup holds, by name. Raises OSError."""
    use = ServingFolder(party.folder).use  # open windows tell who asked, and are deleted with their secret
    below = [path for unit in party.units() for path in _below(unit) if not path.is_relative_to(use)]
    inside = [(path.relative_to(party.home).as_posix(), path) for path in below]
    named = [(f"{ELSEWHERE}/{key}/{path.name}", path) for key, path in named_elsewhere(party).items()]
    found = [_listed(name, path) for name, path in (*inside, *named)]
    return sorted((each for each in found if each is not None), key=lambda each: each.name)


def _below(unit: Path) -> Iterator[Path]:
    """The regular files of a unit that stay, links left out."""
    if unit.is_file() and not unit.is_symlink():
        yield unit
    for folder, folders, names in os.walk(unit):
        folders[:] = [name for name in folders if not (Path(folder) / name).is_symlink()]
        for name in names:
            path = Path(folder) / name
            if not _PASSING.fullmatch(name) and path.is_file() and not path.is_symlink():
                yield path


def _listed(name: str, path: Path) -> Listed | None:
    """None for a file that has gone meanwhile."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return Listed(name, path, (stat.st_ino, stat.st_mtime_ns, stat.st_size))


def is_passing(name: str) -> bool:
    """Whether a file of this name is a lock, a log or half written, and belongs in no backup."""
    return _PASSING.fullmatch(name) is not None


def named_elsewhere(party: PartyHome) -> dict[str, Path]:
    """By setting, the files outside the home that region.yaml names and that are there."""
    named = {key: Path(path) for key, path in named_files(party.folder).items()}
    home = party.home.resolve()
    return {key: path for key, path in named.items() if path.is_file() and not path.resolve().is_relative_to(home)}


def named_files(folder: Path) -> dict[str, str]:
    """By setting, the files that a region's region.yaml names; none where it has none or cannot be read."""
    try:
        plain = flat(read_mapping((folder / FILE).read_bytes(), FILE))
    except (OSError, ConfigurationError):
        return {}  # the region itself refuses such a file; its backup holds it as it is
    return {key: value for key in FILES if isinstance(value := plain.get(key), str) and value}


def deployed_party(home: Path) -> str:
    """Whose deployment a home has, by its party.yaml: "hub" or a name; "" where there is none."""
    path = DeploymentFolder(home).party
    try:
        plain = read_mapping(path.read_bytes(), str(path))
    except OSError:
        return ""
    return HUB if plain.get("role") == HUB else str(plain.get("name", ""))


def left_out(party: PartyHome) -> list[str]:
    """What of the party does not lie in the archive, each with how it is backed up where it lies."""
    found = [f"{path}: a link, which is not followed; copy what it points to" for path in _links(party)]
    address = party.ledger.with_suffix(POSTGRESQL)
    if address.is_file():
        found.append(f"the ledger: it is stored in PostgreSQL ({address.name}); back it up there, by `pg_dump`")
    control = HubControlFolder(party.home).database_address
    if party.role == HUB and control.is_file():
        found.append(f"the control plane's database: it is in PostgreSQL ({control.name}); run `pg_dump` there")
    for manifest in sorted(party.folder.rglob(MANIFEST)):
        place = place_of(read_manifest(manifest.parent).place)
        if place.bucket:
            store = manifest.parent.name
            found.append(f"the files of {store}: they lie in {place.bucket}; keep versions of that bucket's objects")
    found += _of_keys(party)
    gone = [f"{key}={path}: region.yaml names it and it is not there" for key, path in _absent(party)]
    shared = Workspace(party.home).quarantine
    if party.role == REGION and not party.is_alone and shared.is_dir():
        gone.append(f"{shared}: rows without a home, of several parties; copy the folder as it lies")
    return [*found, *gone]


def _links(party: PartyHome) -> list[Path]:
    return sorted(path for unit in party.units() for path in (unit, *unit.rglob("*")) if path.is_symlink())


def _absent(party: PartyHome) -> list[tuple[str, str]]:
    return [(key, path) for key, path in named_files(party.folder).items() if not Path(path).is_file()]


def _of_keys(party: PartyHome) -> list[str]:
    """What opens the keyring and does not lie in the archive; the service itself is not asked."""
    if party.role == HUB or not has_keys(KeySettings(party.name, party.folder)):
        return []
    service = protecting(party.folder / KEYRING)
    if service.backend == "passphrase" and not service.credential_file:
        return [f"the passphrase of {KEYRING}: it comes from the environment; keep it apart from the archive"]
    if service.backend in ("local", "passphrase"):
        return []
    return [
        f"the key that protects {KEYRING}: it lies in {service.words()} and never leaves; keep that service's own "
        "snapshot, without which no store opens"
    ]


def head_of(party: PartyHome) -> dict[str, Any]:
    """The signed head of the party's ledger. Raises LedgerBroken."""
    with closing(Ledger.read(party.ledger)) as ledger:
        return ledger.head().to_json()


def is_in_file(party: PartyHome) -> bool:
    """Whether the party's ledger is a file of the home."""
    return is_there(party.ledger) and not party.ledger.with_suffix(POSTGRESQL).is_file()
