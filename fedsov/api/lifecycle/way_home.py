"""The way home of rows that waited without one: from where their source lay, as an ingestion would have sent them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fedsov.border.decisions import Permit
from fedsov.errors import ConfigurationError, JobRefused
from fedsov.partition.ingest import reported
from fedsov.partition.records import Records
from fedsov.partition.sources.location import ROUTER, Share, SourceLocation, lacking
from fedsov.region.admission import Place, gate_outside_runs
from fedsov.region.lifecycle.erasure import Premises
from fedsov.runtimes.ways_home import record_way


def cross_home(root: Path, region: Premises, dataset: str, rows: Records, jurisdiction: str) -> None:
    """Has the region's gate decide whether these rows may come, and its ledger say so.

    Raises JobRefused where they may not, from a place that somebody stated; an assumption refuses nothing, and example
    rows go in any case. ConfigurationError where the region has not pinned the hub and itself.
    """
    own = region.settings
    hub, party = own.parties.hub, own.parties.region
    if hub is None or party is None:
        raise ConfigurationError(
            f"region {own.region} has not pinned where the hub and itself are (parties), so no border can be asked "
            "about rows that come; `fedsov ingest` pins them, and shows them"
        )
    source = reported(root, dataset)
    router = replace(hub, name=ROUTER, location=source.location or hub.location)
    located = SourceLocation(router, source.is_stated, source.is_stated and not own.of_dataset(dataset).examples)
    gate = gate_outside_runs(Place(region.folder, region.ledger), own, party, dataset)
    label = replace(rows.label, origins=frozenset({jurisdiction}))
    way = record_way(gate, Share.of(party, label, len(rows)), dataset, located)
    if located.holds and not isinstance(way.home, Permit):
        raise JobRefused(
            f"rows of {dataset} may not go home from {router.location} (dataset.location) to {party.name}: "
            f"{lacking([way.home])}; enter what is missing into the region's register (`fedsov ledger show "
            f"{party.name} --refused` has it whole), then assign them again"
        )
