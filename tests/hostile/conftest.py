from __future__ import annotations

from collections.abc import Iterator

import pytest

from fedsov.protocol.flower_messages import flower_process


@pytest.fixture(scope="module", autouse=True)
def flower() -> Iterator[None]:
    """This process is the hub's, as in a run."""
    with flower_process():
        yield
