"""Every algorithm of the catalogue as a parameter of a test; the slow one takes its turn in `scripts/test --long`."""

from __future__ import annotations

import pytest

from fedsov.algorithms.catalogue import ALGORITHMS

SLOW = {"bulyan"}
"""Flower's own Bulyan sorts each number of an update by itself: half a minute where others take a second."""
EACH_ALGORITHM = [pytest.param(name, marks=pytest.mark.long) if name in SLOW else name for name in ALGORITHMS]
