"""`config`: what is proposed, what a region has in force, and why not, in lines and as JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.api.control.control_hub import control_hub
from fedsov.api.deployment.trial import set_up_trial
from fedsov.control_plane.configuration.standing import take_answer
from fedsov.protocol.proposed_settings import SettingsAnswer
from fedsov.storage.party_file import HubAddress
from tests.api.inference.world import workspace_of
from tests.cli.world import call

BY = ("--by", "A. Person", "--why", "longer trainings")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The word that names a workspace of a trial."""
    workspace = workspace_of(tmp_path_factory.mktemp("config") / "w", "DE", "GB")
    set_up_trial(workspace.root, ["DE", "GB"], HubAddress("127.0.0.1", 9092))
    return f"workspace={workspace.root}"


def test_what_is_proposed_is_shown_beside_what_is_in_force(place: str) -> None:
    assert call("config", "status", place).out == (
        "nothing was ever proposed; `fedsov config propose KEY=VALUE` proposes a setting\n"
    )
    lines = call("config", "propose", "limits.rounds=40", "retention_days=9", *BY, place).out.splitlines()
    assert lines[0] == "DE: 2 settings proposed, the last in proposal 1; it has not answered yet"
    assert lines[1] == "  DE: limits.rounds: not told -> 40 (not answered yet)"
    answer(place, SettingsAnswer("DE", 1, in_force={"limits.rounds": "40"}, refused={"retention_days": "not listed"}))
    assert (
        call("config", "diff", "--region", "DE", place).out
        == "DE: retention_days: not told -> 9 (refused: not listed)\n"
    )
    told = call("config", "status", "--region", "DE", "--json", place).json["regions"][0]
    assert told["settings"]["limits.rounds"]["state"] == "in force"
    assert told["settings"]["retention_days"]["reason"] == "not listed"
    left = call("config", "propose", "--withdraw", "retention_days", "--region", "DE", *BY, place).out
    assert left.startswith("DE: 1 setting proposed, the last in proposal 2; it answered proposal 1")
    assert call("config", "diff", "--region", "DE", place).out == (
        "every region has in force what stands proposed to it\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("config", "propose"), "nothing is proposed; give KEY=VALUE"),
        (("config", "propose", "keys.hub=1"), "setting that a hub may propose"),
        (("config", "propose", "--withdraw", "limits.rounds", "limits.rounds=4"), "in a command of their own"),
        (("config", "propose", "--law", "nowhere.json"), "nowhere.json cannot be read"),
        (("config", "diff", "--region", "XX"), "nothing was proposed to XX"),
    ],
)
def test_what_cannot_be_is_one_line_with_the_way_out(place: str, words: tuple[str, ...], said: str) -> None:
    refused = call(*words, place)
    assert (refused.code, said in refused.line) == (2, True), refused.line


def answer(place: str, given: SettingsAnswer) -> None:
    """Keeps an answer as the service takes it."""
    with control_hub(Path(place.removeprefix("workspace="))) as hub, hub.database.changing() as connection:
        take_answer(connection, given)
