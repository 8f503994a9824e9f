"""A region's own settings: shown, made, changed and checked. What `fedsov region` and notebooks call.

Whoever holds a region's keys may change them: `set_settings` signs the new file with them, and writes into the region's
ledger who changed what, and why. A run that goes on meanwhile holds the workspace, and is waited for by nobody: the
change is refused until it has ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsov.api.acting_person import UNSAID as UNSAID
from fedsov.api.acting_person import user as user
from fedsov.api.inference.endpoints.serving_settings import admit_requests, check_serving, take_issuers
from fedsov.border.evidence.register_file import load_register
from fedsov.border.law import law_owner
from fedsov.border.law.bundle_file import installed
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.border.law.in_force import OtherLaw, law_in_force
from fedsov.errors import ConfigurationError, unknown
from fedsov.keys import KeyService, KeySettings, create_keys, has_keys, open_keys
from fedsov.keys.grants import granted
from fedsov.keys.rotation import state_of
from fedsov.ledger.known_keys import keys_at_hand
from fedsov.ledger.ledger import Ledger
from fedsov.partition.backends.files_at import claim
from fedsov.partition.backends.place import check_apart, place_of
from fedsov.partition.ingest import keys_of
from fedsov.partition.lifecycle.moving import move_store
from fedsov.partition.manifest import MANIFEST, read_manifest
from fedsov.region.admission import Place
from fedsov.region.lifecycle.rekeying import protected_by, split_anew, stores_anew, stores_of
from fedsov.region.lifecycle.retention import check_starts
from fedsov.region.settings import OwnLaw, RegionSettings
from fedsov.region.settings_file import (
    FILE,
    Change,
    check_ledger,
    flat,
    has_settings,
    last_change,
    read_settings,
    split_key,
    write_settings,
)
from fedsov.storage.locks import hold_workspace
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.workspace import Workspace, is_there, ledger_of, store_of

INSTALLED_LAW = "law.bundle=installed"
RESERVED = ("hub", "quarantine")
EMPTY_GROUPS = frozenset(
    (
        *("datasets", "keys", "parties.peers", "retention.categories", "retention.starts", "store"),
        *("serving.limits", "serving.guard"),
    )
)
"""Keys of `flat` that stand alone where nothing is in the group; what comes into it has keys of its own."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A region's settings as they are in force.

    Attributes:
        file: where they stand.
        changed: when they were changed last, by whom, why, and the digest of the file before.
    """

    settings: RegionSettings
    file: Path
    changed: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values; the wrapped secret of the split is left out."""
        plain = {key: value for key, value in self.settings.to_plain().items() if key != "split"}
        return {**plain, "file": str(self.file), "changed": dict(self.changed)}


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that a change changes."""

    region: str
    key: str
    old: Any
    new: Any

    def line(self) -> str:
        """In one line."""
        return f"{self.region}: {self.key}: {_word(self.old)} -> {_word(self.new)}"


def names_of(root: Path, name: str | None, *, every: bool) -> list[str]:
    """The regions that a command is about. Raises ConfigurationError for none, both, or one that there is not."""
    known = Workspace(root).region_names()
    if (name is None) != every:
        raise ConfigurationError("name a region, or give --all for every region of the workspace")
    if name is not None and name not in known:
        raise ConfigurationError(unknown("region", name, known, guess=""))
    if not known:
        raise ConfigurationError(f"workspace {root} holds no region; `fedsov region init NAME` makes one")
    return known if name is None else [name]


def show(root: Path, name: str) -> Shown:
    """A region's settings. Raises SettingsBroken, ConfigurationError."""
    with opened(root, name, writes=False) as (folder, ledger):
        settings = read_settings(folder, ledger)
        return Shown(settings, folder / FILE, last_change(folder, ledger))


