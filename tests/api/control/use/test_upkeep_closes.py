"""The process beside an endpoint closes its windows of use, says what became of each, and tries again what failed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from fedsov.api.control.use.closed_windows import waiting_reports
from fedsov.api.inference.endpoints import endpoint_upkeep
from fedsov.api.inference.endpoints.endpoint_upkeep import Upkeep
from fedsov.errors import LedgerBroken
from fedsov.runtimes.deployment.supervision.log_lines import LogLines
from fedsov.storage.workspace import Workspace
from tests.api.control.use.use_world import FIRST, SECOND, asked, sharing


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return sharing(tmp_path / "w")


def test_windows_that_ended_are_closed_and_said(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    asked(workspace, FIRST, 12)
    asked(workspace, SECOND, 9)
    Upkeep(workspace.root, "DE", LogLines("DE (hosting)"), threading.Event()).close_windows()
    lines = capfd.readouterr().err
    assert "60 minutes: 1 cell may leave" in lines
    assert (
        "60 minutes: nothing leaves: no version with one outcome was asked by 10 people or more (1 group left out)"
        in lines
    )
    assert len(waiting_reports(workspace.region("DE"))) == 1


def test_what_failed_is_said_and_tried_again_later(
    workspace: Workspace, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(workspace, FIRST, 12)
    upkeep = Upkeep(workspace.root, "DE", LogLines("DE (hosting)"), threading.Event())

    def full(*_: object, **__: object) -> None:
        raise LedgerBroken("the ledger is full")

    with monkeypatch.context() as patch:
        patch.setattr(endpoint_upkeep, "close_windows", full)
        upkeep.close_windows()
    assert "a window of use could not be closed: the ledger is full; it is tried again" in capfd.readouterr().err
    upkeep.close_windows()
    assert not waiting_reports(workspace.region("DE")), "not at once: the reason may last"
    monkeypatch.setattr(endpoint_upkeep.time, "monotonic", lambda: 1e12)
    upkeep.close_windows()
    assert len(waiting_reports(workspace.region("DE"))) == 1
