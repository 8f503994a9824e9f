"""What the regions' own gates and settings are asked while their rows are sorted."""

from __future__ import annotations

import json
from pathlib import Path

from fedsov.jurisdiction import Region
from fedsov.ledger.ledger import Ledger
from fedsov.partition.told_counts import in_tens
from fedsov.runtimes.ingestion_gates import party_of
from fedsov.runtimes.ingestion_process import ingest_source
from tests.runtimes.test_ingestion_process import request_of


def test_consent_is_asked_of_each_region_s_gate_and_its_ledger_says_why(tmp_path: Path) -> None:
    consent = "dataset.consent={share:0.5,document:consent_global}"
    report = ingest_source(request_of(tmp_path, consent))
    assert report["stored"] == 60
    acts = [entry.body["act"] for entry in Ledger.read(tmp_path / "w/regions/DE/ledger.sqlite").entries()]
    assert "release" in acts


def test_rows_of_people_are_told_in_tens_and_only_once_their_gate_let_the_number_pass(tmp_path: Path) -> None:
    told = ingest_source(request_of(tmp_path, "dataset.examples=null"))
    assert told["rounded"] and told["stored"] == 60 and told["rows_in"] % 10 == 0
    entries = [entry.body for entry in Ledger.read(tmp_path / "w/regions/DE/ledger.sqlite").entries()]
    (crossing,) = [body for body in entries if body.get("name") == "rows that were ingested"]
    assert crossing["verdict"] == "permit" and "33" not in json.dumps(crossing["name"])
    assert [in_tens(rows) for rows in (0, 9, 10, 47)] == [0, 0, 10, 40]


def test_a_region_is_a_party_with_its_owners_and_role() -> None:
    region = Region("DE", frozenset({"DE"}), "DE", "Example", "key", owners=frozenset({"US"}), role="processor")
    party = party_of(region)
    assert (party.name, party.location, party.owners, party.role) == ("DE", "DE", {"US"}, "processor")
