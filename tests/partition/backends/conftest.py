from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from fedsov.partition.backends.place import StorePlace
from tests.buckets import Buckets, moto_buckets


@pytest.fixture(scope="session")
def buckets() -> Iterator[Buckets]:
    """Moto's server, started once."""
    with moto_buckets() as server:
        yield server


@pytest.fixture
def bucket(buckets: Buckets) -> StorePlace:
    """A new bucket."""
    return buckets.make(f"eu-{uuid.uuid4().hex[:12]}")
