"""Rows that wait: of one region, or without a home. What `fedsov quarantine` and notebooks call.

What is done to rows of a region is in that region's ledger; to rows without a home, in the quarantine's own
(``quarantine/ledger.sqlite``), which `listed` verifies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from fedsov.api.lifecycle.erasure import premises, reason
from fedsov.api.lifecycle.way_home import cross_home
from fedsov.api.region_settings import user
from fedsov.errors import ConfigurationError, JobRefused, LedgerBroken, unknown
from fedsov.keys import has_keys, open_keys
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger.ledger import Ledger
from fedsov.partition.ingest import QUARANTINE, key_settings, quarantine_of, region_folder, store_folder
from fedsov.partition.lifecycle import quarantine
from fedsov.partition.lifecycle.erasure import remove_rows, sweep
from fedsov.partition.lifecycle.quarantine import WaitingRow, dataset_of
from fedsov.partition.store import Store
from fedsov.partition.told_counts import in_tens
from fedsov.region.lifecycle import legal_holds, retention
from fedsov.region.lifecycle.erasure import Premises, erased_again, erased_among, stores_in
from fedsov.region.lifecycle.retention import Due
from fedsov.storage.locks import hold_workspace
from fedsov.storage.workspace import Workspace, is_there, ledger_of, store_of

NOTE = "quarantine"


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many rows of a data set wait in a region, or without a home (`region` is ""), by reason."""

    region: str
    dataset: str
    reasons: dict[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Expiring:
    """Rows without a home: (rows,) those past their period, and of these the ones on a legal hold."""

    store: Store
    past: np.ndarray
    on_hold: np.ndarray


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which rows of a quarantine are meant: those of these names, or of one reason; all where neither is said.

    `region` is whose quarantine; None for that of rows without a home.
    """

    dataset: str
    region: str | None = None
    names: Sequence[str] = ()
    reason: str = ""


def listed(root: Path) -> list[Waiting]:
    """Every quarantine with rows. Raises LedgerBroken where the quarantine's own ledger does not verify, or is gone."""
    workspace = Workspace(root)
    if (path := own_ledger(workspace)) is not None:
        with closing(Ledger.read(path)) as ledger:
            ledger.verify()
    waiting = []
    places = ((region, dataset) for region in ("", *workspace.region_names()) for dataset in _datasets(root, region))
    for region, dataset in places:
        reasons, counts = np.unique(quarantine.reasons_of(_store(root, region, dataset)), return_counts=True)
        if len(reasons):
            waiting.append(Waiting(region, dataset, dict(zip(reasons.tolist(), counts.tolist(), strict=True))))
    return waiting


def own_ledger(workspace: Workspace) -> Path | None:
    """The ledger of rows without a home; None where none was begun. Raises LedgerBroken where it is gone."""
    path = ledger_of(workspace.quarantine)
    if is_there(path):
        return path
    if (key := path.with_name("signing.key")).exists():
        raise LedgerBroken(
            f"the ledger of the quarantine is gone, though its signing key {key} is there; restore your copy; "
            "or remove the key, where no row without a home was ever deleted"
        )
    return None


def shown(root: Path, dataset: str, region: str | None = None, *, most: int) -> list[WaitingRow]:
    """The first rows of a quarantine, their values masked. Raises ConfigurationError for one that there is not."""
    return quarantine.waiting(_store(root, region or "", dataset), most=most)


def assign(root: Path, chosen: Chosen, to: str, jurisdiction: str = "", *, by: str = "", why: str) -> int:
    """Gives rows without a home a jurisdiction that a region holds, and puts them into its store; how many.

    They cross from where their source lay, as an ingestion would have sent them (`cross_home`).

    Raises ConfigurationError, InputError, and as `fedsov.partition.lifecycle.quarantine.send_home`; JobRefused where
    the region erased one of their people, or they may not go home.
    """
    if chosen.region is not None:
        raise ConfigurationError(
            f"rows in the quarantine of {chosen.region} have a home and a fault; mend the source, or delete them"
        )
    with premises(root, to) as region:
        held = _store(root, "", chosen.dataset)
        home = Store.open(store_of(region.folder, chosen.dataset), region.keys)
        rows = quarantine.chosen_rows(held, names=chosen.names, reason=chosen.reason)
        if erased_among(region.ledger, region.keys, partial(quarantine.pseudonyms_at, held, rows)):
            raise JobRefused(erased_again(to))
        subject = region.settings.of_dataset(chosen.dataset).description.get("subject")
        quarantine.check_whole(held, rows, subject=subject)
        quarantine.check_held(home, jurisdiction or to)
        cross_home(root, region, chosen.dataset, held.read().select(rows), jurisdiction or to)
        act = {"act": "assign", "jurisdiction": jurisdiction or to, **_said(chosen, rows, by, why)}
        region.ledger.note({NOTE: act})
        return quarantine.send_home(held, rows, home, jurisdiction or to)


def delete(root: Path, chosen: Chosen, *, by: str = "", why: str) -> int:
    """Removes rows that wait; how many.

    Raises ConfigurationError, InputError, WorkspaceUnusable; JobRefused where a legal hold keeps one of them.
    """
    with _ledger(root, chosen.region) as ledger:
        held = _store(root, chosen.region or "", chosen.dataset)
        rows = quarantine.chosen_rows(held, names=chosen.names, reason=chosen.reason)
        for name in Workspace(root).region_names() if chosen.region is None else (chosen.region,):
            on_hold, own = _on_hold(root, name, held, rows, is_shared=chosen.region is None)
            if on_hold.any():
                raise JobRefused(
                    f"region {name} keeps rows on a legal hold that are among these; nothing was removed; "
                    f"{legal_holds.ending(name, own)}"
                )
        ledger.note({NOTE: {"act": "delete", **_said(chosen, rows, by, why)}})
        remove_rows(held, rows)
        return int(rows.sum())


def past_period(root: Path, region: Premises) -> list[Expiring]:
    """Rows of no known home, of each data set, by a region's periods: they may be its own. Raises as `in_use`."""
    if region.shared is None:
        return []
    expiring: list[Expiring] = []
    folder, keys = region.shared
    for path in stores_in(folder):
        store = Store.open(path, keys)
        past = retention.past_period(store, store.read(), region.settings, on=region.ledger.today())
        on_hold = np.zeros(len(past), bool)
        for name in Workspace(root).region_names() if past.any() else ():
            on_hold |= _on_hold(root, name, store, past, is_shared=True)[0]
        expiring.append(Expiring(store, past, on_hold))
    return expiring


def expire(root: Path, region: Premises, *, by: str, why: str) -> list[Due]:
    """Removes what `past_period` names and no region keeps; the quarantine's own ledger has a tombstone first.

    The workspace is held by the caller. Raises as `past_period`, and WorkspaceUnusable, LedgerBroken.
    """
    expiring, workspace = past_period(root, region), Workspace(root)
    for each in expiring:
        leaves = each.past & ~each.on_hold
        if not leaves.any():
            sweep(each.store.folder, each.store.manifest)
            continue
        own_ledger(workspace)
        with closing(Ledger(ledger_of(workspace.quarantine), QUARANTINE)) as ledger:
            stone = retention.tombstone(each.store, leaves, region.ledger.today(), by=by, why=why)
            ledger.note({retention.NOTE: {**stone, "periods_of": region.ledger.owner}})
        remove_rows(each.store, leaves)
    return dues_of(expiring)


def dues_of(expiring: Sequence[Expiring]) -> list[Due]:
    """The counts of those data sets of which a row waits."""
    dues = (retention.due(each.store, each.past, each.on_hold, beside=f"{QUARANTINE}/") for each in expiring)
    return [due for due in dues if due.rows]


def _on_hold(
    root: Path, name: str, held: Store, rows: np.ndarray, *, is_shared: bool
) -> tuple[np.ndarray, list[legal_holds.Hold]]:
    """(all rows,) those of `rows` that a region keeps on a legal hold, and the holds.

    Of rows without a home it can keep those of a subject; whose the others are nobody knows.
    """
    folder, on_hold = Workspace(root).region(name), np.zeros(len(rows), bool)
    if not is_there(ledger_of(folder)):
        return on_hold, []
    with closing(Ledger.read(ledger_of(folder))) as ledger:
        on_it = legal_holds.holds_on(ledger, dataset_of(held.folder.name))
        own = [hold for hold in on_it if hold.subject or not is_shared]
        if own:
            keys = _keys(root, name)
            subjects = held.read().subjects[rows]
            if is_shared:
                subjects = np.array(quarantine.pseudonyms_at(held, rows, keys), object)
            on_hold[rows] = legal_holds.held_among(own, keys, subjects)
    return on_hold, own


@contextmanager
def _ledger(root: Path, region: str | None) -> Iterator[Ledger]:
    """The ledger that an act is noted in: the region's, or the quarantine's own."""
    if region is not None:
        with premises(root, region) as opened:
            yield opened.ledger
        return
    with hold_workspace(Workspace(root)) as workspace:
        own_ledger(workspace)
        with closing(Ledger(ledger_of(workspace.quarantine), QUARANTINE)) as ledger:
            yield ledger


def _said(chosen: Chosen, rows: np.ndarray, by: str, why: str) -> dict[str, object]:
    """What a ledger says of an act: no name of a row, and how many in tens."""
    return {
        "dataset": chosen.dataset,
        "reason": chosen.reason,
        "rows": in_tens(int(rows.sum())),
        "by": by or user(),
        "why": reason(why),
    }


def _datasets(root: Path, region: str) -> list[str]:
    """The data sets of which rows wait in a region, or waited; without a home where `region` is ""."""
    stores = [path.name for path in stores_in(region_folder(root, region or QUARANTINE))]
    return [dataset_of(store) for store in stores if not region or store != dataset_of(store)]


def _store(root: Path, region: str, dataset: str) -> Store:
    if dataset not in (known := _datasets(root, region)):
        where = f"in region {region}" if region else "without a home"
        raise ConfigurationError(f"no rows of '{dataset}' wait {where}; {unknown('data set', dataset, known)}")
    name = region or QUARANTINE
    return Store.open(store_folder(root, name, quarantine_of(dataset) if region else dataset), _keys(root, name))


def _keys(root: Path, name: str) -> RegionKeys:
    if name != QUARANTINE:
        with premises(root, name, writes=False) as region:
            return region.keys
    settings = key_settings(root, name)
    if not has_keys(settings):
        raise ConfigurationError(f"{settings.folder} has no keys; nothing was ingested there")
    return open_keys(settings)
