"""A region approves, takes, serves and tells over the network: real service, agents, endpoints, ledgers and models."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from fedsov.api.control import region_rollouts
from fedsov.errors import ApprovalRefused, ConfigurationError
from fedsov.protocol.control import control_pb2 as control
from fedsov.runtimes.deployment.hub_connection import HubUnreachable
from fedsov.runtimes.deployment.region_agent.control_client import ControlClient, ControlRefused
from fedsov.storage.control_folder import RegionControlFolder
from tests.api.control.processes import HUB, until
from tests.api.control.region_world import MODEL, RegionWorld
from tests.api.inference.world import notes


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegionWorld]:
    """A hub with regions DE and GB, whose endpoints serve version 1."""
    with RegionWorld(tmp_path_factory.mktemp("home") / "w", ["DE", "GB"]) as world:
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


def test_what_does_not_wait_for_a_region_is_not_signed(world: RegionWorld) -> None:
    number = world.approved(world.registered(), regions=("DE",))
    with pytest.raises(ControlRefused, match="GB"):
        world.sign(number, "GB")
    with pytest.raises(ControlRefused, match="no rollout 999|999"):
        world.sign(999, "DE")
    with pytest.raises(ConfigurationError, match="unknown region 'FR'"):
        region_rollouts.approve_in_region(world.root, number, "FR")


def test_files_that_are_lost_are_fetched_again_before_a_list_is_taken(world: RegionWorld) -> None:
    version = world.registered()
    number = world.signed(version, canary="DE")
    folder = world.serving("DE").model(MODEL, version)
    for name in ("model.onnx", "model.json"):
        (folder / name).unlink()
    (folder / "model.safetensors").write_bytes(b"another")
    world.act("start", number)
    world.until_served("DE", version)
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


def test_a_region_that_is_cut_off_goes_on_serving_says_since_when_and_catches_up(world: RegionWorld) -> None:
    number = world.signed(world.registered(), canary="DE")
    version = world.status(number).rollout.version
    world.processes.kill(HUB)
    agent = RegionControlFolder(world.workspace.region("DE")).agent
    until(lambda: json.loads(agent.read_bytes())["cut_off_since"], "DE to see that it is cut off")
    with pytest.raises(HubUnreachable):
        world.sign(number, "GB")
    world.act("start", number)
    assert world.ask("DE")[1]["version"] == 1
    world.processes.begin_hub()
    world.until_served("DE", version)
    until(lambda: json.loads(agent.read_bytes())["cut_off_since"] is None, "DE to be back")
    world.act("rollback", number)
    world.until_served("DE", 1)
