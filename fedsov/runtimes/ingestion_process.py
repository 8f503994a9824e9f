"""The ingestion process: the one place that sees rows of several jurisdictions, and only while it sorts them.

It runs where the mixed source is, apart from the hub; it classifies and routes each row and writes each region's
encrypted store, one region's keyring after the other. What it tells the hub are counts over the whole source, the
kinds of the columns, and the regions' public keys. The consent of people to global use is put to the region's gate
as a `release`, so that the region's ledger says on which document a label shrank.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from fedsov.border.evidence.register import Register
from fedsov.config.hub_settings import asked as asked_of
from fedsov.config.settings import Settings, settings_of
from fedsov.errors import FedsovError, InputError
from fedsov.jurisdiction import Region
from fedsov.keys import open_keys
from fedsov.keys.protocol import KeySettings
from fedsov.ledger import known_keys
from fedsov.ledger.ledger import Ledger
from fedsov.partition.arrival import ArrivingRows, CheckRows, Conditions
from fedsov.partition.columns.column_kinds import LEARNED
from fedsov.partition.further.append import batches_of, open_appendable
from fedsov.partition.further.late_rows import bring_home
from fedsov.partition.ingest import ingest, reported, store_folder
from fedsov.partition.manifest import read_manifest
from fedsov.partition.preview import preview
from fedsov.partition.sorting import IngestReport
from fedsov.partition.sources import open_source
from fedsov.partition.told_counts import in_tens
from fedsov.protocol.calendar import real_day
from fedsov.region.people_budgets import check_new_holder, covered_rows
from fedsov.region.trust import known_peers
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.runtimes.ingestion_gates import RegionGates, party_of
from fedsov.runtimes.own_region import own_settings
from fedsov.runtimes.ways_home import WaysHome, considered, location_of
from fedsov.storage.workspace import Workspace, store_of


def run(connection: FramedSocket) -> None:
    """Ingests once and answers with the report, or with the error's line; the process then ends."""
    try:
        request = connection.receive().header
    except ConnectionClosed:
        return
    _discard_output()
    try:
        connection.send(Frame(preview_source(request) if request.get("dry_run") else ingest_source(request)))
    except FedsovError as error:
        connection.send(Frame({"error": str(error), "type": type(error).__name__}))
    except Exception as error:  # boundary: its text may quote a row, so that its type and place alone are told
        connection.send(Frame({"error": _surprise(error), "type": InputError.__name__}))


def _surprise(error: Exception) -> str:
    """What is said of an error that nobody foresaw: its type, and the place in our own code."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "fedsov" in Path(frame.filename).parts]
    place = f"{Path(ours[-1].filename).stem}.{ours[-1].name}, line {ours[-1].lineno}" if ours else "the ingestion"
    if isinstance(error, MemoryError):
        return f"the source needs more memory than there is ({place}); give it in parts"
    return f"{type(error).__name__} in {place}: this source holds something that nobody foresaw; nothing was stored"


def _discard_output() -> None:
    """What a library prints about a row must not reach a terminal."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno() if sys.stdout else 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def ingest_source(request: Mapping[str, Any]) -> dict[str, Any]:
    """Sorts a source into the regions' stores; the report in plain values (`fedsov.runtimes.ingestion_request`).

    Raises:
        InputError and the other errors of `fedsov.partition`; ConfigurationError, LedgerBroken.
    """
    settings, narrowed = own_settings(settings_of(request["config"]), request)
    is_own = request.get("region") is not None
    workspace = Workspace(settings.workspace)
    asked = asked_of(settings)
    gates = opened_gates(settings, workspace, request["run"])
    register = settings.border.register()
    conditions = replace(
        conditions_of(gates, _known_regions(settings, workspace), replaces=request.get("append") is None),
        basis=_basis(settings, register, asked.calendar().day()),
        rebuild=bool(request.get("rebuild")),
        drops_appended=bool(request.get("drops_appended")),
        narrowed=narrowed,
        narrows="own rows alone" if is_own and not request.get("quarantines_others") else "",
    )
    if request.get("append") is not None:
        appended = _append(settings, conditions, str(request["append"]))
    else:
        appended = () if conditions.drops_appended else _bring_home(settings, conditions)
    report = (
        ingest(
            settings.dataset,
            atlas=settings.atlas,
            regions=_regions(settings),
            workspace=workspace.root,
            release=None if settings.dataset.consent is None else gates.release(register),
            today=real_day,
            conditions=conditions,
        )
        if request.get("append") is None
        else reported(workspace.root, settings.dataset.name)
    )
    gates.settle_all(report.regions)
    known_keys.pin_keys(workspace, [region.name for region in report.regions], at_hub=not is_own)
    told = (lambda region: in_tens(report.stored[region.name])) if is_own else gates.told_rows  # nothing leaves a home
    return plain_report(report, gates, appended, told)


