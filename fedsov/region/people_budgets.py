"""Whose budget a region's is: the people that its private releases were about, kept beside the budget as keyed digests.

All releases of a region draw on one budget (`fedsov.privacy.budget`). Beside it, a file
``privacy-people-DIGEST.safetensors`` holds the keyed digests of the people that it covers: of the subjects and, since
a job may name another column for them or none, of the rows by their values. The region's ledger notes that file's
digest before each reservation, so a lost, changed or older file is found. Two data sets are about the same people
where they share more than one in a hundred of the smaller one's subjects or rows, whatever a job calls them.
Reservations that were made without such a file, or with one whose rows had other names (by an older version), cover
everyone.

The digests are under the region's own key (`fedsov.keys`), so another region cannot compare its people with them; only
the ingestion, which sees the rows, can: it refuses rows for a region that another one of the workspace holds under a
budget. A new workspace is a new region, by its owner's act: nothing here sees across workspaces.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fedsov.border.gate import Gate
from fedsov.errors import BudgetBroken, CheckpointDamaged, ConfigurationError, JobRefused, LedgerBroken
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger.ledger import Ledger
from fedsov.partition.records import Records, keyed_numbers
from fedsov.partition.told_counts import FEWEST, in_tens
from fedsov.privacy.budget import Budget, BudgetHead, BudgetState, read
from fedsov.privacy.settings import RecordPrivacy
from fedsov.protocol.job import RegionStart
from fedsov.region.journal import Journal, Released
from fedsov.region.privacy_life import PrivacyNotes, PrivacyPast, why_refused
from fedsov.region.private_run import BUDGET_FILE, PrivateRun
from fedsov.region.session import Session
from fedsov.storage.atomic_files import pack_arrays, read_arrays, sha256_hex, write_file
from fedsov.storage.workspace import is_there, ledger_of

SAME_PEOPLE = 0.01
"""The share of the smaller data set's subjects or rows above which two data sets are about the same people."""
NAMING = 4
"""How rows are named by their values (`fedsov.partition.people.row_names`); digests of other names tell nothing."""
NOTED = b'"privacy'
"""In the text of every entry that notes something of privacy."""


@dataclass(frozen=True, slots=True, eq=False)
class KeyedPeople:
    """People as digests under their region's key.

    Attributes:
        subjects, rows: (n,) int64, sorted, each once.
        everyone: whoever it is, for budgets that were not told apart.
    """

    subjects: np.ndarray
    rows: np.ndarray
    everyone: bool = False

    @staticmethod
    def of(records: Records) -> KeyedPeople:
        """The people of a region's rows."""
        digests = np.zeros(0, np.int64) if records.row_digests is None else records.row_digests
        return KeyedPeople(np.unique(keyed_numbers(records.subjects.tolist())), np.unique(digests))

    def __or__(self, other: KeyedPeople) -> KeyedPeople:
        """The people of both."""
        subjects, rows = np.union1d(self.subjects, other.subjects), np.union1d(self.rows, other.rows)
        return KeyedPeople(subjects, rows, self.everyone or other.everyone)

    def overlaps(self, other: KeyedPeople) -> bool:
        """Whether both are about the same people."""
        if self.everyone or other.everyone:
            return True
        return share_many(self.subjects, other.subjects) or share_many(self.rows, other.rows)

    def to_bytes(self) -> bytes:
        """Its file."""
        told = {"everyone": np.array([self.everyone]), "naming": np.array([NAMING])}
        return pack_arrays({"subjects": self.subjects, "rows": self.rows, **told})


NOBODY = KeyedPeople(np.zeros(0, np.int64), np.zeros(0, np.int64))
EVERYONE = KeyedPeople(NOBODY.subjects, NOBODY.rows, everyone=True)
OpenKeys = Callable[[str], RegionKeys]


