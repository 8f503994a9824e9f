"""A region's register is its own: no job opens its border by relying on nothing in it, and made-up papers open none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedsov.artifact import Party
from fedsov.config.hydra_compose import demo_register
from fedsov.model.features import Features
from fedsov.model.network import initial
from fedsov.protocol.job import Asked
from fedsov.region.worker import OpenRegion, open_region
from tests.cli.world import call
from tests.hostile.people_region import PeopleRegion, drawn, told

PARTIES = {
    "IN": Party("IN", "IN", "Example India Pvt Ltd (fictional)"),
    "DE": Party("DE", "DE", "Example Deutschland GmbH (fictional)"),
}
COVERED = """documents:
- {id: rp, kind: recipient, exporter: [US], importer: [IN], categories: ["*"], signed: 2026-01-01, owner: office,
   sha256: "", entities: [X Ltd], terms: {covered_person: "yes"}}
"""
"""What closes the border of US to the hub: X Ltd is a covered person."""
ABROAD = ("federation.hub.location=IN", "federation.hub.entity=X Ltd", "model.name=logistic", "model.hidden=[]")
HEALTH = "dataset.categories={income: [personal, health], ward: [personal, health]}"


def _trained(region: OpenRegion) -> dict[str, Any]:
    """What leaves of a round, after a question about statistics; {"error": why} where nothing does."""
    try:
        told(region, "query.statistics", {"scope": "shareable"})
        features = Features(numeric=(("income", 5000.0, 2300.0),))
        model = initial(region.start.job.recipe.network, features.inputs, 0)
        question = {"scope": "shareable", "server-round": 1, "features": json.dumps(features.to_json())}
        return told(region, "train", question, model)
    finally:
        region.close()


def _answers(place: PeopleRegion, asked: Asked, *words: str, run: str) -> dict[str, Any]:
    region = open_region(replace(place.start(*words, run=run), asked=asked))
    assert isinstance(region, OpenRegion), region
    return _trained(region)


def test_a_job_that_relies_on_no_document_does_not_open_what_the_region_s_own_closes(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(COVERED)
    (tmp_path / "none.yaml").write_text("documents: []\n")
    words = (*ABROAD, HEALTH)
    us = PeopleRegion(tmp_path, "US")
    us.ingest(drawn(range(200)), *words, f"border.evidence={tmp_path / 'own.yaml'}")
    assert _answers(us, Asked(evidence=tmp_path / "own.yaml"), *words, run="a") == {"error": "Refused"}
    assert _answers(us, Asked(), *words, run="b") == {"error": "Refused"}
    us.set(f"evidence={tmp_path / 'none.yaml'}")
    assert "arrays" in _answers(us, Asked(), *words, run="c"), "nothing else closes it"


MIXED = """
- {id: real, kind: tia, exporter: [IN], importer: [IE], categories: ["*"], signed: 2026-01-01, owner: office,
   sha256: ""}
"""
"""A document that is not made up, and opens nothing."""
CONSENT = {"column": "ward", "equals": "B", "document": "demo-global-consent", "share": 0.0}


@pytest.mark.parametrize("code", ["IN", "DE"])
def test_made_up_documents_open_no_border_for_people_s_rows_and_make_none_public(tmp_path: Path, code: str) -> None:
    """In a register that is more than a copy of the demonstration's, so that the hub's own settings take it."""
    register = tmp_path / "copy.yaml"
    marked = "  kind: global_consent\n  terms: {consent_column: ward, consent_value: B}\n"
    register.write_text(demo_register().read_text().replace("  kind: global_consent\n", marked) + MIXED)
    words = ("federation=five_countries", f"federation.regions=[{code}]", "federation.hub.location=IE", *ABROAD[2:])
    consent = "dataset.consent={column: ward, equals: B, document: demo-global-consent}"
    place = PeopleRegion(tmp_path, code)
    place.ingest(drawn(range(200)), *words, consent, f"border.evidence={register}")
    start = replace(place.start(*words, consent), region=PARTIES[code], asked=Asked(evidence=register, consent=CONSENT))
    region = open_region(start)
    assert isinstance(region, OpenRegion), region
    assert not region.outbound.session.records.public.any()
    answer = _trained(region)
    assert answer == {"error": "Refused"} if code == "IN" else "arrays" in answer, "DE's needs no document"
    ended = call("region", "set", code, "limits.rounds=50", "--yes", f"workspace={tmp_path / 'w'}")
    assert "17 of 18 documents are made up (example: true)" in ended.out