def plain_report(
    report: IngestReport, gates: RegionGates, appended: Sequence[str], told: Callable[[Region], int | None]
) -> dict[str, Any]:
    """What is told of an ingestion whose job each region took, in plain values.

    Args:
        told: how many rows of people a region tells.
    """
    rows_told = {region.name: told(region) for region in report.regions if region.name in gates.of_people}
    plain = _report(report, gates.workspace, gates.settings.dataset.name)
    return {
        **plain,
        "said": [*appended, *plain["said"]],
        "settings": {region.name: gates.settings_digest(region.name) for region in report.regions},
        **_counts(report, rows_told),
        "settled": sorted(gates.settled),
        "loose": gates.loose(),
        "remarks": gates.remarks,
    }


def opened_gates(settings: Settings, workspace: Workspace, run: str, *, only: str | None = None) -> RegionGates:
    """The regions' gates, or those of one of them, once their ledgers verified. Raises LedgerBroken."""
    for owner, path in workspace.ledgers().items():
        if owner != "hub" and only in (None, owner):  # the hub has verified its own
            Ledger.read(path).verify()
    return RegionGates(settings, asked_of(settings), workspace, run, alone=only)


def conditions_of(gates: RegionGates, names: Sequence[str], *, replaces: bool) -> Conditions:
    """What these regions, and those that get rows beside them, are asked; each takes the job now. Raises JobRefused.

    `replaces` says that rows come in place of those that are stored.
    """
    gates.ask_all(names)
    ways = WaysHome(gates, location_of(gates.settings), replaces)
    return Conditions(
        check_rows=check_rows(gates.workspace, gates, asked=names),
        admitted=gates.admitted,
        location=ways.located.router.location,
        send_home=ways.send,
        may_go_home=ways.may_go,
        first_day=gates.first_day,
        place_of=gates.place_of,
    )


def _append(settings: Settings, conditions: Conditions, key: str) -> tuple[str, ...]:
    """Appends the source's rows; what became of them, in sentences.

    Args:
        key: the idempotency key of the batch; "" for the source's own digest.
    """
    stores = open_appendable(settings.dataset, atlas=settings.atlas, workspace=settings.workspace)
    with open_source(settings.dataset) as source:
        if source.sha256 == stores.stamp["source_sha256"]:
            return ("already stored: this source is the one that was ingested; nothing was stored twice",)
        batch = partial(batches_of, key or source.sha256, source.sha256)
        outcome = stores.append(source, batch, today=real_day(), conditions=conditions)
    return (outcome.sentence(), *outcome.said)


def _bring_home(settings: Settings, conditions: Conditions) -> tuple[str, ...]:
    """Appends rows that stayed abroad and may go home now, where others were appended; what became of them."""
    brought = bring_home(
        settings.dataset, atlas=settings.atlas, workspace=settings.workspace, today=real_day(), conditions=conditions
    )
    return () if brought is None else (f"{brought.sentence()}: they may go home now",)


