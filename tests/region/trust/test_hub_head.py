"""A hub that was put back from a backup is known by what a region remembers of it."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from fedsov.errors import HubRestored, LedgerBroken
from fedsov.ledger import gaps
from fedsov.ledger.ledger import Ledger
from fedsov.ledger.proofs import continuations
from fedsov.region.trust.hub_head import check_hub, continued


def _run(hub: Ledger, region: Ledger) -> None:
    hub.note({"told": ["DE"]})
    region.note({"heads": {"hub": continued(region, "hub", continuations(hub)).to_json()}})
    hub.note({"end": 1})


def test_a_hub_of_yesterday_is_refused_until_both_accepted_it(tmp_path: Path) -> None:
    path = tmp_path / "hub" / "ledger.sqlite"
    with closing(Ledger(tmp_path / "DE" / "ledger.sqlite", "DE")) as region:
        check_hub(region, "hub", {})  # nothing was noted yet
        with closing(Ledger(path, "hub")) as hub:
            _run(hub, region)
        shutil.copytree(tmp_path / "hub", tmp_path / "yesterday")
        with closing(Ledger(path, "hub")) as hub:
            _run(hub, region)
            hub.note({"more": 1})
            check_hub(region, "hub", continuations(hub))
        shutil.rmtree(tmp_path / "hub")
        shutil.copytree(tmp_path / "yesterday", tmp_path / "hub")
        with closing(Ledger(path, "hub")) as hub:
            for _ in range(3):  # also once it has grown beyond what was noted
                with pytest.raises(HubRestored, match=r"does not continue .* accept-gap DE --statement FILE"):
                    check_hub(region, "hub", continuations(hub))
                hub.append_all([{"act": "note", "note": {"told": ["DE"]}}] * 4)
            gaps.note_restored(hub, archive="ab" * 32, backed_up="yesterday")
            gaps.accept_own(hub, by="A", why="w")
            gaps.accept_other(region, gaps.stated(hub), by="B", why="told")
            check_hub(region, "hub", continuations(hub))
            _run(hub, region)
            check_hub(region, "hub", continuations(hub))


def test_a_hub_that_tells_nothing_or_another_key_is_not_taken_for_the_same(tmp_path: Path) -> None:
    with (
        closing(Ledger(tmp_path / "DE" / "ledger.sqlite", "DE")) as region,
        closing(Ledger(tmp_path / "hub" / "ledger.sqlite", "hub")) as hub,
        closing(Ledger(tmp_path / "other" / "ledger.sqlite", "hub")) as other,
    ):
        _run(hub, region)
        with pytest.raises(LedgerBroken, match="told no head"):
            check_hub(region, "hub", {})
        with pytest.raises(LedgerBroken, match="it was replaced"):
            check_hub(region, "hub", continuations(other))
        for wrong in ({"head": "x"}, {"head": "{}"}, {"head": json.dumps([]), "paths": "[]"}):
            with pytest.raises(LedgerBroken):
                check_hub(region, "hub", wrong)
