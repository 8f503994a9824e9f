"""The hub is given what it needs, as values and functions, and nothing by which a row could be read."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from fedsov.hub.settings import HubSettings, HubTraining
from tests.hub.world import hub

DATA = {"dataset_spec", "recipe", "source", "regions", "atlas", "catalogue"}


def test_a_hub_has_no_settings_of_a_data_set_but_its_name_and_what_is_learned(tmp_path: Path) -> None:
    names = {field.name for kind in (HubSettings, HubTraining) for field in fields(kind)}
    assert not names & DATA
    chosen = hub(tmp_path)
    assert (chosen.dataset, chosen.task) == ("stackoverflow", "binary")
