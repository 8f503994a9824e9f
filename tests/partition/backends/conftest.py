from __future__ import annotations

import uuid

import pytest

from fedsov.partition.backends.place import StorePlace
from tests.buckets import Buckets


@pytest.fixture
def bucket(buckets: Buckets) -> StorePlace:
    """A new bucket."""
    return buckets.make(f"eu-{uuid.uuid4().hex[:12]}")
