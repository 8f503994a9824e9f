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
from fedsov.errors import FedsovError
from fedsov.model.network import NetworkSpec
from fedsov.model.targets import TargetRule
from fedsov.privacy.secure_aggregation.fixed_point import Bounds
from fedsov.privacy.settings import RecordPrivacy
from fedsov.protocol.calendar import real_day
from fedsov.protocol.job import RegionStart, TrainingJob
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
START = RegionStart(
    region=DE,
    hub=HUB,
    folder=Path("/w/regions/DE"),
    run="r1",
    job=JOB,
    evidence=Path("/w/documents.yaml"),
    rules=None,
    unsafe=False,
    today=date(2026, 11, 23),
    peers={"FR": FR},
    peer_keys={"FR": "00ff"},
    last_known_head={"size": 3, "digest": "ab"},
    days_per_round=7,
    secure_sum=Bounds(clip=2.0),
    second_process=True,
)


def travelled(start: RegionStart) -> RegionStart:
    return from_plain(RegionStart, json.loads(json.dumps(to_plain(start))))


@pytest.mark.parametrize(
    "start",
    [
        START,
        replace(START, today=None, evidence=None, last_known_head=None, secure_sum=None, peers={}, peer_keys={}),
        replace(START, job=TrainingJob("people", TargetRule("ill"))),
    ],
)
def test_all_that_a_region_is_told_comes_as_it_was_sent(start: RegionStart) -> None:
    assert travelled(start) == start


@pytest.mark.parametrize("key", ["unsafe_open", "keyring"])
def test_a_start_with_a_word_that_nobody_knows_is_refused(key: str) -> None:
    with pytest.raises(Unserializable, match=f"{key} is not known here"):
        from_plain(RegionStart, {**to_plain(START), key: True})


@pytest.mark.parametrize("key", ["unsafe", "evidence", "today", "job"])
def test_a_start_that_leaves_out_the_law_or_the_job_is_refused(key: str) -> None:
    with pytest.raises(Unserializable, match=f"{key} is missing"):
        from_plain(RegionStart, {name: value for name, value in to_plain(START).items() if name != key})


def test_a_region_trains_as_its_job_says() -> None:
    training = JOB.training
    assert (training.network, training.steps) == (JOB.recipe.network, JOB.recipe.round)
    assert (training.algorithm, training.rounds, training.schedule) == (JOB.algorithm, 4, JOB.schedule)
    assert (training.compression, training.personalization) == (JOB.compression, JOB.personalization)
    assert training.frozen == ("0.bias",)
    assert training.seed == 11, "each client's chance is keyed by the steps' seed"


def test_a_region_decides_on_the_days_of_its_own_start() -> None:
    assert travelled(START).calendar().day(3) == date(2026, 12, 7)
    before = real_day()
    assert before <= travelled(replace(START, today=None, days_per_round=0)).calendar().day(3) <= real_day()


def test_a_region_reads_its_own_rules_and_an_open_border_only_where_it_says_so(tmp_path: Path) -> None:
    closed, opened = START.bundle(), replace(START, unsafe=True).bundle()
    assert closed.digest != opened.digest and not closed.unsafe and opened.unsafe
    (tmp_path / "rules.yaml").write_text("not: rules\n")
    with pytest.raises(FedsovError, match=r"rules\.yaml"):
        replace(START, rules=tmp_path / "rules.yaml").bundle()
