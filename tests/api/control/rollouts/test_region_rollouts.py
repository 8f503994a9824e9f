"""A region approves, takes, serves and tells over the network: real service, agents, endpoints, ledgers and models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest

from fedsov.api.control.rollouts import region_rollouts
from fedsov.api.region_settings import set_settings
from fedsov.errors import ApprovalRefused, ConfigurationError
from fedsov.protocol.control import control_pb2 as control
from fedsov.protocol.rollouts import WORDS
from fedsov.runtimes.deployment.hub_connection import HubUnreachable
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient, ControlRefused
from fedsov.storage.control_folder import RegionControlFolder
from tests.api.control.processes import HUB, until
from tests.api.control.region_world import MODEL, RegionWorld
from tests.api.inference.world import notes
from tests.model.world import numbers

REQUESTS = 25
"""In these regions a version is judged from so many on."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegionWorld]:
    """A hub with regions DE and GB, whose endpoints serve version 1."""
    with RegionWorld(tmp_path_factory.mktemp("home") / "w", ["DE", "GB"]) as world:
        set_settings(world.root, world.names, [f"serving.guard.requests={REQUESTS}", "serving.guard.slower=1000"])
        world.begin_all()
        world.act("start", world.signed(world.registered(), canary="DE"), at_once=True)
        for name in world.names:
            world.until_served(name, 1)
        yield world


def test_a_version_reaches_the_region_s_workers_and_the_hub_knows_it_and_it_goes_back(world: RegionWorld) -> None:
    version = world.registered()
    number = world.approved(version, canary="DE")
    assert world.versions("DE") == [1] and world.status(number).rollout.steps["DE"].state == "unsigned"
    shown = world.sign(number, "DE")
    assert shown.version.version == version and "signed with the way back" in shown.lines()[0]
    assert world.versions("DE") == [1], "signed is not started"
    world.act("start", number)
    world.until_served("DE", version)
    world.until_known("DE", version)
    assert world.ask("DE")[1]["version"] == version
    assert world.versions("GB") == [1] and world.ask("GB")[1]["version"] == 1, "GB has not signed"
    world.act("rollback", number)
    world.until_served("DE", 1)
    world.until_known("DE", 1)
    counters = [note["counter"] for note in notes(world.workspace, "DE", "approved_versions")]
    assert counters == sorted(set(counters)), "each list was taken once, in order"


def test_people_of_the_region_hear_what_waits_for_them(world: RegionWorld) -> None:
    number = world.approved(world.registered(), canary="DE")
    agent = RegionControlFolder(world.workspace.region("GB")).agent
    until(lambda: f"rollout {number}:" in json.loads(agent.read_bytes())["waits"], "GB to hear of it")
    until(lambda: f"fedsov rollout approve {number} --region GB" in world.processes.log("GB").read_text(), "a line")
    assert world.versions("GB") == [1], "it waits, and takes nothing"


def test_what_does_not_wait_for_a_region_is_not_signed(world: RegionWorld) -> None:
    number = world.approved(world.registered(), regions=("DE",))
    with pytest.raises(ControlRefused, match="GB"):
        world.sign(number, "GB")
    with pytest.raises(ControlRefused, match="no rollout 999|999"):
        world.sign(999, "DE")
    with pytest.raises(ConfigurationError, match="unknown region 'FR'"):
        region_rollouts.approve_in_region(world.root, number, "FR")


@pytest.mark.long
def test_files_that_are_lost_are_fetched_again_before_a_list_is_taken(world: RegionWorld) -> None:
    version = world.registered()
    number = world.signed(version, canary="DE")
    folder = world.serving("DE").model(MODEL, version)
    for name in ("model.onnx", "model.json"):
        (folder / name).unlink()
    (folder / "model.safetensors").write_bytes(b"another")
    world.act("start", number)
    world.until_served("DE", version)
    until(lambda: (folder / "model.safetensors").read_bytes() != b"another", "what lay there to be read again")
    assert (folder / "model.onnx").is_file() and (folder / "model.json").is_file()
    world.act("rollback", number)
    world.until_served("DE", 1)


