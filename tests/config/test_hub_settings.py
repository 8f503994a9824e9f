"""What the hub and the regions are given of a run's settings: the same values, as functions and plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pytest

from fedsov.algorithms.personalization import Personalization, PrivateParameters
from fedsov.border.law.bundle_loader import load_bundle
from fedsov.config.hub_settings import hub_settings, training_job
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import Settings, settings
from fedsov.errors import ConfigurationError
from fedsov.hub.settings import HubTraining
from fedsov.model.network import register
from fedsov.privacy.secure_aggregation.fixed_point import Bounds
from fedsov.protocol.job import TrainingJob
from fedsov.serialization import from_plain, to_plain
from tests.model.odd_networks import partly_untrained

WORDS = (
    "seed=5",
    "today=2026-11-23",
    "border=unsafe_open",
    "federation.rounds=5",
    "federation.patience=3",
    "federation.compression=int8",
    "federation.schedule={name:cosine,least:0.1}",
    "strategy.synthetic.rows=77",
    "algorithm=ditto",
)


@cache
def chosen(*words: str) -> Settings:
    return settings(compose(words))


def training(*words: str) -> HubTraining:
    return hub_settings(chosen(*words)).training


@pytest.mark.parametrize("words", [(), WORDS, ("privacy=record",)])
def test_a_region_s_job_travels_as_plain_values_and_becomes_the_same_job(words: tuple[str, ...]) -> None:
    job = training_job(chosen(*words))
    assert from_plain(TrainingJob, json.loads(json.dumps(to_plain(job)))) == job
    assert hub_settings(chosen(*words)).job == job


def test_a_region_is_asked_for_what_the_settings_say() -> None:
    run = chosen(*WORDS)
    job = training_job(run)
    assert (job.seed, job.rounds, job.patience, job.synthetic_rows) == (5, 5, 3, 77)
    assert (job.dataset, job.target, job.recipe) == (run.dataset.name, run.dataset.target, run.recipe)
    assert (job.algorithm.name, job.compression, job.schedule) == (
        "ditto",
        run.federation.compression,
        run.federation.schedule,
    )
    assert job.personalization == run.personalization and job.privacy is None
    assert training_job(chosen()).patience == 0 and training_job(chosen("privacy=record")).privacy is not None


def test_hub_and_regions_agree_on_all_of_the_training_but_when_it_ends() -> None:
    spec = training(*WORDS).spec
    assert spec.patience == 3 and replace(spec, patience=None) == training_job(chosen(*WORDS)).training


def test_the_hub_has_the_settings_that_it_decides_by() -> None:
    run = chosen(*WORDS)
    hub = hub_settings(run)
    assert (hub.workspace, hub.plain, hub.hub) == (run.workspace, run.plain, run.federation.hub)
    assert (hub.strategy, hub.border, hub.border.unsafe_open) == (run.strategy, run.border, True)
    assert (hub.dataset, hub.task, hub.synthetic_rows) == (run.dataset.name, "binary", 77)
    longer = replace(run, federation=replace(run.federation, days_per_round=7))
    assert (hub.asked.today, hub_settings(longer).asked.days_per_round) == (date(2026, 11, 23), 7)


def test_the_consent_document_is_the_data_set_s_and_none_where_nobody_is_asked() -> None:
    run = chosen()
    assert run.dataset.consent is not None
    assert hub_settings(run).consent_document == run.dataset.consent.document
    assert hub_settings(replace(run, dataset=replace(run.dataset, consent=None))).consent_document is None


def _same(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def test_first_parameters_are_whole_for_others_and_shared_for_members() -> None:
    first = training("model.private=[intercept]").first_parameters
    whole, shared = first(3, "public"), first(3, "shareable")
    assert set(whole) - set(shared) == {"2.bias"} and _same({name: whole[name] for name in shared}, shared)
    assert whole["0.weight"].shape[1] == 3


def test_first_parameters_follow_the_seed() -> None:
    seeds = (5, 5, 6)
    runs = (hub_settings(replace(chosen(), seed=seed)).training for seed in seeds)
    once, again, other = (run.first_parameters(3, "public") for run in runs)
    assert _same(once, again) and not _same(once, other)


def test_a_parameter_that_nobody_trains_is_refused_unless_it_is_frozen_or_private() -> None:
    register("hub-partly-untrained", partly_untrained)
    run = chosen("model.name=hub-partly-untrained", "model.hidden=[]")
    with pytest.raises(ConfigurationError, match=r"'0\.weight' has requires_grad=False.*name it in model\.frozen"):
        hub_settings(run).training.first_parameters(4, "shareable")
    frozen = replace(run, recipe=replace(run.recipe, frozen=("0.weight",)))
    private = replace(run, personalization=Personalization(PrivateParameters(("0.weight",))))
    for allowed in (frozen, private):
        assert "0.bias" in hub_settings(allowed).training.first_parameters(4, "shareable")


@pytest.mark.parametrize(
    ("words", "noise", "bounds"),
    [((), False, None), (("privacy=record",), True, None), (("privacy.secure_aggregation=true",), False, Bounds())],
)
def test_privacy_and_sums_are_known_to_the_hub(words: tuple[str, ...], noise: bool, bounds: Bounds | None) -> None:
    assert (training(*words).adds_noise, training(*words).secure_sum) == (noise, bounds)


def test_the_pace_of_a_round_follows_the_schedule() -> None:
    spec = training(*WORDS).spec
    assert spec.step_counts(1).rate > spec.step_counts(3).rate > spec.step_counts(5).rate


def test_the_hub_waits_as_long_as_the_settings_say() -> None:
    run = chosen()
    assert training().timeout == run.runtime.timeout
    assert hub_settings(replace(run, runtime=replace(run.runtime, timeout=7.0))).training.timeout == 7.0


@pytest.fixture
def in_2031(monkeypatch: pytest.MonkeyPatch) -> date:
    """A machine whose clock says 2031, when nobody has read the shipped law for years."""
    monkeypatch.setattr("fedsov.config.hub_settings.real_day", lambda: date(2031, 1, 15))
    return load_bundle().horizon


def test_the_shipped_demo_runs_in_2031_on_a_rehearsed_day_that_it_marks(in_2031: date) -> None:
    job = hub_settings(settings(compose(()))).asked
    assert job.today == in_2031 and job.rehearses
    assert f"as if it began on {in_2031}" in job.marks["rehearsed day"]


def test_rows_of_people_and_a_day_that_is_named_keep_their_own_day_in_2031(in_2031: date) -> None:
    assert (
        hub_settings(settings(compose(("dataset.examples=null", "dataset.consent=null", "border=none")))).asked.today
        is None
    )
    assert hub_settings(settings(compose(("today=2031-02-01",)))).asked.today == date(2031, 2, 1) > in_2031


def test_within_the_horizon_the_demo_goes_by_the_real_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedsov.config.hub_settings.real_day", lambda: load_bundle().horizon)
    job = hub_settings(settings(compose(()))).asked
    assert job.today is None and "rehearsed day" not in job.marks
