"""Rows that the border kept from their region, once it lets them go, beside rows that were appended since.

A whole ingestion would replace what was appended. So the source's rows of these regions alone are appended, and leave
the quarantine where they waited. Killed at any instant, the next ingestion ends it: the batch is known by the source.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from fedsov.errors import InputError
from fedsov.jurisdiction import Atlas, Region
from fedsov.partition.arrival import Conditions
from fedsov.partition.arrow_columns import levels, numbers
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.description import description_digest, description_of
from fedsov.partition.further.append import AppendableStores, Outcome, batches_of, open_appendable
from fedsov.partition.ingest import QUARANTINE, appended_to, keys_of, last_ingestion, store_folder
from fedsov.partition.lifecycle.erasure import remove_rows, restage
from fedsov.partition.lifecycle.quarantine import reasons_of
from fedsov.partition.sources import Source, open_source
from fedsov.partition.sources.location import NO_WAY_HOME, Share
from fedsov.partition.sources.scans import Scan
from fedsov.partition.store import Store
from fedsov.storage.atomic_files import sync_folder


def bring_home(
    spec: DatasetSpec, *, atlas: Atlas, workspace: Path, today: date, conditions: Conditions
) -> Outcome | None:
    """Appends what stayed and may go home now; None where nothing did, or no row was appended, so that an ingestion
    does it. Raises as `AppendableStores.append`."""
    previous = last_ingestion(workspace, spec.name)
    if previous is None or not previous[1].stayed or not appended_to(workspace, spec.name, previous):
        return None
    stamp, report = previous
    shares = [Share.from_json(each) for each in report.stayed]
    regions = [share.region for share in shares if conditions.may_go_home(share)]
    if not regions or spec.consent is not None or stamp["description"] != description_digest(description_of(spec)):
        return None
    with open_source(spec) as source:
        if source.sha256 != stamp["source_sha256"]:
            return None
        stores = open_appendable(spec, atlas=atlas, workspace=workspace)
        stores = replace(stores, recorded=replace(stores.recorded, regions=tuple(regions)))
        chosen = _OfRegions(source, _spellings(stores, source, today))
        outcome = stores.append(
            chosen, partial(batches_of, source.sha256, source.sha256), today=today, conditions=conditions
        )
    _leave_quarantine(workspace, spec.name, regions, outcome)
    return outcome


@dataclass(frozen=True, slots=True)
class _OfRegions:
    """A source's rows whose jurisdiction is spelled in one of these ways."""

    source: Source
    spellings: Collection[str]

    @property
    def spec(self) -> DatasetSpec:
        return self.source.spec

    @property
    def sha256(self) -> str:
        return self.source.sha256

    def scan(self) -> Scan:
        return replace(self.source.scan(), tables=self._tables)

    def no_rows(self) -> InputError:
        return self.source.no_rows()

    def _tables(self) -> Iterator[pa.Table]:
        for table in self.source.scan().tables():
            words, places = levels(table.column(self.spec.jurisdiction))
            is_chosen = np.array([*(word in self.spellings for word in words), False])[places]
            if is_chosen.any():
                yield table.take(numbers(np.flatnonzero(is_chosen)))


def _spellings(stores: AppendableStores, source: Source, today: date) -> set[str]:
    """How the source spells the jurisdictions of the regions that are recorded."""
    found = stores.surveyed(source, today).combinations
    has_home = (found.homes.home >= 0) | (found.homes.held_by >= 0)
    return {word for (word, *_), place in found.places.items() if word is not None and has_home[place]}


def _leave_quarantine(workspace: Path, dataset: str, regions: Collection[Region], outcome: Outcome) -> None:
    """Takes the regions' rows from those without a home, and writes down that the regions have them."""
    store = Store.open(store_folder(workspace, QUARANTINE, dataset), keys_of(workspace, QUARANTINE))
    names, notes = {region.name for region in regions}, dict(store.manifest.notes)
    why = {f"{NO_WAY_HOME} {notes['location']} to region {name}" for name in names}
    gone = np.isin(reasons_of(store).astype(str), sorted(why))
    store = replace(store, manifest=remove_rows(store, gone))
    known = {each["name"] for each in notes["regions"]}
    notes["regions"] += [region.to_json() for region in regions if region.name not in known]
    notes["stored"] = {**notes["stored"], **outcome.stored}
    notes["quarantined"] = {reason: rows for reason, rows in notes["quarantined"].items() if reason not in why}
    notes["stayed"] = [each for each in notes["stayed"] if each["region"]["name"] not in names]
    if not notes["stayed"]:
        notes["said"] = [line for line in notes["said"] if "may not go home from" not in line]
    restage(store, {}, rows=store.manifest.rows, notes=notes).commit()
    sync_folder(store.folder)
