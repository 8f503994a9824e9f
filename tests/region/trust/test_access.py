"""A store is opened for a purpose that is decided and written down first."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from fedsov.errors import JobRefused, LedgerBroken, StoreDamaged
from fedsov.keys import KeyService, KeySettings, create_keys
from fedsov.keys.grants import grant
from fedsov.ledger.ledger import Ledger
from fedsov.region.admission import Place
from fedsov.region.settings import RegionSettings
from fedsov.region.trust.access import NOTE, Opening, keys_for, open_store


def test_a_store_is_not_touched_where_its_opening_is_refused_or_cannot_be_written_down(tmp_path: Path) -> None:
    """There is no store: only an opening that is decided and written down comes to see that."""
    keys, path = create_keys(KeySettings("DE", tmp_path)), tmp_path / "ledger.sqlite"
    training = Opening("people", "training", "A. Engineer")
    with closing(Ledger(path, "DE")) as ledger:
        with pytest.raises(StoreDamaged, match="is missing"):
            open_store(Place(tmp_path, ledger), keys, training)
        for principal in ("endpoint", "auditor", "erasure_officer"):
            grant(KeySettings("DE", tmp_path), principal, KeyService())
            its = keys_for(Place(tmp_path, ledger), RegionSettings("DE"), principal)
            with pytest.raises(JobRefused, match=f"region DE: {principal} opens no store for training"):
                open_store(Place(tmp_path, ledger), its, training)
        verdicts = [entry.body["note"][NOTE]["verdict"] for entry in ledger.notes(NOTE)]
    assert verdicts == ["permit", *["refuse"] * 3]
    with pytest.raises(LedgerBroken, match="opened for reading"):
        open_store(Place(tmp_path, Ledger.read(path)), keys, training)
