"""The deployment runtime: a run whose regions are machines of their own, behind a coordinator.

It connects; hub, gates and regions are the same as in process. It begins a run of Flower's at the coordinator and sends
each message in an envelope. Where the coordinator began anew, so does the run of Flower's: what was not answered is
sent again, and a region that has answered gives the same answer again.

    Deployment(workspace, hub="hub.example:9092")        # of a held workspace, the hub's home
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from flwr.app import Message

from fedsov.errors import InputError
from fedsov.hub.region_errors import error_by_name
from fedsov.hub.runtime import IngestRequest, RegionLinks, RunStart
from fedsov.ledger import known_keys
from fedsov.protocol.envelopes import opened
from fedsov.protocol.flower_messages import LOST, flower_process, reason_of
from fedsov.protocol.ingestion_report import IngestionReport
from fedsov.registry.values import RunRecord
from fedsov.runtimes import OnBytes
from fedsov.runtimes.deployment.acts import CLOSE, HOLDINGS, OPEN, REGISTER
from fedsov.runtimes.deployment.approved import contradiction
from fedsov.runtimes.deployment.grid_line import GridLine
from fedsov.runtimes.deployment.hub_connection import Credentials, HubConnection, parse_address
from fedsov.runtimes.deployment.region.holdings import check_own, merged
from fedsov.runtimes.deployment.region_links import DeployedLinks
from fedsov.runtimes.ingestion_request import report_from_json
from fedsov.runtimes.region_starts import region_starts
from fedsov.runtimes.registry_connection import RunRegistry
from fedsov.serialization import to_plain
from fedsov.storage.deployment_folder import DeploymentFolder
from fedsov.storage.party_file import read_party
from fedsov.storage.workspace import Workspace

WAIT_FOR_REGIONS = 60.0
"""Seconds that a run waits for regions that are not connected when it begins."""


class Deployment:
    """The runtime of one run at the hub's home (`fedsov.hub.runtime.Runtime`).

    Args:
        hub: the coordinator's address as HOST:PORT; by default the one in the home's ``party.yaml``.
        wait: seconds that regions which are away are waited for.
        least: regions without which a run pauses until they return, for `pause` seconds at most.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        trains: bool = True,
        on_bytes: OnBytes | None = None,
        hub: str | None = None,
        wait: float = WAIT_FOR_REGIONS,
        least: int = 2,
        pause: float = 3600.0,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._workspace, self._trains, self._on_bytes = workspace, trains, on_bytes
        folder = DeploymentFolder(workspace.root)
        address = parse_address(hub) if hub else read_party(folder.party).hub
        self._opened = ExitStack()
        connection = self._opened.enter_context(HubConnection(address, Credentials.of(folder)))
        self._line = GridLine(connection, on_bytes, say=say)
        self._opened.callback(self._line.end)
        self._links = DeployedLinks(self._line, wait=wait, least=least, pause=pause, say=say)
        self._say = say
        self._registry = RunRegistry(workspace, self._opened, on_bytes)
        self._run = ""
        self._registered: dict[str, Message] = {}

    def ingest(self, request: IngestRequest) -> IngestionReport:
        """Asks each region what it holds of the data set; nothing is ingested here.

        Raises InputError where no region holds any, or one was to ingest; and what a region refuses.
        """
        if request.rebuild or request.append is not None or request.drops_appended:
            raise InputError(
                "regions of a deployment ingest their own rows: `fedsov region ingest NAME`, in the region's home"
            )
        names = sorted(self._wanted(request.config))
        config = {**request.config, "workspace": "."}
        header = {"act": HOLDINGS, "run": request.run, "config": config}
        answers = self._links.ask(dict.fromkeys(names, header))
        parts = [part for name in names if (part := self._holdings_of(name, answers[name])) is not None]
        if not parts:
            raise InputError("no region told what it holds; the lines above say why")
        return report_from_json(merged(parts))

    def _holdings_of(self, name: str, answer: Message) -> Mapping[str, Any] | None:
        """What a region holds; None, and a sentence, for one that went away or told what cannot be read.

        Raises what it refuses.
        """
        if is_lost(answer):
            self._say(f"begins without {name}, which does not answer ({reason_of(answer)})")
            return None
        if answer.has_error():
            _json_of(name, answer, "holdings")
        try:
            part: Mapping[str, Any] = _json_of(name, answer, "holdings")
            check_own(part, name)
            (region,) = part["regions"]
            if why := contradiction(self._workspace.root, region):
                self._say(f"begins without {name}: {why}")
                return None
        except Exception as problem:  # boundary: whatever one region tells costs that region alone
            self._say(f"begins without {name}: what it tells of its rows cannot be read ({type(problem).__name__})")
            return None
        return part

    def _wanted(self, config: Mapping[str, Any]) -> list[str]:
        regions = (config.get("federation") or {}).get("regions")
        connected = self._links.wait_for(list(regions) if isinstance(regions, list | Mapping) else None)
        if not connected:
            raise InputError("no region is connected to the hub; `fedsov region serve NAME` connects one")
        return connected

    def connect(self, start: RunStart) -> RegionLinks:
        """Has each region opened for the run; they open their stores while the hub goes on."""
        self._run = start.run
        self._links.believe(start.run, known_keys.believed_keys(self._workspace.hub, start.last_known_heads))
        for node, region_start in region_starts(start, self._workspace):
            opening = {"act": OPEN, "run": start.run, "second": start.second_process, "start": to_plain(region_start)}
            self._links.add(node, region_start.region, opening)
        if self._trains:
            self._registry.begin()
        return self._links

    def register(self, owner: str, run: str, record: RunRecord | None = None) -> Sequence[tuple[str, int]]:
        """Has the registry of the hub written here, or a region's there; all regions register at once.

        Raises WorkspaceUnusable.
        """
        if owner != "hub":
            if owner not in self._registered:
                names = sorted({owner, *(party.name for party in self._links.parties.values())})
                self._registered |= self._links.ask({name: {"act": REGISTER, "run": run} for name in names})
            answer = self._registered[owner]
            if is_lost(answer):
                self._say(
                    f"record: {owner} went away ({reason_of(answer)}): its models are in its own folder, and not in "
                    "its registry; the next run registers its own"
                )
                return []
            return [(str(name), int(version)) for name, version in _json_of(owner, answer, "models")]
        return self._registry.record(self._workspace.hub, run, record)

    def close(self) -> None:
        """Has the regions close the run, and ends it at the coordinator. What a region kept for it is removed there."""
        try:
            if self._run:
                with flower_process():
                    self._links.close({"act": CLOSE, "run": self._run})
        finally:
            self._run = ""
            self._opened.close()


def is_lost(answer: Message) -> bool:
    """Whether an answer says that there is none: its region went away, or sent what cannot be read."""
    return bool(answer.has_error() and answer.error.code == LOST)


def _json_of(name: str, answer: Message, record: str) -> Any:
    """What a region told in a record of its answer. Raises its error."""
    if answer.has_error():
        kind, _, why = reason_of(answer).partition(": ")
        raise error_by_name(kind, why or f"region {name} answered with {kind}; its worker.log says why")
    content, _ = opened(answer)
    return json.loads(str(content.config_records[record]["json"]))
