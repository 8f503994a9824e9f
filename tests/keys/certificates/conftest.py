"""An authority, open."""

from __future__ import annotations

import pytest

from fedsov.keys.certificates import OpenAuthority, new_authority
from tests.keys.certificates.names import NOW, WORDS


@pytest.fixture(scope="session")
def authority() -> OpenAuthority:
    return new_authority(WORDS, now=NOW).opened(WORDS)