def init(root: Path, name: str, words: Sequence[str] = (), *, by: str = "", why: str = "") -> Shown:
    """Makes a region: its folder, keys, ledger, and settings, closed but for these words KEY=VALUE.

    The keys of the parties in the workspace are pinned.

    Raises ConfigurationError where it has settings already, or for a word that is none; WorkspaceUnusable.
    """
    peers = {owner: key for owner, key in keys_at_hand(Workspace(root)).items() if owner != name}
    closed = RegionSettings(name, law=OwnLaw(law_in_force(Workspace(root).law).digest), keys=peers)
    return make(root, closed.changed(_named_law(root, words)), by=by, why=why)


def make(root: Path, settings: RegionSettings, *, by: str = "", why: str = "") -> Shown:
    """Makes a region with these settings: its folder, keys and ledger, and region.yaml, signed. Raises as `init`."""
    name, service = settings.region, settings.key_service
    if name in RESERVED:
        raise ConfigurationError(f"{name} is no name for a region; it has a folder of its own")
    _check_readable(root, settings)
    _check_buckets(root, {name: settings})
    with opened(root, name, writes=True, service=service) as (folder, ledger):
        if has_settings(folder, ledger):
            raise ConfigurationError(f"region {name} has settings already; `fedsov region set {name}` changes them")
        keys = open_keys(KeySettings(name, folder, service))
        if settings.store.bucket:
            claim(settings.store, keys)
        write_settings(folder, keys, ledger, Change(settings, by or user(), why or UNSAID))
        return Shown(read_settings(folder, ledger), folder / FILE, last_change(folder, ledger))


def differences(root: Path, names: Sequence[str], words: Sequence[str]) -> list[Difference]:
    """What these words KEY=VALUE would change; nothing is written. Raises ConfigurationError, SettingsBroken."""
    found = []
    for name in names:
        old = show(root, name).settings
        before, after = flat(old.to_plain()), flat(old.changed(_named_law(root, words)).to_plain())
        keys = sorted(key for key in {*before, *after} - EMPTY_GROUPS if before.get(key) != after.get(key))
        found += [Difference(name, key, before.get(key), after.get(key)) for key in keys]
    return found


def set_settings(root: Path, names: Sequence[str], words: Sequence[str], *, by: str = "", why: str = "") -> None:
    """Changes the settings of regions; all are read and checked before the first is written.

    Raises ConfigurationError for a word that is none, SettingsBroken, WorkspaceUnusable, LedgerBroken; Refused where
    the region's border does not permit requests of a jurisdiction that it would host.
    """
    words = _named_law(root, words)
    proposed = {}
    for name in names:
        old = show(root, name).settings
        proposed[name] = new = old.changed(words)
        _check_readable(root, new, before=old.law.bundle)
        check_serving(old.serving, new.serving)
        check_starts(Workspace(root).region(name), old, new)
    _check_buckets(root, proposed)
    for name in names:
        with opened(root, name, writes=True) as (folder, ledger):
            before = read_settings(folder, ledger)
            settings = before.changed(words)  # as they are now that nobody else writes
            admit_requests(Place(folder, ledger), before, settings)
            if settings.store.bucket and settings.store != before.store:
                claim(settings.store, keys_of(root, name))
            keys = protected_by(folder, name, settings.key_service)
            change = Change(split_anew(settings, keys), by or user(), why or UNSAID)
            write_settings(folder, keys, ledger, change)
            stores_anew(folder, keys)
            take_issuers(folder, settings)


