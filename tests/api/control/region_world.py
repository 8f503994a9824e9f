"""Regions that serve, and the hub that rolls out to them: each process as a supervisor starts it, for tests.

with RegionWorld(tmp_path, ["DE", "GB"]) as world:
    world.begin_all()
    number = world.signed("people", 1)           # proposed, approved by the hub and by every region over the network
    world.rollouts("start", number)
    world.until_served("DE", 1)
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from fedsov.api.control.control_hub import hub_rollouts
from fedsov.api.control.rollouts.proposing import RolloutProposal, approve, propose
from fedsov.api.control.rollouts.region_rollouts import RegionApproval, approve_in_region
from fedsov.api.deployment.trial import set_up_trial
from fedsov.api.inference.endpoints.endpoint import Listening, publish_endpoint
from fedsov.api.region_settings import set_settings
from fedsov.control_plane.rollouts.status import RolloutStatus
from fedsov.runtimes.serving.place import EndpointPlace
from fedsov.runtimes.serving.running import Running, read_running
from fedsov.storage.serving_folder import ServingFolder
from tests.api.control.processes import HUB, ControlProcesses, until
from tests.api.inference.world import register, workspace_of
from tests.inference.token_attacks import TokenWorld
from tests.runtimes.deployment.hub_side import ADDRESS
from tests.runtimes.deployment.world import free_port

MODEL = "people"
ROW = {"age": 40, "salary": 50000, "remote": "yes", "size": "20"}


class RegionWorld:
    """A hub and regions of one workspace, each with its own processes."""

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self.names, self.workspace = list(names), workspace_of(root, *names)
        trial = set_up_trial(root, self.names, ADDRESS)
        self.processes = ControlProcesses(root, self.names, trial=trial)
        self.tokens = TokenWorld.new(path=f"/v1/models/{MODEL}/predict")
        (root / "jwks.json").write_bytes(self.tokens.jwks())
        (root / "issuers.yaml").write_text(self.tokens.issuers(str(root / "jwks.json")))
        set_settings(root, self.names, [f"serving.issuers={root / 'issuers.yaml'}"])
        self.places: dict[str, EndpointPlace] = {}

    def __enter__(self) -> RegionWorld:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.processes.__exit__(kind, error, trace)

    @property
    def root(self) -> Path:
        return self.workspace.root

    def serving(self, name: str) -> ServingFolder:
        return ServingFolder(self.workspace.region(name))

    def begin_all(self) -> None:
        """Starts the hub's service, and each region's agent and endpoint."""
        self.processes.begin_hub()
        for name in self.names:
            self.processes.begin_region(name)
            self.begin_endpoint(name)
        for name in self.names:
            self.processes.until_seen(name)

    def begin_endpoint(self, name: str) -> None:
        """Publishes a region's endpoint, and starts it."""
        listening = Listening(port=free_port(), zone_port=free_port(), tls=False)
        place = publish_endpoint(self.root, name, listening).place
        self.places[name] = place
        self.processes.begin(
            f"{name} endpoint", "fedsov.runtimes.serving.endpoint_process", str(place.path), place.region_key
        )

    def registered(self, model: str = MODEL, **changed: Any) -> int:
        """Another version in the hub's registry."""
        return register(self.workspace, "hub", model, **changed)

    def approved(self, version: int, model: str = MODEL, **asked: Any) -> int:
        """A rollout that the hub approved; its number."""
        proposal = RolloutProposal(model, version, by="A. Person", why="better in May", **asked)
        number = propose(self.root, proposal).rollout.number
        approve(self.root, number, by="A. Person", why="the trial was good")
        return number

    def sign(self, number: int, name: str) -> RegionApproval:
        """A region's approval, over the network."""
        return approve_in_region(self.root, number, name, by="B. Person", why="tried on our rows")

    def signed(self, version: int, model: str = MODEL, **asked: Any) -> int:
        """A rollout that everybody approved."""
        number = self.approved(version, model, **asked)
        for name in self.names:
            self.sign(number, name)
        return number

    def act(self, name: str, number: int, **more: Any) -> RolloutStatus:
        """What the service does at a person's word: nothing is handed to a region but what its agent fetches."""
        with hub_rollouts(self.root) as rollouts:
            return getattr(rollouts, name)(number, by="A. Person", why="a quiet day", **more)

    def status(self, number: int) -> RolloutStatus:
        with hub_rollouts(self.root) as rollouts:
            return rollouts.status(number)

    def running(self, name: str) -> Running | None:
        return read_running(self.serving(name).running)

    def versions(self, name: str, model: str = MODEL) -> list[int]:
        """What every worker of a region's endpoint has."""
        running = self.running(name)
        if running is None:
            return []
        return [each.version for each in running.versions if each.model == model and each.workers == running.workers]

    def until_served(self, name: str, version: int) -> None:
        """Waits until a region's workers have a version, and none another."""
        until(lambda: self.versions(name) == [version], f"{name} to serve {version}; {self.logs(name)}")

    def until_known(self, name: str, version: int) -> None:
        """Waits until the hub knows that a region runs a version."""

        def known() -> bool:
            state = self.processes.state(name)
            return state is not None and [each.version for each in state.running] == [version]

        until(known, f"the hub to know that {name} serves {version}; {self.logs(name)}")

    def ask(self, name: str, rows: int = 1, row: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Status and answer of a prediction."""
        connection = http.client.HTTPConnection("127.0.0.1", self.places[name].port, timeout=20)
        head = {"authorization": f"Bearer {self.tokens.token(name)}", "content-type": "application/json"}
        try:
            connection.request("POST", self.tokens.path, json.dumps({"rows": [row or ROW] * rows}), head)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def zone(self, name: str) -> str:
        """The metrics that a region's endpoint tells within its zone."""
        connection = http.client.HTTPConnection("127.0.0.1", self.places[name].zone_port, timeout=20)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def logs(self, name: str) -> str:
        """The ends of a region's logs, and of the hub's."""
        return "\n".join(
            path.read_text()[-1500:]
            for each in (name, f"{name} endpoint", HUB)
            if (path := self.processes.log(each)).exists()
        )