def test_a_candidate_that_the_hub_s_ledger_key_did_not_sign_is_not_looked_at(
    world: RegionWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = world.approved(world.registered(), canary="DE")
    true = ControlClient.candidate

    def changed(client: ControlClient, request: control.CandidateRequest) -> control.CandidateAnswer:
        answer = true(client, request)
        answer.document = answer.document.replace(b'"share": 1.0', b'"share": 0.5')
        return answer

    monkeypatch.setattr(ControlClient, "candidate", changed)
    with pytest.raises(ApprovalRefused, match="not signed by the hub's pinned key"):
        world.sign(number, "DE")


def test_the_next_wave_begins_by_itself_when_the_canary_s_window_is_without_a_fault(world: RegionWorld) -> None:
    number = world.signed(world.registered(), canary="DE")
    version = world.status(number).rollout.version
    world.act("start", number)
    world.until_served("DE", version)
    assert world.versions("GB") == [1], "the canary's window is not whole"
    for _ in range(REQUESTS):
        assert world.ask("DE")[1]["version"] == version
    world.until_served("GB", version)
    world.act("rollback", number)
    for name in world.names:
        world.until_served(name, 1)


def test_a_version_that_does_not_read_what_people_send_is_taken_back_by_itself(world: RegionWorld) -> None:
    number = world.signed(world.registered(features=numbers(3)), canary="DE")
    version = world.status(number).rollout.version
    world.act("start", number)
    world.until_served("DE", version)
    for _ in range(REQUESTS):
        assert world.ask("DE")[0] in (200, 422)
    world.until_served("DE", 1)
    status = world.status(number).rollout
    assert status.state == "stopped" and "DE reported errors" in status.why and world.versions("GB") == [1]
    assert world.ask("DE")[1]["version"] == 1


def test_what_is_told_of_use_is_a_word_and_bands_and_no_count(world: RegionWorld) -> None:
    def verdicts() -> list[Mapping[str, Any]]:
        state = world.processes.state("DE")
        return [] if state is None else list(state.report["verdicts"])

    until(verdicts, "a verdict")
    noted = notes(world.workspace, "DE", "version_judged")
    assert {"ok", "errors"} <= {each["word"] for each in noted}, "each word is in the region's ledger before it leaves"
    for each in verdicts():
        assert set(each) == {"model", "version", "verdict", "bands"} and each["verdict"] in WORDS
        assert set(each["bands"]) <= {"errors", "slower", "psi"}
        assert all(words == "unknown" or words.startswith(("up to ", "above ")) or " to " in words
                   for words in each["bands"].values())  # fmt: skip


@pytest.mark.long
def test_agent_and_worker_that_are_killed_whenever_end_what_was_begun(world: RegionWorld) -> None:
    number = world.signed(world.registered(), canary="DE")
    version = world.status(number).rollout.version
    for act, wanted in (("start", version), ("rollback", 1)):
        world.act(act, number)
        world.processes.kill("DE")
        os.kill(worker_of(world, "DE"), signal.SIGKILL)
        assert len(world.versions("DE")) <= 1
        world.processes.begin_region("DE")
        world.until_served("DE", wanted)
        world.until_known("DE", wanted)
    counters = [note["counter"] for note in notes(world.workspace, "DE", "approved_versions")]
    assert counters == sorted(set(counters)), "each list was noted once, in order"


def worker_of(world: RegionWorld, name: str) -> int:
    """The number of the one worker of a region's endpoint."""
    parent = world.processes.running[f"{name} endpoint"].pid
    children = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=True)
    return int(children.stdout.split()[0])


def test_a_region_that_is_cut_off_goes_on_serving_says_since_when_and_catches_up(world: RegionWorld) -> None:
    number = world.signed(world.registered(), canary="DE")
    version = world.status(number).rollout.version
    world.processes.kill(HUB)
    agent = RegionControlFolder(world.workspace.region("DE")).agent
    until(lambda: json.loads(agent.read_bytes())["cut_off_since"], "DE to see that it is cut off")
    since = datetime.fromisoformat(json.loads(agent.read_bytes())["cut_off_since"]).timestamp()
    assert f'fedsov_inference_hub_cut_off_since{{region="DE"}} {since:.10g}' in world.zone("DE")
    with pytest.raises(HubUnreachable):
        world.sign(number, "GB")
    world.act("start", number)
    assert world.ask("DE")[1]["version"] == 1
    world.processes.begin_hub()
    world.until_served("DE", version)
    until(lambda: json.loads(agent.read_bytes())["cut_off_since"] is None, "DE to be back")
    world.act("rollback", number)
    world.until_served("DE", 1)
