from __future__ import annotations

from pathlib import Path

import pytest

from fedsov.artifact import Kind
from tests.border.world import artifact, party
from tests.control_plane.compliance.ledgers import gate_of, try_to_cross


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two rounds of a global model, updates, a refusal, a review, a release, a note; all through real gates."""
    root = tmp_path / "w"
    hub, germany, states = (gate_of(root, code) for code in ("IE", "DE", "US"))
    for round_number in (1, 2):
        for gate in (germany, states):
            gate.cross(
                artifact(Kind.UPDATE, gate.owner.location, content=b"update"), party("IE"), round_number=round_number
            )
        global_model = artifact(Kind.MODEL, "DE", "GB", "US", content=b"weights %d" % round_number, count=900)
        for target in ("US", "DE"):
            hub.cross(global_model, party(target), round_number=round_number)
    try_to_cross(hub, artifact(Kind.MODEL, "DE", "GB", "US"), "IN")
    try_to_cross(hub, artifact(Kind.MODEL, "DE", "GB", "US"), "IN")
    try_to_cross(states, artifact(Kind.UPDATE, "US", count=50), "CN")
    states.release(artifact(Kind.RECORDS, "US", content=b"rows"), document="demo-global-consent")
    hub.note({"heads": {}})
    return root
