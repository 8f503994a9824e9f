"""What a region answered about people, once for each version of their rows, and what it may answer next.

A question of statistics, of counts or for synthetic rows has one answer a version, which is repeated bit by bit,
whoever asks again in whatever run, and under whatever name of a data set: many answers about slightly different rows
could be solved for the rows. Another is given once `limits.least_people` people changed since each answer before, not
since the last alone (`fedsov.partition.people.changed_people`). Until then the one that they differ little from is
repeated. Where somebody behind that is gone it is not repeated either, for it still tells of them: then there is none
(AnswerWithheld). The same holds between data sets of the region, between divisions of its rows, and between what its
owner declares that a column can hold.

    regions/NAME/answers/answers.json       every answer, under a seal of the region's secret
                         people-….bin       the people behind them: keyed digests, nothing of a row
                         table-….bin        a synthetic table, encrypted (`fedsov.region.answers.synthetic_rows`)
                         lock               held while a question is answered

The people take 32 bytes for each that came or changed, and two bits of each of those for each answer.

An answer is on the disk before its digest is noted in the ledger, and noted before it leaves. A memory that lacks what
the ledger knows of was lost, cut or put back, and one under another seal was forged: then nothing is answered
(AnswersBroken). A limit that changes holds from the next answer on that is not repeated.

Not here: answers under noise, which are paid for (`fedsov.region.private_run`); and example rows, whose answer follows
from the rows, the scope and the job's seed alone, so that it is the same without a memory.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fedsov.border.gate import Gate
from fedsov.errors import AnswersBroken, AnswerWithheld, CheckpointDamaged, WorkspaceUnusable
from fedsov.keys.sealing import derived_key
from fedsov.ledger.ledger import entry_time
from fedsov.partition.people.changed_people import (
    People,
    compared,
    divided_anew,
    packed,
    share_somebody,
    unpacked,
    versions_with,
)
from fedsov.region.answers.noted import Noted, RowsQuestion
from fedsov.region.limits import QUESTION_DAYS, Limits
from fedsov.storage.atomic_files import read_sealed, sha256_hex, write_file, write_sealed
from fedsov.storage.private_files import make_private_folder, open_private

Bounds = Mapping[str, Sequence[float]]
"""Column to the least and the greatest value that it can have (``dataset.bounds``)."""
STATISTICS, PROFILE, SYNTHETIC = "statistics", "profile", "synthetic rows"
FILE, BOUND = "answers.json", "answers about people"
"""Its name, and what its seal is bound to."""


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that was given: to which question, of which people's version, their place in the file, and what.

    Its values are within `bounds`.
    """

    question: RowsQuestion
    version: str
    people: int
    answer: Mapping[str, Any]
    bounds: Bounds = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain = {part.name: getattr(self, part.name) for part in fields(self)}
        if not self.bounds:
            del plain["bounds"]  # answers of before had none, and their digests are noted
        return {**plain, "question": self.question.to_json(), "answer": dict(self.answer)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Given:
        """The inverse of `to_json`."""
        return Given(**{**value, "question": RowsQuestion(**value["question"])})

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, in hexadecimal."""
        return sha256_hex(json.dumps(self.to_json(), sort_keys=True).encode())


@dataclass(frozen=True, slots=True)
class GivenAnswers:
    """What answers.json holds: every answer, in order, and the SHA-256 of the file of people for each kind of them."""

    answers: tuple[Given, ...] = ()
    people: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """An answer that was given, and whether the people who are asked about stand behind it."""

    given: Given
    has_them: bool


@dataclass(frozen=True, slots=True)
class Described:
    """The people that an answer would be about now.

    Attributes:
        people: who stands behind it.
        bounds: within which their values are drawn in.
        apart: how many people's values differ between other bounds and these.
        same_people: the data sets whose people the region's owner calls the same.
    """

    people: People
    bounds: Bounds = field(default_factory=dict)
    apart: Callable[[Bounds], int] = lambda other: 0
    same_people: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Answers:
    """A region's memory of what it answered.

    Attributes:
        folder: where it is.
        gate: of the region; answers are noted in its ledger.
        limits: the region's.
        secret: the region's own, from which the keys of seals, digests and tables are derived.
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

    def key(self, purpose: str) -> bytes:
        """A key of the region's for one purpose of its answers, 32 bytes."""
        return derived_key(self.secret, f"answers: {purpose}")

    def give(self, question: RowsQuestion, now: Described, make: Callable[[], Mapping[str, Any]]) -> Given:
        """The one answer to a question, made now or given before.

        Args:
            now: who stands behind it.
            make: the answer of these people's rows, as plain values.

        Raises:
            AnswerWithheld: none may be given until more people have changed.
            AnswersBroken: the memory is not the one that the ledger knows.
            WorkspaceUnusable: it cannot be written; then nothing is given.
        """
        with self._alone():
            memory = self._checked_memory()
            people, alike = now.people, _same_version(memory, question, now, self.limits.least_people)
            if alike is not None and alike.question == question:
                return alike
            versions = self._people(memory, question.kind)
            for before in reversed(memory.answers) if alike is None else ():
                if before.question == question and self._is_repeated(before, versions[before.people], now):
                    return before
            for before in memory.answers if alike is None else ():
                if before.question.kind == question.kind:
                    self._check_apart(before, versions[before.people], question, now)
            place = versions.index(people) if people in versions else len(versions)
            answer, bounds = (dict(make()), now.bounds) if alike is None else (alike.answer, alike.bounds)
            latest = Given(question, people.version, place, answer, bounds)
            self._remember(memory, latest, versions if place < len(versions) else [*versions, people])
            self._note(latest)
            return latest

    def standing(self, names: Collection[bytes]) -> list[Standing]:
        """Every answer, with whether one of these people (`keyed_name`) stands behind it. Raises AnswersBroken."""
        with self._alone():
            memory = self._checked_memory()
            has = {kind: versions_with(self._people_bytes(memory, kind), names) for kind in memory.people}
            return [Standing(given, bool(has[given.question.kind][given.people])) for given in memory.answers]

    def has_given(self, question: RowsQuestion) -> bool:
        """Whether the question was ever answered. Raises AnswersBroken."""
        with self._alone():
            return any(before.question == question for before in self._checked_memory().answers)

    def people_of(self, before: Given) -> People:
        """Who stands behind an answer. Raises AnswersBroken."""
        with self._alone():
            return self._people(self._checked_memory(), before.question.kind)[before.people]

    def count(self) -> None:
        """Counts one more answer about people. Raises LimitExceeded where as many left as may within so many days."""
        self.noted.catch_up()
        since = entry_time(datetime.now(UTC) - timedelta(days=QUESTION_DAYS))
        self.limits.check_questions(self.gate.owner.name, self.noted.asked_since(since) + 1)

    def _is_repeated(self, before: Given, then: People, now: Described) -> bool:
        """Whether an answer tells all that may be told of these people: few changed since, and nobody is gone."""
        difference = compared(then, now.people)
        changed = max(difference.changed, now.apart(before.bounds))
        return changed < self.limits.least_people and not (difference.gone or difference.columns)

    def _check_apart(self, before: Given, then: People, question: RowsQuestion, now: Described) -> None:
        """Raises AnswerWithheld where a new answer would differ too little from one before to a question like it."""
        difference, other, people = compared(then, now.people), before.question, now.people
        changed, drawn_in = difference.changed, now.apart(before.bounds)
        if before.version == people.version and not drawn_in:
            return
        if other.dataset in now.same_people and difference.columns and not share_somebody(then, people):
            changed = 0  # its owner says that they are the same, and nothing tells who of them changed
        is_divided_anew = other.split != question.split or divided_anew(then, people)
        is_other_table = other.dataset != question.dataset and difference.columns and share_somebody(then, people)
        differs = changed or drawn_in or difference.gone or is_divided_anew or is_other_table
        differs = differs or other.dataset in now.same_people
        if max(changed, drawn_in) < self.limits.least_people and differs:
            region, least = self.gate.owner.name, self.limits.least_people
            raise AnswerWithheld(
                f"region {region} gives no {question.what} of {question.dataset}: since an answer before, people left, "
                f"or their rows were named, shaped or divided anew, and fewer than {least} people changed; ask again "
                f"when {least} have (limits.least_people in `fedsov region show {region}`)"
            )

    def _checked_memory(self) -> GivenAnswers:
        """Every answer, checked against the ledger; one that was written and not noted is noted now."""
        memory, unknown = self._read(), dict[RowsQuestion, list[Given]]()
        for before in memory.answers:
            unknown.setdefault(before.question, []).append(before)
        self.noted.catch_up()
        for question, digests in self.noted.digests.items():
            several = unknown.get(question, [])
            if [before.digest for before in several[: len(digests)]] != digests:
                raise AnswersBroken(
                    f"the ledger knows of an answer about {question.dataset} that {self.folder} does not hold: it was "
                    "lost, cut or put back; restore it from your copy"
                )
            unknown[question] = several[len(digests) :]
        for before in (before for several in unknown.values() for before in several):
            self._note(before)
        return memory

    def _note(self, latest: Given) -> None:
        public = {"question": latest.question.to_json(), "version": latest.version, "digest": latest.digest}
        self.gate.note({"answer": public})

    def _people(self, memory: GivenAnswers, kind: str) -> list[People]:
        """Who stood behind each answer of a kind, by their place."""
        return unpacked(self._people_bytes(memory, kind)) if kind in memory.people else []

    def _people_bytes(self, memory: GivenAnswers, kind: str) -> bytes:
        path = self._people_file(kind, memory.people[kind])
        content = path.read_bytes() if path.is_file() else b""
        if sha256_hex(content) != memory.people[kind]:
            raise AnswersBroken(f"{path} was lost or changed; restore it from your copy")
        return content

    def _people_file(self, kind: str, digest: str) -> Path:
        return self.folder / f"people-{kind.replace(' ', '-')}-{digest[:32]}.bin"

    def _read(self) -> GivenAnswers:
        try:
            plain = read_sealed(self.folder / FILE, key=self.key("seal"), bound=BOUND)
        except FileNotFoundError:
            return GivenAnswers()
        except CheckpointDamaged as error:
            raise AnswersBroken(f"{error}; restore it from your copy") from None
        return GivenAnswers(tuple(map(Given.from_json, plain["answers"])), plain["people"])

    def _remember(self, memory: GivenAnswers, latest: Given, versions: list[People]) -> None:
        kind, content = latest.question.kind, packed(versions)
        write_file(self._people_file(kind, sha256_hex(content)), content)
        people = {**memory.people, kind: sha256_hex(content)}
        plain = {"answers": [before.to_json() for before in (*memory.answers, latest)], "people": people}
        write_sealed(self.folder / FILE, plain, key=self.key("seal"), bound=BOUND)
        in_use = {self._people_file(*pair) for pair in people.items()}
        for path in self.folder.glob("people-*.bin"):
            if path not in in_use:
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


def _same_version(memory: GivenAnswers, question: RowsQuestion, now: Described, least: int) -> Given | None:
    """The last answer to the question about this version of people, under whatever name; its own name's first."""
    same = [
        before
        for before in reversed(memory.answers)
        if replace(before.question, dataset=question.dataset) == question
        and before.version == now.people.version
        and now.apart(before.bounds) < least
    ]
    own = (before for before in same if before.question == question)
    return next(own, same[0] if same else None)
