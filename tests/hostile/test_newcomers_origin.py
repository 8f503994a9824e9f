"""One newcomer from another jurisdiction shows in no label that leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fedsov.artifact import BASE_MODEL, Kind
from fedsov.label import Label, Scope
from tests.cli.world import call
from tests.hostile.people_region import COLUMNS, PeopleRegion, drawn, told

BOTH = (
    "federation.catalogue={DE: {name: DE, jurisdictions: [DE, FR], location: DE, entity: operator in DE}}",
    "federation.regions=[DE]",
)

ASKED = (*COLUMNS, "agreed")
CONSENT = ("dataset.consent={column: agreed, equals: 'yes', document: leave}", "federation.hub.location=US")


def _asked(region: PeopleRegion, french: int, run: str) -> tuple[dict[str, Any], Label]:
    """The profile of a hundred people from DE and some from FR, and what binds answers about all rows."""
    rows = [(("FR" if one >= 100 else "DE"), *row) for one, row in enumerate(drawn(range(100 + french)))]
    lines = [",".join(map(str, row)) for row in (COLUMNS, *rows)]
    (region.place / "people.csv").write_text("\n".join(lines) + "\n")
    assert call("ingest", *region.words(*BOTH), "--json", "--quiet").json
    opened = region.opened(*BOTH, run=run)
    try:
        return dict(told(opened, "query.profile", {})["profile"]), opened.outbound.session.label(Scope.ALL)
    finally:
        opened.close()


def test_a_newcomer_s_origin_shows_once_ten_people_share_it(tmp_path: Path) -> None:
    region = PeopleRegion(tmp_path)
    before, label = _asked(region, 0, "before")
    assert label.origins == {"DE"} and before["rows"] == 100
    assert _asked(region, 1, "one") == (before, label)
    after, label = _asked(region, 10, "ten")
    assert label.origins == {"DE", "FR"} == {*after["label"]["origins"]} and after["rows"] == 110


def _base_model(region: PeopleRegion, consenting: int, run: str) -> list[set[str]]:
    """The origins that a plan's questions about a base model tell, of 30 people from FR of whom so many consented."""
    rows = [
        ("FR" if one >= 100 else "DE", *row, "yes" if one < 50 or 100 <= one < 100 + consenting else "no")
        for one, row in enumerate(drawn(range(130)))
    ]
    (region.place / "people.csv").write_text("\n".join(",".join(map(str, row)) for row in (ASKED, *rows)) + "\n")
    assert call("ingest", *region.words(*BOTH, *CONSENT), "--json", "--quiet").json
    opened = region.opened(*BOTH, *CONSENT, run=run)
    try:
        hub = opened.start.hub.name
        asked = {"crossings": json.dumps([[Kind.UPDATE, hub]]), "purpose": BASE_MODEL}
        assert "error" not in told(opened, "query.propose", asked)
        entries = [entry.body for entry in opened.outbound.gate.ledger.entries(run)]
        return [{*body["origins"]} for body in entries if body["act"] == "cross" and body.get("purpose") == BASE_MODEL]
    finally:
        opened.close()


def test_the_first_consent_of_somebody_from_another_jurisdiction_shows_in_no_label(tmp_path: Path) -> None:
    """People from FR are many, and one who consented put FR into the label of what a base model is made from."""
    region = PeopleRegion(tmp_path)
    nobody = _base_model(region, 0, "nobody")
    assert nobody == _base_model(region, 1, "one") == _base_model(region, 9, "nine") == [{"DE"}]
    assert _base_model(region, 10, "ten") == [{"DE", "FR"}]
