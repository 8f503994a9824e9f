"""A ledger of 21 entries, and its export."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import export
from tests.ledger.world import EXPORTED


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    opened = Ledger(tmp_path / "ledger.sqlite", "eu")
    opened.append_all({"act": "note", "text": "größer – 大", "number": number} for number in range(1, EXPORTED + 1))
    return opened


@pytest.fixture
def bundle(ledger: Ledger, tmp_path: Path) -> Path:
    export(ledger, tmp_path / "export")
    return tmp_path / "export"