def check(root: Path, name: str) -> list[str]:
    """What was found of a region's settings, in lines. Raises for the first thing that does not hold."""
    shown = show(root, name)
    settings = shown.settings
    keys = open_keys(KeySettings(name, Workspace(root).region(name), settings.key_service))
    secret = split_key(settings, keys)
    _check_readable(root, settings, before=settings.law.bundle)
    register = load_register(settings.evidence)
    lines = [
        f"{shown.file}: signed by the region, and the newest that its ledger noted",
        f"law: {settings.law.bundle[:16]}…" + (f", with {settings.law.rules}" if settings.law.rules else ""),
        f"evidence: {settings.evidence or 'none'}, {len(register.documents)} documents",
        f"keys: {', '.join(sorted(settings.keys)) or 'nobody'} pinned",
        f"parties: {settings.parties.listed()} pinned",
        f"key_service: {settings.key_service.backend}, which protects this region's keyring",
        f"store: the files of new stores lie in {settings.store.words()}"
        + ("; in which country it lies, its owner answers for" if settings.store.bucket else ""),
        f"split: a secret of {len(secret)} bytes, which this region's keys open",
    ]
    lines += [f"datasets.{dataset}: {_again(dataset)}" for dataset in to_ingest_again(root, settings)]
    lines += [f"store: {line}" for line in _elsewhere(root, settings)]
    return [*lines, *made_up(settings), f"what protects less: {', '.join(settings.loose()) or 'nothing'}"]


def to_ingest_again(root: Path, settings: RegionSettings) -> list[str]:
    """The data sets of whose rows a region has a store that another description sorted. Raises StoreDamaged."""
    folder = Workspace(root).region(settings.region)
    stores = {dataset: store_of(folder, dataset) for dataset in settings.datasets}
    return [
        dataset
        for dataset, store in stores.items()
        if (store / MANIFEST).exists()
        and not settings.of_dataset(dataset).is_as_described(read_manifest(store).description)
    ]


def move_stores(root: Path, names: Sequence[str]) -> list[str]:
    """Moves the files of regions' stores to where the regions' settings say; what was moved, in lines.

    Raises as `fedsov.partition.lifecycle.moving.move_store`; run again, it goes on.
    """
    lines = []
    for name in names:
        if not _elsewhere(root, show(root, name).settings):
            continue
        with opened(root, name, writes=True) as (folder, ledger):
            place, keys = read_settings(folder, ledger).store, keys_of(root, name)
            if place.bucket:
                claim(place, keys)
            moved = [path.name for path in stores_of(folder) if move_store(path, keys, place)]
            lines += [f"{name}: the files of {', '.join(moved)} were moved to {place.words()}"] if moved else []
    return lines


def _elsewhere(root: Path, settings: RegionSettings) -> list[str]:
    """A line for each store whose manifest says another place than the settings do. Raises StoreDamaged."""
    places = {path: place_of(read_manifest(path).place) for path in stores_of(Workspace(root).region(settings.region))}
    return [
        f"the files of {path.name} lie in {place.words()}, by other settings than these; "
        f"`fedsov region set {settings.region} store.bucket={settings.store.bucket or 'null'}` moves them"
        for path, place in places.items()
        if place != settings.store
    ]


def stale_lines(root: Path, names: Sequence[str]) -> list[str]:
    """What is said after a change: whose stored rows must be ingested again before anything trains on them, which keys
    are not retired yet, and which documents count for nothing."""
    doubts = [line for name in names for line in made_up(show(root, name).settings)]
    return [*_unretired(root, names), *_to_sort_again(root, names), *doubts]


def made_up(settings: RegionSettings) -> list[str]:
    """That documents of a region's register are made up, and where they count; empty where none is."""
    try:
        documents = load_register(settings.evidence).documents
    except ConfigurationError as error:
        return [f"{settings.region}: evidence: {error}"]
    count = sum(document.example for document in documents)
    if not count:
        return []
    people = ", ".join(name for name, own in settings.datasets.items() if not own.examples) or "any but example rows"
    return [
        f"{settings.region}: evidence: {count} of {len(documents)} documents are made up (example: true), and count "
        f"for nothing where rows are people's ({people}); `fedsov evidence add --evidence FILE` enters yours"
    ]


def _unretired(root: Path, names: Sequence[str]) -> list[str]:
    places = [KeySettings(name, Workspace(root).region(name)) for name in names]
    return [
        f"{place.region}: older versions of its key, and copies of its former keyring.json, open what they wrapped; "
        f"`fedsov keys retire {place.region} --yes` destroys what it can, and says which copies are left"
        for place in places
        if len(state_of(place).versions) > 1
    ]


