"""`fedsov retention`: what is past its period is printed and removed; holds are placed, listed and ended."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedsov.ledger.ledger import Ledger, entry_time
from fedsov.storage.workspace import ledger_of
from tests.cli.world import call
from tests.hostile.people_region import PeopleRegion, drawn


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A region of 40 people, 35 days ago, whose rows may be used for 30 days."""
    region = PeopleRegion(tmp_path_factory.mktemp("people"))
    region.ingest(drawn(range(40)))
    with closing(Ledger(ledger_of(region.folder), "DE")) as ledger:
        later = entry_time(datetime.now(UTC) + timedelta(days=35))
        ledger.append({"at": later, "run": "", "act": "note", "owner": "DE", "note": {"opened": "later"}})
    assert call("region", "set", "DE", "retention_days=30", "--yes", "--workspace", region.place / "w").code == 0
    return region.place / "w"


def test_what_is_past_and_what_is_on_hold_is_printed_and_the_rest_leaves(place: Path) -> None:
    where = ("--workspace", place)
    words = ("--dataset", "people", "--subject", "p3", *where)
    held = call("retention", "hold", "DE", *words, "--why", "case 12", "--by", "A. Person")
    assert held.out.startswith("DE: people, subject ") and "p3" not in held.out, held.err
    out = call("retention", "plan", "DE", *where).out.splitlines()
    assert out[0] == "people: 40 of 40 rows past their period, 1 of them on a legal hold"
    assert "by A. Person: case 12" in out[1] and "`fedsov retention apply DE --why TEXT`" in out[2]
    applied = call("retention", "apply", "DE", "--why", "yearly", *where)
    assert applied.out.splitlines()[-1] == "39 rows removed, and noted in the ledger"
    plain = call("retention", "plan", "DE", "--json", *where).json
    assert plain["stores"] == [{"store": "people", "rows": 1, "past": 1, "on_hold": 1}] and len(plain["holds"]) == 1
    assert "released, and noted" in call("retention", "release", "DE", *words, "--why", "closed").out
    call("retention", "apply", "DE", "--why", "closed", *where)
    assert call("retention", "apply", "DE", "--why", "yearly", *where).out.splitlines()[-1] == "nothing to remove"


def test_a_data_set_that_is_not_stored_and_a_hold_that_is_none_are_refused(place: Path) -> None:
    words = ("--why", "w", "--workspace", place)
    assert "unknown data set 'peopel'" in call("retention", "hold", "DE", "--dataset", "peopel", *words).line
    assert "holds in force: " in call("retention", "release", "DE", "--dataset", "people", *words).line
    assert "retention apply needs --why" in call("retention", "apply", "DE", "--workspace", place).line
