"""What a region tells of people's rows: counts in bands, statistics under rules, and inputs enough of them differ in.

Example rows and answers under noise are not these; `fedsov.region.client_app` asks whose rows a question is about.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fedsov.errors import AnswerWithheld, FedsovError
from fedsov.label import Scope
from fedsov.model.column_statistics import Statistics
from fedsov.model.disclosure import Disclosure, fewest_apart, owners_of, people_in
from fedsov.model.features import Features
from fedsov.model.held_inputs import held
from fedsov.partition.people.changed_people import People, people_of
from fedsov.partition.told_counts import in_tens
from fedsov.region.answers.memory import PROFILE, STATISTICS, Answers, Bounds, Described, Given
from fedsov.region.answers.noted import RowsQuestion
from fedsov.region.answers.rounded_statistics import rounded
from fedsov.region.answers.rows_behind import RowsBehind, above_median, rows_behind
from fedsov.region.own_dataset import same_people
from fedsov.region.session import Session
from fedsov.storage.atomic_files import sha256_hex
from fedsov.training.rows import DataSplit, Rows

PEOPLE = "people"
"""What the key of the digests of people is for."""
_LOG = logging.getLogger(__name__)


def count_question(session: Session) -> None:
    """Counts a question about people's rows. Raises LimitExceeded for one more than the region's limit."""
    if not session.examples:
        answers_of(session).count()


def counts(session: Session) -> dict[str, int]:
    """`Session.counts` in bands, with those classes alone that enough people have; one answer a version.

    Raises as `Answers.give`.
    """
    return dict(one_answer(session, PROFILE, Scope.ALL, lambda: _banded(session)).answer)


def statistics(session: Session, scope: str) -> dict[str, Any]:
    """The rounded statistics of the scope's training rows as JSON, under floors and dominance, of values within bounds.

    Raises as `Answers.give`, and InputError for infinite values.
    """
    limits, rows = session.settings.limits, session.divided(scope).train
    bounds = bounds_of(session)
    rules = Disclosure(limits.least_people, limits.dominance, robust=True, bounds=bounds, log=_LOG.warning)

    def described() -> dict[str, Any]:
        exact = Statistics.from_records(rows.columns, rows.kinds, persons=rows.persons, disclosure=rules)
        return rounded(exact).to_json()

    return dict(one_answer(session, STATISTICS, scope, described).answer)


def spreads(session: Session, scope: str) -> dict[str, float]:
    """The standard deviation of each number as the statistics of the scope tell it, whether or not they were asked.

    None where the scope has no row. Raises as `statistics`.
    """
    if not session.mask(scope).any():
        return {}
    if (STATISTICS, scope) not in session.given:
        statistics(session, scope)
    own = Statistics.from_json(session.given[STATISTICS, scope].answer)
    return {name: moments.spread for name, moments in own.numeric.items() if moments.is_usable}


def rows_of_answer(session: Session, scope: str) -> DataSplit:
    """The scope's rows that a round may look at: of people's rows those behind the last statistics that were given.

    Statistics are repeated while fewer than `limits.least_people` changed; an update of the newest rows would tell of
    those few beside an update of the rows before. Where somebody of the validation rows was corrected since, there are
    none. Raises AnswerWithheld where no statistics were given, or somebody is gone or was corrected since.
    """
    if session.examples or session.private_in(scope):
        return session.divided(scope)
    if (STATISTICS, scope) not in session.given and not _was_given(session, scope):
        raise AnswerWithheld(f"no features follow from statistics of {scope} rows that were never given")
    statistics(session, scope)  # repeated, given anew where enough people changed, or withheld
    behind, least = _rows_behind(session, STATISTICS, scope), session.settings.limits.least_people
    if behind.corrected:
        raise AnswerWithheld(
            f"the rows of people whom the last statistics of {scope} rows describe were corrected since; an update "
            f"would tell of them; rounds go on once {least} people changed (limits.least_people)"
        )
    if not behind.corrected_beside:
        return behind.rows
    _LOG.warning("validation rows were corrected: rounds have no scores until %d people changed", least)
    validation = behind.rows.validation
    return replace(behind.rows, validation=validation.select(np.zeros(len(validation), bool)))


def rows_at_home(session: Session) -> DataSplit:
    """The rows that the region's own model is made from and scored on, for its scores leave.

    Of people's rows those behind the profile: a score of newcomers beside one without them would tell of those few.
    Where somebody was corrected since, all rows as they are; then no score leaves (`scores_may_leave`).
    Raises as `Answers.give`.
    """
    if session.examples or session.private:
        return session.divided(Scope.ALL)
    counts(session)
    behind = _rows_behind(session, PROFILE, Scope.ALL)
    return session.divided(Scope.ALL) if behind.corrected else behind.rows


def scores_may_leave(session: Session, rows: DataSplit) -> bool:
    """Whether enough people are scored, and all of them as the profile counted them; else the log says why not.

    Of the newest rows the gate counts people; these may be fewer.
    """
    if session.examples:
        return True
    least = session.settings.limits.least_people
    if any(_people_in(part) < least for part in (rows.validation, rows.test)):
        _LOG.warning("no score leaves: validation or test rows are of fewer than %d people", least)
        return False
    if _rows_behind(session, PROFILE, Scope.ALL).corrected:
        _LOG.warning("no score leaves: rows that the profile counts were corrected, and fewer than %d people's", least)
        return False
    return True


def _people_in(rows: Rows) -> int:
    return people_in(owners_of(rows.persons, len(rows)))


def _was_given(session: Session, scope: str) -> bool:
    return answers_of(session).has_given(_question(session, STATISTICS, scope))


def _rows_behind(session: Session, what: str, scope: str) -> RowsBehind:
    """The scope's rows of those who stood behind the answer that was given in this session."""
    if (what, scope) not in session.answered:
        answers = answers_of(session)
        before, now = answers.people_of(session.given[what, scope]), _people(session, what, scope)
        ranked, key = session.work.target.above_region_median, answers.key(PEOPLE)
        rows = session.divided(scope, as_numbers=ranked)
        is_same = before == now
        behind = RowsBehind(rows) if is_same else rows_behind(rows, before, now, key, divided=what != PROFILE)
        session.answered[what, scope] = replace(behind, rows=above_median(behind.rows)) if ranked else behind
    return session.answered[what, scope]


