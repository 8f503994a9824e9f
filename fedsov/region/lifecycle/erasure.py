"""One command reaches every place of a region where a person can be: each is named here, with what an erasure does.

    subject = subject_of(premises.keys, "X4711")
    erase(premises, subject, by="A. Person", why="request of 3 March")     # what was done, place by place

The ledger has an entry when an erasure begins and one when it ends, both with the subject's keyed digest alone, so a
killed one is known as unfinished, and run again it ends the same. The first names the model versions that had the
subject among their rows (`fedsov.region.lifecycle.lineage`), for afterwards that can no longer be found out.

Rows of an erased subject are not taken again (`erased_among`) until `lift` says that the person gave them anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fedsov.errors import ConfigurationError, JobRefused, counted
from fedsov.keys.protocol import RegionKeys
from fedsov.ledger.ledger import Ledger
from fedsov.model.column_statistics import spelled
from fedsov.partition.further.merged_files import BATCH, DAY
from fedsov.partition.lifecycle.erasure import RECORDS, keyed_digests, remove_rows, rows_of, subject_pseudonym, sweep
from fedsov.partition.lifecycle.quarantine import dataset_of
from fedsov.partition.manifest import MANIFEST
from fedsov.partition.people.changed_people import keyed_name
from fedsov.partition.routing import folds
from fedsov.partition.store import Store, arrivals
from fedsov.region.answers import synthetic_rows
from fedsov.region.answers.memory import Answers
from fedsov.region.answers.people_rows import PEOPLE
from fedsov.region.lifecycle.legal_holds import ending, holds
from fedsov.region.lifecycle.lineage import ModelVersion, Traced, versions_of
from fedsov.region.settings import RegionSettings

NOTE = "erasure"
BEGUN, DONE, LIFTED = "begun", "done", "lifted"


@dataclass(frozen=True, slots=True)
class Subject:
    """A person: what the subject column says, and under one region's key the pseudonym and the ledger's digest."""

    word: str = field(repr=False)
    pseudonym: str = field(repr=False)
    digest: str


@dataclass(frozen=True, slots=True)
class Premises:
    """A region with all that an erasure opens.

    Attributes:
        folder, ledger, keys, settings: the region's.
        secret: what divides its rows.
        answers: its memory of answers.
        shared: the quarantine of rows without a home, and its keys; None where there is none.
    """

    folder: Path
    ledger: Ledger
    keys: RegionKeys
    settings: RegionSettings
    secret: bytes
    answers: Answers
    shared: tuple[Path, RegionKeys] | None


@dataclass(frozen=True, slots=True)
class ErasablePlace:
    """A place where a person can be: what of them lies there, and what becomes of it.

    `erase` gives what it removed, in words; None where nothing of a row lies, and `fate` says why it stays.
    """

    name: str
    holds: str
    fate: str
    erase: Callable[[Premises, Subject], list[str]] | None = None


def subject_of(keys: RegionKeys, word: str) -> Subject:
    """The person whom a subject column names so. Raises ConfigurationError for an empty word."""
    spelling = spelled(word)
    if spelling is None:
        raise ConfigurationError("--subject is empty; give what the rows' subject column says of the person")
    pseudonym = subject_pseudonym(keys, spelling)
    (digest,) = keyed_digests(keys, [pseudonym])
    return Subject(spelling, pseudonym, digest)


def check_unnamed(subject: Subject, *, by: str, why: str) -> None:
    """Raises ConfigurationError where `by` or `why`, which stand in the ledger, name the subject."""
    if subject.word.casefold() in f"{by}\n{why}".casefold():
        raise ConfigurationError("--by or --why names the subject, and the ledger must not; give a case number instead")


def _erase_stores(premises: Premises, subject: Subject) -> list[str]:
    return _erase_in(premises.folder, premises.keys, subject.pseudonym)


def _erase_shared(premises: Premises, subject: Subject) -> list[str]:
    if premises.shared is None:
        return []
    folder, keys = premises.shared
    return _erase_in(folder, keys, subject_pseudonym(keys, subject.word))


def _erase_in(folder: Path, keys: RegionKeys, pseudonym: str) -> list[str]:
    """Erases in every store of a folder; what a killed writer left is swept, also where no row is the subject's."""
    removed = []
    for path in stores_in(folder):
        store = Store.open(path, keys)
        gone = rows_of(store, pseudonym)
        if gone.any():
            remove_rows(store, gone)
            removed.append(f"{counted(int(gone.sum()), 'row')} of {path.name}")
        else:
            sweep(path, store.manifest)
    return removed


