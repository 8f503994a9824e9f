"""From one mixed source to a store in each region; what has no home is quarantined.

The ingestion process is the one place that sees rows of several jurisdictions, and it keeps none: every row
ends in the store of its region or in the quarantine, each under its own keys, and the counts say so. It
promises:
- rows in = rows stored + rows quarantined;
- all stores are written beside the old ones and put in force only when every one is whole, so an error, a
  full disk or Ctrl-C leaves the old ones as they were;
- a second ingestion of the same source under the same settings reads nothing but the file's digest.

It deliberately does not force files to the platter: a store can be made again from its source.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fedsov.errors import ConfigurationError, InputError
from fedsov.jurisdiction import Atlas, Region
from fedsov.keys import create_keys, has_keys, open_keys
from fedsov.keys.protocol import KeySettings, RegionKeys
from fedsov.partition.arrival import NO_CONDITIONS, Arrival, ArrivingRows, Conditions, PlaceOf
from fedsov.partition.backends.staged import Staged, remove_store
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.description import description_digest, description_of
from fedsov.partition.lifecycle.retention import first_day
from fedsov.partition.manifest import MANIFEST, Manifest, check_seal, read_manifest
from fedsov.partition.pipeline.row_groups import SharedGroups
from fedsov.partition.pipeline.side_threads import Lane, ahead
from fedsov.partition.recipients import (
    Recipient,
    Release,
    Sorter,
    Tally,
    asked,
    empty_rows,
    gathered,
    labels_of,
    refusing,
    stored_kinds,
)
from fedsov.partition.routing import known_as
from fedsov.partition.sorting import IngestReport, SortedSource, Stamp, report_of, survey
from fedsov.partition.sources import check_columns, described_columns, open_source
from fedsov.partition.sources.csv_format import CsvFormat
from fedsov.partition.sources.location import Share, without_stays
from fedsov.partition.store import CONSENT, STAMP, Contents, StoreWriter, stage_store
from fedsov.storage.workspace import store_of

QUARANTINE = "quarantine"
REASONS = "appended_reasons"
"""In a quarantine's notes: reason to how many rows that were appended wait for it."""
_FORMAT = 4


def ingest(
    spec: DatasetSpec,
    *,
    atlas: Atlas,
    regions: Mapping[str, Region] | Literal["auto"],
    workspace: Path,
    release: Release | None,
    today: Callable[[], date],
    conditions: Conditions = NO_CONDITIONS,
) -> IngestReport:
    """Brings every region's store in `workspace` up to date with the source.

    Args:
        atlas: codes and spellings; its own regions are not looked at.
        regions: the federation's, or "auto" for one per jurisdiction found, named by its code.
        release: asked once per region whether rows whose people consented may be public (its gate).
        today: written into the manifests, unless the source was ingested earlier (`lifecycle.retention.first_day`).
        conditions: under which stores are written.

    Raises:
        ConfigurationError: an alias for no known code, or a region's name that cannot be a folder.
        InputError: the source; see `read_source`, `infer_columns` and `prepare`; or no row with a region.
        KeyUnavailable: a region has stores but not their keyring.
        StoreDamaged: the manifest of an old store was changed.
        WorkspaceUnusable: the workspace cannot be written; the old stores stay.
    """
    atlas = known_as(atlas, spec)
    basis = conditions.basis if release is not None else ""
    digest = _digest(spec, atlas, regions, basis + conditions.narrows)
    with open_source(spec) as source:
        described = description_digest(description_of(spec))
        stamp = {"source_sha256": source.sha256, "spec_digest": digest, "description": described}
        previous = last_ingestion(workspace, spec.name)
        current = previous is not None and _in_force(workspace, spec.name, previous, stamp, conditions)
        if previous is not None and current and not conditions.rebuild:
            _check_described(spec, previous[1])
            report = previous[1] if regions == "auto" else replace(previous[1], regions=tuple(regions.values()))
            return replace(_counted_now(workspace, spec.name, report), up_to_date=True)
        if not conditions.drops_appended:
            _check_appended(workspace, spec.name, previous)
        begun = min(today(), conditions.first_day(source.sha256) or date.max)
        first = first_day(store_folder(workspace, QUARANTINE, spec.name).parent, source.sha256, begun)
        rows = conditions.narrowed(survey(source, atlas, regions, {**stamp, "ingested": first.isoformat()}))
        report = report_of(rows, keep_empty=regions != "auto")
        for region in report.regions:
            takes = rows.homes.home == rows.homes.regions.index(region)
            conditions.check_rows(region, arriving(rows, takes, first))
        conditions.admitted(_arrival(rows, report, previous, first))
        rows, report = without_stays(rows, conditions.send_home, conditions.location, keep_empty=regions != "auto")
        recipients = _recipients(workspace, rows, report, conditions.place_of)
        *regional, last = _stage(workspace, rows, recipients, report, release)
    for store in regional:
        store.commit()
    _forget(workspace, spec.name, previous, {store.folder for store in regional})
    last.commit()
    return report


