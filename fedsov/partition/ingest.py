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
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from fedsov.artifact import Artifact, Kind
from fedsov.errors import ConfigurationError
from fedsov.jurisdiction import Atlas, Region
from fedsov.keys import create_keys, has_keys, open_keys
from fedsov.keys.protocol import KeySettings, RegionKeys
from fedsov.label import PUBLIC, Label, join
from fedsov.partition.arrow_columns import from_levels, numbers, text
from fedsov.partition.columns.column_kinds import LEARNED
from fedsov.partition.dataset import DatasetSpec
from fedsov.partition.description import description_digest, description_of
from fedsov.partition.manifest import MANIFEST, Manifest, check_seal, read_manifest
from fedsov.partition.retention import first_day
from fedsov.partition.routing import known_as
from fedsov.partition.row_names import keyed
from fedsov.partition.sorting import IngestReport, SortedRows, Stamp, report_of, sorted_rows
from fedsov.partition.sources import check_columns, described_columns, open_source
from fedsov.partition.sources.csv_format import CsvFormat
from fedsov.partition.store import (
    CONSENT,
    FOLD,
    JURISDICTION,
    LABEL,
    ROW,
    STAMP,
    SUBJECT,
    TARGET,
    Contents,
    Staged,
    stage_store,
    stored_values,
)
from fedsov.storage.workspace import store_of

QUARANTINE = "quarantine"
REASON = "fedsov:reason"
_FORMAT = 3

Release = Callable[[Region, Artifact], bool]


@dataclass(frozen=True, slots=True)
class ArrivingRows:
    """A region's rows before they are stored.

    Attributes:
        values: their names by their values (`fedsov.partition.row_names`).
        named: what their pseudonyms will be made of: the subject, or `values` where there is none.
        columns: name to the column as it will be stored, with NaN or None for what is missing.
        ingested: the day on which their source was first ingested, ISO 8601.
    """

    values: Sequence[str]
    named: Sequence[str]
    columns: Mapping[str, np.ndarray]
    ingested: str


CheckRows = Callable[[Region, ArrivingRows], None]


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which stores are written.

    Attributes:
        basis: what a release relies on; where it changes (a document expired, say) the stores are not up to date.
        rebuild: writes the stores anew even where they are up to date.
        check_rows: told of each region's rows before any store is written; raises what ends the ingestion.
        admitted: told of all regions once every one's rows were checked, before any store is written.
    """

    basis: str = "consent"
    rebuild: bool = False
    check_rows: CheckRows = lambda region, rows: None
    admitted: Callable[[Sequence[Region]], None] = lambda regions: None


def ingest(
    spec: DatasetSpec,
    *,
    atlas: Atlas,
    regions: Mapping[str, Region] | Literal["auto"],
    workspace: Path,
    release: Release | None,
    today: Callable[[], date],
    conditions: Conditions = Conditions(),
) -> IngestReport:
    """Brings every region's store in `workspace` up to date with the source.

    Args:
        atlas: codes and spellings; its own regions are not looked at.
        regions: the federation's, or "auto" for one per jurisdiction found, named by its code.
        release: asked once per region whether rows whose people consented may be public (its gate).
        today: written into the manifests, unless the source was ingested earlier (`fedsov.partition.retention`).
        conditions: under which stores are written.

    Raises:
        ConfigurationError: an alias for no known code, or a region's name that cannot be a folder.
        InputError: the source; see `read_source`, `infer_columns` and `prepare`; or no row with a region.
        KeyUnavailable: a region has stores but not their keyring.
        StoreDamaged: the manifest of an old store was changed.
        WorkspaceUnusable: the workspace cannot be written; the old stores stay.
    """
    atlas = known_as(atlas, spec)
    digest = _digest(spec, atlas, regions, conditions.basis if release is not None else "")
    with open_source(spec) as source:
        described = description_digest(description_of(spec))
        stamp = {"source_sha256": source.sha256, "spec_digest": digest, "description": described}
        previous = _previous(workspace, spec.name)
        if not conditions.rebuild and previous is not None and _in_force(workspace, spec.name, previous, stamp):
            _check_described(spec, previous[1])
            report = previous[1] if regions == "auto" else replace(previous[1], regions=tuple(regions.values()))
            return replace(report, up_to_date=True)
        first = first_day(store_folder(workspace, QUARANTINE, spec.name).parent, source.sha256, today())
        rows = sorted_rows(source.table(), source, atlas, regions, {**stamp, "ingested": first.isoformat()})
    report = report_of(rows, keep_empty=regions != "auto")
    for region in report.regions:
        conditions.check_rows(region, _arriving(region, rows))
    conditions.admitted(report.regions)
    for store in _stage(workspace, rows, report, release):
        store.commit()
    _forget(workspace, spec.name, previous, report)
    return report


def region_folder(workspace: Path, region: str) -> Path:
    """A region's folder in a workspace: ``regions/NAME``, or ``quarantine``."""
    return workspace / QUARANTINE if region == QUARANTINE else workspace / "regions" / region


