"""Scopes: what an answer is about binds it, and nothing outside its scope has a say in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedsov.errors import FedsovError
from fedsov.label import PUBLIC, Label
from fedsov.model.targets import TargetRule
from fedsov.partition.records import Records
from fedsov.protocol.job import TrainingJob
from fedsov.region.session import Session
from tests.own_settings import CLOSED, SECRET

BOUND = Label(frozenset({"DE"}), frozenset({"financial"}))
CONTRACT = Label(frozenset({"DE"}), frozenset({"financial"}), frozenset({"contract"}))
LABELS = (PUBLIC, BOUND, CONTRACT)


def _session(label_of: np.ndarray, target: np.ndarray, subjects: np.ndarray | None = None) -> Session:
    rows = len(label_of)
    records = Records(
        region="DE",
        columns={"age": np.arange(rows, dtype=float)},
        kinds={"age": "numeric"},
        target=target.astype(float),
        subjects=np.array([f"s{row}" for row in range(rows)]) if subjects is None else subjects,
        labels=LABELS,
        label_of=label_of,
    )
    job = TrainingJob("people", TargetRule("salary", above_region_median=True))
    return Session(records, job, Path("."), settings=CLOSED, secret=SECRET)


def _thirds(rows: int = 300) -> np.ndarray:
    return np.arange(rows) % 3


def test_each_scope_s_label_is_the_join_of_its_own_rows() -> None:
    session = _session(_thirds(), np.arange(300))
    assert session.label("public") == PUBLIC
    assert session.label("shareable") == BOUND
    assert session.label("all") == CONTRACT


def test_no_row_outside_a_scope_changes_its_outcomes() -> None:
    labels, salaries = _thirds(), np.random.default_rng(0).normal(size=300)
    raised = salaries + 50.0 * (labels != 0)
    before, after = (_session(labels, target).rows("public").y for target in (salaries, raised))
    assert np.array_equal(before, after)
    restricted = salaries + 50.0 * (labels == 2)
    before, after = (_session(labels, target).rows("shareable").y for target in (salaries, restricted))
    assert np.array_equal(before, after)


def test_people_are_counted_not_rows_and_public_rows_hide_nobody() -> None:
    few = np.array([f"person {row % 4}" for row in range(300)])
    assert _session(np.ones(300, int), np.arange(300), few).people("shareable", "all") == 4
    mostly_public = np.zeros(300, int)
    mostly_public[:3] = 1
    session = _session(mostly_public, np.arange(300))
    assert session.people("shareable", "all") == 3
    assert session.people("public", "all") == 297


def test_a_group_of_a_few_people_is_not_told_apart_in_the_counts() -> None:
    labels = np.ones(300, int)
    labels[:3], labels[3:7] = 0, 2
    assert _session(labels, np.arange(300)).counts() == {"rows": 300, "public": 0, "shareable": 300, "classes": 2}
    assert _session(_thirds(), np.arange(300)).counts() == {"rows": 300, "public": 100, "shareable": 200, "classes": 2}


def test_the_parts_of_a_scope_are_disjoint_and_complete() -> None:
    session = _session(_thirds(), np.arange(300))
    for scope in ("all", "shareable", "public"):
        parts = session.divided(scope)
        ages = np.concatenate([part.columns["age"] for part in (parts.train, parts.validation, parts.test)])
        assert sorted(ages) == sorted(np.arange(300.0)[session.mask(scope)])


def test_a_synthesizer_never_sees_a_validation_or_test_row_or_a_restricted_one() -> None:
    session = _session(_thirds(), np.arange(300))
    seen = session.training_records("shareable")
    assert not any(label.restrictions for label in (seen.labels[place] for place in np.unique(seen.label_of)))
    assert set(seen.columns["age"]) <= set(np.arange(300.0)[session.division.train])


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(FedsovError, match="everything"):
        _session(_thirds(), np.arange(300)).mask("everything")
