"""The ingestion process: the one place that sees rows of several jurisdictions, and only while it sorts them.

It runs where the mixed source is, apart from the hub; it classifies and routes each row and writes each region's
encrypted store, one region's keyring after the other. What it tells the hub are counts over the whole source, the
kinds of the columns, and the regions' public keys. The consent of people to global use is put to the region's gate
as a `release`, so that the region's ledger says on which document a label shrank.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

from fedsov.artifact import Artifact, Party
from fedsov.border.evidence.register import Register
from fedsov.border.gate import Gate, Refused
from fedsov.config.settings import Settings, settings_of
from fedsov.errors import FedsovError
from fedsov.jurisdiction import Region
from fedsov.keys import open_keys
from fedsov.keys.protocol import KeySettings
from fedsov.ledger import known_keys
from fedsov.ledger.ledger import Ledger
from fedsov.partition.column_kinds import LEARNED
from fedsov.partition.ingest import IngestReport, ingest, store_folder
from fedsov.partition.manifest import read_manifest
from fedsov.protocol.calendar import Calendar
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.storage.workspace import Workspace, ledger_of


def run(connection: FramedSocket) -> None:
    """Ingests once and answers with the report, or with the error's line; the process then ends."""
    try:
        request = connection.receive().header
    except ConnectionClosed:
        return
    _discard_output()
    try:
        connection.send(Frame(ingest_source(request)))
    except FedsovError as error:
        connection.send(Frame({"error": str(error), "type": type(error).__name__}))


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
    settings = settings_of(request["config"])
    workspace = Workspace(settings.workspace)
    calendar = Calendar.of(settings.today)
    for owner, path in workspace.ledgers().items():
        if owner != "hub":  # the hub has verified its own
            Ledger.read(path).verify()
    register, regions = settings.border.register(), settings.federation.regions
    report = ingest(
        settings.dataset,
        atlas=settings.atlas,
        regions="auto" if regions is None else {region.name: region for region in regions},
        workspace=workspace.root,
        release=_release(settings, register, workspace, today=calendar.day, run=request["run"]),
        today=calendar.day,
        basis=_basis(settings, register, calendar.day()),
        rebuild=bool(request.get("rebuild")),
    )
    if settings.secure_sum is not None:
        known_keys.pin_keys(workspace, [region.name for region in report.regions])
    return _report(report, workspace, settings.dataset.name)


def _release(
    settings: Settings, register: Register, workspace: Workspace, *, today: Callable[[], date], run: str
) -> Callable[[Region, Artifact], bool] | None:
    """Asks a region's gate whether the consenting people's rows may become public."""
    if settings.dataset.consent is None:
        return None
    document = settings.dataset.consent.document
    bundle = settings.border.bundle()

    def release(region: Region, artifact: Artifact) -> bool:
        """True where the region's gate released the rows; its ledger says why or why not."""
        folder = workspace.region(region.name)
        folder.mkdir(parents=True, exist_ok=True)
        party = party_of(region)
        with closing(Ledger(ledger_of(folder), region.name)) as ledger:
            gate = Gate(party, bundle=bundle, evidence=register, ledger=ledger, run=run, today=today)
            try:
                return gate.release(artifact, document=document).label.is_public
            except Refused:
                return False

    return release


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
        "rows_in": report.rows_in,
        "stored": sum(report.stored.values()),
        "quarantined": dict(report.quarantined),
        "kinds": dict(report.kinds),
        "unused": {
            name: report.unused.get(name, f"of kind {kind}")  # stores of before do not say why
            for name, kind in report.kinds.items()
            if kind not in LEARNED
        },
        "up_to_date": report.up_to_date,
        "stores": {
            region.name: read_manifest(store_folder(workspace.root, region.name, dataset)).rows_digest()
            for region in report.regions
        },
        "regions": [
            {
                **party_of(region).to_json(),
                "public_key": _public_key(workspace.region(region.name), region.name),
            }
            for region in report.regions
        ],
    }


def party_of(region: Region) -> Party:
    """A region as a party to crossings."""
    return Party(region.name, region.location, region.entity, region.owners, region.role)


def _public_key(folder: Path, region: str) -> str:
    return open_keys(KeySettings(region, folder)).public.sealing.hex()
