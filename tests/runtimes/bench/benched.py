"""A runtime for tests alone, as `tests.runtimes.one_process`, whose regions have model code run on benches."""

from __future__ import annotations

import json

from fedsov.hub.runtime import RegionLinks, RunStart
from fedsov.protocol.job import RegionStart
from fedsov.region.worker import open_region
from fedsov.runtimes.bench.process_bench import BenchServer, ProcessBench
from fedsov.runtimes.region_starts import region_starts
from fedsov.serialization import from_plain, to_plain
from tests.runtimes.one_process import OneProcess

SERVERS: list[BenchServer] = []
"""The server that a test started."""
begun: list[ProcessBench] = []


class Benched(OneProcess):
    """The runtime of one run."""

    def connect(self, start: RunStart) -> RegionLinks:
        for node, told in region_starts(start, self._workspace):
            region_start = from_plain(RegionStart, json.loads(json.dumps(to_plain(told))))
            bench = ProcessBench(SERVERS[0], keep_out=[self._workspace.root])
            begun.append(bench)
            self._links.parties[node] = region_start.region
            self._links.regions[node] = open_region(region_start, bench=bench)
        return self._links
