"""The hub is given what it needs, as values and functions, and nothing by which a row could be read."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from fedsov.config.hub_settings import hub_settings, training_job
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import settings
from fedsov.hub.settings import HubSettings, HubTraining
from tests.hub.world import hub

DATA = {"dataset_spec", "recipe", "source", "regions", "atlas", "catalogue"}


def test_a_hub_has_no_settings_of_a_data_set_but_its_name_and_what_is_learned(tmp_path: Path) -> None:
    names = {field.name for kind in (HubSettings, HubTraining) for field in fields(kind)}
    assert not names & DATA
    chosen = hub(tmp_path)
    assert (chosen.dataset, chosen.task) == ("stackoverflow", "binary")


def test_first_parameters_are_whole_for_others_and_shared_for_members() -> None:
    chosen = hub_settings(settings(compose(["model.private=[intercept]"]))).training
    assert set(chosen.first_parameters(3, "public")) - set(chosen.first_parameters(3, "shareable")) == {"2.bias"}


def test_the_regions_job_is_plain_values_that_become_the_same_job() -> None:
    chosen = settings(compose(["federation.compression=int8", "algorithm=ditto", "privacy=secure"][:2]))
    assert hub_settings(chosen).job == training_job(chosen)


@pytest.mark.parametrize(("words", "noise", "summed"), [([], False, False), (["privacy=record"], True, False)])
def test_privacy_and_sums_are_known_to_the_hub(words: list[str], noise: bool, summed: bool) -> None:
    training = hub_settings(settings(compose(words))).training
    assert training.adds_noise is noise and (training.secure_sum is not None) is summed


def test_the_pace_of_a_round_follows_the_schedule() -> None:
    words = ["federation.schedule={name:cosine,least:0.1}", "federation.rounds=5"]
    training = hub_settings(settings(compose(words))).training
    assert training.spec.step_counts(1).rate > training.spec.step_counts(3).rate > training.spec.step_counts(5).rate
