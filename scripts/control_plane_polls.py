"""What a poll of the hub's repository costs a region, with 1,000 versions of models published: time and bytes.

python scripts/control_plane_polls.py
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.repository.repository import Repository
from fedsov.inference.approved import ApprovedList, ApprovedVersion, Signatory, written
from fedsov.ledger.ledger import Ledger
from fedsov.runtimes.deployment.region_agent.approved_source import ApprovedSource, RegionPins
from fedsov.storage.atomic_files import sha256_hex
from fedsov.storage.control_folder import HubControlFolder, RegionControlFolder

UNITS = ("ms of CPU in the region", "ms of CPU at the hub", "kB", "ms in all")
VERSIONS, TIMES = 1000, 9
FILES = ("model.safetensors", "model.onnx", "model.json", "provenance.json")
NAMES = ("DE", "FR", "GB", "IE", "US")


@dataclass
class Federation:
    """A repository at the hub, and regions that read it, in this process."""

    folder: Path
    sent: int = 0
    hub_seconds: float = 0.0
    counters: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hub = Ledger(self.folder / "hub" / "ledger.sqlite", "hub")
        self.ledgers = {name: Ledger(self.folder / name / "ledger.sqlite", name) for name in NAMES}
        self.database = Database.open(f"sqlite:///{self.folder}/control.sqlite")
        self.repository = Repository.open(self.database, HubControlFolder(self.folder), self.hub)
        with self.database.changing() as connection:
            for name, ledger in self.ledgers.items():
                self.repository.enroll(connection, name, ledger.key)

    def publish_versions(self, numbers: Iterable[int]) -> None:
        """Publishes files of versions, for DE."""
        named = ((number, name) for number in numbers for name in FILES)
        files = {f"models/salaries/{number}/{name}": f"{number} {name}".encode() for number, name in named}
        with self.database.changing() as connection:
            self.repository.publish(connection, files=files, readers=["DE"])

    def publish_list(self, region: str) -> None:
        """Publishes the next list of a region, signed by both."""
        counter = self.counters[region] = self.counters.get(region, 0) + 1
        version = ApprovedVersion("salaries", counter, digest="00" * 32, by="A. Person", why="a trial", at="2026-11-30")
        listed = replace(ApprovedList(region).with_version(version, at="2026-11-30"), counter=counter)
        ledger = self.ledgers[region]
        signatories = {"hub": Signatory(self.hub.key, self.hub.sign), "region": Signatory(ledger.key, ledger.sign)}
        content = written(listed, **signatories)
        with self.database.changing() as connection:
            draft = self.repository.draft(connection, region, content)
        whole = self.repository.complete(region, content, draft, ledger.sign(draft))
        with self.database.changing() as connection:
            self.repository.publish(connection, lists=[whole])

    def source(self, name: str) -> ApprovedSource:
        """What reads for DE, in a folder of this name."""
        pins = RegionPins("DE", self.hub.key, self.ledgers["DE"].key)
        return ApprovedSource(RegionControlFolder(self.folder / name), pins, self.repository.root(), self.fetch)

    def fetch(self, path: str) -> list[bytes] | None:
        start = time.process_time()
        content = self.repository.fetch(path, region="DE")
        self.hub_seconds += time.process_time() - start
        pieces = None if content is None else [content if isinstance(content, bytes) else content.read_bytes()]
        self.sent += sum(map(len, pieces or []))
        return pieces

    def measured(self, act: Callable[[], object], before: Callable[[], object] = lambda: None) -> tuple[float, ...]:
        """Of the quickest of several, as `UNITS` says."""
        samples = []
        for _ in range(TIMES):
            before()
            self.sent, self.hub_seconds, start, begun = 0, 0.0, time.perf_counter(), time.process_time()
            act()
            spent, passed = time.process_time() - begun, time.perf_counter() - start
            samples.append((spent - self.hub_seconds, self.hub_seconds, self.sent / 1e6, passed))
        return tuple(value * 1e3 for value in min(samples))

    def close(self) -> None:
        for each in (self.database, self.hub, *self.ledgers.values()):
            each.close()


def poll_costs() -> dict[str, float]:
    """By name, `UNITS` each. Asked: at most 5 ms and 200 kB a poll."""
    with tempfile.TemporaryDirectory() as folder, closing(Federation(Path(folder))) as federation:
        federation.publish_versions(range(1, VERSIONS + 1))
        federation.publish_list("DE")
        source = federation.source("reads")
        source.poll()
        digests = {name: sha256_hex(f"1 {name}".encode()) for name in FILES}

        def by_digest() -> None:
            for name, digest in digests.items():
                source.approved_file(f"models/salaries/1/{name}", digest, most=10**6)

        def cold() -> None:
            numbers.append(federation.source(f"cold-{len(numbers)}").poll().version)

        def list_of(region: str) -> Callable[[], None]:
            return partial(federation.publish_list, region)

        numbers: list[int] = []
        rows = {
            "a poll, nothing new": federation.measured(source.poll),
            "a poll, another's list": federation.measured(source.poll, list_of("US")),
            "a poll, a new list": federation.measured(source.poll, list_of("DE")),
            "a first poll": federation.measured(cold),
            "four files of a version, by digest": federation.measured(by_digest),
            "publishing a list": federation.measured(lambda: federation.publish_list("DE")),
        }
    return {
        f"{name}, {unit}": round(value, 2) for name, row in rows.items() for unit, value in zip(UNITS, row, strict=True)
    }


if __name__ == "__main__":
    json.dump(poll_costs(), sys.stdout, indent=1)
