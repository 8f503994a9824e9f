"""The regions' own settings and gates, while the ingestion process sorts their rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

from fedsov.artifact import BASE_MODEL, Artifact, Kind, Party
from fedsov.border.evidence.claims import Evidence
from fedsov.border.evidence.register import CONSENT_OF_PEOPLE, Document, Register
from fedsov.border.gate import Gate, Refused
from fedsov.border.people_counts import PeopleCounter
from fedsov.config.settings import Settings
from fedsov.errors import ConfigurationError, JobRefused
from fedsov.jurisdiction import Region
from fedsov.keys import open_keys
from fedsov.keys.protocol import KeySettings
from fedsov.label import Label
from fedsov.ledger import known_keys
from fedsov.ledger.ledger import Ledger
from fedsov.partition.arrival import Arrival, ArrivingRows
from fedsov.partition.backends.files_at import claim
from fedsov.partition.backends.place import FOLDER, StorePlace
from fedsov.partition.classify import ConsentRule
from fedsov.partition.ingest import keys_of
from fedsov.partition.lifecycle.retention import is_kept
from fedsov.partition.manifest import MANIFEST, read_manifest
from fedsov.partition.told_counts import in_tens
from fedsov.protocol.calendar import real_day
from fedsov.protocol.job import Asked
from fedsov.region.admission import Place, admit, admit_further, refuse, settle
from fedsov.region.lifecycle import erasure, legal_holds, retention
from fedsov.region.settings import RegionSettings
from fedsov.region.settings_file import FILE, check_ledger, has_settings, noted, read_settings
from fedsov.region.trust import known_peers
from fedsov.region.trust.parties import Parties
from fedsov.storage.private_files import make_private_folder
from fedsov.storage.workspace import Workspace, is_there, ledger_of, store_of


@dataclass(frozen=True, slots=True)
class RegionGates:
    """The regions' own settings and gates, while their rows are sorted.

    `asked` is what the job would like of each region's border; `settled` are the regions whose settings were written
    now, by what of them protects less than the closed ones did; `peers` the verify keys of the parties at hand, and
    `parties` the regions of this job, once they were begun, which first settings pin; `remarks` what regions have to
    say, in sentences; `of_people` the regions whose rows are no examples. `alone` is the region of a deployment whose
    owner does not run this job: it writes nothing into its settings, and no other's folder is read.
    """

    settings: Settings
    asked: Asked
    workspace: Workspace
    run: str
    settled: dict[str, list[str]] = field(default_factory=dict)
    peers: dict[str, str] = field(default_factory=dict)
    parties: dict[str, Party] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    of_people: set[str] = field(default_factory=set)
    alone: str | None = None

    def begin(self, regions: Sequence[Region]) -> None:
        """Gives each region that has none a folder and a ledger, and finds the keys of all. Raises LedgerBroken."""
        for region in regions:
            folder = self.workspace.region(region.name)
            make_private_folder(folder)
            check_ledger(folder, region.name)
            Ledger(ledger_of(folder), region.name).close()
            self.parties[region.name] = party_of(region)
        if self.alone is None:
            self.peers.update(known_keys.keys_at_hand(self.workspace))

    def admitted(self, arrival: Arrival) -> None:
        """Begins all regions, once their rows were checked, and checks whom each knows before any store is written.

        Raises JobRefused, once for all of them; LedgerBroken.
        """
        names = [region.name for region in arrival.regions]
        self._of_all(self.workspace.region_names(), partial(self._check_people, arrival))
        self.begin(arrival.regions)
        self._of_all([name for name in names if (self.workspace.region(name) / FILE).exists()], self._may_trust)
        if self.settings.dataset.examples is None:
            for name in sorted({*arrival.replaced, *names}):
                self._note_arrival(arrival, name)

    def first_day(self, source_sha256: str) -> date | None:
        """The day on which a source was first ingested here, by all regions' ledgers. Raises LedgerBroken."""
        days = []
        for owner, path in self.workspace.ledgers().items():
            if owner != "hub":
                with closing(Ledger.read(path)) as ledger:
                    days.append(retention.first_noted(ledger, source_sha256))
        return min((day for day in days if day is not None), default=None)

    def place_of(self, name: str) -> StorePlace:
        """Where the files of a region's new stores are to lie, by its own settings; a bucket is its own from now on.

        Raises ConfigurationError for another region's bucket; WorkspaceUnusable.
        """
        folder = self.workspace.region(name)
        if not (folder / FILE).exists():
            return FOLDER
        with closing(Ledger.read(ledger_of(folder))) as ledger:
            place = read_settings(folder, ledger).store
        if place.bucket:
            claim(place, keys_of(self.workspace.root, name))
        return place

    def _note_arrival(self, arrival: Arrival, name: str) -> None:
        """Notes in a region's ledger the day of the source, and that of the source whose rows it replaces."""
        folder, dataset = self.workspace.region(name), self.settings.dataset.name
        if not is_there(ledger_of(folder)):
            return
        with closing(Ledger(ledger_of(folder), name)) as ledger:
            if (store_of(folder, dataset) / MANIFEST).exists():
                before = read_manifest(store_of(folder, dataset))
                retention.note_arrival(ledger, dataset, before.source_sha256, before.ingested)
            if any(region.name == name for region in arrival.regions):
                retention.note_arrival(ledger, dataset, arrival.source_sha256, arrival.ingested)

    def _check_people(self, arrival: Arrival, name: str) -> None:
        """Raises JobRefused where people whom the region erased come back, or rows that it has on hold would leave."""
        folder, dataset = self.workspace.region(name), self.settings.dataset.name
        check_ledger(folder, name)
        if not is_there(ledger_of(folder)):
            return
        with closing(Ledger(ledger_of(folder), name)) as ledger:
            if not ledger.notes(erasure.NOTE) and not legal_holds.holds(ledger):
                return
            place, keys, coming = Place(folder, ledger), open_keys(KeySettings(name, folder)), arrival.of_region(name)
            could_be = [coming] if self.settings.dataset.examples else [coming, arrival.homeless]
            why = None
            if erasure.erased_among(
                ledger, keys, lambda own: [who for rows in could_be for who in rows.pseudonyms(own)]
            ):
                why = erasure.erased_again(name)
            elif name in arrival.replaced:
                why = legal_holds.lost_by(ledger, keys, folder, dataset, lambda: coming.row_digests(keys))
            if why:
                refuse(place, [why], self.asked, run=self.run)

    def _may_trust(self, name: str) -> None:
        folder = self.workspace.region(name)
        with closing(Ledger(ledger_of(folder), name)) as ledger:
            self._check_parties(read_settings(folder, ledger), ledger)

    def _stated(self, name: str) -> Parties:
        """The parties of this job, as a region is told of them."""
        others = {other: party for other, party in self.parties.items() if other != name}
        return Parties(self.settings.federation.hub, self.parties[name], others)

    def _keys_beside(self, own: RegionSettings) -> dict[str, str]:
        """The keys at hand of the other parties."""
        names = {*self.parties, self.settings.federation.hub.name} - {own.region}
        return {name: self.peers[name] for name in names if name in self.peers}

    def _check_parties(self, own: RegionSettings, ledger: Ledger) -> None:
        """Raises JobRefused where a party has another key than the region pinned, or is stated otherwise."""
        faults = own.parties.contradictions(own.region, self._stated(own.region))
        faults += known_peers.contradictions(own, self._keys_beside(own))
        if faults:
            place = Place(self.workspace.region(own.region), ledger)
            refuse(place, faults, self.asked, run=self.run)

    def loose(self) -> list[str]:
        """What was made permanent now, in one region or more, and protects less."""
        return sorted({key for keys in self.settled.values() for key in keys})

    def settings_digest(self, name: str) -> str:
        """The digest of a region's settings in force; "" where it has none."""
        with closing(Ledger.read(ledger_of(self.workspace.region(name)))) as ledger:
            return noted(ledger) or ""

    def ask_all(self, names: Sequence[str]) -> None:
        """Has each region that has settings take the job. Raises JobRefused, once for all of them."""
        self._of_all([name for name in names if (self.workspace.region(name) / FILE).exists()], self._may_ingest)

    def settle_all(self, regions: Sequence[Region]) -> None:
        """Has each region take the job, and write what its settings do not say yet. Raises as `ask_all`."""
        self.begin(regions)
        self._of_all([region.name for region in regions], self._settle)

    def _settle(self, name: str) -> None:
        dataset = self.settings.dataset
        with self.opened(name) as (own, ledger):
            self._check_parties(own, ledger)
            self.remarks.extend(known_peers.unpinned(own, self._keys_beside(own), self._stated(name)))
            self.remarks.extend(self._check_retention(own, ledger))
            if dataset.examples is None or not own.of_dataset(dataset.name).examples:
                self.of_people.add(name)

    def _of_all(self, names: Sequence[str], ask: Callable[[str], None]) -> None:
        """Raises JobRefused, once for all regions that refuse what they are asked."""
        refused = {}
        for name in sorted(names):
            try:
                ask(name)
            except JobRefused as error:
                refused[name] = str(error)
        if refused:
            first, *others = refused
            also = f"; likewise {', '.join(others)} (--all instead of a name is for every region)" if others else ""
            raise JobRefused(f"{refused[first]}{also}")

    def release(self, register: Register) -> Callable[[Region, Artifact], bool]:
        """Asks a region's gate whether the consenting people's rows may become public."""
        consent = self.settings.dataset.consent or ConsentRule()
        document, paper = consent.document, register.get(consent.document)
        is_for_crossings = paper is not None and paper.kind == CONSENT_OF_PEOPLE
        others = [each for each in register.documents if each.kind == CONSENT_OF_PEOPLE and each.is_for(BASE_MODEL)]
        marks_rows = consent.column is not None
        for each in (paper, *(others if marks_rows else ())):  # a base model may rest on any of them
            if fault := _consent_fault(consent, each):
                raise ConfigurationError(fault)

        def release(region: Region, artifact: Artifact) -> bool:
            """True where the region's gate released the rows; its ledger says why or why not."""
            with self.opened(region.name) as (own, ledger):
                gate = self.own_gate(region, own, ledger)
                if is_for_crossings:  # no label shrinks by it: the rows are marked for a base model
                    gate.note({"consent": {"document": document, "digest": artifact.digest, "label": "kept"}})
                    return False
                try:
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
        with self.opened(region.name) as (own, ledger):
            gate = replace(self.own_gate(region, own, ledger), tally=PeopleCounter(ledger))
            try:
                gate.cross(artifact, self.settings.federation.hub)
            except Refused:
                self.remarks.append(f"region {region.name} does not tell its rows: its border refuses (see its ledger)")
                return None
            return rows

    def own_gate(self, region: Region, own: RegionSettings, ledger: Ledger) -> Gate:
        """A region's gate by its own register."""
        evidence = own.register(self.settings.dataset.name, self.asked, ledger, self.workspace.reviewers)
        return self.gate(region, own, ledger, evidence)

    def gate(self, region: Region, own: RegionSettings, ledger: Ledger, evidence: Evidence) -> Gate:
        """A region's gate by its own law, and by this evidence."""
        return Gate(
            party_of(region),
            bundle=own.bundle(self.asked, self.workspace.law),
            evidence=evidence,
            ledger=ledger,
            run=self.run,
            today=self.asked.calendar(ledger.today).day,
            marks=tuple(self.asked.marks),
        )

    def _check_retention(self, own: RegionSettings, ledger: Ledger) -> list[str]:
        """What is said where a job would use rows for fewer days. Raises JobRefused where it would for more."""
        days, own_days = self._retention_days(own.region), own.retention_days
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
        refuse(place, [sentence], self.asked, run=self.run)
        return []

    def _retention_days(self, name: str) -> int | None:
        """For how many days this job would use a region's rows; None where it says nothing."""
        described = {region.name: region.retention_days for region in self.settings.federation.regions or ()}
        return described.get(name)

    def check_further(self, name: str, rows: ArrivingRows) -> None:
        """Raises JobRefused for rows that the region uses no more, or people whom it knows by another name."""
        folder, dataset = self.workspace.region(name), self.settings.dataset.name
        if not (folder / FILE).exists():
            days = self._retention_days(name)
            if not is_kept(rows.ingested, days, on=real_day()):
                raise JobRefused(_too_old(name, days, dataset, rows))
            return
        with closing(Ledger(ledger_of(folder), name)) as ledger:
            place, days = Place(folder, ledger), read_settings(folder, ledger).retention_days
            if not is_kept(rows.ingested, days, on=ledger.today()):
                refuse(place, [_too_old(name, days, dataset, rows)], self.asked, run=self.run)
            keys = open_keys(KeySettings(name, folder))
            admit_further(place, keys, dataset, self.asked, rows, run=self.run)

    def _may_ingest(self, name: str) -> None:
        folder = self.workspace.region(name)
        check_ledger(folder, name)
        with closing(Ledger(ledger_of(folder), name)) as ledger:
            own = admit(Place(folder, ledger), self.settings.dataset.name, self.asked, run=self.run)
            self._check_retention(own, ledger)
            open_keys(KeySettings(name, folder, own.key_service))  # before a row is stored under another service

    @contextmanager
    def opened(self, name: str) -> Iterator[tuple[RegionSettings, Ledger]]:
        """A region's settings, written where there are none, and its ledger."""
        folder, dataset = self.workspace.region(name), self.settings.dataset.name
        make_private_folder(folder)
        check_ledger(folder, name)
        with closing(Ledger(ledger_of(folder), name)) as ledger:
            if self.alone is not None:
                place = Place(folder, ledger)
                yield admit(place, dataset, self.asked, run=self.run, alone=True), ledger
                return
            keys = keys_of(self.workspace.root, name)
            before = read_settings(folder, ledger) if has_settings(folder, ledger) else None
            own, wrote = settle(
                Place(folder, ledger),
                keys,
                dataset,
                self.asked,
                run=self.run,
                retention_days=self._retention_days(name),
                peers=self.peers,
                parties=self._stated(name),
            )
            if wrote:
                self.settled[name] = [key for key in own.loose() if before is None or key not in before.loose()]
            if before is not None and before.parties != own.parties:
                self.remarks.append(_pinned_now(own))
            yield own, ledger


def _pinned_now(own: RegionSettings) -> str:
    return (
        f"region {own.region}: its region.yaml did not say where parties are and whose; pinned now, as this job states "
        f"them: {own.parties.listed()}; look at each, and change what is not so by `fedsov region set {own.region} "
        "parties.hub.location=CODE`"
    )


def _too_old(region: str, days: int | None, dataset: str, rows: ArrivingRows) -> str:
    return (
        f"region {region} uses rows for {days} days (retention_days), and those of {dataset} are of {rows.ingested}, "
        "when their source was first ingested here: they are used no more, and nothing was stored; ingest newer rows"
    )


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


def party_of(region: Region) -> Party:
    """A region as a party to crossings."""
    return Party(region.name, region.location, region.entity, region.owners, region.role)
