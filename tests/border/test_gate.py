"""Decide, record, act: in that order, and nothing crosses that is not written down."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fedsov.artifact import Artifact, Kind
from fedsov.border.gate import Gate, Outgoing, Refused
from fedsov.border.law.bundle_loader import unsafe_open
from fedsov.errors import CrossingRefused, LedgerBroken
from fedsov.ledger.ledger import Ledger
from tests.border.world import DAY, artifact, demo_register, law, party


@pytest.fixture
def hub(tmp_path) -> Gate:
    return open_gate(tmp_path, "IE")


def open_gate(folder, code: str, **other) -> Gate:
    parts = {"bundle": law(), "evidence": demo_register(), "run": "r1", "today": lambda: DAY}
    return Gate(party(code), ledger=Ledger(folder / f"{code}.sqlite", code), **(parts | other))


def test_a_permitted_crossing_is_written_down_and_handed_over(hub):
    model = artifact(Kind.MODEL, "DE", "GB", "US", content=b"weights", count=900)
    sent = hub.cross(model, party("US"), round_number=3, tensors={"0.weight": [16, 4]})
    (entry,) = hub.ledger.entries("r1")
    assert sent is model
    assert entry.body["verdict"] == "permit"
    assert entry.body["act"] == "cross"
    assert entry.body["round"] == 3
    assert entry.body["origins"] == ["DE", "GB", "US"]
    assert entry.body["digest"] == model.digest
    assert entry.body["bytes"] == 7
    assert entry.body["importer"]["entity"] == "Example US Inc. (fictional)"
    assert "demo-idta-gb-us" in entry.body["documents"]
    assert entry.body["tensors"] == {"0.weight": [16, 4]}
    assert entry.body["bundle"] == law().digest
    assert entry.body["unsafe"] is False


def test_a_refused_crossing_is_written_down_and_raised_with_its_way_out(hub):
    with pytest.raises(Refused, match=r"GB -> IN: needs an International Data Transfer Agreement") as caught:
        hub.cross(artifact(Kind.MODEL, "DE", "GB", "US"), party("IN"))
    assert isinstance(caught.value, CrossingRefused)
    assert "\n" not in str(caught.value)
    assert caught.value.decision.missing
    assert caught.value.crossing.target == party("IN")
    (entry,) = hub.ledger.entries()
    assert entry.body["verdict"] == "refuse"
    assert entry.body["missing"] == ["an International Data Transfer Agreement (scc_uk_idta) for GB -> IN"]


def test_crossings_together_are_each_decided_and_all_written_down_at_once(hub):
    model = artifact(Kind.MODEL, "DE", "GB", "US", content=b"weights", count=900)
    leaving = [Outgoing(model, party(code), {"0.bias": [4]}) for code in ("US", "IN", "DE")]
    first, refused, last = hub.cross_all(leaving, round_number=2)
    assert first is model and last is model
    assert isinstance(refused, Refused) and refused.crossing.target == party("IN")
    assert [entry.body["verdict"] for entry in hub.ledger.entries()] == ["permit", "refuse", "permit"]
    assert {entry.body["round"] for entry in hub.ledger.entries()} == {2}
    assert hub.cross_all([]) == ()
    assert hub.ledger.verify().entries == 3


def test_of_crossings_together_none_passes_if_one_cannot_be_written(hub):
    update = artifact(Kind.MODEL, "US", content=b"weights")
    with pytest.raises(LedgerBroken, match="nothing crossed"):
        hub.cross_all([Outgoing(update, party("US")), Outgoing(update, party("US"), {"size": float("nan")})])
    assert hub.ledger.verify().entries == 0


def test_a_review_stops_the_crossing_and_is_written_down(tmp_path):
    gate = open_gate(tmp_path, "US")
    with pytest.raises(Refused, match="needs a review"):
        gate.cross(artifact(Kind.UPDATE, "US", count=50), party("CN"))
    assert gate.ledger.entries()[0].body["verdict"] == "review"


def test_nothing_crosses_if_the_ledger_cannot_be_written(hub):
    update = artifact(Kind.MODEL, "US", content=b"weights")
    unwritable = replace(hub, ledger=Ledger.read(hub.ledger._path))
    with pytest.raises(LedgerBroken, match="nothing crossed"):
        unwritable.cross(update, party("US"))
    pages = hub.ledger._backend._connection.execute("PRAGMA page_count").fetchone()[0]
    hub.ledger._backend._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerBroken, match="nothing crossed"):
        hub.cross(update, party("US"), tensors={"tensors": "x" * 50_000})
    assert hub.ledger.verify().entries == 0


def test_nothing_is_released_if_the_ledger_cannot_be_written(hub):
    unwritable = replace(hub, ledger=Ledger.read(hub.ledger._path))
    with pytest.raises(LedgerBroken, match="nothing crossed"):
        unwritable.release(artifact(Kind.RECORDS, "DE"), document="demo-global-consent")


def test_considering_writes_nothing(hub):
    assert hub.consider(artifact(Kind.MODEL, "GB"), party("IN")).verdict == "refuse"
    assert hub.ledger.head().size == 0


def test_planning_writes_down_refusals_and_only_refusals(hub):
    assert hub.refuse(artifact(Kind.MODEL, "GB"), party("IN")).verdict == "refuse"
    assert hub.refuse(artifact(Kind.MODEL, "GB"), party("GB")).verdict == "permit"
    (entry,) = hub.ledger.entries()
    assert entry.body["verdict"] == "refuse"


def test_no_content_is_ever_written(tmp_path):
    gate = open_gate(tmp_path, "DE")
    canary = b"Jane Canary, passport X1234567"
    gate.cross(artifact(Kind.UPDATE, "DE", content=canary), party("IE"))
    with pytest.raises(Refused) as caught:
        gate.cross(artifact(Kind.ERROR, "DE", content=canary), party("IE"))
    gate.ledger.close()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Canary" not in written
    assert "Canary" not in str(caught.value)


def test_a_label_shrinks_only_by_a_release_that_is_written_down(tmp_path):
    gate = open_gate(tmp_path, "DE")
    records = artifact(Kind.RECORDS, "DE", count=80)
    assert gate.release(records, document="demo-global-consent").label.is_public
    with pytest.raises(Refused, match="no document 'absent'"):
        gate.release(records, document="absent")
    first, second = gate.ledger.entries()
    assert (first.body["act"], first.body["verdict"]) == ("release", "permit")
    assert first.body["documents"] == ["demo-global-consent"]
    assert first.body["origins"] == ["DE"]
    assert second.body["verdict"] == "refuse"


def test_unsafe_open_lets_everything_through_and_marks_the_entry(tmp_path):
    gate = open_gate(tmp_path, "DE", bundle=unsafe_open())
    gate.cross(artifact(Kind.RECORDS, "ZZ"), party("CN"))
    (entry,) = gate.ledger.entries()
    assert (entry.body["unsafe"], entry.body["rules"]) == (True, ["unsafe_open"])


def test_a_note_keeps_the_head_of_another_ledger(hub, tmp_path):
    other = Ledger(tmp_path / "other.sqlite", "DE")
    hub.note({"heads": {"DE": other.head().to_json()}})
    assert hub.ledger.entries("r1")[0].body["note"]["heads"]["DE"]["size"] == 0
    assert json.dumps(hub.ledger.entries()[0].body)


def test_the_day_of_the_decision_is_the_gates_day(tmp_path):
    gate = open_gate(tmp_path, "DE", today=lambda: DAY.replace(year=2032))
    with pytest.raises(Refused, match="expired on 2031-12-31"):
        gate.cross(Artifact(Kind.UPDATE, artifact(Kind.UPDATE, "DE").label, b"", 500), party("US"))
    assert gate.ledger.entries()[0].body["day"] == "2032-11-23"


def test_an_entry_tells_which_origin_relies_on_which_document_and_which_refuses(hub: Gate) -> None:
    with pytest.raises(Refused):
        hub.cross(artifact(Kind.MODEL, "DE", "GB", "US"), party("IN"))
    hub.cross(artifact(Kind.MODEL, "DE", "GB", "US"), party("US"))
    refused, permitted = (entry.body for entry in list(hub.ledger.entries())[-2:])
    assert refused["at_fault"] == ["GB"] and refused["relied"] == []
    assert permitted["at_fault"] == []
    owners = {document: origin for origin, document in (words.split() for words in permitted["relied"])}
    assert owners.keys() == set(permitted["documents"])
    assert (owners["demo-scc-de-us"], owners["demo-idta-gb-us"]) == ("DE", "GB")