def stores_in(folder: Path) -> list[Path]:
    """The stores of a region's or the quarantine's folder, quarantines of data sets among them."""
    return sorted(path.parent for path in (folder / "store").glob(f"*/{MANIFEST}"))


def _erase_tables(premises: Premises, subject: Subject) -> list[str]:
    return synthetic_rows.erase_tables(premises.answers, [subject.pseudonym])


PLACES = (
    ErasablePlace("store", "rows and identifiers", "files that hold the subject are written anew", _erase_stores),
    ErasablePlace("quarantine", "rows without a home", "as the store, under the quarantine's keys", _erase_shared),
    ErasablePlace("synthetic tables", "rows made from the subject's", "the region's copies are deleted", _erase_tables),
    ErasablePlace(
        "answers", "keyed digests of who stood behind one", "stay: the region tells no statistics until enough changed"
    ),
    ErasablePlace("models", "what training learned", "stay; `fedsov erase --lineage` lists them for retraining"),
    ErasablePlace("journals", "labels, scores, the last updates of runs", "stay: no row; as the models"),
    ErasablePlace("budget", "keyed digests of whose budget it is", "stay: without them it would begin anew"),
    ErasablePlace("caches", "nothing of a row: each run reads the store", "none"),
    ErasablePlace("ledger", "keyed digests", "stays: it proves the erasure"),
    ErasablePlace("backups", "files as they were, encrypted", "stay: destroy older ones (docs/how-to)"),
    ErasablePlace("source", "the file that was ingested", "not fedsov's: its owner removes the rows there"),
)
"""Every place where a person can be, but for those that a caller adds: the log of requests of an endpoint
(`fedsov.api.lifecycle.request_log`). A new place where a region keeps rows is a line here."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did: by place what was removed, and which model versions had the subject among their rows.

    `places` are all that it looked at, in their order.
    """

    digest: str
    removed: Mapping[str, Sequence[str]]
    versions: tuple[ModelVersion, ...]
    unnamed: tuple[str, ...]
    places: tuple[ErasablePlace, ...] = PLACES

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "subject": self.digest,
            "removed": {name: list(what) for name, what in self.removed.items()},
            "places": {place.name: place.fate for place in self.places},
            "versions": [version.to_json() for version in self.versions],
            "unnamed": list(self.unnamed),
        }


def erase(premises: Premises, subject: Subject, *, by: str, why: str, further: Sequence[ErasablePlace] = ()) -> Erased:
    """Erases a subject in every place of `PLACES`; killed and run again it ends the same.

    Args:
        further: places that a region has and that lie outside this package, such as its endpoint's log.

    Raises:
        ConfigurationError: `by` or `why` names the subject, and would stand in the ledger.
        JobRefused: rows of the subject are on a legal hold.
        StoreDamaged, KeyUnavailable, AnswersBroken, LedgerBroken, WorkspaceUnusable: run it again once it is mended.
    """
    check_unnamed(subject, by=by, why=why)
    _check_holds(premises, subject)
    versions = _unfinished(premises.ledger, subject) or _traced(premises, subject)
    request = {"subject": subject.digest, "by": by, "why": why}
    _note(premises.ledger, {**request, "state": BEGUN, "versions": [version.to_json() for version in versions]})
    every = (*further, *PLACES)
    removed = {place.name: place.erase(premises, subject) for place in every if place.erase is not None}
    places = [name for name, what in removed.items() if what]
    _note(premises.ledger, {**request, "state": DONE, "places": places})
    return Erased(subject.digest, removed, versions, _unnamed(premises), every)


def lift(premises: Premises, subject: Subject, *, by: str, why: str) -> None:
    """Lets rows of an erased subject be taken again.

    Raises ConfigurationError where the subject is not erased, or `by` or `why` names it.
    """
    check_unnamed(subject, by=by, why=why)
    if subject.digest not in _erased(premises.ledger):
        raise ConfigurationError(f"region {premises.ledger.owner} erased no such subject; its rows are taken as others")
    _note(premises.ledger, {"subject": subject.digest, "by": by, "why": why, "state": LIFTED})


def erased_among(ledger: Ledger, keys: RegionKeys, whose: Callable[[RegionKeys], Iterable[str]]) -> bool:
    """Whether erased subjects are among arriving rows. Raises LedgerBroken.

    Args:
        whose: the rows' pseudonyms under a region's keys; asked for where anybody was erased.
    """
    erased = _erased(ledger)
    return bool(erased) and not erased.isdisjoint(keyed_digests(keys, set(whose(keys))))


