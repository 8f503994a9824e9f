"""What a region answered about people, once for each version of their rows, and what it may answer next.

A question of statistics or of counts has one answer, which is repeated bit by bit, whoever asks again in whatever run:
many answers about slightly different rows could be solved for the rows. Another is given once `limits.least_people`
people changed (`fedsov.partition.changed_people`). Until then the last one is repeated. Where somebody is gone it is
not repeated either, for it still tells of them: then there is none (AnswerWithheld). The same holds between data sets
of the region, and between divisions of its rows.

    regions/NAME/answers/answers.json       the last answer to each question, under its digest
                         people-….bin       the people behind one: keyed digests, nothing of a row
                         lock               held while a question is answered

An answer is on the disk before its digest is noted in the ledger, and noted before it leaves. A memory that lacks what
the ledger knows of was lost, cut or put back: then nothing is answered (AnswersBroken). A limit that changes holds from
the next answer on that is not repeated.

Not here: answers under noise, which are paid for (`fedsov.region.private_run`); and example rows, whose answer follows
from the rows, the scope and the job's seed alone, so that it is the same without a memory.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from fedsov.artifact import Kind
from fedsov.border.gate import Gate
from fedsov.errors import AnswersBroken, AnswerWithheld, CheckpointDamaged, WorkspaceUnusable
from fedsov.partition.changed_people import People, compared
from fedsov.region.limits import Limits
from fedsov.storage.atomic_files import read_sealed, sha256_hex, write_file, write_sealed
from fedsov.storage.private_files import make_private_folder, open_private

STATISTICS, PROFILE = "statistics", "profile"


@dataclass(frozen=True, slots=True)
class RowsQuestion:
    """What is asked.

    Attributes:
        dataset, scope: of which rows.
        what: `STATISTICS` or `PROFILE`.
        about: what else the answer depends on.
        split: what tells a division of the rows from another; "" where it does not matter.
    """

    dataset: str
    what: str
    scope: str
    about: str = ""
    split: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that was given: to which question, of which people's version, and the digest of the one before."""

    question: RowsQuestion
    version: str
    people: str
    before: str
    answer: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**_plain(self), "question": _plain(self.question), "answer": dict(self.answer)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Given:
        """The inverse of `to_json`."""
        return Given(**{**value, "question": RowsQuestion(**value["question"])})

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, in hexadecimal."""
        return sha256_hex(json.dumps(self.to_json(), sort_keys=True).encode())


@dataclass(slots=True)
class Noted:
    """What a ledger knows of answers: the digest of the last to each question, and how many left since a version began.

    Rounds count once, and not again for their scores.
    """

    gate: Gate
    digests: dict[RowsQuestion, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    _read_to: int = 0

    def catch_up(self) -> None:
        """Reads the ledger's entries since the last time."""
        for entry in self.gate.ledger.entries(since=self._read_to):
            self._read_to = entry.seq
            if "answer" in entry.body.get("note", {}):
                self._note(entry.body["note"]["answer"])
            elif _is_answer(entry.body):
                pool = entry.body.get("pool", {}).get("name", "")
                self.asked[pool] = self.asked.get(pool, 0) + 1

    def _note(self, answer: Mapping[str, Any]) -> None:
        question = RowsQuestion(**answer["question"])
        self.digests[question] = answer["digest"]
        if question.what == PROFILE and self.versions.get(question.dataset) != answer["version"]:
            self.versions[question.dataset], self.asked[question.dataset] = answer["version"], 0


