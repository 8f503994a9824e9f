"""The packages of the proof are two applications, and a swapped one is another."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.region.trust.applications import application
from tests.containment.packages import CHANGED, STRANGER, install, swap


def test_an_application_that_was_swapped_has_another_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = dict(map(application, (STRANGER, CHANGED)))
    swap(tmp_path)
    after = dict(map(application, (STRANGER, CHANGED)))
    assert [name for name in before if before[name] != after[name]] == [f"{CHANGED}_package"]