def looked_at(session: Session, scope: str, features: Features) -> tuple[Features, Features]:
    """The features with what may be looked at of a scope's training rows, and of its validation rows.

    All of it of example rows, and where noise hides each row. Raises AnswerWithheld where no statistics were given
    that they could follow from.
    """
    if session.examples or session.private_in(scope):
        return features, features
    key = scope, features.digest
    if key not in session.looked_at:
        _check_outcomes(session, rows_of_answer(session, scope).train)
        is_part = scope == Scope.CONSENTED and session.private is None
        session.looked_at[key] = _beside_all(session, features) if is_part else _alone(session, scope, features)
    return session.looked_at[key]


def _alone(session: Session, scope: str, features: Features) -> tuple[Features, Features]:
    """What may be looked at of a scope, answers about which no other answers are subtracted from."""
    rows, least = rows_of_answer(session, scope), session.settings.limits.least_people
    own = Statistics.from_json(session.given[STATISTICS, scope].answer)
    seen = held(features, rows.train.columns, rows.train.persons, least=least, own=own)
    return seen, held(seen, rows.validation.columns, rows.validation.persons, least=least, own=own)


def _beside_all(session: Session, features: Features) -> tuple[Features, Features]:
    """What may be looked at of those who consented, beside answers about all: as much among the others, too.

    The two answers' difference is of the others. Raises AnswerWithheld where few consented or few did not, in a part
    of the rows or of those who have an outcome.
    """
    statistics(session, Scope.SHAREABLE)
    trained, scored = looked_at(session, Scope.SHAREABLE, features)
    rows, least = rows_of_answer(session, Scope.SHAREABLE), session.settings.limits.least_people
    consenting = session.records.subjects[session.mask(Scope.CONSENTED)]
    parts = rows.train, rows.validation, rows.test
    asked = [np.isin(np.asarray(part.persons), consenting) for part in parts]
    for part, those in zip(parts, asked, strict=True):
        if any(0 < _people_in(part.select(group)) < least for group in (those, ~those)):
            raise AnswerWithheld(
                f"fewer than {least} people consented to a base model, or did not, in a part of this region's rows; "
                "ask more people, or keep the region out of base models"
            )
    train, validation = rows.train, rows.validation
    for group in (asked[0], ~asked[0]):
        _check_outcomes(session, train.select(group))
    looked = [held(x, train.columns, train.persons, least=least, groups=asked[0]) for x in (trained, scored)]
    return looked[0], held(looked[1], validation.columns, validation.persons, least=least, groups=asked[1])


def _check_outcomes(session: Session, rows: Rows) -> None:
    """Raises AnswerWithheld where fewer people than the region's least have an outcome that some rows have.

    The job says what counts as an outcome; an update of one that few have is their rows.
    """
    if session.work.target.task == "regression" or not len(rows):
        return
    owners, least = owners_of(rows.persons, len(rows)), session.settings.limits.least_people
    for values in rows.y.T if rows.y.ndim > 1 else (rows.y,):
        if any(people_in(owners[values == value]) < least for value in np.unique(values)):
            raise AnswerWithheld(
                f"an outcome of dataset.target={session.work.target.column} is that of fewer than {least} people of "
                "this region's training rows; choose outcomes that more have, or keep the region local"
            )


