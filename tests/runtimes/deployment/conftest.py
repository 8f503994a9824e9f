"""One deployment for all tests of this folder, made whole before each; what an undisturbed run over it gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtimes.deployment import disks, network, world
from tests.runtimes.deployment.world import Deployment, ingested


@pytest.fixture(scope="session")
def ingested_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ingested(tmp_path_factory.mktemp("ingested"))


@pytest.fixture(scope="session")
def _running(
    tmp_path_factory: pytest.TempPathFactory, ingested_workspace: Path, fork_servers: None
) -> Iterator[Deployment]:
    way = network.a_way()
    deployment = Deployment(tmp_path_factory.mktemp("deployment"), ingested_workspace, way=way)
    disk = deployment.disk = disks.SmallDisk(deployment.workspace / "regions" / "DE")
    try:
        deployment.start()
        yield deployment
    finally:
        deployment.end()
        disk.end()
        way.end()


@pytest.fixture
def deployed(_running: Deployment) -> Iterator[Deployment]:
    """Four regions behind a coordinator; whatever a test ends, the next one finds again."""
    _running.made_whole()
    yield _running
    _running.let_go()


@pytest.fixture(scope="session")
def undisturbed(_running: Deployment) -> bytes:
    """The global model of a run that nothing disturbed."""
    _running.made_whole()
    run = _running.run()
    run.ended()
    return _running.model(run.name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how lines were cut, disks filled and clocks shifted, for not every system permits the real thing."""
    ways = {"regions were cut off by": network.USED, "disks were filled by": disks.USED, "shifted:": world.CLOCKS}
    for what, used in ways.items():
        for kind, times in Counter(used).items():
            terminalreporter.write_line(f"{what} {kind}: {times}")