def share_many(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two sets of digests, sorted and each once, are about the same people (`SAME_PEOPLE`)."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared > SAME_PEOPLE * min(len(one), len(other))


def privacy_notes(ledger: Ledger) -> PrivacyNotes:
    """What a ledger that was verified notes of privacy; other entries are not parsed. Raises LedgerBroken."""
    try:
        return PrivacyNotes.of(json.loads(body) for _, body, _ in ledger.texts() if NOTED in body)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as problem:
        raise LedgerBroken("a ledger holds a note of privacy that is none; see `fedsov ledger verify`") from problem


def covered_people(folder: Path, notes: PrivacyNotes, book: BudgetState | None) -> KeyedPeople:
    """The people that a region's budget covers. Raises BudgetBroken where their file is gone or was changed."""
    if book is None or not book.entries:
        return NOBODY
    return _read(folder, notes.people) if notes.people else EVERYONE


def _path(folder: Path, digest: str) -> Path:
    return folder / f"privacy-people-{digest[:16]}.safetensors"


def _read(folder: Path, digest: str) -> KeyedPeople:
    try:
        arrays = read_arrays(_path(folder, digest), digest)
    except CheckpointDamaged as error:
        raise BudgetBroken(f"the people of this region's privacy budget: {error}; restore it from your copy") from None
    is_of_now = "naming" in arrays and int(arrays["naming"][0]) == NAMING
    return KeyedPeople(arrays["subjects"], arrays["rows"], not is_of_now or bool(arrays["everyone"][0]))


def open_private(start: RegionStart, session: Session, gate: Gate, journal: Journal) -> PrivateRun | None:
    """The run's draw on this region's budget; None for a job without privacy that may be answered.

    A private release of example rows covers nobody.

    Raises:
        JobRefused: a job without privacy about people that something was released of under privacy, or one whose
            delta is 1 / rows or more, or one that declares no bounds of any column.
        BudgetBroken: the budget, its people or the run's journal were changed, cut or lost.
        ConfigurationError: a lifetime above the one that the budget began with.
    """
    notes = privacy_notes(gate.ledger)
    book = read(start.folder / BUDGET_FILE, last_known_head=notes.head)
    covered = covered_people(start.folder, notes, book)
    asked, privacy = session.privacy, session.settings.privacy
    people = NOBODY if asked is None and covered is NOBODY else KeyedPeople.of(session.records)
    past = PrivacyPast(notes.private_since, notes.unbounded_since) if covered.overlaps(people) else PrivacyPast()
    if sentence := why_refused(start.region.name, privacy, past, is_private=asked is not None):
        if not start.second_process:
            gate.note({"refused_job": {"why": [sentence]}})
        raise JobRefused(sentence)
    if asked is None:
        if past.private_since is not None and past.unbounded_since is None and not start.second_process:
            gate.note({"privacy_unbounded": {"dataset": session.work.dataset}})
        return None
    if sentence := _undescribed(session, asked):
        raise JobRefused(f"region {start.region.name}: {sentence}")
    lifetime = (privacy.lifetime(asked.lifetime_epsilon), _delta(start.region.name, asked, session))
    budget = Budget.open(start.folder / BUDGET_FILE, lifetime=lifetime, last_known_head=notes.head)
    people = covered if session.examples else covered | people
    budget = replace(budget, before_entry=partial(note_people, start.folder, gate.note, people))
    memory = Released(journal, lambda state: gate.note({"privacy_released": dict(state)}))
    if not start.second_process:
        memory.check(notes.released.get(start.run))

    def note(head: BudgetHead, report: dict[str, Any]) -> None:
        gate.note({"privacy": {"head": head._asdict(), "report": report}})

    dataset = session.work.dataset
    return PrivateRun(asked, budget, session.extent(), run=start.run, dataset=dataset, note=note, memory=memory)


def _undescribed(session: Session, asked: RecordPrivacy) -> str:
    """Why no column can be described under noise, so that nothing is reserved for it; "" where one can."""
    kinds, region, dataset = session.records.kinds, session.records.region, session.work.dataset
    numeric = sorted(name for name, kind in kinds.items() if kind == "numeric")
    if "categorical" in kinds.values() or any(name in asked.bounds for name in numeric):
        return ""
    bounds = ", ".join(f"{name}: [LOW, HIGH]" for name in numeric)
    return (
        "under privacy=record a numeric column is learned from within declared bounds alone, and no column has them; "
        f"nothing was spent; add 'dataset.bounds={{{bounds}}}'"
        + (
            ""
            if session.examples
            else f"; `fedsov region set {region} 'datasets.{dataset}.bounds={{{bounds}}}'` takes it"
        )
    )


def _delta(region: str, asked: RecordPrivacy, session: Session) -> float:
    """The delta of a session's rows; neither it nor a refusal, which both may leave, says how many people's there are.

    So 1 / rows² is that of their tens, rounded down, and of 10 where there are fewer; a job's own is measured against
    the next ten, so that which deltas are refused tells no more.
    """
    rows = len(session.records)
    if not session.examples:
        rows = in_tens(rows, least=FEWEST) if asked.delta is None else in_tens(rows) + FEWEST
    try:
        return asked.delta_for(rows)
    except ConfigurationError:
        raise JobRefused(
            f"region {region} has so many rows that privacy.delta={asked.delta:g} is 1 / rows or more; "
            "privacy.delta=null is 1 / rows²"
        ) from None


def note_people(folder: Path, note: Callable[[Mapping[str, Any]], object], people: KeyedPeople) -> None:
    """Notes whom the budget covers from the next entry on; their file is on the disk before. Raises WorkspaceUnusable.

    Args:
        note: writes into the region's ledger.
    """
    content = people.to_bytes()
    digest = sha256_hex(content)
    write_file(_path(folder, digest), content)
    note({"privacy_people": digest})
    for path in folder.glob("privacy-people-*.safetensors"):
        if path != _path(folder, digest):
            path.unlink(missing_ok=True)


def covered_rows(folders: Mapping[str, Path]) -> dict[str, np.ndarray]:
    """By region, (n,) digests under its key of the rows that its budget covers; regions without a budget are not here.

    Raises BudgetBroken, LedgerBroken where a region's budget cannot be read. One that was not told apart is not here.
    """
    covered = {}
    for name, folder in folders.items():
        if not is_there(ledger_of(folder)):
            continue
        notes = privacy_notes(Ledger.read(ledger_of(folder)))
        people = covered_people(folder, notes, read(folder / BUDGET_FILE, last_known_head=notes.head))
        if len(people.rows):
            covered[name] = people.rows
    return covered


def check_new_holder(
    region: str,
    row_digests: Callable[[RegionKeys], np.ndarray],
    covered: Mapping[str, np.ndarray],
    keys: OpenKeys,
) -> None:
    """Raises JobRefused where another region of the workspace holds these rows, or held them, under a budget.

    Args:
        region: the one that is to hold them.
        row_digests: (rows,) int64 digests of the rows' values, under a region's key.
        covered: of `covered_rows`.
        keys: opens the keys of a region by its name.
    """
    for name, rows in covered.items():
        if name == region:
            continue
        if share_many(rows, np.unique(row_digests(keys(name)))):
            raise JobRefused(
                f"region {region} would hold rows that region {name} released something about under its privacy "
                f"budget; let {name} hold them (federation.regions), or begin in another workspace (workspace=DIR), "
                "which is a new region by its owner's act"
            )