def looked_at_home(session: Session, features: Features) -> Features:
    """The features of a model that was received, with what may be looked at of all the region's training rows.

    The model is tuned and scored here, and its scores leave, but for those of a private run.
    """
    if session.examples or session.private:
        return features
    rows = rows_at_home(session).train
    return held(features, rows.columns, rows.persons, least=session.settings.limits.least_people)


def answers_of(session: Session) -> Answers:
    """The memory of answers. Raises FedsovError for a session without one."""
    if session.answers is None:
        raise FedsovError("nothing is answered about people without a memory of what was answered before")
    return session.answers


def one_answer(session: Session, what: str, scope: str, make: Callable[[], Mapping[str, Any]]) -> Given:
    """The one answer of this version; in a session, whose rows stay the same, it is looked for once."""
    if (what, scope) not in session.given:
        question, now = _question(session, what, scope), _described(session, what, scope)
        session.given[what, scope] = answers_of(session).give(question, now, make)
    return session.given[what, scope]


def _question(session: Session, what: str, scope: str) -> RowsQuestion:
    """The question: a profile and synthetic rows depend on the target's rule, a profile on no division of the rows."""
    rule = "" if what == STATISTICS else sha256_hex(repr(session.work.target).encode())[:16]
    split = "" if what == PROFILE else session.split_id
    return RowsQuestion(session.work.dataset, what, str(scope), about=rule, split=split)


def bounds_of(session: Session) -> dict[str, tuple[float, float]]:
    """What the region's owner says that columns can hold; a job that says otherwise was refused."""
    return session.settings.of_dataset(session.work.dataset).bounds


def _described(session: Session, what: str, scope: str) -> Described:
    people, dataset = _people(session, what, scope), session.work.dataset
    bounds = bounds_of(session) if what == STATISTICS else {}

    def apart(other: Bounds) -> int:
        """How many people's values differ between other bounds and these."""
        if not (other or bounds):
            return 0
        rows = session.divided(scope).train
        moved = np.zeros(len(rows), bool)
        for name in {*other, *bounds} & {*rows.columns}:
            if rows.kinds[name] == "numeric":
                values = np.asarray(rows.columns[name], np.float64)
                one, two = (_within(values, given.get(name)) for given in (other, bounds))
                moved |= (one != two) & ~np.isnan(values)
        return len({*map(str, np.asarray(rows.persons)[moved])})

    return Described(people, bounds, apart, same_people(session.settings.datasets, dataset))


def _within(values: np.ndarray, bounds: Sequence[float] | None) -> np.ndarray:
    return values if bounds is None else np.clip(values, bounds[0], bounds[1])


def _people(session: Session, what: str, scope: str) -> People:
    """Who stands behind an answer: a profile looks at labels of all rows, the others at training rows.

    Updates are of the people behind statistics, so for all of them another target is another row.
    """
    if (what, scope) not in session.behind:
        session.behind[what, scope] = _people_of(session, what, scope, answers_of(session).key(PEOPLE))
    return session.behind[what, scope]


def _people_of(session: Session, what: str, scope: str, key: bytes) -> People:
    rows, mask, records = session.rows(scope), session.mask(scope), session.records
    columns = {**rows.columns, "fedsov:target": records.target[mask]}
    chosen = session.division.train[mask]
    if what == PROFILE:
        labels = np.array([repr(label.to_json()) for label in records.labels], object)
        columns["fedsov:label"] = labels[records.label_of[mask]]
        if records.consents is not None:
            columns["fedsov:consent"] = records.consents[mask]
        chosen = np.ones(len(chosen), bool)
    return people_of(columns, np.asarray(rows.persons), chosen, secret=key)


def _banded(session: Session) -> dict[str, int]:
    exact, least, public = session.counts(), session.settings.limits.least_people, session.records.public
    y, rule = session.rows(Scope.ALL).y, session.work.target
    groups = [(y[mask], session.records.subjects[mask]) for mask in (public, ~public)]
    classes = max(_classes(part, owners_of(who, len(who)), rule.classes, least) for part, who in groups)
    return {name: in_tens(exact[name]) for name in exact} | {"classes": classes}


def _classes(y: np.ndarray, owners: np.ndarray, classes: Sequence[str], least: int) -> int:
    """How many classes of (N,) or (N, C) outcomes so many people have; numbers that vary among them are two."""
    if y.ndim == 1 and classes:
        return sum(people_in(owners[y == place]) >= least for place in range(len(classes)))
    varies = any(fewest_apart(values, owners) >= least for values in (y.T if y.ndim > 1 else (y,)))
    return 2 if varies else min(len(y), 1)
