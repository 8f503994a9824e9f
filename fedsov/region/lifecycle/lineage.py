"""Which of a region's model versions learned from a subject's rows, as far as that can be known, and by what.

Of people's rows it is known: the ledger names the answers that a run's rounds were bound to, the memory of answers
holds keyed digests of everyone behind each, and the region's secret says who was trained on. Where a run asked for no
such answer (example rows, noise), a subject whose rows are stored now may have been among them: that is said, with the
day on which their source first came.

What a region gave to others it knows by its ledger: the runs in which an update of its left for the hub, and for which
purpose. So the hub's global or base model of such a run is named too, to be retrained at the hub. What began with that
model elsewhere the region cannot see; the name says that it is to be looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fedsov.artifact import BASE_MODEL, TRAINING, Kind
from fedsov.ledger.ledger import Entry, Ledger
from fedsov.region.answers.memory import PROFILE, STATISTICS, Standing
from fedsov.storage.bounded_files import parsed_json, read_bounded
from fedsov.training.rows import seed_key, split

PARTS = ("training", "validation", "test")
UNKNOWN = "unknown"
_AT_THE_HUB = {TRAINING: "the hub's global model", BASE_MODEL: "the hub's base model"}
"""The model at the hub that a region's update went into, by the purpose of its crossing."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A model that may have learned from a subject.

    Attributes:
        run: whose model it is, here and at the hub.
        part: in which part of the run's rows the subject was: one of `PARTS`, or `UNKNOWN`.
        basis: what that is known by, in words.
    """

    run: str
    model: str
    dataset: str
    part: str
    basis: str

    def to_json(self) -> dict[str, str]:
        """Plain values."""
        return asdict(self)

    def line(self) -> str:
        """In words."""
        called = f"{self.model} of run {self.run}"
        if self.part == UNKNOWN:
            return f"{called}: whether it learned from the subject's rows of {self.dataset} is not known: {self.basis}"
        return f"{called}: {self.part} rows of {self.dataset}, by {self.basis}"


@dataclass(frozen=True, slots=True)
class Traced:
    """A subject in one data set: the pseudonym, the fold, and what gives the day on which the stored rows came."""

    dataset: str
    pseudonym: str
    fold: int
    ingested: Callable[[], str]


def versions_of(
    folder: Path, ledger: Ledger, subject: Traced, *, secret: bytes, standing: Sequence[Standing]
) -> list[ModelVersion]:
    """The model versions, here and at the hub, that had the subject among their rows, or may have had.

    Args:
        secret: what divides people's rows.
        standing: the memory of answers, with whether the subject stands behind each.
    """
    entries, records = ledger.entries(), _records(folder)
    part = _part(subject.pseudonym, secret)
    versions = list[ModelVersion]()
    for run in sorted(records.keys() | {entry.body["run"] for entry in entries if _is_update(entry)}):
        own, record = [entry for entry in entries if entry.body.get("run") == run], records.get(run, {})
        if not _may_be_of(subject.dataset, record, own):
            continue
        behind = _answer_of(own, entries, subject.dataset, standing)
        if behind is None:
            known = _stored_then(own[0].body["at"] if own else "", record, subject)
        elif behind.has_them:
            basis = f"who stood behind the run's {behind.given.question.what}, and the region's division of rows"
            known = part, basis
        else:
            continue
        versions += _named(run, record, own, subject.dataset, known)
    return versions


def _named(
    run: str, record: Mapping[str, Any], own: Sequence[Entry], dataset: str, known: tuple[str, str]
) -> list[ModelVersion]:
    """The region's own model of a run, then those at the hub that its updates went into."""
    part, basis = known
    versions = [ModelVersion(run, str(model["name"]), dataset, part, basis) for model in record.get("models", ())[:1]]
    for purpose in sorted({str(entry.body["purpose"]) for entry in own if _is_update(entry)}, reverse=True):
        model = f"{_AT_THE_HUB.get(purpose, f'the model at the hub for {purpose}')}, with all that began with it,"
        sent = f"{basis}; this region's updates went into it"
        versions.append(ModelVersion(run, model, dataset, part, sent if record else f"{sent}, and no record is here"))
    return versions


def _is_update(entry: Entry) -> bool:
    body = entry.body
    return bool(body["act"] == "cross" and body["kind"] == Kind.UPDATE and body["verdict"] == "permit")


def _may_be_of(dataset: str, record: Mapping[str, Any], own: Sequence[Entry]) -> bool:
    """Whether a run was of a data set, by its record; without one, unless its answers were all about others."""
    if record:
        return str(record["experiment"]) == dataset
    answers = [entry.body["note"]["answer"] for entry in own if "answer" in entry.body.get("note", {})]
    return not answers or dataset in {str(answer["question"]["dataset"]) for answer in answers}


def _answer_of(
    own: Sequence[Entry], entries: Sequence[Entry], dataset: str, standing: Sequence[Standing]
) -> Standing | None:
    """The answer that a run's rows were bound to: the last statistics before its last entry, else the last profile."""
    last = own[-1].seq if own else 0
    by_digest = {each.given.digest: each for each in standing}
    noted = [entry.body["note"]["answer"] for entry in entries if entry.seq <= last and _is_answer(entry, dataset)]
    for what in (STATISTICS, PROFILE):
        for answer in reversed(noted):
            if answer["question"]["what"] == what and answer["digest"] in by_digest:
                return by_digest[answer["digest"]]
    return None


def _is_answer(entry: Entry, dataset: str) -> bool:
    answer = entry.body.get("note", {}).get("answer")
    return answer is not None and answer["question"]["dataset"] == dataset


def _stored_then(began: str, record: Mapping[str, Any], subject: Traced) -> tuple[str, str]:
    """Of a run without answers about people: part and basis, by what the stored rows and the job's seed tell."""
    since = subject.ingested()
    if not began or not since or began[:10] < since:
        stored = f"the subject's rows stored now are of {since}" if since else "no row of the subject is stored now"
        return UNKNOWN, f"the run is of {began[:10] or 'an unknown day'}, and {stored}"
    seed = record.get("params", {}).get("seed")
    part = UNKNOWN if seed is None else _part(str(subject.fold), seed_key(int(seed)))
    return part, f"the rows stored now are of {since}, before the run, and its seed divides example rows"


def _part(person: str, key: bytes) -> str:
    masks = split(np.array([person]), key)
    return next(name for name, mask in zip(PARTS, masks, strict=True) if mask[0])


def _records(folder: Path) -> dict[str, Mapping[str, Any]]:
    """What is recorded of each run in a region's folder."""
    paths = sorted((folder / "models").glob("*/record.json"))
    return {path.parent.name: parsed_json(read_bounded(path)) for path in paths}
