"""A region's windows of use are closed once: by its settings and its border, in its ledger, whoever is killed when."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from fedsov.api.control.use import closed_windows
from fedsov.api.control.use.closed_windows import GRACE, close_windows, has_closed, waiting_reports
from fedsov.api.promotion import VersionApproval, promote
from fedsov.api.region_settings import set_settings
from fedsov.errors import LedgerBroken
from fedsov.inference.use.spool import Window
from fedsov.protocol.use_report import UseCell, UseReport, read_use_report
from fedsov.storage.atomic_files import write_file
from fedsov.storage.control_folder import RegionControlFolder
from fedsov.storage.workspace import Workspace
from tests.api.control.use.use_world import (
    AFTER,
    FIRST,
    HOUR,
    SECOND,
    asked,
    crossings_of_metrics,
    opened,
    sharing,
    spool_of,
)
from tests.api.inference.world import notes, register


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return sharing(tmp_path / "w")


def closed(workspace: Workspace, now: float = AFTER) -> list[closed_windows.ClosedWindow]:
    with opened(workspace) as (place, own):
        return close_windows(place, own, now=now)


def documents(workspace: Workspace) -> list[bytes]:
    return [path.read_bytes() for path in waiting_reports(workspace.region("DE"))]


def test_what_ten_people_asked_crosses_once_and_is_in_the_ledger(workspace: Workspace) -> None:
    asked(workspace, FIRST, 12)
    asked(workspace, FIRST, 12)  # the same people at another worker
    (window,) = closed(workspace)
    (document,) = documents(workspace)
    (cell,) = read_use_report(document).cells
    assert (cell.people, cell.requests, window.report) == (10, 70, read_use_report(document))
    assert crossings_of_metrics(workspace) == [("permit", 12, hashlib.sha256(document).hexdigest())]
    assert not spool_of(workspace).windows() and not closed(workspace)


def test_of_nine_people_nothing_leaves_and_it_says_so_at_home(workspace: Workspace) -> None:
    asked(workspace, FIRST, 9, often=100)
    (window,) = closed(workspace)
    assert window.report is None and "asked by 10 people or more (1 group left out)" in window.sentence
    assert not documents(workspace) and not crossings_of_metrics(workspace) and not spool_of(workspace).windows()


def test_a_window_that_has_not_ended_stays(workspace: Workspace) -> None:
    asked(workspace, FIRST, 12)
    now = FIRST.ends + GRACE - 1
    assert not has_closed(workspace.region("DE"), now) and not closed(workspace, now)
    assert has_closed(workspace.region("DE"), now + 1) and closed(workspace, now + 1)


def test_without_the_owner_s_word_nothing_leaves_and_what_was_counted_is_deleted(workspace: Workspace) -> None:
    asked(workspace, FIRST, 50)
    set_settings(workspace.root, ["DE"], ["metrics.share=false"])
    (window,) = closed(workspace)
    assert "fedsov region set DE metrics.share=true" in window.why
    assert not documents(workspace) and not spool_of(workspace).windows()


def test_the_owner_may_ask_for_more_people(workspace: Workspace) -> None:
    set_settings(workspace.root, ["DE"], ["metrics.people=13"])
    asked(workspace, FIRST, 12)
    assert closed(workspace)[0].report is None
    asked(workspace, SECOND, 13)
    report = closed(workspace)[0].report
    assert report is not None and report.least == 13


def test_the_border_decides_by_the_law_of_those_who_asked(workspace: Workspace) -> None:
    asked(workspace, FIRST, 12)
    asked(workspace, FIRST, 12, code="IR")  # whose law the shipped bundle does not have
    (window,) = closed(workspace)
    (note,) = notes(workspace, "DE", "use_report")
    assert note["origins"] == ["DE", "IR"]
    assert window.report is None and "have a lawyer add its law" in window.why
    assert crossings_of_metrics(workspace)[0][0] == "refuse" and not documents(workspace)


def test_the_border_s_own_floor_holds_should_a_figure_of_nine_people_come_so_far(workspace: Workspace) -> None:
    cell = UseCell("people-de", 1, "champion", "answered", people=10, requests=None)
    content = UseReport("DE", FIRST.begins, 60, 10, (cell,)).to_bytes()
    folder = RegionControlFolder(workspace.region("DE")).metrics
    write_file(folder / "report.pending", content)
    about = {"begins": FIRST.begins, "minutes": 60, "sha256": hashlib.sha256(content).hexdigest(), "fewest": 9}
    with opened(workspace) as (place, own):
        place.ledger.note({"use_report": {**about, "origins": ["DE"], "categories": ["personal"]}})
        close_windows(place, own, now=AFTER)
    assert [crossing[:2] for crossing in crossings_of_metrics(workspace)] == [("refuse", 9)]
    assert not list(folder.iterdir())


@pytest.mark.parametrize("begins", [FIRST.begins, FIRST.begins + HOUR // 2])
def test_no_second_report_is_about_a_window_that_was_told_of(workspace: Workspace, begins: int) -> None:
    asked(workspace, FIRST, 12)
    assert closed(workspace)[0].report
    asked(workspace, Window(begins, HOUR // 2), 11)
    (again,) = closed(workspace)
    assert again.report is None and "do not overlap" in again.why
    assert len(documents(workspace)) == 1


@pytest.mark.parametrize("step", ["note", "cross_all", "replace"])
def test_killed_at_any_step_it_goes_on_with_the_same_bytes_and_crosses_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    from fedsov.border.gate import Gate
    from fedsov.ledger.ledger import Ledger

    asked(workspace, FIRST, 12)
    with monkeypatch.context() as patch:

        def killed(*_: object, **__: object) -> None:
            raise LedgerBroken("killed here")

        target = {"note": (Ledger, "note"), "cross_all": (Gate, "cross_all"), "replace": (os, "replace")}[step]
        if step == "replace":
            real = os.replace
            patch.setattr(
                os, "replace", lambda a, b: killed() if str(b).endswith(".json") and "metrics" in str(b) else real(a, b)
            )
        else:
            patch.setattr(*target, killed)
        with pytest.raises(LedgerBroken):
            closed(workspace)
    before = [path.read_bytes() for path in RegionControlFolder(workspace.region("DE")).metrics.glob("*.pending")]
    if step != "note":
        asked(workspace, FIRST, 40)  # what came late changes nothing that was noted
    closed(workspace)
    assert documents(workspace) == before
    assert len(crossings_of_metrics(workspace)) == 1 and not spool_of(workspace).windows()


@pytest.mark.long
def test_under_noise_a_report_costs_its_epsilon_and_none_follows_once_the_lifetime_is_spent(
    workspace: Workspace,
) -> None:
    register(workspace, "DE", "people-de")
    promote(workspace.root, VersionApproval("people-de", 1, why="a test"))
    set_settings(workspace.root, ["DE"], ["metrics.lifetime_epsilon=2.5", "metrics.epsilon=2"])
    asked(workspace, FIRST, 200)
    report = closed(workspace)[0].report
    assert report is not None and report.noise is not None
    (cell,) = report.cells
    assert cell.requests is None and 150 <= cell.people <= 250
    asked(workspace, SECOND, 200)
    (window,) = closed(workspace)
    assert window.report is None and "lifetime_epsilon" in window.why
    lines = (workspace.region("DE") / "privacy-use.jsonl").read_text().splitlines()
    assert len(lines) == 2 and json.loads(lines[1])["events"][0]["epsilon"] == 2
    assert len(notes(workspace, "DE", "use_privacy")) == 1
