"""Which function of which subject answers each call of a region to the hub's control plane."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fedsov.api.control.configuration.configuration_answers import take_region_answer
from fedsov.api.control.control_hub import ControlHub
from fedsov.api.control.rollouts import rollout_answers
from fedsov.api.control.use.hub_metrics import metrics_taken
from fedsov.api.control.witness.witness_answers import witness_answers
from fedsov.runtimes.deployment.control.answers import ControlAnswers
from fedsov.runtimes.deployment.hub.access import Caller


def control_answers(hub: ControlHub) -> ControlAnswers:
    """The answers of a hub."""

    def fetch(who: Caller, path: str) -> bytes | Path:
        """A file of the repository that this region may have; the others do not even say whether they are there."""
        content = hub.repository.fetch(path, region=who.name)
        if content is None:
            raise FileNotFoundError(f"the hub has no {path[:200]} for {who.name}")
        return content

    return ControlAnswers(
        fetch=fetch,
        candidate=partial(rollout_answers.candidate, hub),
        sign_lists=partial(rollout_answers.sign_lists, hub),
        sign_roles=partial(rollout_answers.sign_roles, hub),
        witness=witness_answers(hub),
        release_metrics=metrics_taken(hub),
        answer_configuration=partial(take_region_answer, hub),
    )
