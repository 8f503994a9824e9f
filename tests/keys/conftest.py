from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.keys.servers import Servers, moto_kms, two_baos


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The real key services, started once."""
    with pytest.MonkeyPatch.context() as patch, two_baos(tmp_path_factory.mktemp("bao")) as baos, moto_kms() as aws:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        yield Servers(baos, aws)