def erased_again(region: str) -> str:
    """That a source brings erased people back, and both ways on; not how many, which would tell who they are."""
    return (
        f"the source holds rows of people whom region {region} erased, and they are not taken again; take them out of "
        "the source, or, where a person gave them anew, "
        f"`fedsov erase --region {region} --subject ID --again --why TEXT`"
    )


def lineage(ledger: Ledger) -> dict[str, list[ModelVersion]]:
    """By keyed digest of an erased subject, the model versions that had it among their rows, or may have had."""
    by_subject: dict[str, list[ModelVersion]] = {}
    for note in _notes(ledger):
        if note["state"] == BEGUN:
            versions = by_subject.setdefault(note["subject"], [])
            noted = (ModelVersion(**plain) for plain in note["versions"])
            versions += [version for version in noted if version not in versions]
    return by_subject


def _erased(ledger: Ledger) -> set[str]:
    """The keyed digests of the subjects whose rows are not taken."""
    states = {note["subject"]: note["state"] for note in _notes(ledger)}
    return {digest for digest, state in states.items() if state != LIFTED}


def _notes(ledger: Ledger) -> list[dict[str, Any]]:
    return [entry.body["note"][NOTE] for entry in ledger.notes(NOTE)]


def _note(ledger: Ledger, note: Mapping[str, Any]) -> None:
    ledger.note({NOTE: dict(note)})


def _unfinished(ledger: Ledger, subject: Subject) -> tuple[ModelVersion, ...]:
    """What an erasure that was killed had traced before it removed a row."""
    own = [note for note in _notes(ledger) if note["subject"] == subject.digest]
    is_killed = bool(own) and own[-1]["state"] == BEGUN
    return tuple(ModelVersion(**plain) for plain in own[-1]["versions"]) if is_killed else ()


def _traced(premises: Premises, subject: Subject) -> tuple[ModelVersion, ...]:
    """The model versions of every data set whose rows the region stores, by what can be known of them."""
    name, versions = keyed_name(subject.pseudonym, premises.answers.key(PEOPLE)), list[ModelVersion]()
    standing, fold = premises.answers.standing({name}), int(folds([f"subject:{subject.word}"])[0])
    for path in stores_in(premises.folder):
        store = Store.open(path, premises.keys)
        ingested = partial(_stored_since, store, subject)
        traced = Traced(store.manifest.dataset, subject.pseudonym, fold, ingested)
        versions += versions_of(premises.folder, premises.ledger, traced, secret=premises.secret, standing=standing)
    return tuple(versions)


def _stored_since(store: Store, subject: Subject) -> str:
    """The first day on which a row of the subject was stored, ISO 8601; "" of none."""
    rows = rows_of(store, subject.pseudonym)
    arrived = arrivals(store.table(RECORDS, [BATCH, DAY])[1]) if rows.any() and store.manifest.appended else None
    if arrived is None or np.isnan(arrived[rows]).any():
        return store.manifest.ingested if rows.any() else ""
    return (date(1970, 1, 1) + timedelta(days=int(arrived[rows].min()))).isoformat()


def _unnamed(premises: Premises) -> tuple[str, ...]:
    """The data sets whose rows name nobody, so that no subject is found in them."""
    own, stored = premises.settings.datasets, [path.name for path in stores_in(premises.folder)]
    return tuple(name for name in stored if name in own and not own[name].description.get("subject"))


def _check_holds(premises: Premises, subject: Subject) -> None:
    name = premises.ledger.owner
    for hold, reason in holds(premises.ledger).items():
        if hold.subject not in ("", subject.digest):
            continue
        is_kept = _is_stored(premises.folder, premises.keys, subject.pseudonym, hold.dataset)
        if is_kept or (hold.subject and _waits(premises, subject, hold.dataset)):
            raise JobRefused(
                f"region {name} keeps rows of this subject on a legal hold since {reason['at'][:10]} ({hold.words()}: "
                f"{reason['why']}); {ending(name, [hold])}"
            )


def _waits(premises: Premises, subject: Subject, dataset: str) -> bool:
    """Whether a row of the subject waits without a home."""
    if premises.shared is None:
        return False
    folder, keys = premises.shared
    return _is_stored(folder, keys, subject_pseudonym(keys, subject.word), dataset)


def _is_stored(folder: Path, keys: RegionKeys, pseudonym: str, dataset: str) -> bool:
    """Whether a row of the subject is in a folder's store of a data set, or in its quarantine of it."""
    stores = (path for path in stores_in(folder) if dataset_of(path.name) == dataset)
    return any(rows_of(Store.open(path, keys), pseudonym).any() for path in stores)
