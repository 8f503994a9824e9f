"""A region's register is its own: no job opens its border by relying on nothing in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedsov.model.features import Features
from fedsov.model.network import initial
from fedsov.protocol.job import Asked
from fedsov.region.worker import OpenRegion, open_region
from tests.hostile.people_region import PeopleRegion, drawn, told

COVERED = """documents:
- {id: rp, kind: recipient, exporter: [US], importer: [IN], categories: ["*"], signed: 2026-01-01, owner: office,
   sha256: "", entities: [X Ltd], terms: {covered_person: "yes"}}
"""
"""What closes the border of US to the hub: X Ltd is a covered person."""
ABROAD = ("federation.hub.location=IN", "federation.hub.entity=X Ltd", "model.name=logistic", "model.hidden=[]")
HEALTH = "dataset.categories={income: [personal, health], ward: [personal, health]}"


def _answers(place: PeopleRegion, asked: Asked, *words: str, run: str) -> dict[str, Any]:
    """What leaves of a question about statistics and of a round, with the word "error" where nothing does."""
    region = open_region(replace(place.start(*words, run=run), asked=asked))
    if not isinstance(region, OpenRegion):
        return {"error": region.failure}
    try:
        told(region, "query.statistics", {"scope": "shareable"})
        features = Features(numeric=(("income", 5000.0, 2300.0),))
        model = initial(region.start.job.recipe.network, features.inputs, 0)
        question = {"scope": "shareable", "server-round": 1, "features": json.dumps(features.to_json())}
        return told(region, "train", question, model)
    finally:
        region.close()


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
