from __future__ import annotations

from collections.abc import Iterator

import pytest

from fedsov.protocol.flower_messages import flower_process


@pytest.fixture(scope="session", autouse=True)
def warm(fork_servers: None) -> None:
    """Before the first test of this folder that a process runs: its runs share their fork servers."""


@pytest.fixture(scope="module", autouse=True)
def flower() -> Iterator[None]:
    """This process is the hub's, as in a run."""
    with flower_process():
        yield
