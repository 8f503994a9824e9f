"""What a party keeps: its ledger, and of a region its settings, keys and stores. No row is read."""

from __future__ import annotations

from fedsov.errors import FedsovError, counted
from fedsov.keys.principals import TRAINER
from fedsov.ledger.gaps import open_loss
from fedsov.ledger.ledger import Ledger
from fedsov.partition.manifest import check_seal, read_manifest
from fedsov.region.admission import Place
from fedsov.region.lifecycle.rekeying import stores_of
from fedsov.region.settings_file import read_settings, split_key
from fedsov.region.trust.access import keys_for
from fedsov.runtimes.deployment.preflight.values import Amiss, ExaminedHome
from fedsov.storage.workspace import is_there, ledger_of


def ledger(examined: ExaminedHome) -> str:
    """That the ledger is here, and every entry of it holds."""
    path, name = ledger_of(examined.own_folder), examined.party.name
    if not is_there(path):
        raise Amiss(f"there is no ledger at {path}", f"`fedsov region init {name}` begins one, or restore your copy")
    try:
        opened = Ledger.read(path)
        entries = opened.verify().entries
    except FedsovError as error:
        mend = "restore your copy of the ledger, and tell the others, whose notes show what is missing"
        raise Amiss(str(error), mend) from None
    if opened.owner != name:
        mend = "put each party's own files into its home"
        raise Amiss(f"the ledger at {path} is of {opened.owner}, not of {name}", mend)
    if open_loss(opened):
        mend = f"`fedsov ledger accept-gap {name} --why TEXT` accepts that, or put back a newer backup"
        raise Amiss("it was put back from a backup, and nobody accepted what it lacks: no run goes on", mend)
    return f"{counted(entries, 'entry', 'entries')} verify"


def settings(examined: ExaminedHome) -> str:
    """That region.yaml is signed by the region, and the one that its ledger noted last."""
    place = _place(examined)
    own = read_settings(place.folder, place.ledger)
    return f"region.yaml is signed, and in the ledger; law {own.law.bundle[:16]}…"


def keys(examined: ExaminedHome) -> str:
    """That the keys by which the region trains open, and its rows' split with them."""
    place = _place(examined)
    own = read_settings(place.folder, place.ledger)
    opened = keys_for(place, own, TRAINER)
    split_key(own, opened)
    return f"{opened.principal}'s keys open, protected by {own.key_service.backend}"


def stores(examined: ExaminedHome) -> str:
    """That every store is sealed by these keys."""
    place = _place(examined)
    opened = keys_for(place, read_settings(place.folder, place.ledger), TRAINER)
    folders = stores_of(place.folder)
    if not folders:
        name = examined.party.name
        raise Amiss(f"{name} has no store yet", f"`fedsov region ingest {name} dataset=@FILE` makes one")
    rows = 0
    for folder in folders:
        manifest = read_manifest(folder)
        check_seal(folder, manifest, opened)
        rows += manifest.rows
    return f"{counted(len(folders), 'store')} with {counted(rows, 'row')} open"


def _place(examined: ExaminedHome) -> Place:
    return Place(examined.own_folder, Ledger.read(ledger_of(examined.own_folder)))
