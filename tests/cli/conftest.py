"""Commands that are run in this process share their fork servers."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def warm(fork_servers: None) -> None:
    """Before the first test of this folder that a process runs."""