def _to_sort_again(root: Path, names: Sequence[str]) -> list[str]:
    return [
        f"{name}: datasets.{dataset}: {_again(dataset)}"
        for name in names
        for dataset in to_ingest_again(root, show(root, name).settings)
    ]


def _again(dataset: str) -> str:
    return (
        f"the stored rows of {dataset} were sorted by another description; no job trains on them before they are "
        "ingested again, by `fedsov ingest` with dataset.* as described now"
    )


def owner_key(root: Path, names: Sequence[str], key: Path, *, by: str = "", why: str = "") -> str:
    """Pins the public half of a law owner's key in the settings of these regions; makes the key where there is no file.

    Raises ConfigurationError where a region has rules that this key did not sign; the key stays, to sign them with.
    KeyUnavailable for a file that is no key, and as `set_settings`.
    """
    for name in names:
        show(root, name)
    public = law_owner.public_half(key) if key.exists() else law_owner.make_owner_key(key)
    try:
        set_settings(root, names, [f"law.owner='{public}'"], by=by, why=why or "a new key of the law owner")
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}; sign the rules with {key}, then run this again") from None
    return public


def _named_law(root: Path, words: Sequence[str]) -> list[str]:
    """The words, with the digest of the installed bundle in the place of `law.bundle=installed`."""
    if INSTALLED_LAW not in words:
        return list(words)
    new = installed(Workspace(root).law)
    if new is None:
        raise ConfigurationError("no bundle of law is installed here; `fedsov border bundle install FILE` does it")
    return [f"law.bundle='{new.bundle.digest}'" if word == INSTALLED_LAW else word for word in words]


def _check_buckets(root: Path, proposed: Mapping[str, RegionSettings]) -> None:
    """Raises ConfigurationError where regions of the workspace would have one bucket."""
    if any(own.store.bucket for own in proposed.values()):
        others = [name for name in Workspace(root).region_names() if (Workspace(root).region(name) / FILE).exists()]
        check_apart(
            {name: own.store for name, own in proposed.items()},
            {name: show(root, name).settings.store for name in others if name not in proposed},
        )


def _check_readable(root: Path, settings: RegionSettings, *, before: str = "") -> None:
    """Raises what is wrong with the files that settings name, before they are in force.

    Args:
        before: the digest of the law before the change; a new one must be of a law that is here.
    """
    law = settings.law
    try:
        law_in_force(Workspace(root).law, law.rules, owner=law.owner, digest=law.bundle)
    except OtherLaw as error:  # every job will be refused until its owner names another
        if law.bundle != before:
            here = ", ".join(f"{whose} {digest}" for whose, digest in error.known.items())
            raise ConfigurationError(
                f"law.bundle={law.bundle} is the digest of no law here ({here}); name one of these, or "
                "law.bundle=shipped, or law.bundle=installed after `fedsov border bundle install FILE`"
            ) from None
        load_bundle(law.rules, owner=law.owner)
    load_register(settings.evidence)


@contextmanager
def opened(root: Path, name: str, *, writes: bool, service: KeyService | None = None) -> Iterator[tuple[Path, Ledger]]:
    """A region's folder and ledger; where something is written the workspace is held.

    Args:
        service: what protects the keyring, where it is made.
    """
    workspace = Workspace(root)
    folder = workspace.region(name)
    if not writes:
        if not is_there(ledger_of(folder)):
            raise ConfigurationError(f"region {name} has no settings yet; `fedsov region init {name}` makes them")
        yield folder, Ledger.read(ledger_of(folder))
        return
    with hold_workspace(workspace):
        make_private_folder(folder)
        check_ledger(folder, name)
        place = KeySettings(name, folder, service)
        if service is not None and not has_keys(place) and not stores_of(folder):
            create_keys(place)
        if not granted(place):  # a principal's work needs no other keyring than its own
            keys_of(root, name)
        ledger = Ledger(ledger_of(folder), name)
        try:
            yield folder, ledger
        finally:
            ledger.close()


def _word(value: Any) -> str:
    return "unset" if value is None else str(value)
