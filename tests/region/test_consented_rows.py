"""Rows whose people consented to a base model: bound as before, told where few are left over to nobody, never beside
noise, and decided for their own purpose."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from fedsov.artifact import Artifact, Kind
from fedsov.border.gate import Outgoing
from fedsov.errors import AnswerWithheld
from fedsov.label import PUBLIC, Label
from fedsov.model.features import Features
from fedsov.model.targets import TargetRule
from fedsov.partition.records import Records
from fedsov.protocol.flower_messages import reason_of
from fedsov.protocol.job import TrainingJob
from fedsov.protocol.message_types import FINISH, PROPOSE
from fedsov.region.answers import people_rows
from fedsov.region.private_run import PrivateRun
from fedsov.region.session import Session
from fedsov.region.worker import OpenRegion, answer
from tests.own_settings import CLOSED, SECRET
from tests.region.world import ask, question, region, remembering, update, with_start

PEOPLE = 300
HOME, CONTRACT = Label(frozenset({"DE"})), Label(frozenset({"DE"}), frozenset(), frozenset({"contract"}))


def _session(folder: Path, consenting: int, *, labels: np.ndarray | None = None) -> Session:
    records = Records(
        region="DE",
        columns={"age": np.arange(float(PEOPLE))},
        kinds={"age": "numeric"},
        target=np.array(["yes", "no"] * (PEOPLE // 2), object),
        subjects=np.array([f"{row:032x}" for row in range(PEOPLE)]),
        labels=(HOME, PUBLIC, CONTRACT),
        label_of=np.zeros(PEOPLE, int) if labels is None else labels,
        consents=np.arange(PEOPLE) < consenting,
    )
    session = Session(
        records, TrainingJob("people", TargetRule("ill", positive="yes")), folder, settings=CLOSED, secret=SECRET
    )
    return remembering(session, folder)


def test_they_keep_their_label_and_public_and_restricted_rows_are_none_of_them(tmp_path: Path) -> None:
    session = _session(tmp_path, 200, labels=np.arange(PEOPLE) % 3)
    assert session.label("consented") == HOME
    mask = session.mask("consented")
    assert mask.sum() == 67 and not (mask & (session.records.public | ~session.records.unrestricted)).any()


@pytest.mark.parametrize(("consenting", "told"), [(0, 0), (9, 0), (150, 150), (295, 0), (300, 300)])
def test_they_are_told_where_they_and_the_others_are_many_or_nobody_is_left(
    tmp_path: Path, consenting: int, told: int
) -> None:
    assert people_rows.counts(_session(tmp_path, consenting))["consented"] == told


def test_nothing_is_told_of_them_where_nobody_was_asked(tmp_path: Path) -> None:
    session = _session(tmp_path, 0)
    session.records = replace(session.records, consents=None)
    assert "consented" not in people_rows.counts(session)


@pytest.mark.parametrize("scopes", [("consented", "shareable"), ("shareable", "consented")])
def test_their_statistics_are_not_told_beside_those_of_all_where_few_are_left_over(
    tmp_path: Path, scopes: tuple[str, str]
) -> None:
    session = _session(tmp_path, 295)
    people_rows.statistics(session, scopes[0])
    with pytest.raises(AnswerWithheld):
        people_rows.statistics(session, scopes[1])


def test_their_statistics_are_told_beside_those_of_all_where_many_are_left_over(tmp_path: Path) -> None:
    session = _session(tmp_path, 150)
    assert people_rows.statistics(session, "consented") != people_rows.statistics(session, "shareable")


def test_of_two_sessions_the_later_one_knows_what_was_told_of_all_before(tmp_path: Path) -> None:
    people_rows.statistics(_session(tmp_path, 150), "shareable")
    with pytest.raises(AnswerWithheld):
        people_rows.statistics(_session(tmp_path, 295), "consented")


def _looked_at(session: Session, features: Features) -> tuple[np.ndarray, np.ndarray]:
    """The inputs of the training rows of all, and of those who consented."""
    scopes = ("shareable", "consented")
    for scope in scopes:
        people_rows.statistics(session, scope)
    seen = (people_rows.looked_at(session, scope, features)[0] for scope in scopes)
    every, some = (one.encode(session.divided(scope).train.columns) for one, scope in zip(seen, scopes, strict=True))
    return every, some


def _with_ward(session: Session, refusing: int) -> Session:
    """Half of those who consented live in ward R, and so many of the others whose rows train."""
    consents = cast(np.ndarray, session.records.consents)
    others = np.flatnonzero(session.division.train & ~consents)[:refusing]
    lives = consents & (np.arange(PEOPLE) % 2 == 0)
    lives[others] = True
    ward = np.where(lives, "R", "A").astype(object)
    session.records = replace(session.records, columns={"ward": ward}, kinds={"ward": "categorical"})
    return session


@pytest.mark.parametrize(("refusing", "apart"), [(1, False), (9, False), (10, True)])
def test_an_input_is_theirs_where_many_of_the_others_differ_in_it(tmp_path: Path, refusing: int, apart: bool) -> None:
    session = _with_ward(_session(tmp_path, 150), refusing)
    every, some = _looked_at(session, Features(levels=(("ward", ("A", "R")),)))
    assert np.ptp(every[:, 1]) == 1.0 and bool(np.ptp(some[:, 1])) == apart


def test_no_update_is_theirs_where_few_of_the_others_are_scored(tmp_path: Path) -> None:
    session = _session(tmp_path, 150)
    consents = np.ones(PEOPLE, bool)
    for part, few in ((session.division.train, 40), (session.division.validation, 1)):
        consents[np.flatnonzero(part)[:few]] = False
    session.records = replace(session.records, consents=consents)
    with pytest.raises(AnswerWithheld, match="in a part"):
        _looked_at(session, Features((("age", 150.0, 87.0),)))


def test_under_noise_no_answer_is_about_them(tmp_path: Path) -> None:
    session = _session(tmp_path, 150)
    session.private = cast(PrivateRun, object())
    assert not session.mask("consented").any() and session.label("consented") == PUBLIC


def _with_consents(opened: OpenRegion) -> OpenRegion:
    session = opened.outbound.session
    session.records = replace(session.records, consents=np.arange(len(session.records)) % 2 == 0)
    return opened


def test_an_update_of_theirs_leaves_for_the_purpose_of_a_base_model_and_of_all_for_training(tmp_path: Path) -> None:
    opened = _with_consents(region(tmp_path, update))
    for scope in ("consented", "shareable"):
        ask(opened, scope=scope)
    entries = [entry.body for entry in opened.outbound.gate.ledger.entries() if entry.body["act"] == "cross"]
    told = {body["purpose"]: body["count"] for body in entries if body["kind"] == "update"}
    assert set(told) == {"base_model", "training"} and told["base_model"] < told["training"]


@pytest.mark.parametrize(
    ("strategy", "incoming", "purposes"),
    [
        ("transfer_learning", Label(frozenset({"JP"})), ["training", "base_model"]),
        ("transfer_learning", PUBLIC, ["training"]),
        ("federated", Label(frozenset({"JP"})), ["training"]),
    ],
)
def test_a_hub_that_says_base_model_opens_nothing_of_those_who_did_not_consent(
    tmp_path: Path, strategy: str, incoming: Label, purposes: list[str]
) -> None:
    outbound = _with_consents(region(tmp_path, update)).outbound
    own = outbound.session.label("all")
    leaving = [Outgoing(Artifact(Kind.METRICS, own | incoming, b"scores", count=50), outbound.start.hub)]
    asked = outbound._decided_by(question(FINISH, {"strategy": strategy}), "all", leaving, incoming=incoming)
    assert [gate.purpose for gate, _ in asked] == purposes
    if len(asked) > 1:
        assert [each.artifact.label for each in asked[0][1]] == [own]
    assert asked[-1][1] == leaving


def test_a_region_of_secure_sums_sends_no_update_of_theirs_by_itself(tmp_path: Path) -> None:
    opened = with_start(_with_consents(region(tmp_path, update)), secure_sum=object())
    reply, _ = ask(opened, scope="consented")
    assert reason_of(reply) == "SumRefused"


def test_a_base_model_that_comes_back_with_fewer_bonds_is_refused(tmp_path: Path) -> None:
    opened = _with_consents(region(tmp_path, update))
    bound = Label(frozenset({"DE", "FR"}), frozenset({"health"}))
    ask(opened, bound, scope="consented")
    reply, _ = ask(opened, Label(frozenset({"DE"})), scope="consented")
    assert reason_of(reply) == "LabelShrunk"


def test_a_planned_crossing_of_a_base_model_is_written_down_for_that_purpose(tmp_path: Path) -> None:
    opened = _with_consents(region(tmp_path, update, hub="CN"))
    config = {"crossings": json.dumps([["update", "hub"]]), "purpose": "base_model"}
    answer(opened, question(PROPOSE, config), PUBLIC)
    (body,) = [entry.body for entry in opened.outbound.gate.ledger.entries() if entry.body["act"] == "cross"]
    assert (body["purpose"], body["verdict"], body["kind"]) == ("base_model", "refuse", "update")
