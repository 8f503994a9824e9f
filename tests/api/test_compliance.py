"""The record of a workspace takes registers, budgets and the controller's file from where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.api.compliance import controllers_of, privacy_accounts, workspace_record
from fedsov.errors import ConfigurationError
from fedsov.ledger.ledger import Ledger
from tests.api.world import spent_twice
from tests.border.world import DAY


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return spent_twice(tmp_path)


def test_the_controller_s_file_is_the_one_named_else_the_one_beside_the_register(workspace: Path) -> None:
    beside, other, register = (workspace / name for name in ("controller.yaml", "other.yaml", "documents.yaml"))
    assert controllers_of(workspace, file=None, register=register) == []
    beside.write_text("purposes: beside")
    other.write_text("purposes: other")
    (found,) = controllers_of(workspace, file=None, register=register)
    assert found.source == str(beside) and ("beside",) in [answer.texts for answer in found.answers]
    (named,) = controllers_of(workspace, file=other, register=register)
    assert named.source == str(other)
    assert workspace_record(workspace, on=DAY, controllers=[named]).controllers == (named,)


def test_a_controller_s_file_that_was_named_and_is_not_there_is_refused(workspace: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*nowhere\.yaml"):
        controllers_of(workspace, file=workspace / "nowhere.yaml", register=None)


def test_every_region_has_an_account_and_a_note_that_is_none_is_a_fault_of_its_own(workspace: Path) -> None:
    ledger = Ledger(workspace / "regions" / "US" / "ledger.sqlite", "US")
    ledger.append({"at": "2026-01-01", "run": "r1", "act": "note", "owner": "US", "note": {"privacy": {"head": 3}}})
    accounts = privacy_accounts(workspace)
    assert accounts["DE"]["spent"] > 0
    assert accounts["US"] == {"fault": "its ledger holds a note of privacy that is none"}
    told = {region.region: region.fault for region in workspace_record(workspace, on=DAY).privacy}
    assert told == {"DE": "", "US": "its ledger holds a note of privacy that is none"}
