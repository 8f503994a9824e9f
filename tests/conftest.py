"""What all tests may share: the two fork servers of this process, which take seconds to import what they fork."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fedsov.runtimes.fork_server import TO_REGISTER, TO_TRAIN, shared_fork_server


@pytest.fixture(scope="session")
def fork_servers() -> Iterator[None]:
    """Runs in this process find them running (`fedsov.runtimes.fork_server.shared_fork_server`)."""
    with shared_fork_server(TO_TRAIN), shared_fork_server(TO_REGISTER):
        yield