def preview_source(request: Mapping[str, Any]) -> dict[str, Any]:
    """What an ingestion would do, in plain values; nothing is written. Rows that are no examples are counted in tens.

    The way home is decided by the job's own law and documents: each region's may be others.

    Raises InputError, ConfigurationError.
    """
    settings, narrowed = own_settings(settings_of(request["config"]), request)
    located = location_of(settings)
    homeward = partial(considered, settings, located)
    conditions = Conditions(location=located.router.location, send_home=homeward, narrowed=narrowed)
    found = preview(settings.dataset, atlas=settings.atlas, regions=_regions(settings), conditions=conditions)
    return (found.rounded() if settings.dataset.examples is None else found).to_json()


def _regions(settings: Settings) -> Mapping[str, Region] | Literal["auto"]:
    """The federation's by their names, or "auto" where none are named."""
    regions = settings.federation.regions
    return "auto" if regions is None else {region.name: region for region in regions}


def check_rows(workspace: Workspace, gates: RegionGates, *, asked: Sequence[str]) -> CheckRows:
    """Refuses rows for a region whose settings do not allow it, or that another one holds under a privacy budget."""
    folders = {name: workspace.region(name) for name in workspace.region_names()}
    covered = cache(lambda: covered_rows(folders))

    def check(region: Region, rows: ArrivingRows) -> None:
        if region.name not in asked:
            gates.ask_all([region.name])
        gates.check_further(region.name, rows)
        check_new_holder(
            region.name, rows.row_digests, covered(), lambda name: open_keys(KeySettings(name, folders[name]))
        )

    return check


def _known_regions(settings: Settings, workspace: Workspace) -> list[str]:
    """The regions that are named, or hold rows of this data set already."""
    named, dataset = settings.federation.regions, settings.dataset.name
    if named is not None:
        return [region.name for region in named]
    return [name for name in workspace.region_names() if store_of(workspace.region(name), dataset).exists()]


def _basis(settings: Settings, register: Register, today: date) -> str:
    """The document of consent as it stands today: where it was withdrawn or has expired, rows are sorted again."""
    if settings.dataset.consent is None or settings.border.unsafe_open:
        return "open" if settings.border.unsafe_open else ""
    document = register.get(settings.dataset.consent.document)
    if document is None or document.signed > today:
        return "absent"
    return register.only(document.id).digest if document.expires is None or document.expires >= today else "expired"


def _report(report: IngestReport, workspace: Workspace, dataset: str) -> dict[str, Any]:
    return {
        "kinds": dict(report.kinds),
        "unused": {
            name: report.unused.get(name, f"of kind {kind}")  # stores of before do not say why
            for name, kind in report.kinds.items()
            if kind not in LEARNED
        },
        "said": list(report.said),
        "location": report.location,
        "up_to_date": report.up_to_date,
        "stores": {
            region.name: read_manifest(store_folder(workspace.root, region.name, dataset)).rows_digest()
            for region in report.regions
        },
        "regions": [
            {
                **party_of(region).to_json(),
                **_signed_key(workspace.region(region.name), region.name),
            }
            for region in report.regions
        ],
    }


def _counts(report: IngestReport, rows_told: Mapping[str, int | None]) -> dict[str, Any]:
    """Rows in, stored and quarantined: exact ones of examples; where there are people's, in tens and as far as told."""
    stored = {name: rows_told.get(name, rows) or 0 for name, rows in report.stored.items()}
    quarantined = {reason: in_tens(rows) if rows_told else rows for reason, rows in report.quarantined.items()}
    rows, out = sum(stored.values()), sum(quarantined.values())
    return {"rows_in": rows + out, "stored": rows, "quarantined": quarantined, "rounded": bool(rows_told)}


def _signed_key(folder: Path, region: str) -> dict[str, str]:
    key, signature = known_peers.signed_sealing_key(open_keys(KeySettings(region, folder)))
    return {"public_key": key, "key_signature": signature}
