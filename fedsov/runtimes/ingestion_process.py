"""The ingestion process: the one place that sees rows of several jurisdictions, and only while it sorts them.

It runs where the mixed source is, apart from the hub; it classifies and routes each row and writes each region's
encrypted store, one region's keyring after the other. What it tells the hub are counts over the whole source, the
kinds of the columns, and the regions' public keys. The consent of people to global use is put to the region's gate
as a `release`, so that the region's ledger says on which document a label shrank.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from fedsov.artifact import Artifact, Party
from fedsov.border.evidence.register import Document, Register
from fedsov.border.gate import Gate, Refused
from fedsov.config.hub_settings import asked as asked_of
from fedsov.config.settings import Settings, settings_of
from fedsov.errors import ConfigurationError, FedsovError, JobRefused
from fedsov.jurisdiction import Region
from fedsov.keys import open_keys
from fedsov.keys.protocol import KeySettings
from fedsov.ledger import known_keys
from fedsov.ledger.ledger import Ledger
from fedsov.partition.classify import ConsentRule
from fedsov.partition.column_kinds import LEARNED
from fedsov.partition.ingest import CheckRows, Conditions, IngestReport, ingest, keys_of, store_folder
from fedsov.partition.manifest import read_manifest
from fedsov.region.admission import Place, admit, settle
from fedsov.region.people_budgets import check_new_holder, covered_rows
from fedsov.region.settings import RegionSettings
from fedsov.region.settings_file import FILE, check_ledger
from fedsov.runtimes.framed_socket import ConnectionClosed, Frame, FramedSocket
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.workspace import Workspace, ledger_of, store_of


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
    calendar = asked_of(settings).calendar()
    for owner, path in workspace.ledgers().items():
        if owner != "hub":  # the hub has verified its own
            Ledger.read(path).verify()
    gates = _Gates(settings, workspace, request["run"])
    known = _known_regions(settings, workspace)
    gates.ask_all(known, settles=False)
    register, regions = settings.border.register(), settings.federation.regions
    report = ingest(
        settings.dataset,
        atlas=settings.atlas,
        regions="auto" if regions is None else {region.name: region for region in regions},
        workspace=workspace.root,
        release=None if settings.dataset.consent is None else gates.release(register, calendar.day),
        today=calendar.day,
        conditions=Conditions(
            basis=_basis(settings, register, calendar.day()),
            rebuild=bool(request.get("rebuild")),
            check_rows=_check_rows(workspace, gates, asked=known),
        ),
    )
    gates.ask_all([region.name for region in report.regions])
    known_keys.pin_keys(workspace, [region.name for region in report.regions])
    return {**_report(report, workspace, settings.dataset.name), "settled": sorted(gates.settled)}


def _check_rows(workspace: Workspace, gates: _Gates, *, asked: Sequence[str]) -> CheckRows:
    """Refuses rows for a region whose settings do not allow it, or that another one holds under a privacy budget."""
    folders = {name: workspace.region(name) for name in workspace.region_names()}
    covered = cache(lambda: covered_rows(folders))

    def check(region: Region, values: Sequence[str]) -> None:
        if region.name not in asked:
            gates.ask_all([region.name], settles=False)
        check_new_holder(region.name, values, covered(), lambda name: open_keys(KeySettings(name, folders[name])))

    return check


def _known_regions(settings: Settings, workspace: Workspace) -> list[str]:
    """The regions that are named, or hold rows of this data set already."""
    named, dataset = settings.federation.regions, settings.dataset.name
    if named is not None:
        return [region.name for region in named]
    return [name for name in workspace.region_names() if store_of(workspace.region(name), dataset).exists()]


@dataclass(frozen=True, slots=True)
class _Gates:
    """The regions' own settings and gates, while their rows are sorted; `settled` are those written now."""

    settings: Settings
    workspace: Workspace
    run: str
    settled: set[str] = field(default_factory=set)

    def ask_all(self, names: Sequence[str], *, settles: bool = True) -> None:
        """Has each region take the job, or write its first settings. Raises JobRefused, once for all of them.

        Args:
            settles: whether settings are written where there are none, or none about this data set.
        """
        refused = {}
        for name in sorted(names):
            try:
                if settles:
                    with self._opened(name):
                        pass
                elif (self.workspace.region(name) / FILE).exists():
                    self._may_ingest(name)
            except JobRefused as error:
                refused[name] = str(error)
        if refused:
            first, *others = refused
            also = f"; likewise {', '.join(others)} (--all instead of a name is for every region)" if others else ""
            raise JobRefused(f"{refused[first]}{also}")

    def release(self, register: Register, today: Callable[[], date]) -> Callable[[Region, Artifact], bool]:
        """Asks a region's gate whether the consenting people's rows may become public."""
        consent = self.settings.dataset.consent or ConsentRule()
        document = consent.document
        if fault := _consent_fault(consent, register.get(document)):
            raise ConfigurationError(fault)

        def release(region: Region, artifact: Artifact) -> bool:
            """True where the region's gate released the rows; its ledger says why or why not."""
            with self._opened(region.name) as (own, ledger):
                asked = asked_of(self.settings)
                gate = Gate(
                    party_of(region),
                    bundle=own.bundle(asked, self.workspace.law),
                    evidence=register,
                    ledger=ledger,
                    run=self.run,
                    today=today,
                    marks=tuple(asked.marks),
                )
                try:
                    return gate.release(artifact, document=document).label.is_public
                except Refused:
                    return False

        return release

    def _may_ingest(self, name: str) -> None:
        folder = self.workspace.region(name)
        check_ledger(folder, name)
        with closing(Ledger(ledger_of(folder), name)) as ledger:
            admit(Place(folder, ledger), self.settings.dataset.name, asked_of(self.settings), run=self.run)

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[RegionSettings, Ledger]]:
        """A region's settings, written where there are none, and its ledger."""
        folder, dataset = self.workspace.region(name), self.settings.dataset.name
        make_private_folder(folder)
        check_ledger(folder, name)
        with closing(Ledger(ledger_of(folder), name)) as ledger:
            keys = keys_of(self.workspace.root, name)
            described = {region.name: region.retention_days for region in self.settings.federation.regions or ()}
            own, wrote = settle(
                Place(folder, ledger),
                keys,
                dataset,
                asked_of(self.settings),
                run=self.run,
                retention_days=described.get(name),
            )
            if wrote:
                self.settled.add(name)
            yield own, ledger


def _consent_fault(rule: ConsentRule, document: Document | None) -> str:
    """Why the document does not speak for the rows that the rule takes, with the way to mend it; "" where it does."""
    if document is None:
        return ""  # the gate refuses what rests on no document
    if rule.share and not document.example:
        return (
            f"dataset.consent.share draws people who were never asked, and {document.id} is no made-up example "
            "(example: true); name the column and the value that mean consent"
        )
    said = tuple(document.terms.get(name) for name in ("consent_column", "consent_value"))
    if rule.column is not None and said != (rule.column, rule.equals):
        terms = f"terms: {{consent_column: {rule.column}, consent_value: {rule.equals}}}"
        named = f"speaks of {said[0]} = {said[1]}" if any(said) else "names no column and value"
        taken = f"dataset.consent takes {rule.column} = {rule.equals}"
        return f"{document.id} {named}; {taken}; add {terms} to the document"
    return ""


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
