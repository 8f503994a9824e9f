"""Which of a region's model versions learned from a subject's rows, as far as that can be known, and by what.

Of people's rows it is known: the ledger names the answers that a run's rounds were bound to, the memory of answers
holds keyed digests of everyone behind each, and the region's secret says who was trained on. Where a run asked for no
such answer (example rows, noise), a subject whose rows are stored now may have been among them: that is said, with the
day on which their source first came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fedsov.ledger.ledger import Entry, Ledger
from fedsov.partition.people.changed_people import keyed_name
from fedsov.region.answers.memory import PROFILE, STATISTICS, Standing
from fedsov.storage.bounded_files import parsed_json, read_bounded
from fedsov.training.rows import seed_key, split

PARTS = ("training", "validation", "test")
UNKNOWN = "unknown"


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
        return f"{self.model} of run {self.run}: {self.part} rows of {self.dataset}, by {self.basis}"


@dataclass(frozen=True, slots=True)
class Traced:
    """A subject in one data set: the pseudonym, the fold, the day on which the stored rows' source first came."""

    dataset: str
    pseudonym: str
    fold: int
    ingested: str


def versions_of(
    folder: Path, ledger: Ledger, subject: Traced, *, secret: bytes, standing: Sequence[Standing], people_key: bytes
) -> list[ModelVersion]:
    """The model versions in a region's folder that had the subject among their rows, or may have had.

    Args:
        secret: what divides people's rows.
        standing: the memory of answers, with who stands behind each.
        people_key: the key of its digests of people.
    """
    entries = ledger.entries()
    name, part = keyed_name(subject.pseudonym, people_key), _part(subject.pseudonym, secret)
    found = []
    for run, record in _records(folder, subject.dataset):
        own = [entry for entry in entries if entry.body.get("run") == run]
        behind = _answer_of(own, entries, subject.dataset, standing)
        model = str(record["models"][0]["name"])
        if behind is not None:
            if name in behind.people.chosen or name in behind.people.others:
                basis = f"who stood behind the run's {behind.given.question.what}, and the region's division of rows"
                found.append(ModelVersion(run, model, subject.dataset, part, basis))
            continue
        found.append(_stored_then(run, model, own[0].body["at"] if own else "", record, subject))
    return found


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


def _stored_then(run: str, model: str, began: str, record: Mapping[str, Any], subject: Traced) -> ModelVersion:
    """Of a run without answers about people: what the stored rows and the job's seed tell."""
    if not began or not subject.ingested or began[:10] < subject.ingested:
        basis = f"the run is of {began[:10] or 'an unknown day'}; the rows stored now are of {subject.ingested or '?'}"
        return ModelVersion(run, model, subject.dataset, UNKNOWN, f"{basis}; what it learned from is not known")
    seed = record.get("params", {}).get("seed")
    part = UNKNOWN if seed is None else _part(str(subject.fold), seed_key(int(seed)))
    basis = f"the rows stored now are of {subject.ingested}, before the run, and its seed divides example rows"
    return ModelVersion(run, model, subject.dataset, part, basis)


def _part(person: str, key: bytes) -> str:
    masks = split(np.array([person]), key)
    return next(name for name, mask in zip(PARTS, masks, strict=True) if mask[0])


def _records(folder: Path, dataset: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The runs in a region's folder that ended with a model of this data set, and what is recorded of each."""
    for path in sorted((folder / "models").glob("*/record.json")):
        record = parsed_json(read_bounded(path))
        if record["experiment"] == dataset and record["models"]:
            yield path.parent.name, record
