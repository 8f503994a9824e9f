"""`doctor`: what it says of a trial's parties, for people and for machines, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsov.runtimes.deployment.preflight.checks import CHECKS
from fedsov.storage.deployment_folder import DeploymentFolder
from tests.cli.world import call
from tests.runtimes.deployment.preflight.a_party import a_hub, a_trial

OF_THIS_MACHINE = ("software", "telemetry", "disk")
"""What a machine that runs tests need not have."""


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    workspace = tmp_path_factory.mktemp("doctor") / "w"
    with a_hub() as hub:
        made = a_trial(workspace, hub.address)
        hub.listen(made.hub)
        yield workspace


def test_machines_read_every_check_with_its_problem_and_what_mends_it(trial: Path) -> None:
    ended = call("doctor", "--workspace", trial, "--region", "EU", "--health-port", "0", "--json")
    found = json.loads(ended.out)
    assert [each["check"] for each in found] == [check.name for check in CHECKS]
    assert [each["check"] for each in found if each["problem"] and each["check"] not in OF_THIS_MACHINE] == []
    assert set(found[0]) == {"check", "seen", "problem", "mend", "made"}


def test_people_read_a_line_for_each_check_and_the_count_of_those_that_failed(trial: Path) -> None:
    key = DeploymentFolder(trial / "deployment" / "regions" / "US").key
    key.chmod(0o644)
    ended = call("doctor", "--workspace", trial, "--region", "US", "--health-port", "0")
    assert ended.code == 2
    lines = ended.out.splitlines()
    assert f"PROBLEM    key file: {key} has mode 0644, so others can read it; chmod 600 {key}" in lines
    assert "not made   handshake: it needs certificate and key; mend certificate and key first" in lines
    assert lines[-1].endswith(f" of {len(CHECKS)} not passed") and len(lines) == len(CHECKS) + 1


def test_a_region_that_the_trial_has_not_is_refused(trial: Path) -> None:
    ended = call("doctor", "--workspace", trial, "--region", "EUU")
    assert ended.code == 2 and "unknown region of the trial" in ended.line and "did you mean EU?" in ended.line


def test_a_folder_that_is_no_home_is_told(tmp_path: Path) -> None:
    ended = call("doctor", "--workspace", tmp_path / "absent")
    assert ended.code == 2 and "is no folder; name the party's home by --workspace" in ended.out
