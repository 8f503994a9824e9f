"""What all tests may share: two fork servers of this process, which take seconds to import what they fork; buckets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from fedsov.runtimes.fork_server import TO_REGISTER, TO_TRAIN, shared_fork_server

if TYPE_CHECKING:
    from tests.buckets import Buckets


@pytest.fixture(scope="session")
def fork_servers() -> Iterator[None]:
    """Runs in this process find them running (`fedsov.runtimes.fork_server.shared_fork_server`)."""
    with shared_fork_server(TO_TRAIN), shared_fork_server(TO_REGISTER):
        yield


@pytest.fixture(scope="module")
def buckets() -> Iterator[Buckets]:
    """Moto's server; its credentials are in the environment of one module's tests alone."""
    from tests.buckets import moto_buckets

    with moto_buckets() as server:
        yield server
