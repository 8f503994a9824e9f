"""What is submitted to a hub is done in the hub's own home and by its own coordinator, or refused in a sentence."""

import pytest

from fedsov.api.deployment.run_job import run_job
from fedsov.errors import ConfigurationError


@pytest.mark.parametrize(
    ("kind", "config", "why"),
    [
        ("erase", {}, "the hub runs no job of kind 'erase'"),
        ("train", {"runtime": {"options": {"hub": "elsewhere:9092"}}}, "a run at a hub is that hub's own"),
        ("train", {"runtime": "deployment"}, "is no configuration"),
        ("train", {"runtime": {"options": ["hub"]}}, "is no configuration"),
        ("train", {"runtime": {}}, "federation is not set"),
        ("plan", {}, "is no configuration"),
        ("plan", {"settings": ["a"]}, "is no configuration"),
        ("resume", {"run": "../../etc"}, "no run"),
    ],
)
def test_what_is_no_job_of_this_hub_is_refused_in_a_sentence(tmp_path, kind, config, why):
    with pytest.raises(ConfigurationError, match=why):
        run_job(tmp_path, {"kind": kind, "config": config}, print)
