"""What the hub asks of a region: it travels as plain values, and comes as what was sent."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from fedsov.algorithms.catalogue import Algorithm
from fedsov.algorithms.compression import Compression
from fedsov.algorithms.local_steps import LocalSteps, Schedule
from fedsov.algorithms.personalization import Personalization, PrivateParameters
from fedsov.algorithms.recipe import Recipe
from fedsov.artifact import Party
from fedsov.model.network import NetworkSpec
from fedsov.model.targets import TargetRule
from fedsov.privacy.secure_aggregation.fixed_point import Bounds
from fedsov.privacy.settings import RecordPrivacy
from fedsov.protocol.calendar import real_day
from fedsov.protocol.job import Asked, RegionStart, TrainingJob
from fedsov.serialization import Unserializable, from_plain, to_plain

JOB = TrainingJob(
    dataset="people",
    target=TargetRule("ill", classes=("yes", "no")),
    recipe=Recipe(NetworkSpec("mlp", (4,)), round=LocalSteps(epochs=3, seed=11), frozen=("0.bias",)),
    seed=5,
    synthetic_rows=77,
    privacy=RecordPrivacy(2.0, None, 1.0, 8.0, 64, 4.0, 0.1, bounds={"age": (0.0, 99.0)}, levels={"job": ("nurse",)}),
    rounds=4,
    schedule=Schedule("cosine", least=0.1),
    compression=Compression("int8"),
    personalization=Personalization(PrivateParameters(("head",), LocalSteps(epochs=2))),
    algorithm=Algorithm("fedprox", {"proximal_mu": 0.1}),
    patience=3,
)
DE, FR, HUB = (Party(name, name, f"Example {name}") for name in ("DE", "FR", "IE"))
ASKED = Asked(
    evidence=Path("/w/documents.yaml"),
    today=date(2026, 11, 23),
    days_per_round=7,
    examples="made up",
    consent={"share": 0.1, "document": "consent", "column": None, "equals": None},
)
START = RegionStart(
    region=DE,
    hub=HUB,
    folder=Path("/w/regions/DE"),
    run="r1",
    job=JOB,
    asked=ASKED,
    peers={"FR": FR},
    peer_keys={"FR": "00ff"},
    last_known_head={"size": 3, "digest": "ab"},
    secure_sum=Bounds(clip=2.0),
    second_process=True,
)


def travelled(start: RegionStart) -> RegionStart:
    return from_plain(RegionStart, json.loads(json.dumps(to_plain(start))))


@pytest.mark.parametrize(
    "start",
    [
        START,
        replace(START, asked=Asked(), last_known_head=None, secure_sum=None, peers={}, peer_keys={}),
        replace(START, job=TrainingJob("people", TargetRule("ill"))),
    ],
)
def test_all_that_a_region_is_told_comes_as_it_was_sent(start: RegionStart) -> None:
    assert travelled(start) == start


@pytest.mark.parametrize("key", ["unsafe_open", "keyring"])
def test_a_start_with_a_word_that_nobody_knows_is_refused(key: str) -> None:
    with pytest.raises(Unserializable, match=f"{key} is not known here"):
        from_plain(RegionStart, {**to_plain(START), key: True})


@pytest.mark.parametrize("key", ["asked", "job"])
def test_a_start_that_leaves_out_the_job_or_what_it_asks_for_is_refused(key: str) -> None:
    with pytest.raises(Unserializable, match=f"{key} is missing"):
        from_plain(RegionStart, {name: value for name, value in to_plain(START).items() if name != key})


def test_a_region_trains_as_its_job_says() -> None:
    training = JOB.training
    assert (training.network, training.steps) == (JOB.recipe.network, JOB.recipe.round)
    assert (training.algorithm, training.rounds, training.schedule) == (JOB.algorithm, 4, JOB.schedule)
    assert (training.compression, training.personalization) == (JOB.compression, JOB.personalization)
    assert training.frozen == ("0.bias",)
    assert training.seed == 11, "each client's chance is keyed by the steps' seed"


def test_the_days_of_a_rehearsal_are_the_jobs_and_any_other_day_is_the_real_one() -> None:
    assert travelled(START).asked.calendar().day(3) == date(2026, 12, 7)
    before = real_day()
    assert before <= Asked().calendar().day(3) <= real_day()
    assert [asked.rehearses for asked in (ASKED, Asked(today=real_day()), Asked(days_per_round=1), Asked())] == [
        True,
        True,
        True,
        False,
    ]


def test_a_job_bears_a_mark_for_example_rows_and_for_a_rehearsed_day() -> None:
    assert list(ASKED.marks) == ["example rows", "rehearsed day"]
    assert "made up" in ASKED.marks["example rows"]
    assert "2026-11-23, 7 days a round" in ASKED.marks["rehearsed day"]
    assert not Asked(unsafe_open=True).marks