@dataclass(frozen=True, slots=True)
class Answers:
    """A region's memory of what it answered.

    Attributes:
        folder: where it is.
        gate: of the region; answers are noted in its ledger.
        limits: the region's.
        secret: the key of people's digests, up to 64 bytes.
    """

    folder: Path
    gate: Gate
    limits: Limits
    secret: bytes
    noted: Noted

    @staticmethod
    def open(region: Path, gate: Gate, limits: Limits, secret: bytes) -> Answers:
        """The memory in a region's folder; nothing is written yet."""
        return Answers(region / "answers", gate, limits, secret, Noted(gate))

    def give(self, question: RowsQuestion, people: People, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """The one answer to a question, made now or given before.

        Args:
            people: who stands behind it now.
            make: the answer of these people's rows, as plain values.

        Raises:
            AnswerWithheld: none may be given until more people have changed.
            AnswersBroken: the memory is not the one that the ledger knows.
            WorkspaceUnusable: it cannot be written; then nothing is given.
        """
        with self._alone():
            memory = self._checked_memory()
            last = memory.get(question)
            if last is not None and self._is_repeated(last, people):
                return dict(last.answer)
            if last is None:
                self._check_beside(question, people, memory.values())
            file = f"people-{sha256_hex(people.content)[:32]}.bin"
            latest = Given(question, people.version, file, last.digest if last else "", dict(make()))
            write_file(self.folder / file, people.content)
            self._remember({**memory, question: latest})
            self._note(latest)
            return dict(latest.answer)

    def recall(self, question: RowsQuestion) -> dict[str, Any] | None:
        """The last answer to a question; None where there was none. Raises AnswersBroken."""
        with self._alone():
            last = self._checked_memory().get(question)
            return None if last is None else dict(last.answer)

    def people_of(self, question: RowsQuestion) -> People | None:
        """Who stands behind the last answer to a question; None where there was none. Raises AnswersBroken."""
        with self._alone():
            last = self._checked_memory().get(question)
            return None if last is None else self._people(last)

    def count(self, dataset: str) -> None:
        """Counts one more answer about a data set. Raises LimitExceeded where its version had as many as it may."""
        self.noted.catch_up()
        self.limits.check_questions(self.gate.owner.name, self.noted.asked.get(dataset, 0) + 1)

    def _is_repeated(self, last: Given, people: People) -> bool:
        if last.version == people.version:
            return True
        difference = compared(self._people(last), people)
        if difference.changed >= self.limits.least_people or (difference.columns and not difference.changed):
            return False
        if difference.gone or difference.columns:
            raise self._withheld(last.question)
        return True

    def _check_beside(self, question: RowsQuestion, people: People, memory: Iterable[Given]) -> None:
        """Raises AnswerWithheld for a first answer that would differ too little from one to a question like it."""
        for latest in memory:
            other = latest.question
            if (other.what, other.scope) != (question.what, question.scope) or latest.version == people.version:
                continue
            changed = compared(self._people(latest), people).changed
            is_divided_anew = other.split != question.split
            if changed < self.limits.least_people and (changed or is_divided_anew):
                raise self._withheld(question)

    def _withheld(self, question: RowsQuestion) -> AnswerWithheld:
        region, least = self.gate.owner.name, self.limits.least_people
        return AnswerWithheld(
            f"region {region} gives no {question.what} of {question.dataset}: since an answer before, people left, or "
            f"their rows were named, shaped or divided anew, and fewer than {least} people changed; ask again when "
            f"{least} have (limits.least_people in `fedsov region show {region}`)"
        )

    def _checked_memory(self) -> dict[RowsQuestion, Given]:
        """Every answer by its question, checked against the ledger; one that was written and not noted is noted now."""
        answers = {latest.question: latest for latest in map(Given.from_json, self._read())}
        self.noted.catch_up()
        for question, digest in self.noted.digests.items():
            latest = answers.get(question)
            if latest is None or digest not in (latest.digest, latest.before):
                raise AnswersBroken(
                    f"the ledger knows of an answer about {question.dataset} that {self.folder} does not hold: it was "
                    "lost, cut or put back; restore it from your copy"
                )
        for question, latest in answers.items():
            if self.noted.digests.get(question) != latest.digest:
                self._note(latest)
        return answers

    def _note(self, latest: Given) -> None:
        public = {"question": _plain(latest.question), "version": latest.version, "digest": latest.digest}
        self.gate.note({"answer": public})

    def _people(self, latest: Given) -> People:
        path = self.folder / latest.people
        content = path.read_bytes() if path.is_file() else b""
        if latest.people != f"people-{sha256_hex(content)[:32]}.bin":
            raise AnswersBroken(f"{path} was lost or changed; restore it from your copy")
        return People.from_content(content)

    def _read(self) -> list[Mapping[str, Any]]:
        try:
            return list(read_sealed(self.folder / "answers.json")["answers"])
        except FileNotFoundError:
            return []
        except CheckpointDamaged as error:
            raise AnswersBroken(f"{error}; restore it from your copy") from None

    def _remember(self, answers: Mapping[RowsQuestion, Given]) -> None:
        write_sealed(self.folder / "answers.json", {"answers": [latest.to_json() for latest in answers.values()]})
        named = {latest.people for latest in answers.values()}
        for path in self.folder.glob("people-*.bin"):
            if path.name not in named:
                path.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds the memory against the region's processes in other runs."""
        try:
            make_private_folder(self.folder)
            lock = open_private(self.folder / "lock", os.O_RDWR)
        except OSError as error:
            raise WorkspaceUnusable(
                f"{self.folder} cannot be written: {error.strerror}; make room or allow it"
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _plain(value: RowsQuestion | Given) -> dict[str, Any]:
    return {part.name: getattr(value, part.name) for part in fields(value)}


def _is_answer(body: Mapping[str, Any]) -> bool:
    """Whether an entry is an answer about people's rows that left; a round's scores are none of their own."""
    if body.get("act") != "cross" or body.get("verdict") != "permit" or not body.get("count"):
        return False
    return body["kind"] != Kind.METRICS or body.get("round") is None
