"""The ingestion process: the one place that sees rows of several jurisdictions, and only while it sorts them.

It runs where the mixed source is, apart from the hub; it classifies and routes each row and writes each region's
encrypted store, one region's keyring after the other. What it tells the hub are counts over the whole source, the
kinds of the columns, and the regions' public keys. The consent of people to global use is put to the region's gate
as a `release`, so that the region's ledger says on which document a label shrank.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from fedsov.artifact import Artifact, Kind, Party
from fedsov.border.evidence.claims import Evidence
from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.evidence.register import Document, Register
from fedsov.border.gate import Gate, Refused
from fedsov.border.people_counts import PeopleCounter
from fedsov.config.hub_settings import asked as asked_of
from fedsov.config.settings import Settings, settings_of
from fedsov.errors import ConfigurationError, FedsovError, InputError, JobRefused
from fedsov.jurisdiction import Region
from fedsov.keys import open_keys
from fedsov.keys.protocol import KeySettings
from fedsov.label import Label
from fedsov.ledger import known_keys
from fedsov.ledger.ledger import Ledger
from fedsov.partition.classify import ConsentRule
from fedsov.partition.columns.column_kinds import LEARNED
from fedsov.partition.ingest import CheckRows, Conditions, ingest, keys_of, store_folder
from fedsov.partition.manifest import read_manifest
from fedsov.partition.preview import preview
from fedsov.partition.sorting import IngestReport
from fedsov.protocol.calendar import real_day
from fedsov.region.admission import Place, admit, admit_further, refuse, settle
from fedsov.region.people_budgets import check_new_holder, covered_rows
from fedsov.region.settings import RegionSettings
from fedsov.region.settings_file import FILE, check_ledger, has_settings, read_settings
from fedsov.region.trust import known_peers
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
        release=None if settings.dataset.consent is None else gates.release(register),
        today=real_day,
        conditions=Conditions(
            basis=_basis(settings, register, calendar.day()),
            rebuild=bool(request.get("rebuild")),
            check_rows=_check_rows(workspace, gates, asked=known),
            admitted=lambda admitted: gates.begin([region.name for region in admitted]),
        ),
    )
    gates.ask_all([region.name for region in report.regions])
    known_keys.pin_keys(workspace, [region.name for region in report.regions])
    rows_told = {region.name: gates.told_rows(region) for region in report.regions if region.name in gates.of_people}
    return {
        **_report(report, workspace, settings.dataset.name),
        **_counts(report, rows_told),
        "settled": sorted(gates.settled),
        "loose": gates.loose(),
        "remarks": gates.remarks,
    }


def preview_source(request: Mapping[str, Any]) -> dict[str, Any]:
    """What an ingestion would do, in plain values; nothing is written. Raises InputError, ConfigurationError."""
    settings = settings_of(request["config"])
    regions = settings.federation.regions
    named = "auto" if regions is None else {region.name: region for region in regions}
    return preview(settings.dataset, atlas=settings.atlas, regions=named).to_json()


def _check_rows(workspace: Workspace, gates: _Gates, *, asked: Sequence[str]) -> CheckRows:
    """Refuses rows for a region whose settings do not allow it, or that another one holds under a privacy budget."""
    folders = {name: workspace.region(name) for name in workspace.region_names()}
    covered = cache(lambda: covered_rows(folders))

    def check(region: Region, values: Sequence[str]) -> None:
        if region.name not in asked:
            gates.ask_all([region.name], settles=False)
        gates.check_further(region.name, values)
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
    """The regions' own settings and gates, while their rows are sorted.

    `settled` are the regions whose settings were written now, by what of them protects less than the closed ones did;
    `peers` the verify keys of the parties at hand, once regions were begun, which first settings pin; `remarks` what
    regions have to say, in sentences; `of_people` the regions whose rows are no examples.
    """

    settings: Settings
    workspace: Workspace
    run: str
    settled: dict[str, list[str]] = field(default_factory=dict)
    peers: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    of_people: set[str] = field(default_factory=set)

    def begin(self, names: Sequence[str]) -> None:
        """Gives each region that has none a folder and a ledger, and finds the keys of all. Raises LedgerBroken."""
        for name in names:
            folder = self.workspace.region(name)
            make_private_folder(folder)
            check_ledger(folder, name)
            Ledger(ledger_of(folder), name).close()
        self.peers.update(known_keys.keys_at_hand(self.workspace))

    def _check_keys(self, own: RegionSettings, ledger: Ledger, names: Sequence[str]) -> None:
        """Raises JobRefused where a party has another key than the region pinned; remarks on a key it did not pin."""
        parties = {*names, self.settings.federation.hub.name} - {own.region}
        keys = {name: self.peers[name] for name in parties if name in self.peers}
        if faults := known_peers.contradictions(own, keys):
            place = Place(self.workspace.region(own.region), ledger)
            refuse(place, own.region, faults, asked_of(self.settings), run=self.run)
        self.remarks.extend(known_peers.unpinned(own, keys))

    def loose(self) -> list[str]:
        """What was made permanent now, in one region or more, and protects less."""
        return sorted({key for keys in self.settled.values() for key in keys})

    def ask_all(self, names: Sequence[str], *, settles: bool = True) -> None:
        """Has each region take the job, or write its first settings. Raises JobRefused, once for all of them.

        Args:
            settles: whether settings are written where there are none, or none about this data set.
        """
        refused = {}
        if settles:
            self.begin(names)
        for name in sorted(names):
            try:
                if settles:
                    with self._opened(name) as (own, ledger):
                        self._check_keys(own, ledger, names)
                        self.remarks.extend(self._check_retention(own, ledger))
                        dataset = self.settings.dataset
                        if dataset.examples is None or not own.of_dataset(dataset.name).examples:
                            self.of_people.add(name)
                elif (self.workspace.region(name) / FILE).exists():
                    self._may_ingest(name)
            except JobRefused as error:
                refused[name] = str(error)
        if refused:
            first, *others = refused
            also = f"; likewise {', '.join(others)} (--all instead of a name is for every region)" if others else ""
            raise JobRefused(f"{refused[first]}{also}")

    def release(self, register: Register) -> Callable[[Region, Artifact], bool]:
        """Asks a region's gate whether the consenting people's rows may become public."""
        consent = self.settings.dataset.consent or ConsentRule()
        document = consent.document
        if fault := _consent_fault(consent, register.get(document)):
            raise ConfigurationError(fault)

        def release(region: Region, artifact: Artifact) -> bool:
            """True where the region's gate released the rows; its ledger says why or why not."""
            with self._opened(region.name) as (own, ledger):
                try:
                    gate = self._gate(region, own, ledger, register)
                    return gate.release(artifact, document=document).label.is_public
                except Refused:
                    return False

        return release

    def told_rows(self, region: Region) -> int | None:
        """How many rows of people a region tells: in tens, once its gate let that pass; None, and a remark, else."""
        folder = store_of(self.workspace.region(region.name), self.settings.dataset.name)
        stored = read_manifest(folder)
        rows, people = in_tens(stored.rows), int(stored.notes.get("people", 0))
        artifact = Artifact(
            Kind.METRICS,
            Label.from_json(stored.notes["label"]) if people else Label(frozenset(region.jurisdictions)),
            json.dumps({"rows": rows}).encode(),
            count=people,
            name="rows that were ingested",
            pool=stored.dataset,
            pool_people=people,
        )
        with self._opened(region.name) as (own, ledger):
            evidence = LiveRegister(own.register(asked_of(self.settings)), ledger, self.workspace.reviewers)
            gate = self._gate(region, own, ledger, evidence)
            gate = replace(gate, tally=PeopleCounter(ledger))
            try:
                gate.cross(artifact, self.settings.federation.hub)
            except Refused:
                self.remarks.append(f"region {region.name} does not tell its rows: its border refuses (see its ledger)")
                return None
            return rows

    def _gate(self, region: Region, own: RegionSettings, ledger: Ledger, evidence: Evidence) -> Gate:
        asked = asked_of(self.settings)
        return Gate(
            party_of(region),
            bundle=own.bundle(asked, self.workspace.law),
            evidence=evidence,
            ledger=ledger,
            run=self.run,
            today=asked.calendar(ledger.today).day,
            marks=tuple(asked.marks),
        )

    def _check_retention(self, own: RegionSettings, ledger: Ledger) -> list[str]:
        """What is said where a job would use rows for fewer days. Raises JobRefused where it would for more."""
        described = {region.name: region.retention_days for region in self.settings.federation.regions or ()}
        days, own_days = described.get(own.region), own.retention_days
        if days is None or days == own_days:
            return []
        uses = "without end" if own_days is None else f"for {own_days} days"
        sentence = (
            f"region {own.region} uses rows {uses} (retention_days), not for {days} days as this job says; "
            f"`fedsov region set {own.region} retention_days={days}` would change it"
        )
        if own_days is None or days < own_days:
            return [sentence]
        place = Place(self.workspace.region(own.region), ledger)
        refuse(place, own.region, [sentence], asked_of(self.settings), run=self.run)
        return []

    def check_further(self, name: str, values: Sequence[str]) -> None:
        """Raises JobRefused where a region holds these rows, by their values, under another name and label."""
        folder, dataset = self.workspace.region(name), self.settings.dataset.name
        if (folder / FILE).exists():
            with closing(Ledger(ledger_of(folder), name)) as ledger:
                keys = open_keys(KeySettings(name, folder))
                admit_further(Place(folder, ledger), keys, dataset, asked_of(self.settings), values, run=self.run)

    def _may_ingest(self, name: str) -> None:
        folder = self.workspace.region(name)
        check_ledger(folder, name)
        with closing(Ledger(ledger_of(folder), name)) as ledger:
            own = admit(Place(folder, ledger), self.settings.dataset.name, asked_of(self.settings), run=self.run)
            self._check_retention(own, ledger)

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[RegionSettings, Ledger]]:
        """A region's settings, written where there are none, and its ledger."""
        folder, dataset = self.workspace.region(name), self.settings.dataset.name
        make_private_folder(folder)
        check_ledger(folder, name)
        with closing(Ledger(ledger_of(folder), name)) as ledger:
            keys = keys_of(self.workspace.root, name)
            described = {region.name: region.retention_days for region in self.settings.federation.regions or ()}
            before = read_settings(folder, ledger).loose() if has_settings(folder, ledger) else []
            own, wrote = settle(
                Place(folder, ledger),
                keys,
                dataset,
                asked_of(self.settings),
                run=self.run,
                retention_days=described.get(name),
                peers=self.peers,
            )
            if wrote:
                self.settled[name] = [key for key in own.loose() if key not in before]
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
        "kinds": dict(report.kinds),
        "unused": {
            name: report.unused.get(name, f"of kind {kind}")  # stores of before do not say why
            for name, kind in report.kinds.items()
            if kind not in LEARNED
        },
        "said": list(report.said),
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


def in_tens(rows: int) -> int:
    """A count of people's rows as it is told outside their region: rounded down to tens."""
    return rows // 10 * 10


def party_of(region: Region) -> Party:
    """A region as a party to crossings."""
    return Party(region.name, region.location, region.entity, region.owners, region.role)


def _signed_key(folder: Path, region: str) -> dict[str, str]:
    key, signature = known_peers.signed_sealing_key(open_keys(KeySettings(region, folder)))
    return {"public_key": key, "key_signature": signature}
