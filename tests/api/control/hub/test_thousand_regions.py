"""A thousand regions at one hub's process; what it took is in docs/concepts/control-plane.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.control.crowd import crowd


@pytest.mark.long
def test_a_thousand_regions_wait_and_report_and_hear_news_and_none_is_refused(tmp_path: Path) -> None:
    told = crowd(tmp_path, 1000, seconds=10.0)
    assert told["refused"] == {}
    assert told["news to all, ms"] < 30_000
    assert told["MB"] < 1000
