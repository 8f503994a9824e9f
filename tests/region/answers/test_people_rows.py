"""What is told of people's rows: counts in tens, classes of enough people, and whose rows are which question's."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedsov.errors import AnswerWithheld, FedsovError
from fedsov.label import PUBLIC, Label
from fedsov.model.features import Features
from fedsov.model.targets import TargetRule
from fedsov.partition.records import Records
from fedsov.protocol.job import TrainingJob
from fedsov.region.answers import people_rows
from fedsov.region.session import Session
from tests.own_settings import CLOSED, SECRET
from tests.region.world import remembering

BINARY, CLASSES = TargetRule("ill", positive="yes"), TargetRule("ill", classes=("a", "b", "c"))


def _session(folder: Path, target: list[str], rule: TargetRule = BINARY, public: int = 0) -> Session:
    rows = len(target)
    records = Records(
        region="DE",
        columns={"age": np.arange(float(rows))},
        kinds={"age": "numeric"},
        target=np.array(target, object),
        subjects=np.array([f"{row:032x}" for row in range(rows)]),
        labels=(Label(frozenset({"DE"})), PUBLIC),
        label_of=(np.arange(rows) < public).astype(int),
    )
    session = Session(records, TrainingJob("people", rule), folder, settings=CLOSED, secret=SECRET)
    return remembering(session, folder)


@pytest.mark.parametrize(
    ("target", "rule", "classes"),
    [
        (["yes"] * 9 + ["no"] * 128, BINARY, 1),
        (["yes"] * 10 + ["no"] * 127, BINARY, 2),
        (["a"] * 60 + ["b"] * 68 + ["c"] * 9, CLASSES, 2),
        (["a"] * 60 + ["b"] * 67 + ["c"] * 10, CLASSES, 3),
    ],
)
def test_rows_are_told_in_tens_and_a_class_by_ten_people(tmp_path, target, rule, classes):
    told = people_rows.counts(_session(tmp_path, target, rule))
    assert told == {"rows": 130, "public": 0, "shareable": 130, "classes": classes}


def test_a_class_of_few_bound_people_is_not_told_by_public_ones(tmp_path):
    told = people_rows.counts(_session(tmp_path, ["yes"] * 9 + ["no"] * 128, public=8))
    assert told["classes"] == 1 and told["public"] == 0


@pytest.mark.parametrize("bound", [9, 10])
def test_an_outcome_of_few_bound_people_is_not_trained_on_beside_a_public_row_that_has_it(tmp_path, bound):
    session = _session(tmp_path, ["no"] * 137)
    trained = np.flatnonzero(session.division.train)
    target, label_of = session.records.target.copy(), session.records.label_of.copy()
    target[trained[: bound + 1]], label_of[trained[0]] = "yes", 1
    session.records = replace(session.records, target=target, label_of=label_of)
    people_rows.statistics(session, "shareable")
    withheld = pytest.raises(AnswerWithheld, match="that of fewer than 10 people") if bound < 10 else nullcontext()
    with withheld:
        people_rows.looked_at(session, "shareable", Features((("age", 60.0, 35.0),)))


def test_another_rule_of_the_target_is_another_question(tmp_path):
    target = ["yes"] * 20 + ["no"] * 117
    assert people_rows.counts(_session(tmp_path, target))["classes"] == 2
    assert people_rows.counts(_session(tmp_path, target, TargetRule("ill", positive="maybe")))["classes"] == 1
    assert people_rows.counts(_session(tmp_path, target))["classes"] == 2


def test_a_changed_target_is_a_changed_person_for_counts_and_for_the_updates_behind_statistics(tmp_path):
    target = ["yes"] * 60 + ["no"] * 60
    first = _session(tmp_path, target)
    told, described = people_rows.counts(first), people_rows.statistics(first, "shareable")
    other = _session(tmp_path, ["no"] * 60 + ["yes"] * 60)
    assert people_rows.counts(other) == told
    assert people_rows.statistics(other, "shareable") == described
    questions = [entry.body["note"]["answer"]["question"]["what"] for entry in first.answers.gate.ledger.entries()]
    assert questions == ["profile", "statistics", "profile", "statistics"]


def test_nothing_is_looked_at_before_statistics_were_given(tmp_path):
    session, features = _session(tmp_path, ["yes", "no"] * 60), Features((("age", 60.0, 35.0),))
    with pytest.raises(AnswerWithheld, match="never given"):
        people_rows.looked_at(session, "shareable", features)
    people_rows.statistics(session, "shareable")
    trained, scored = people_rows.looked_at(session, "shareable", features)
    assert not trained.held.inputs and scored == features


def test_people_s_rows_are_not_answered_about_without_a_memory(tmp_path):
    session = _session(tmp_path, ["yes", "no"] * 60)
    session.answers = None
    for ask in (people_rows.count_question, people_rows.counts, people_rows.rows_at_home):
        with pytest.raises(FedsovError, match="without a memory"):
            ask(session)
