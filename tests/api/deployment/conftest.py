"""A deployment that was set up, for two regions that have not joined yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.deployment.world import Deployment


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    made = Deployment(tmp_path)
    made.set_up()
    return made
