"""The rows that every attack is tried on."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from tests.attacks.world import N


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 12)).astype(np.float32)
    return X, (X[:, 0] + rng.normal(size=N) > 0).astype(float)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """A seeded generator warns each time that it is made; here some thousand are."""
    caplog.set_level(logging.ERROR, logger="fedsov.privacy.mechanism")