def region_folder(workspace: Path, region: str) -> Path:
    """A region's folder in a workspace: ``regions/NAME``, or ``quarantine``."""
    return workspace / QUARANTINE if region == QUARANTINE else workspace / "regions" / region


def store_folder(workspace: Path, region: str, dataset: str) -> Path:
    """Where a region keeps a data set."""
    return store_of(region_folder(workspace, region), dataset)


def quarantine_of(dataset: str) -> str:
    """What a region calls its quarantine of a data set: a store beside that of the rows."""
    return f"{QUARANTINE}@{dataset}"


def key_settings(workspace: Path, region: str) -> KeySettings:
    """Where a region, or the quarantine, has its keys."""
    return KeySettings(region, region_folder(workspace, region))


def _digest(spec: DatasetSpec, atlas: Atlas, regions: Mapping[str, Region] | str, basis: str) -> str:
    """What decides the stores beside the file's content; where the file lies does not."""
    homes: object = regions
    if not isinstance(regions, str):
        homes = [[name, sorted(region.jurisdictions)] for name, region in regions.items()]
        for name, region in regions.items():
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) or name == QUARANTINE or region.name != name:
                raise ConfigurationError(
                    f"region '{name}' cannot name a folder; use letters, digits, - and _, one name each"
                )
    plain = _plain(replace(spec, path=None, sha256=""))
    del plain["described"], plain["examples"]
    if not spec.source_options:
        del plain["source_options"]  # stores that were written before there were any are still up to date
    if spec.csv == CsvFormat():
        del plain["csv"]
    for later in ("within", "location"):
        if plain[later] is None:
            del plain[later]
    settings = {"spec": plain, "spellings": dict(atlas.spellings)}
    if spec.consent_column is not None:
        settings["marked"] = CONSENT  # stores that were written before the mark are written anew
    if spec.subject is not None:
        settings["unnamed"] = "quarantine"  # and those that hold rows without a subject
    body = json.dumps([_FORMAT, settings, homes, basis], sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def last_ingestion(workspace: Path, dataset: str) -> tuple[Stamp, IngestReport] | None:
    """The last whole ingestion, from the quarantine's manifest, which is put in force last."""
    folder = store_folder(workspace, QUARANTINE, dataset)
    if not (folder / MANIFEST).exists():
        return None
    manifest = read_manifest(folder)
    check_seal(folder, manifest, open_keys(key_settings(workspace, QUARANTINE)))
    notes = {name: value for name, value in manifest.notes.items() if name != REASONS}
    homes = tuple(map(Region.from_json, notes.pop("regions")))
    notes |= {name: tuple(notes.get(name, ())) for name in ("said", "stayed")}
    return _stamp_of(manifest), IngestReport(regions=homes, **notes)


def _stores_of(
    workspace: Path, dataset: str, report: IngestReport, only: str | None = None
) -> Iterator[tuple[str, Manifest]]:
    """The stores of a data set that are there: each one's region, or `QUARANTINE` for all quarantines."""
    names = [region.name for region in report.regions if only in (None, region.name)]
    folders = [(name, store_folder(workspace, name, dataset)) for name in (*names, QUARANTINE)]
    folders += [(QUARANTINE, store_folder(workspace, name, quarantine_of(dataset))) for name in names]
    return ((name, read_manifest(folder)) for name, folder in folders if (folder / MANIFEST).exists())


def reported(workspace: Path, dataset: str, *, only: str | None = None) -> IngestReport:
    """What was reported of a data set that was ingested, with the rows that were appended since. Raises InputError.

    Args:
        only: the region that asks, where it is to read no other's folder; the counts of others are as ingested.
    """
    previous = last_ingestion(workspace, dataset)
    if previous is None:
        raise InputError(f"nothing of {dataset} is stored in {workspace} yet; run: fedsov ingest")
    return _counted_now(workspace, dataset, previous[1], only)


def _counted_now(workspace: Path, dataset: str, report: IngestReport, only: str | None = None) -> IngestReport:
    """The report with the rows that were appended since."""
    stored, quarantined = dict(report.stored), Counter(report.quarantined)
    for name, manifest in _stores_of(workspace, dataset, report, only):
        quarantined.update(manifest.notes.get(REASONS, {}))
        if manifest.appended and name in stored:
            stored[name] = manifest.rows
    rows = sum(stored.values()) + quarantined.total()
    return replace(report, stored=stored, quarantined=dict(quarantined), rows_in=rows)


def appended_to(workspace: Path, dataset: str, previous: tuple[Stamp, IngestReport] | None) -> list[str]:
    """The regions, or `QUARANTINE`, with rows that were appended."""
    stores = _stores_of(workspace, dataset, previous[1]) if previous else iter(())
    return sorted({name for name, manifest in stores if manifest.appended})


def _check_appended(workspace: Path, dataset: str, previous: tuple[Stamp, IngestReport] | None) -> None:
    """Raises InputError where rows that were appended would be lost."""
    if names := appended_to(workspace, dataset, previous):
        raise InputError(
            f"rows were appended to {dataset} ({', '.join(names)}), and an ingestion would replace them, since the "
            "source or its settings are others than before; nothing was changed; add the source's rows by `fedsov "
            "ingest --append`, or drop what was appended by `fedsov ingest --drop-appended`"
        )


def _in_force(
    workspace: Path, dataset: str, previous: tuple[Stamp, IngestReport], stamp: Stamp, conditions: Conditions
) -> bool:
    """True where every region has a store of this stamp, and no row that stayed abroad may go home by now.

    Whether a store is whole, its region finds on reading.
    """
    before, report = previous
    if before == stamp and any(conditions.may_go_home(Share.from_json(each)) for each in report.stayed):
        return False
    stores = [store_folder(workspace, region.name, dataset) for region in report.regions]
    return before == stamp and all(
        (store / MANIFEST).exists() and _stamp_of(read_manifest(store)) == stamp for store in stores
    )


def _stamp_of(manifest: Manifest) -> Stamp:
    return {key: getattr(manifest, key) for key in STAMP if key != "ingested"}


def _forget(
    workspace: Path, dataset: str, previous: tuple[Stamp, IngestReport] | None, written: Collection[Path]
) -> None:
    """Removes the data set from regions and quarantines that no longer hold it: a record has one home."""
    for region in previous[1].regions if previous else ():
        for folder in (store_folder(workspace, region.name, name) for name in (dataset, quarantine_of(dataset))):
            if folder not in written:
                remove_store(folder, partial(keys_of, workspace, region.name))


def _check_described(spec: DatasetSpec, report: IngestReport) -> None:
    """Raises InputError where settings that no store depends on name a column that was not there."""
    check_columns([*report.kinds, spec.target.column], spec, described_columns(spec))


def keys_of(workspace: Path, region: str) -> RegionKeys:
    """The region's keys; new ones only where no store would be orphaned by them."""
    settings = key_settings(workspace, region)
    has_stores = any((settings.folder / "store").glob(f"*/{MANIFEST}"))
    return open_keys(settings) if has_keys(settings) or has_stores else create_keys(settings)


def arriving(source: SortedSource, takes: np.ndarray, first: date) -> ArrivingRows:
    """Some combinations' rows, which are read once, when they are asked for."""
    return ArrivingRows(cache(partial(gathered, source, takes)), first.isoformat())


def of_regions(
    source: SortedSource, regions: Sequence[Region], first: date
) -> tuple[Callable[[str], ArrivingRows], ArrivingRows]:
    """By a region's name the rows that come into its store or wait there for a fault; and those of nobody's region."""
    homes = source.homes
    places = {region.name: homes.regions.index(region) for region in regions}

    def of_region(name: str) -> ArrivingRows:
        place = places.get(name, len(homes.regions))
        return arriving(source, (homes.home == place) | (homes.held_by == place), first)

    return of_region, arriving(source, (homes.home < 0) & ~np.isin(homes.held_by, list(places.values())), first)


def _arrival(
    source: SortedSource, report: IngestReport, previous: tuple[Stamp, IngestReport] | None, first: date
) -> Arrival:
    replaced = {region.name for region in (*report.regions, *(previous[1].regions if previous else ()))}
    of_region, homeless = of_regions(source, report.regions, first)
    return Arrival(report.regions, replaced, of_region, homeless, source.sha256, first.isoformat())


def _stage(
    workspace: Path, source: SortedSource, recipients: list[Recipient], report: IngestReport, release: Release | None
) -> list[Staged]:
    """Every region's new store and quarantine, and the quarantine of rows without a home last; none stays where one
    fails."""
    if release is not None:
        recipients = asked(source, recipients, release)
    tallies = [Tally() for _ in recipients]
    with contextlib.ExitStack() as undo:
        writers = [_new_store(workspace, source, recipient) for recipient in recipients]
        for writer in writers:
            undo.callback(writer.discard)
        sorter = Sorter(source, refusing=refusing(source))
        with Lane() as lane, ahead(source.tables()) as pieces:
            groups = SharedGroups(writers, lane)
            for rows in pieces:
                for place, table in sorter.tables(rows, recipients, tallies):
                    groups.append(place, table)
            groups.finish([empty_rows(source, recipient) for recipient in recipients])
        staged = []
        for recipient, writer, tally in zip(recipients, writers, tallies, strict=True):
            if recipient.region is None:
                notes = _report_notes(report)
            else:
                notes = {"location": report.location} | ({} if recipient.is_quarantine else tally.notes())
            staged.append(stage_store(writer, notes))
        undo.pop_all()
    return staged


def _report_notes(report: IngestReport) -> dict[str, Any]:
    notes = {name: value for name, value in asdict(report).items() if name != "up_to_date"}
    return notes | {"regions": [home.to_json() for home in report.regions]}


def _recipients(workspace: Path, source: SortedSource, report: IngestReport, places: PlaceOf) -> list[Recipient]:
    """Who gets rows, those without a home last; a region has a quarantine where rows of it have a fault."""
    found, homes, homeless = list[Recipient](), source.homes, source.homes.home < 0
    for region in report.regions:
        keys, place, number = keys_of(workspace, region.name), places(region.name), homes.regions.index(region)
        takes, held_back = homes.home == number, homes.held_by == number
        found.append(Recipient(region, keys, takes, labels_of(source, takes), place=place))
        if held_back.any():
            homeless &= ~held_back
            labels = labels_of(source, held_back)
            found.append(Recipient(region, keys, held_back, labels, is_quarantine=True, place=place))
    labels = labels_of(source, homeless)
    return [*found, Recipient(None, keys_of(workspace, QUARANTINE), homeless, labels, is_quarantine=True)]


def _new_store(workspace: Path, source: SortedSource, recipient: Recipient) -> StoreWriter:
    folder, contents = contents_of(workspace, source, recipient)
    return StoreWriter(folder, contents, recipient.keys, place=recipient.place)


def contents_of(workspace: Path, source: SortedSource, recipient: Recipient) -> tuple[Path, Contents]:
    """The folder of a recipient's store, and what is written there beside its rows."""
    homes, dataset = source.homes, source.spec.name
    if recipient.region is None:
        codes = np.unique(homes.code_of[recipient.takes])
        name, jurisdictions = QUARANTINE, frozenset(homes.codes[code] for code in codes)
    else:
        name, jurisdictions = recipient.region.name, recipient.region.jurisdictions
        dataset = quarantine_of(dataset) if recipient.is_quarantine else dataset
    kinds = stored_kinds(source, is_quarantine=recipient.is_quarantine)
    return store_folder(workspace, name, dataset), Contents(
        dataset, jurisdictions, kinds, recipient.labels, stamp=source.stamp
    )
