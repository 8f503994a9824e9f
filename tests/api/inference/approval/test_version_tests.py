"""A verdict is recorded for the version that these settings train, by whose rows were tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedsov import registry
from fedsov.api.inference.approval import verdicts
from fedsov.api.inference.approval.version_tests import check_rows, record_test, version_under_test
from fedsov.config.hydra_compose import compose
from fedsov.config.settings import Settings, settings
from fedsov.errors import ConfigurationError
from fedsov.label import Label
from fedsov.region.run_record import flat
from fedsov.storage.workspace import Workspace
from tests.api.inference.world import notes, register, workspace_of


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_of(tmp_path / "w", "DE")


def _settings(workspace: Workspace, *words: str) -> Settings:
    return settings(compose([f"workspace={workspace.root}", *words]))


def _report(verdict: str) -> dict[str, Any]:
    return {"verdict": verdict}


def test_a_test_is_noted_in_the_ledger_and_tagged_in_the_registry(workspace: Workspace) -> None:
    own = _settings(workspace)
    register(workspace, "hub", "people", params=flat(own.plain))
    tested = version_under_test(own, "people", 1, region="DE")
    record_test(own, tested, _report("pass"), "ab" * 32, by="A. Person")
    (note,) = notes(workspace, "hub", verdicts.NOTE)
    assert (note["model"], note["version"], note["verdict"], note["region"], note["by"]) == (
        *("people", 1, "pass", "DE"),
        "A. Person",
    )
    (registered,) = registry.models(workspace.hub)
    tags = registered.tags
    assert (tags[verdicts.NOTE], tags[verdicts.REPORT_TAG]) == ("pass", "ab" * 32)


def test_settings_of_another_training_are_refused_by_name(workspace: Workspace) -> None:
    register(workspace, "hub", "people", params=flat(_settings(workspace).plain))
    other = _settings(workspace, "federation.rounds=3")
    with pytest.raises(ConfigurationError, match="was trained with federation.rounds=10, and these settings say 3"):
        version_under_test(other, "people", 1, region="DE")


def test_a_model_of_the_hub_s_needs_a_region_and_a_region_s_own_is_tried_at_home(workspace: Workspace) -> None:
    own = _settings(workspace)
    register(workspace, "hub", "people")
    register(workspace, "DE", "people-de")
    with pytest.raises(ConfigurationError, match="people is the hub's; name whose rows are attacked: --region NAME"):
        version_under_test(own, "people", 1, region=None)
    assert version_under_test(own, "people-de", 1, region=None).region == "DE"


def test_rows_of_people_on_whom_the_model_was_not_trained_test_nothing(workspace: Workspace) -> None:
    register(workspace, "DE", "people-de")
    tested = version_under_test(_settings(workspace), "people-de", 1, region=None)
    check_rows(tested, Label(frozenset({"DE"})))
    with pytest.raises(ConfigurationError, match="was not trained on them"):
        check_rows(tested, Label(frozenset({"DE", "US"})))
