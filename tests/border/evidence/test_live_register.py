"""Evidence as it stands: the file as it is now, approvals as the ledger has them now."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fedsov.artifact import Artifact, Kind
from fedsov.border.evidence.approvals import approval_entry, withdrawal_entry
from fedsov.border.evidence.live_register import LiveRegister
from fedsov.border.gate import Gate, Refused
from fedsov.label import Label
from fedsov.ledger.ledger import Ledger
from tests.border.world import DAY, DEMO, artifact, law, party

AT = "2026-11-23T10:00:00.000+00:00"


def gate_of(place: Path, code: str, register: Path | None) -> Gate:
    ledger = Ledger(place / f"{code}.sqlite", code)
    return Gate(
        party(code), bundle=law(), evidence=LiveRegister(register, ledger), ledger=ledger, run="r", today=lambda: DAY
    )


def approve(gate: Gate, review: str, *, days: int = 30) -> dict:
    until = DAY + timedelta(days=days)
    entry = approval_entry({"review": review}, by="A. Person", why="checked", since=DAY, until=until, at=AT)
    gate.ledger.append(entry)
    return entry


def waiting(gate: Gate, thing: Artifact, to: str) -> str:
    with pytest.raises(Refused) as caught:
        gate.cross(thing, party(to))
    assert caught.value.decision.verdict == "review"
    assert caught.value.decision.id == gate.ledger.entries()[-1].body["review"]
    return caught.value.decision.id


def test_a_document_taken_from_the_file_counts_for_nothing_from_the_next_crossing_on(tmp_path: Path) -> None:
    register = tmp_path / "documents.yaml"
    register.write_text(DEMO.read_text())
    gate, update = gate_of(tmp_path, "DE", register), artifact(Kind.UPDATE, "DE")
    gate.cross(update, party("US"))
    register.write_text(
        DEMO.read_text().replace("id: demo-scc-de-us\n  kind: scc_eu", "id: demo-scc-de-us\n  kind: scc_ch")
    )
    with pytest.raises(Refused, match="scc_eu"):
        gate.cross(update, party("US"))


def test_a_register_that_cannot_be_read_lets_nothing_cross_that_needs_a_document_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    register = tmp_path / "documents.yaml"
    register.write_text(DEMO.read_text())
    gate, update = gate_of(tmp_path, "DE", register), artifact(Kind.UPDATE, "DE")
    gate.cross(update, party("US"))
    for spoil in (lambda: register.write_text("documents: ["), lambda: os.remove(register)):
        spoil()
        with pytest.raises(Refused, match="scc_eu"):
            gate.cross(update, party("US"))
        gate.cross(update, party("GB"))  # which needs none
        assert "documents.yaml" in caplog.text
        caplog.clear()
    register.write_text(DEMO.read_text())
    gate.cross(update, party("US"))
    verdicts = [entry.body["verdict"] for entry in gate.ledger.entries()]
    assert verdicts == ["permit", "refuse", "permit", "refuse", "permit", "permit"]


def test_a_review_crosses_once_a_person_approved_it_and_stops_when_the_approval_is_withdrawn(tmp_path: Path) -> None:
    gate, update = gate_of(tmp_path, "US", None), artifact(Kind.UPDATE, "US", count=50)
    entry = approve(gate, waiting(gate, update, "CN"))
    assert gate.cross(update, party("CN")) is update
    permitted = gate.ledger.entries()[-1].body
    assert (permitted["verdict"], permitted["documents"]) == ("permit", [entry["approval"]])
    (approval,) = gate.evidence.approvals()
    gate.ledger.append(withdrawal_entry(approval, by="B. Person", why="no longer", at=AT))
    waiting(gate, update, "CN")


def test_an_approval_is_for_that_review_alone_and_for_its_days(tmp_path: Path) -> None:
    gate, update = gate_of(tmp_path, "US", None), artifact(Kind.UPDATE, "US", count=50)
    approve(gate, waiting(gate, update, "CN"), days=3)
    waiting(gate, update, "RU")
    waiting(gate, artifact(Kind.MODEL, "US", count=50), "CN")
    waiting(gate, Artifact(Kind.UPDATE, Label(frozenset({"US"}), frozenset({"health"})), count=50), "CN")
    late = replace(gate, today=lambda: DAY + timedelta(days=4))
    waiting(late, update, "CN")
    assert gate.consider(update, party("CN")).verdict == "permit"


def test_an_approval_never_opens_a_refusal(tmp_path: Path) -> None:
    gate = gate_of(tmp_path, "US", None)
    bulk = Artifact(Kind.UPDATE, Label(frozenset({"US"}), frozenset({"health"})), count=50_000)
    for review in ("", "R0000000000", waiting(gate, artifact(Kind.UPDATE, "US", count=50), "CN")):
        approve(gate, review)
    assert gate.consider(bulk, party("CN")).verdict == "refuse"
