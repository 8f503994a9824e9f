"""The rows an attack test works on: a region's own, opened with its keys as its process does, or a public table's.

A command that opens a region's store is that region at work: it needs the region's keyring, and what it learns of the
rows belongs in the region's folder.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fedsov.api.region_settings import user
from fedsov.config.settings import Settings
from fedsov.errors import ConfigurationError, InputError, LedgerBroken, unknown
from fedsov.keys.principals import TRAINER
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from fedsov.model.column_statistics import Statistics
from fedsov.model.features import Features
from fedsov.model.targets import outcome
from fedsov.partition.description import description_of
from fedsov.partition.records import Records
from fedsov.protocol.job import Asked
from fedsov.region.admission import Place, admit, admit_rows
from fedsov.region.lifecycle.retention import in_use
from fedsov.region.trust.access import Opening, keys_for, open_store
from fedsov.storage.workspace import Workspace, is_there, ledger_of, store_of


@dataclass(frozen=True, slots=True)
class Attacked:
    """Rows as a model sees them.

    Attributes:
        where: the region's name, or the table's file.
        label: what binds the rows; public for a public table.
        X, y: (N, D) standardised inputs and (N,) outcomes of 0 and 1.
        names: of the inputs.
        held: how many rows there were before some were drawn.
        unused: columns that are no inputs, and why.
    """

    where: str
    label: Label
    X: np.ndarray
    y: np.ndarray
    names: Sequence[str]
    held: int
    unused: Mapping[str, str] = field(default_factory=dict)


def of_region(settings: Settings, region: str, *, most: int) -> Attacked:
    """Rows of a region's store that a federated training may learn from: those that no restriction binds.

    Raises:
        ConfigurationError: no run was here yet, or no such region, or no store of that data set.
        JobRefused: by the region's own settings, with an entry in its ledger.
        SettingsBroken, LedgerBroken: it has none, or they do not hold.
        KeyUnavailable, StoreDamaged: as the region's own process.
        InputError: no rows, or none that differ.
    """
    workspace, dataset = Workspace(settings.workspace), settings.dataset
    workspace.require()
    folder = workspace.region(region)
    if not store_of(folder, dataset.name).is_dir():
        known = [name for name in workspace.region_names() if store_of(workspace.region(name), dataset.name).is_dir()]
        raise ConfigurationError(unknown(f"region with rows of {dataset.name}", region, known))
    whole = _admitted(settings, folder, region)
    records = whole.select(whole.unrestricted)
    if not len(records):
        raise InputError(f"{region} has no row of {dataset.name} that no restriction binds")
    y = outcome(records.target, dataset.target)
    features = Features.fit(Statistics.from_records(records.columns, records.kinds, persons=records.subjects))
    return _some(region, records.label, features.encode(records.columns), y, features, most, settings.seed)


def _admitted(settings: Settings, folder: Path, region: str) -> Records:
    """The region's rows that are in use, where it describes them as the settings do. Nothing crosses a border."""
    dataset, run = settings.dataset, f"attack-{secrets.token_hex(4)}"
    if not is_there(ledger_of(folder)):
        raise LedgerBroken(f"{folder} holds rows of {dataset.name} and no ledger; restore your copy of it")
    with closing(Ledger(ledger_of(folder), region)) as ledger:
        place = Place(folder, ledger)
        own = admit(place, dataset.name, Asked(description=description_of(dataset)), run=run)
        keys = keys_for(place, own, TRAINER)
        store = open_store(place, keys, Opening(dataset.name, "attack_test", user()), run=run)
        admit_rows(place, own, store.manifest, run=run)
        return in_use(store, own, on=ledger.today())


def of_table(settings: Settings, *, most: int) -> Attacked:
    """Rows of a public CSV or Parquet file, as `dataset.path` and the other settings of the data set describe it.

    Raises:
        InputError: a missing file or column, a value that cannot be read, or no column that differs.
    """
    from fedsov.partition.arrow_columns import floats, objects
    from fedsov.partition.columns.clean import prepare
    from fedsov.partition.columns.column_kinds import LEARNED, infer_columns
    from fedsov.partition.sources import read_public

    spec = settings.dataset
    table = read_public(spec)
    inferred = infer_columns(table, spec)
    prepared = prepare(table, spec, inferred.kinds)
    kept = ~np.any([np.zeros(table.num_rows, bool), *prepared.faults.values()], axis=0)
    learned = {name: kind for name, kind in inferred.kinds.items() if kind in LEARNED}
    columns = {
        name: (floats if kind == "numeric" else objects)(prepared.columns[name])[kept] for name, kind in learned.items()
    }
    is_number = str(prepared.target.type) in ("double", "int64")
    target = (floats if is_number else objects)(prepared.target)[kept]
    features = Features.fit(Statistics.from_records(columns, learned))
    y = outcome(target, spec.target)
    whole = replace(features, unused={**inferred.unused, **features.unused})
    return _some(str(spec.path), Label(), features.encode(columns), y, whole, most, settings.seed)


def _some(where: str, label: Label, X: np.ndarray, y: np.ndarray, features: Features, most: int, seed: int) -> Attacked:
    """At most so many rows, drawn by the seed."""
    chosen = np.sort(np.random.default_rng([seed, 6]).permutation(len(y))[:most])
    return Attacked(where, label, X[chosen], y[chosen].astype(np.float64), features.names, len(y), features.unused)