def store_folder(workspace: Path, region: str, dataset: str) -> Path:
    """Where a region keeps a data set."""
    return store_of(region_folder(workspace, region), dataset)


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
    if spec.within is None:
        del plain["within"]
    settings = {"spec": plain, "spellings": dict(atlas.spellings)}
    if spec.consent is not None and spec.consent.column is not None:
        settings["marked"] = CONSENT  # stores that were written before the mark are written anew
    body = json.dumps([_FORMAT, settings, homes, basis], sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def _previous(workspace: Path, dataset: str) -> tuple[Stamp, IngestReport] | None:
    """The last whole ingestion, from the quarantine's manifest, which is put in force last."""
    folder = store_folder(workspace, QUARANTINE, dataset)
    if not (folder / MANIFEST).exists():
        return None
    manifest = read_manifest(folder)
    check_seal(folder, manifest, open_keys(key_settings(workspace, QUARANTINE)))
    notes = dict(manifest.notes)
    homes = tuple(map(Region.from_json, notes.pop("regions")))
    notes["said"] = tuple(notes.get("said", ()))
    return _stamp_of(manifest), IngestReport(regions=homes, **notes)


def _in_force(workspace: Path, dataset: str, previous: tuple[Stamp, IngestReport], stamp: Stamp) -> bool:
    """True where every region has a store of this stamp; whether it is whole, its region finds on reading."""
    before, report = previous
    stores = [store_folder(workspace, region.name, dataset) for region in report.regions]
    return before == stamp and all(
        (store / MANIFEST).exists() and _stamp_of(read_manifest(store)) == stamp for store in stores
    )


def _stamp_of(manifest: Manifest) -> Stamp:
    return {key: getattr(manifest, key) for key in STAMP if key != "ingested"}


def _forget(workspace: Path, dataset: str, previous: tuple[Stamp, IngestReport] | None, report: IngestReport) -> None:
    """Removes the data set from regions that no longer hold it: a record has one home."""
    holders = {region.name for region in report.regions}
    for region in previous[1].regions if previous else ():
        if region.name not in holders:
            shutil.rmtree(store_folder(workspace, region.name, dataset), ignore_errors=True)


def _check_described(spec: DatasetSpec, report: IngestReport) -> None:
    """Raises InputError where settings that no store depends on name a column that was not there."""
    check_columns([*report.kinds, spec.target.column], spec, described_columns(spec))


def _stage(workspace: Path, source: SortedRows, report: IngestReport, release: Release | None) -> list[Staged]:
    """Every region's new store, and the quarantine's last; none stays where one fails."""
    staged = []
    with contextlib.ExitStack() as undo:
        for region in report.regions:
            rows = _rows_of(region, source)
            staged.append(_stage_region(workspace, region, rows, source=source, release=release))
            undo.callback(staged[-1].discard)
        staged.append(_stage_quarantine(workspace, source, report))
        undo.callback(staged[-1].discard)
        undo.pop_all()
    return staged


def _stage_region(
    workspace: Path, region: Region, rows: np.ndarray, *, source: SortedRows, release: Release | None
) -> Staged:
    kinds = {name: kind for name, kind in source.inferred.kinds.items() if kind != "drop"}
    keys = keys_of(workspace, region.name)
    subjects, digests = keyed(source.named, source.values, rows, keys)
    labels, label_of = _present(source.labels, source.label_of[rows])
    consented, rule = source.consents[rows], source.spec.consent
    if release is not None and consented.any():
        artifact = _consented(source, labels, label_of, subjects=subjects, consented=consented)
        if release(region, artifact):
            labels, label_of = _present((*labels, PUBLIC), np.where(consented, len(labels), label_of))
    bound = [subject for subject, place in zip(subjects, label_of, strict=True) if not labels[place].is_public]
    notes = {"people": len(set(bound or subjects)), "label": join(labels).to_json()}
    contents = Contents(source.spec.name, region.jurisdictions, kinds, labels, stamp=source.stamp, notes=notes)
    table = _table(source, rows, kinds=kinds, subjects=subjects, label_of=label_of)
    table = table.append_column(ROW, numbers(digests))
    if rule is not None and rule.column is not None:  # a drawn share asked nobody
        free = np.array([not label.restrictions for label in labels], bool)[label_of]
        marked = _of_one_mind(subjects, consented, free & ~consented)
        table = table.append_column(CONSENT, numbers(marked.astype(np.int64)))
    return stage_store(store_folder(workspace, region.name, source.spec.name), table, contents=contents, keys=keys)


def _of_one_mind(subjects: Sequence[str], consented: np.ndarray, refused: np.ndarray) -> np.ndarray:
    """(rows,) bool: the consented rows of people who refused in no row of theirs; silence is a refusal too."""
    refusing = {subject for subject, is_refused in zip(subjects, refused.tolist(), strict=True) if is_refused}
    rows = zip(consented.tolist(), subjects, strict=True)
    return np.array([is_consented and subject not in refusing for is_consented, subject in rows], bool)


def _stage_quarantine(workspace: Path, source: SortedRows, report: IngestReport) -> Staged:
    """Rows without a home, their reason and what their jurisdiction column said; the notes are the report."""
    homes, spec = source.homes, source.spec
    rows = np.flatnonzero(homes.home < 0)
    kinds = {name: kind for name, kind in source.inferred.kinds.items() if kind != "drop"}
    kinds = {spec.jurisdiction: "identifier"} | kinds
    keys = keys_of(workspace, QUARANTINE)
    subjects, digests = keyed(source.named, source.values, rows, keys)
    labels, label_of = _present(source.labels, source.label_of[rows])
    table = _table(source, rows, kinds=kinds, subjects=subjects, label_of=label_of)
    table = table.append_column(ROW, numbers(digests))
    table = table.append_column(REASON, from_levels(homes.reasons, homes.reason_of[rows]))
    notes = {name: value for name, value in asdict(report).items() if name != "up_to_date"}
    notes["regions"] = [home.to_json() for home in report.regions]
    jurisdictions = frozenset(homes.codes[code] for code in np.unique(homes.code_of[rows]))
    kinds = {**kinds, REASON: "categorical"}
    contents = Contents(spec.name, jurisdictions, kinds, labels, stamp=source.stamp, notes=notes)
    return stage_store(store_folder(workspace, QUARANTINE, spec.name), table, contents=contents, keys=keys)


def _arriving(region: Region, source: SortedRows) -> ArrivingRows:
    places = _rows_of(region, source)
    values, named = ([names[row] for row in places] for names in (source.values, source.named))
    parts = {
        name: source.columns[name].take(numbers(places))
        for name, kind in source.inferred.kinds.items()
        if kind in LEARNED
    }
    columns = {name: stored_values(part) for name, part in parts.items()}
    return ArrivingRows(values, named, columns, source.stamp["ingested"])


def _rows_of(region: Region, source: SortedRows) -> np.ndarray:
    """(n,) places of the rows that a region holds."""
    return np.flatnonzero(source.homes.home == source.homes.regions.index(region))


def keys_of(workspace: Path, region: str) -> RegionKeys:
    """The region's keys; new ones only where no store would be orphaned by them."""
    settings = key_settings(workspace, region)
    has_stores = any((settings.folder / "store").glob(f"*/{MANIFEST}"))
    return open_keys(settings) if has_keys(settings) or has_stores else create_keys(settings)


def _present(labels: tuple[Label, ...], label_of: np.ndarray) -> tuple[tuple[Label, ...], np.ndarray]:
    """Only the labels that occur: a store names no label of another region."""
    used, places = np.unique(label_of, return_inverse=True)
    return tuple(labels[place] for place in used), places


def _consented(
    source: SortedRows,
    labels: tuple[Label, ...],
    label_of: np.ndarray,
    *,
    subjects: list[str],
    consented: np.ndarray,
) -> Artifact:
    """What is put to release; its content is the pseudonyms, so that its digest says whose rows."""
    rule = source.spec.consent
    people = sorted({subjects[row] for row in np.flatnonzero(consented)})
    return Artifact(
        Kind.RECORDS,
        join(labels[place] for place in np.unique(label_of[consented])),
        content="\n".join(people).encode(),
        count=int(consented.sum()),
        name=f"records of {source.spec.name} whose people consented to global use",
        evidence=(rule.document,) if rule is not None and rule.document else (),
    )


def _table(
    source: SortedRows, rows: np.ndarray, *, kinds: Mapping[str, str], subjects: list[str], label_of: np.ndarray
) -> pa.Table:
    index = numbers(rows)
    columns = {name: source.columns[name].take(index) for name in (*kinds, TARGET)}
    columns[SUBJECT] = text(subjects)
    columns[JURISDICTION] = from_levels(source.homes.codes, source.homes.code_of[rows])
    columns[LABEL] = numbers(label_of)
    columns[FOLD] = numbers(source.folds[rows])
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))
