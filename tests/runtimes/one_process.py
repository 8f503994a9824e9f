"""A runtime for tests alone: hub, regions and registries in one process, with nothing between them but bytes.

It proves the seam: the hub's gate and the regions' are the same objects as under any other runtime, and a region is no
more to it than `open_region` and `answer`. It protects nobody; a region's keys are in the hub's process.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from flwr.app import Message

from fedsov import registry
from fedsov.artifact import Party
from fedsov.hub.runtime import IngestRequest, RegionLinks, RunStart
from fedsov.label import Label
from fedsov.protocol.flower_messages import pack, unpack
from fedsov.protocol.ingestion_report import IngestionReport
from fedsov.protocol.job import RegionStart
from fedsov.region.run_record import RECORD, model_folder
from fedsov.region.worker import ClosedRegion, OpenRegion, answer, open_region
from fedsov.registry.values import RunRecord
from fedsov.runtimes import OnBytes
from fedsov.runtimes.ingestion_process import ingest_source
from fedsov.runtimes.ingestion_request import report_from_json, request_to_json
from fedsov.runtimes.region_starts import region_starts
from fedsov.serialization import from_plain, to_plain
from fedsov.storage.workspace import Workspace


@dataclass
class Links:
    """Regions that answer when somebody polls, in the order they were asked."""

    parties: dict[int, Party] = field(default_factory=dict)
    regions: dict[int, OpenRegion | ClosedRegion] = field(default_factory=dict)
    waiting: deque[tuple[bytes, Label]] = field(default_factory=deque)

    def send(self, message: Message, label: Label) -> None:
        self.waiting.append((pack(message), label))

    def poll(self, seconds: float) -> Iterable[tuple[Message, Label]]:
        if not self.waiting:
            return []
        content, label = self.waiting.popleft()
        message = unpack(content)
        reply, bound_by = answer(self.regions[message.metadata.dst_node_id], message, label)
        return [(unpack(pack(reply)), bound_by)]


class OneProcess:
    """The runtime of one run (`fedsov.hub.runtime.Runtime`)."""

    def __init__(
        self, workspace: Workspace, *, trains: bool = True, on_bytes: OnBytes | None = None, address: str = ""
    ) -> None:
        self._workspace, self._links, self.address = workspace, Links(), address

    def ingest(self, request: IngestRequest) -> IngestionReport:
        return report_from_json(ingest_source(request_to_json(request, self._workspace)))

    def connect(self, start: RunStart) -> RegionLinks:
        for node, told in region_starts(start, self._workspace):
            region_start = from_plain(RegionStart, json.loads(json.dumps(to_plain(told))))
            self._links.parties[node] = region_start.region
            self._links.regions[node] = open_region(region_start)
        return self._links

    def register(self, owner: str, run: str, record: RunRecord | None = None) -> Sequence[tuple[str, int]]:
        folder = self._workspace.hub if owner == "hub" else self._workspace.region(owner)
        if record is None:
            record = RunRecord.from_json(json.loads((model_folder(folder, run) / RECORD).read_text()))
        return registry.record(folder, record)

    def close(self) -> None:
        for region in self._links.regions.values():
            region.close()
        self._links.regions.clear()
