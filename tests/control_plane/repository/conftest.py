"""A hub with a repository, and regions that read it by their own folders; real keys, ledgers and metadata."""

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fedsov.control_plane.database.engine import Database
from fedsov.control_plane.repository.metadata import SignedList
from fedsov.control_plane.repository.repository import Repository
from fedsov.inference.approved import ApprovedList, ApprovedVersion, Signatory, written
from fedsov.ledger.ledger import Ledger
from fedsov.runtimes.deployment.region_agent.approved_source import ApprovedSource, RegionPins
from fedsov.storage.control_folder import HubControlFolder, RegionControlFolder


class World:
    """A hub and its regions."""

    def __init__(self, folder: Path, names=("DE", "US"), url=""):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.hub = Ledger(folder / "hub" / "ledger.sqlite", "hub")
        self.database = Database.open(url or f"sqlite:///{folder}/control.sqlite")
        self.control = HubControlFolder(folder)
        self.repository = Repository.open(self.database, self.control, self.hub)
        self.ledgers = {name: Ledger(folder / name / "ledger.sqlite", name) for name in names}
        if set(self.repository.enrolled()) == set(names):
            return
        with self.database.changing() as connection:
            for name, ledger in self.ledgers.items():
                self.repository.enroll(connection, name, ledger.key)

    def at(self, moment: datetime) -> Repository:
        """The repository as its hub's clock tells another time."""
        return replace(self.repository, now=lambda: moment)

    def approved(self, region: str, version: int = 1) -> bytes:
        """An approved list of a region, signed by both."""
        approved = ApprovedVersion("salaries", version, digest="00" * 32, by="A. Person", why="trial", at="2026-11-30")
        ledger = self.ledgers[region]
        listed = replace(ApprovedList(region).with_version(approved, at="2026-11-30"), counter=version)
        return written(listed, hub=Signatory(self.hub.key, self.hub.sign), region=Signatory(ledger.key, ledger.sign))

    def signed(self, region: str, version: int = 1, *, content: bytes = b"") -> SignedList:
        """A list with its metadata, as hub and region sign it."""
        content = content or self.approved(region, version)
        with self.database.changing() as connection:
            draft = self.repository.draft(connection, region, content)
        return self.repository.complete(region, content, draft, self.ledgers[region].sign(draft))

    def publish(self, *lists: SignedList, repository: Repository | None = None, **files) -> None:
        """Publishes lists and files."""
        with self.database.changing() as connection:
            (repository or self.repository).publish(connection, lists=lists, **files)

    def reader(self, region: str, name: str = "", **more) -> "Reader":
        """What reads the repository for a region, in a folder of its own."""
        return Reader(self, region, RegionControlFolder(self.folder / (name or f"{region}-reads")), **more)

    def close(self):
        for each in (self.database, self.hub, *self.ledgers.values()):
            each.close()


@dataclass
class Reader:
    """A region that reads, and counts what it was sent."""

    world: World
    region: str
    folder: RegionControlFolder
    root: bytes = b""
    altered: object = None

    def __post_init__(self):
        self.root = self.root or self.world.repository.root()
        self.asked: list[str] = []
        self.sent = 0
        self.source = self.opened()

    def opened(self, now=lambda: datetime.now(UTC)) -> ApprovedSource:
        """The region's reader, as after a start of its process."""
        pins = RegionPins(self.region, self.world.hub.key, self.world.ledgers[self.region].key)
        self.source = ApprovedSource(self.folder, pins, self.root, self.fetch, now=now)
        return self.source

    def fetch(self, path):
        content = self.world.repository.fetch(path, region=self.region)
        content = content.read_bytes() if isinstance(content, Path) else content
        if self.altered is not None:
            content = self.altered(path, content)
        if content is None:
            return None
        self.asked.append(path)
        return self._counted(content)

    def _counted(self, content):
        for piece in [content] if isinstance(content, bytes) else content:
            self.sent += len(piece)
            yield piece


@pytest.fixture(scope="session")
def first_world(tmp_path_factory):
    """A world in which nothing was published, to be copied."""
    folder = tmp_path_factory.mktemp("first_world") / "world"
    World(folder).close()
    return folder


@pytest.fixture
def world(tmp_path, first_world):
    copy = World(shutil.copytree(first_world, tmp_path / "world"))
    yield copy
    copy.close()
