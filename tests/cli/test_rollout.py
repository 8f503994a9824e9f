"""`rollout`: each act said in lines with what comes next, and as JSON; what cannot be is one line with the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.inference.world import register, workspace_of
from tests.cli.world import call

BY = ("--by", "A. Person", "--why", "a trial")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A workspace whose hub has a model of people in DE."""
    workspace = workspace_of(tmp_path_factory.mktemp("rollouts") / "w")
    register(workspace, "hub", "people")
    return f"workspace={workspace.root}"


def test_a_rollout_s_acts_say_where_each_region_is_and_what_comes_next(place: str) -> None:
    assert call("rollout", "status", place).out.startswith("no rollout goes on; `fedsov rollout propose MODEL VERSION`")
    lines = call("rollout", "propose", "people", "1", "--canary", "DE", *BY, place).out.splitlines()
    assert lines[0] == "rollout 1: people 1 as champion, proposed"
    assert lines[1:3] == ["  attack verdict undecided", "  evaluation: its run noted none"]
    assert "  DE (canary): unsigned" in lines and "  GB: unsigned" in lines
    assert lines[-1] == "  next: `fedsov rollout approve 1` approves it at the hub"
    assert "approved at the hub by A. Person: a trial" in call("rollout", "approve", "1", *BY, place).out
    refused = call("rollout", "start", "1", *BY, place)
    assert (refused.code, "DE is the canary of rollout 1 (people 1) and is unsigned" in refused.line) == (2, True)
    signed = call("rollout", "approve", "1", "--region", "DE", *BY, place).out
    assert "next: `fedsov rollout start 1` begins with DE" in signed
    started = call("rollout", "start", "1", *BY, place, "--json").json
    assert (started["state"], started["regions"]["DE"]["state"]) == ("running", "published")
    assert started["regions"]["US"]["state"] == "refused" and "Obtain" in started["regions"]["US"]["why"]
    assert "rollout 1: people 1 as champion, frozen: a trial" in call("rollout", "freeze", "1", *BY, place).out
    back = call("rollout", "rollback", "1", *BY, place).out
    assert (
        back.startswith("rollout 1: people 1 as champion, rolled back: a trial") and "DE (canary): taken back" in back
    )
    followed = call("rollout", "status", "1", "--follow", place).out
    assert followed == back, "a rollout that is over is not followed"
    assert (
        call("rollout", "status", "--all", place, "--json").json["rollouts"][0]["events"][-1]["act"] == "published back"
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("approve 7", "no rollout 7; there are 1"),
        ("approve 7 --region FR", "unknown region 'FR'; there are DE, GB, US"),
        ("propose people 1 --mode champ --why x", "mode must be one of champion, canary, shadow, got 'champ'"),
        ("propose people 1 --share 10% --why x", "share must be 1, got 0.1"),
        ("start", "rollout start needs N; see `fedsov rollout start --help`"),
    ],
)
def test_what_cannot_be_is_said_with_the_way_out(place: str, words: str, line: str) -> None:
    assert line in call("rollout", *words.split(), place).line


def test_a_folder_without_a_hub_says_where_rollouts_are(tmp_path: Path) -> None:
    assert (
        "is no hub's home; go there, or name the workspace" in call("rollout", "status", f"workspace={tmp_path}").line
    )
