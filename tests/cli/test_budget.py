"""`budget`: what it says of a workspace, and of one in which something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.world import spent_twice
from tests.cli.world import call


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return spent_twice(tmp_path)


def test_spent_left_and_runs_are_told_by_region(workspace: Path) -> None:
    said = call("budget", f"workspace={workspace}", "--json").json
    assert {key for key, value in said["US"].items() if value} == set() and said["US"]["spent"] == 0.0
    assert said["US"].keys() == said["DE"].keys()
    found = said["DE"]
    assert found["lifetime"] == {"epsilon": 4.0, "delta": 1e-6} and found["unit"] == "record"
    assert found["spent"] + found["left"] == pytest.approx(4.0)
    assert [run["run"] for run in found["runs"]] == ["r1", "r2"]
    assert found["runs"][0]["spent"] < found["runs"][1]["spent"] == found["spent"]
    assert found["spent"] < sum(run["epsilon"] for run in found["runs"])


def test_people_read_a_line_for_each_region_and_run(workspace: Path) -> None:
    lines = call("budget", "--region", "DE", f"workspace={workspace}").out.splitlines()
    assert len(lines) == 3 and lines[0].startswith("DE: epsilon") and "left, at delta 1e-06" in lines[0]
    assert "r2  training of people, 1,000 rows" in lines[2]
    assert "US: nothing spent" in call("budget", "--workspace", workspace).out


def test_an_unknown_region_and_a_workspace_without_a_run_are_refused(workspace: Path, tmp_path: Path) -> None:
    for region, line in (("FR", "unknown region 'FR'; there are DE, US"), ("DEE", "did you mean DE? There are DE, US")):
        ended = call("budget", "--region", region, f"workspace={workspace}")
        assert ended.code == 2 and line in ended.line
    assert call("budget", f"workspace={tmp_path / 'empty'}").code == 2
    assert (
        call("budget", "privacy=record").line == "unknown setting 'privacy'; `fedsov budget` takes workspace=DIR only"
    )


def test_a_lost_or_cut_file_is_found_by_the_region_s_ledger(workspace: Path) -> None:
    path = workspace / "regions" / "DE" / "privacy.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    ended = call("budget", f"workspace={workspace}")
    assert ended.code == 5 and "cut or rewritten" in ended.line
    path.unlink()
    ended = call("budget", f"workspace={workspace}", "--json")
    assert ended.code == 5 and "is gone" in ended.line
